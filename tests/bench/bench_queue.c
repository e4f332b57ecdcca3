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
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock", "-reserve", "-journal"};
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

/* As many sends as may be on their way to the disk at once, one thread. */
static double async(const char *path, double seconds)
{
    struct aivo_queue *q;
    struct aivo_queue_options options = {
        .path = path, .max_messages = 10000000, .ttl_s = 86400, .max_retries = 3, .window = 64};
    remove_files(path);
    must(aivo_queue_open(&options, NULL, on_wake, NULL, &q, NULL) == AIVO_OK, "open");
    const int64_t begun_us = aivo_clock_us();
    const int64_t end_us = begun_us + (int64_t)(seconds * 1e6);
    static const struct aivo_queue_sink sink = {.notice = NULL};
    while (aivo_clock_us() < end_us) {
        enum aivo_status status = aivo_queue_send_async(q, "event", args, NULL, NULL, NULL, NULL, NULL);
        if (status == AIVO_E_FULL) {
            const struct aivo_instant at = aivo_instant_now();
            aivo_queue_step(q, &at, &sink, NULL); /* takes the ends of those that are stored */
            usleep(200);
        } else {
            must(status == AIVO_OK, "send_async");
        }
    }
    aivo_queue_finish(q, &sink, NULL); /* all of them are on disk */
    const int64_t took_us = aivo_clock_us() - begun_us;
    struct aivo_queue_stats stats;
    aivo_queue_stats(q, &stats);
    aivo_queue_close(q);
    return (double)stats.pending * 1e6 / (double)took_us;
}

/* Sending and acknowledging with so many rows waiting: what one message costs, whatever lies behind it. */
struct drain {
    struct aivo_queue *q;
    uint64_t tickets[4096];
    size_t count, fates;
};

static enum aivo_status drain_send(void *user, uint64_t ticket, const struct aivo_queued *m, uint32_t timeout_ms)
{
    struct drain *d = user;
    (void)m, (void)timeout_ms;
    d->tickets[d->count++] = ticket;
    return AIVO_OK;
}

static bool drain_fate(void *user, const struct aivo_queued *m, enum aivo_fate fate, const char *answer,
                       struct queue_message *receipt)
{
    (void)m, (void)fate, (void)answer, (void)receipt;
    ((struct drain *)user)->fates++;
    return true;
}

static void drain_notice(void *user, const struct aivo_error *error)
{
    (void)user;
    fprintf(stderr, "bench_queue: %s\n", error->message);
    exit(1);
}

static void fill(const char *path, int64_t rows)
{
    remove_files(path);
    sqlite3 *db = open_plain(path);
    execute(db, "PRAGMA synchronous=OFF");
    char sql[512];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %lld)"
             " INSERT INTO message(seq, id, created_ms, clock_ms, expires_ms, bytes, attempts, event, args)"
             " SELECT i, randomblob(16), %lld, %lld, %lld, 205, 0, 'event', '%s' FROM n",
             (long long)rows, (long long)aivo_clock_unix_ms(), (long long)aivo_clock_unix_ms(),
             (long long)aivo_clock_unix_ms() + 86400000, args);
    execute(db, sql);
    execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(db);
}

static long memory_kb(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    must(f && fscanf(f, "%ld %ld", &pages, &resident) == 2, "reading statm");
    fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* us a message: one more is sent for each that is acknowledged, so that the number of rows stays. */
static double at_rows(const char *path, int64_t rows, double seconds, double *open_ms, long *kb)
{
    static struct drain d;
    static const struct aivo_queue_sink sink = {.send = drain_send, .fate = drain_fate, .notice = drain_notice};
    struct aivo_queue_options options = {.path = path,
                                         .max_messages = 10000000,
                                         .ttl_s = 86400,
                                         .max_retries = 3,
                                         .window = 64,
                                         .ack_timeout_ms = 10000};
    const char *ok = "[{\"success\":true}]";
    struct aivo_json answer = aivo_json_parse(ok, strlen(ok), NULL);
    fill(path, rows);
    d = (struct drain){0};
    int64_t begun_us = aivo_clock_us();
    must(aivo_queue_open(&options, NULL, NULL, NULL, &d.q, NULL) == AIVO_OK, "open");
    *open_ms = (double)(aivo_clock_us() - begun_us) / 1000;
    struct aivo_instant at = aivo_instant_now();
    aivo_queue_connected(d.q, &at);
    size_t warm = 200;
    begun_us = aivo_clock_us();
    int64_t end_us = begun_us + (int64_t)(seconds * 1e6);
    while (aivo_clock_us() < end_us || d.fates < warm) {
        at = aivo_instant_now();
        aivo_queue_step(d.q, &at, &sink, &d);
        if (d.fates == 0)
            begun_us = aivo_clock_us();
        size_t sent = d.count;
        d.count = 0;
        for (size_t i = 0; i < sent; i++) {
            aivo_queue_answered(d.q, &at, d.tickets[i], AIVO_OK, &answer);
            must(aivo_queue_send_async(d.q, "event", args, NULL, NULL, NULL, NULL, NULL) == AIVO_OK, "send");
        }
        if (sent == 0)
            usleep(100);
    }
    double us = (double)(aivo_clock_us() - begun_us) / (double)d.fates;
    *kb = memory_kb();
    aivo_queue_finish(d.q, &sink, &d);
    aivo_queue_close(d.q);
    return us;
}

static void by_rows(const char *path, double seconds)
{
    static const int64_t rows[] = {100, 10000, 1000000};
    double first = 0;
    printf("\ncost of a message (accepted, sent, acknowledged, removed) with so many waiting:\n");
    for (size_t i = 0; i < 3; i++) {
        double open_ms;
        long kb;
        double us = at_rows(path, rows[i], seconds, &open_ms, &kb);
        first = i == 0 ? us : first;
        printf("%10lld rows %10.1f us   %.2f x (aim 1.5)   opened in %.0f ms%s   %ld KiB resident\n",
               (long long)rows[i], us, us / first, open_ms, i == 2 ? " (aim 200)" : "", kb);
    }
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

enum series { PLAIN, ONE, MANY, PLAIN_16, PLAIN_100, ASYNC, SERIES };

/* The median of the rates, and of the ratios of the rounds to another series of the same rounds (their own: none). */
static void print_series(double rates[SERIES][ROUNDS_MAX], int rounds, enum series which, enum series to,
                         const char *name, const char *ratio_to)
{
    double rate[ROUNDS_MAX], ratio[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        rate[i] = rates[which][i];
        ratio[i] = rates[which][i] / rates[to][i];
    }
    printf("%-44s %10.0f/s", name, median(rate, rounds));
    if (to != which)
        printf("   %.2f x %s", median(ratio, rounds), ratio_to);
    printf("\n");
}

static void print_all(double rates[SERIES][ROUNDS_MAX], int rounds)
{
    printf("\nmedians of %d rounds, 200-byte messages, synchronous=FULL:\n", rounds);
    print_series(rates, rounds, PLAIN, PLAIN, "plain SQLite, one row a commit", "");
    print_series(rates, rounds, ONE, PLAIN, "queue, 1 thread", "plain SQLite (aim 0.9)");
    print_series(rates, rounds, MANY, ONE, "queue, 16 threads", "one thread (aim 8)");
    /* What 16 threads could reach if waking them cost nothing. */
    print_series(rates, rounds, PLAIN_16, ONE, "plain SQLite, 16 rows a commit, no threads", "one thread");
    print_series(rates, rounds, PLAIN_100, PLAIN_100, "plain SQLite, 100 rows a commit", "");
    print_series(rates, rounds, ASYNC, PLAIN_100, "queue, send_async", "plain SQLite, 100 a commit (aim 0.4)");
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
    static double rates[SERIES][ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        rates[PLAIN][i] = plain(path, seconds, 1);
        rates[ONE][i] = queue(path, seconds, 1);
        rates[MANY][i] = queue(path, seconds, 16);
        rates[PLAIN_16][i] = plain(path, seconds, 16);
        rates[PLAIN_100][i] = plain(path, seconds, 100);
        rates[ASYNC][i] = async(path, seconds);
        printf(
            "round %d: plain %.0f/s, queue 1 thread %.0f/s, 16 threads %.0f/s; plain 16 a commit %.0f/s; plain 100 a "
            "commit %.0f/s, async %.0f/s\n",
            i + 1, rates[PLAIN][i], rates[ONE][i], rates[MANY][i], rates[PLAIN_16][i], rates[PLAIN_100][i],
            rates[ASYNC][i]);
    }
    remove_files(path);
    print_all(rates, rounds);
    by_rows(path, seconds);
    remove_files(path);
    return 0;
}
