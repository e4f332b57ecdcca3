/*
 * sqlite_rows - how many 200-byte rows per second SQLite can make durable on
 * this disk: a bound for a queue kept in SQLite.
 *
 * Build: cc -O2 -o sqlite_rows sqlite_rows.c -lsqlite3
 * Usage: sqlite_rows [directory] [seconds per case]
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void must(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run(const char *dir, double secs, const char *journal, const char *sync, int batch)
{
    static double lat[4000000];
    char path[512], row[200], sql[64];
    sqlite3 *db;
    sqlite3_stmt *ins, *begin, *commit;
    snprintf(path, sizeof path, "%s/rows.db", dir);
    unlink(path);
    memset(row, 'x', sizeof row);
    must(NULL, sqlite3_open(path, &db));
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", journal);
    must(db, sqlite3_exec(db, sql, 0, 0, 0));
    snprintf(sql, sizeof sql, "PRAGMA synchronous=%s", sync);
    must(db, sqlite3_exec(db, sql, 0, 0, 0));
    must(db, sqlite3_exec(db, "CREATE TABLE q(id INTEGER PRIMARY KEY, body BLOB)", 0, 0, 0));
    must(db, sqlite3_prepare_v2(db, "INSERT INTO q(body) VALUES(?)", -1, &ins, 0));
    must(db, sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, 0));
    must(db, sqlite3_prepare_v2(db, "COMMIT", -1, &commit, 0));
    double c0 = cpu(), t0 = now(), t = t0;
    long rows = 0, n = 0;
    while (t - t0 < secs) {
        double s = t;
        must(db, sqlite3_step(begin));
        sqlite3_reset(begin);
        for (int i = 0; i < batch; i++, rows++) {
            sqlite3_bind_blob(ins, 1, row, sizeof row, SQLITE_STATIC);
            must(db, sqlite3_step(ins));
            sqlite3_reset(ins);
        }
        must(db, sqlite3_step(commit));
        sqlite3_reset(commit);
        t = now();
        if (n < (long)(sizeof lat / sizeof *lat))
            lat[n++] = t - s;
    }
    double wall = t - t0, used = cpu() - c0;
    qsort(lat, (size_t)n, sizeof *lat, by_value);
    printf("%-8s %-7s batch %4d: %10.0f rows/s  txn p50 %8.1f us  p99 %9.1f us  cpu %.2f us/row\n", journal, sync,
           batch, rows / wall, lat[n / 2] * 1e6, lat[n * 99 / 100] * 1e6, used * 1e6 / rows);
    sqlite3_finalize(ins);
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
    sqlite3_close(db);
    unlink(path);
}

static void append_file(const char *dir, double secs, int sync, int batch)
{
    char path[512], buf[200 * 100];
    snprintf(path, sizeof path, "%s/rows.log", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
    memset(buf, 'x', sizeof buf);
    double c0 = cpu(), t0 = now(), t = t0;
    long rows = 0;
    while (t - t0 < secs) {
        if (write(fd, buf, 200u * (size_t)batch) < 0 || (sync && fdatasync(fd)))
            exit(1);
        rows += batch;
        t = now();
    }
    printf("%-8s %-7s batch %4d: %10.0f rows/s  %32s cpu %.2f us/row\n", "append", sync ? "fdsync" : "none", batch,
           rows / (t - t0), "", (cpu() - c0) * 1e6 / rows);
    close(fd);
    unlink(path);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : ".";
    double secs = argc > 2 ? atof(argv[2]) : 3;
    run(dir, secs, "WAL", "FULL", 1);
    run(dir, secs, "WAL", "NORMAL", 1);
    run(dir, secs, "WAL", "FULL", 100);
    run(dir, secs, "WAL", "NORMAL", 100);
    run(dir, secs, "DELETE", "FULL", 1);
    append_file(dir, secs, 1, 1);
    append_file(dir, secs, 1, 100);
    append_file(dir, secs < 1 ? secs : 1, 0, 1);
    return 0;
}
