/*
 * Durable sends a second, beside plain SQLite making the same rows durable (the same columns and indexes, WAL,
 * synchronous=FULL, one row a transaction) in turn, in the same run, on the same disk. Absolute figures are the disk's;
 * the ratios are ours.
 *
 * bench_queue [directory] [seconds a case] [rounds]
 */
#include "io/clock.h"
#include "io/random.h"
#include "queue.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 64
#define ROUNDS_MAX  101

static char args[201];
static atomic_bool stop;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_queue: %s failed\n", what);
        exit(1);
    }
}

static void remove_files(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[600];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static void execute(sqlite3 *db, const char *sql)
{
    must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;
    must(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, sql);
    return s;
}

/* The queue's own schema, written by the queue itself. */
static sqlite3 *open_plain(const char *path)
{
    struct aivo_queue *q;
    struct aivo_queue_options options = {.path = path, .max_messages = 1, .window = 1};
    must(aivo_queue_open(&options, NULL, NULL, NULL, &q, NULL) == AIVO_OK, "open");
    aivo_queue_close(q);
    sqlite3 *db;
    must(sqlite3_open(path, &db) == SQLITE_OK, "sqlite3_open");
    execute(db, "PRAGMA journal_mode=WAL");
    execute(db, "PRAGMA synchronous=FULL");
    return db;
}

static double plain(const char *path, double seconds, int rows_each)
{
    remove_files(path);
    sqlite3 *db = open_plain(path);
    sqlite3_stmt *begin = prepare(db, "BEGIN IMMEDIATE"), *commit = prepare(db, "COMMIT");
    sqlite3_stmt *insert = prepare(db, "INSERT INTO message(seq, id, created_ms, clock_ms, expires_ms, bytes, attempts,"
                                       " event, args) VALUES(?1, ?2, ?3, ?3, ?4, 205, 0, 'event', ?5)");
    const int64_t begun_us = aivo_clock_us();
    int64_t rows = 0, now_us = begun_us;
    for (; now_us - begun_us < (int64_t)(seconds * 1e6); now_us = aivo_clock_us()) {
        must(sqlite3_step(begin) == SQLITE_DONE, "BEGIN");
        sqlite3_reset(begin);
        for (int i = 0; i < rows_each; i++) {
            unsigned char id[16];
            int64_t ms = aivo_clock_unix_ms();
            aivo_random_bytes(id, sizeof id);
            sqlite3_bind_int64(insert, 1, ++rows);
            sqlite3_bind_blob(insert, 2, id, sizeof id, SQLITE_STATIC);
            sqlite3_bind_int64(insert, 3, ms);
            sqlite3_bind_int64(insert, 4, ms + 86400000);
            sqlite3_bind_text(insert, 5, args, 200, SQLITE_STATIC);
            must(sqlite3_step(insert) == SQLITE_DONE, "INSERT");
            sqlite3_reset(insert);
        }
        must(sqlite3_step(commit) == SQLITE_DONE, "COMMIT");
        sqlite3_reset(commit);
    }
    sqlite3_finalize(begin);
    sqlite3_finalize(insert);
    sqlite3_finalize(commit);
    sqlite3_close(db);
    return (double)rows * 1e6 / (double)(now_us - begun_us);
}

struct sender {
    struct aivo_queue *q;
    pthread_t thread;
    int64_t sent;
};

static void *send_all(void *user)
{
    struct sender *s = user;
    for (; !atomic_load_explicit(&stop, memory_order_relaxed); s->sent++)
        must(aivo_queue_send(s->q, "event", args, NULL, NULL) == AIVO_OK, "send");
    return NULL;
}

static void on_wake(void *user)
{
    (void)user; /* nobody is connected */
}

static double queue(const char *path, double seconds, int threads)
{
    struct sender senders[THREADS_MAX] = {0};
    struct aivo_queue *q;
    struct aivo_queue_options options = {
        .path = path, .max_messages = 10000000, .ttl_s = 86400, .max_retries = 3, .window = 64};
    remove_files(path);
    must(aivo_queue_open(&options, NULL, on_wake, NULL, &q, NULL) == AIVO_OK, "open");
    atomic_store(&stop, false);
    const int64_t begun_us = aivo_clock_us();
    for (int i = 0; i < threads; i++) {
        senders[i].q = q;
        must(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]) == 0, "pthread_create");
    }
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&stop, true);
    int64_t sent = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(senders[i].thread, NULL);
        sent += senders[i].sent;
    }
    const int64_t took_us = aivo_clock_us() - begun_us;
    aivo_queue_close(q);
    return (double)sent * 1e6 / (double)took_us;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : ".";
    double seconds = argc > 2 ? atof(argv[2]) : 2;
    int rounds = argc > 3 ? atoi(argv[3]) : 5;
    must(seconds > 0 && rounds > 0 && rounds <= ROUNDS_MAX, "reading the arguments");
    char path[512];
    snprintf(path, sizeof path, "%s/bench-queue.db", dir);
    memset(args, 'x', 200);
    memcpy(args, "[\"", 2);
    memcpy(args + 198, "\"]", 2);
    double base[ROUNDS_MAX], batch[ROUNDS_MAX], one[ROUNDS_MAX], many[ROUNDS_MAX];
    double one_ratio[ROUNDS_MAX], many_ratio[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        base[i] = plain(path, seconds, 1);
        one[i] = queue(path, seconds, 1);
        many[i] = queue(path, seconds, 16);
        batch[i] = plain(path, seconds, 16);
        one_ratio[i] = one[i] / base[i];
        many_ratio[i] = many[i] / one[i];
        printf("round %d: plain %.0f/s, queue 1 thread %.0f/s, 16 threads %.0f/s, plain 16 a commit %.0f/s\n", i + 1,
               base[i], one[i], many[i], batch[i]);
    }
    remove_files(path);
    printf("\nmedians of %d rounds, 200-byte messages, synchronous=FULL:\n", rounds);
    printf("%-44s %10.0f/s\n", "plain SQLite, one row a commit", median(base, rounds));
    printf("%-44s %10.0f/s   %.2f x plain SQLite (aim 0.9)\n", "queue, 1 thread", median(one, rounds),
           median(one_ratio, rounds));
    printf("%-44s %10.0f/s   %.2f x one thread (aim 8)\n", "queue, 16 threads", median(many, rounds),
           median(many_ratio, rounds));
    printf("%-44s %10.0f/s\n", "plain SQLite, 16 rows a commit", median(batch, rounds));
    return 0;
}
