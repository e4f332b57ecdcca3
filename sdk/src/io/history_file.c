#include "history_file.h"

#include "error_internal.h"
#include "quality_trace.h"
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS      INT64_C(60000)
#define HOUR_MS        INT64_C(3600000)
#define APPLICATION_ID 0x41766871 /* "Avhq" */
#define BUSY_MS        2000
/* A step of pruning: some ten milliseconds, for which others that write have to wait. */
#define STEP_ROWS   2000
#define STEP_PIECES 500
#define STEP_PAGES  "500"

struct aivo_history_file {
    sqlite3 *db;
    int64_t trace_bytes;
    bool trace_gap; /* a piece was left out: nothing more until another run begins */
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS sample (time INTEGER NOT NULL, latency REAL, lost INTEGER NOT NULL,"
    " observed INTEGER NOT NULL, level INTEGER NOT NULL, event INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS sample_time ON sample (time);"
    "CREATE TABLE IF NOT EXISTS minute (time INTEGER PRIMARY KEY, samples INTEGER, least REAL, p50 REAL, p95 REAL,"
    " most REAL, lost INTEGER, observed INTEGER, worst INTEGER, events INTEGER);"
    "CREATE TABLE IF NOT EXISTS hour (time INTEGER PRIMARY KEY, samples INTEGER, least REAL, p50 REAL, p95 REAL,"
    " most REAL, lost INTEGER, observed INTEGER, worst INTEGER, events INTEGER);"
    "CREATE TABLE IF NOT EXISTS trace (number INTEGER PRIMARY KEY, time INTEGER, text TEXT NOT NULL);";

static enum aivo_status fail(const struct aivo_history_file *f, struct aivo_error *err)
{
    return aivo_error_set(err, AIVO_E_STORE, sqlite3_extended_errcode(f->db), "the history's file: %s",
                          sqlite3_errmsg(f->db));
}

static bool run(const struct aivo_history_file *f, const char *sql)
{
    return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* A statement with whole numbers bound in order; NULL: an error. */
static sqlite3_stmt *prepare(const struct aivo_history_file *f, const char *sql, const int64_t *values, int count)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(f->db, sql, -1, &s, NULL) != SQLITE_OK)
        return NULL;
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(s, i + 1, values[i]);
    return s;
}

static bool run_with(const struct aivo_history_file *f, const char *sql, const int64_t *values, int count)
{
    sqlite3_stmt *s = prepare(f, sql, values, count);
    bool ok = s && sqlite3_step(s) == SQLITE_DONE;
    sqlite3_finalize(s);
    return ok;
}

static bool ask(const struct aivo_history_file *f, const char *sql, const int64_t *values, int count, int64_t *out)
{
    sqlite3_stmt *s = prepare(f, sql, values, count);
    bool ok = s && sqlite3_step(s) == SQLITE_ROW;
    if (ok)
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return ok;
}

/* Files of earlier versions have pieces without a time: they count as older than any. */
static bool add_trace_time(const struct aivo_history_file *f)
{
    int64_t there = 1;
    bool ok = run(f, "BEGIN IMMEDIATE") &&
              ask(f, "SELECT count(*) FROM pragma_table_info('trace') WHERE name = 'time'", NULL, 0, &there) &&
              (there || run(f, "ALTER TABLE trace ADD COLUMN time INTEGER")) && run(f, "COMMIT");
    if (!ok && !sqlite3_get_autocommit(f->db))
        run(f, "ROLLBACK");
    return ok;
}

/* A foreign database is left alone. */
static enum aivo_status check_owner(struct aivo_history_file *f, const char *path, bool write, struct aivo_error *err)
{
    int64_t id = 0, tables = 0;
    if (!ask(f, "PRAGMA application_id", NULL, 0, &id) ||
        !ask(f, "SELECT count(*) FROM sqlite_schema", NULL, 0, &tables))
        return fail(f, err);
    if (id != APPLICATION_ID && (tables > 0 || !write))
        return aivo_error_set(err, AIVO_E_STORE, 0, "%.200s is no history", path);
    if (!write)
        return AIVO_OK;
    /* Never waits for the disk: what a power cut takes is a few seconds of history. */
    bool ok = (tables || run(f, "PRAGMA auto_vacuum = INCREMENTAL")) && /* only ever possible in an empty file */
              run(f, "PRAGMA application_id = 1098279025") && run(f, "PRAGMA journal_mode = WAL") &&
              run(f, "PRAGMA synchronous = OFF") && run(f, schema) && add_trace_time(f);
    return ok ? AIVO_OK : fail(f, err);
}

static bool count_trace(struct aivo_history_file *f)
{
    return ask(f, "SELECT coalesce(sum(length(text)), 0) FROM trace", NULL, 0, &f->trace_bytes);
}

enum aivo_status aivo_history_file_open(const char *path, bool write, struct aivo_history_file **out,
                                        struct aivo_error *err)
{
    struct aivo_history_file *f = calloc(1, sizeof *f);
    if (!f)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a history");
    int flags = write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
    enum aivo_status status = AIVO_OK;
    if (sqlite3_open_v2(path, &f->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        status = aivo_error_set(err, AIVO_E_STORE, sqlite3_extended_errcode(f->db), "cannot open %.200s: %s", path,
                                sqlite3_errmsg(f->db));
    if (status == AIVO_OK) {
        sqlite3_busy_timeout(f->db, BUSY_MS);
        status = check_owner(f, path, write, err);
    }
    if (status == AIVO_OK && !count_trace(f))
        status = fail(f, err);
    if (status != AIVO_OK) {
        aivo_history_file_close(f);
        return status;
    }
    *out = f;
    return AIVO_OK;
}

void aivo_history_file_close(struct aivo_history_file *f)
{
    if (!f)
        return;
    sqlite3_close(f->db);
    free(f);
}

static bool insert_samples(const struct aivo_history_file *f, const struct aivo_history_sample *samples, size_t count)
{
    sqlite3_stmt *s = prepare(f, "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?)", NULL, 0);
    bool ok = s;
    for (size_t i = 0; ok && i < count; i++) {
        const struct aivo_history_sample *one = &samples[i];
        sqlite3_bind_int64(s, 1, one->time_ms);
        if (isnan(one->latency_ms))
            sqlite3_bind_null(s, 2);
        else
            sqlite3_bind_double(s, 2, one->latency_ms);
        sqlite3_bind_int64(s, 3, (int64_t)one->lost);
        sqlite3_bind_int64(s, 4, (int64_t)one->loss_samples);
        sqlite3_bind_int(s, 5, (int)one->level);
        sqlite3_bind_int(s, 6, one->event);
        ok = sqlite3_step(s) == SQLITE_DONE;
        sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    return ok;
}

/* How much of the text is of one run: up to the next line that begins another. */
static size_t run_length(const char *text, size_t len)
{
    for (const char *end = memchr(text, '\n', len); end && end + 1 < text + len;
         end = memchr(end + 1, '\n', (size_t)(text + len - end - 1)))
        if (end[1] == AIVO_TRACE_BEGIN)
            return (size_t)(end + 1 - text);
    return len;
}

static bool insert_piece(struct aivo_history_file *f, const char *text, size_t len, int64_t now_ms)
{
    if (*text == AIVO_TRACE_BEGIN)
        f->trace_gap = false;
    if (f->trace_gap || f->trace_bytes >= AIVO_HISTORY_TRACE_BYTES) {
        f->trace_gap = true;
        return true;
    }
    sqlite3_stmt *s = prepare(f, "INSERT INTO trace (time, text) VALUES (?, ?)", &now_ms, 1);
    bool ok =
        s && sqlite3_bind_text(s, 2, text, (int)len, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(s) == SQLITE_DONE;
    sqlite3_finalize(s);
    if (ok)
        f->trace_bytes += (int64_t)len;
    return ok;
}

/* A run begins with a piece of its own, so that those before it can be deleted. */
static bool insert_trace(struct aivo_history_file *f, const char *text, size_t len, int64_t now_ms)
{
    bool ok = true;
    while (ok && len) {
        size_t n = run_length(text, len);
        ok = insert_piece(f, text, n, now_ms);
        text += n;
        len -= n;
    }
    return ok;
}

/* Every period that has samples, is over, and is not rolled up yet; the percentiles are of nearest rank. */
#define ROLL(table, length)                                                                                            \
    "INSERT OR IGNORE INTO " table " SELECT begin, count(*), min(latency),"                                            \
    " max(CASE WHEN rank = (n * 50 + 99) / 100 THEN latency END),"                                                     \
    " max(CASE WHEN rank = (n * 95 + 99) / 100 THEN latency END),"                                                     \
    " max(latency), sum(lost), sum(observed), min(level), sum(event) FROM ("                                           \
    "SELECT *, time / " length " * " length " AS begin,"                                                               \
    " row_number() OVER (PARTITION BY time / " length ", latency IS NULL ORDER BY latency) AS rank,"                   \
    " count(latency) OVER (PARTITION BY time / " length ") AS n"                                                       \
    " FROM sample WHERE time >= ? AND time < ?) GROUP BY begin"

static bool roll_up(const struct aivo_history_file *f, const char *sql, const char *last_sql, int64_t length_ms,
                    int64_t now_ms)
{
    int64_t last = 0, ended = now_ms / length_ms * length_ms;
    if (!ask(f, last_sql, NULL, 0, &last))
        return false;
    return last + length_ms >= ended || run_with(f, sql, (int64_t[]){last, ended}, 2);
}

static bool prune(const struct aivo_history_file *f, int64_t now_ms)
{
    return run_with(f, "DELETE FROM sample WHERE time < ?", (int64_t[]){now_ms - AIVO_HISTORY_SAMPLES_MS}, 1) &&
           run_with(f, "DELETE FROM sample WHERE rowid <= (SELECT max(rowid) FROM sample) - ?",
                    (int64_t[]){AIVO_HISTORY_SAMPLES_MAX}, 1) &&
           run_with(f, "DELETE FROM minute WHERE time < ?", (int64_t[]){now_ms - AIVO_HISTORY_MINUTES_MS}, 1) &&
           run_with(f, "DELETE FROM hour WHERE time < ?", (int64_t[]){now_ms - AIVO_HISTORY_HOURS_MS}, 1);
}

enum aivo_status aivo_history_file_write(struct aivo_history_file *f, const struct aivo_history_sample *samples,
                                         size_t count, const char *trace, size_t trace_len, int64_t now_ms,
                                         struct aivo_error *err)
{
    bool ok = run(f, "BEGIN IMMEDIATE") && insert_samples(f, samples, count) &&
              insert_trace(f, trace, trace_len, now_ms) &&
              roll_up(f, ROLL("minute", "60000"), "SELECT coalesce(max(time), 0) FROM minute", MINUTE_MS, now_ms) &&
              roll_up(f, ROLL("hour", "3600000"), "SELECT coalesce(max(time), 0) FROM hour", HOUR_MS, now_ms) &&
              prune(f, now_ms) && run(f, "COMMIT");
    if (ok)
        return AIVO_OK;
    enum aivo_status status = fail(f, err);
    if (!sqlite3_get_autocommit(f->db))
        run(f, "ROLLBACK");
    return status;
}

/* The first piece that stays: the beginning of the run that has the first piece new enough; of the newest run where
 * none is and it goes on. */
static bool plan_trace(const struct aivo_history_file *f, struct aivo_history_pruning *p)
{
    int64_t after = 0, fresh = 0;
    if (!ask(f, "SELECT coalesce(max(number), 0) + 1 FROM trace", NULL, 0, &after) ||
        !ask(f, "SELECT coalesce(min(number), ?2) FROM trace WHERE time >= ?1", (int64_t[]){p->before_ms, after}, 2,
             &fresh))
        return false;
    p->planned = true;
    p->trace_end = fresh;
    return (fresh == after && !p->recording) ||
           ask(f,
               "SELECT coalesce((SELECT number FROM trace WHERE number <= ?1 AND substr(text, 1, 1) = 'I'"
               " ORDER BY number DESC LIMIT 1), ?1)",
               &fresh, 1, &p->trace_end);
}

/* Deletes up to a step's rows; adds their number. */
static bool delete_some(const struct aivo_history_file *f, const char *sql, int64_t border, int64_t step,
                        uint64_t *deleted)
{
    bool ok = run_with(f, sql, (int64_t[]){border, step}, 2);
    *deleted += ok ? (uint64_t)sqlite3_changes(f->db) : 0;
    return ok;
}

#define DELETE_SOME(table, key, rule)                                                                                  \
    "DELETE FROM " table " WHERE " key " IN (SELECT " key " FROM " table " WHERE " rule " LIMIT ?2)"

static int64_t less(int64_t time_ms, int64_t ms)
{
    return time_ms < INT64_MIN + ms ? INT64_MIN : time_ms - ms;
}

static bool prune_step(struct aivo_history_file *f, struct aivo_history_pruning *p, uint64_t *rows, uint64_t *pieces)
{
    return (p->planned || plan_trace(f, p)) &&
           delete_some(f, DELETE_SOME("sample", "rowid", "time < ?1"), p->before_ms, STEP_ROWS, rows) &&
           delete_some(f, DELETE_SOME("minute", "time", "time <= ?1"), less(p->before_ms, MINUTE_MS), STEP_ROWS,
                       rows) &&
           delete_some(f, DELETE_SOME("hour", "time", "time <= ?1"), less(p->before_ms, HOUR_MS), STEP_ROWS, rows) &&
           delete_some(f, DELETE_SOME("trace", "number", "number < ?1"), p->trace_end, STEP_PIECES, pieces);
}

enum aivo_status aivo_history_file_prune(struct aivo_history_file *f, struct aivo_history_pruning *p, bool *done,
                                         struct aivo_error *err)
{
    uint64_t rows = 0, pieces = 0;
    int64_t before = 0, after = 0;
    bool ok = run(f, "BEGIN IMMEDIATE") && prune_step(f, p, &rows, &pieces) && (!pieces || count_trace(f)) &&
              ask(f, "PRAGMA freelist_count", NULL, 0, &before) &&
              run(f, "PRAGMA incremental_vacuum(" STEP_PAGES ")") && ask(f, "PRAGMA freelist_count", NULL, 0, &after) &&
              run(f, "COMMIT");
    if (!ok) {
        enum aivo_status status = fail(f, err);
        if (!sqlite3_get_autocommit(f->db))
            run(f, "ROLLBACK");
        return status;
    }
    p->rows += rows;
    *done = !rows && !pieces && before == after;
    return AIVO_OK;
}

static double real(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(s, column);
}

enum aivo_status aivo_history_file_read(struct aivo_history_file *f, enum aivo_history_span span, int64_t from_ms,
                                        int64_t to_ms, bool (*fn)(void *user, const struct aivo_history_row *row),
                                        void *user, struct aivo_error *err)
{
    static const char *const sql[] = {
        ("SELECT time, 1, latency, latency, latency, latency, lost, observed, level, event FROM sample"
         " WHERE time >= ? AND time < ? ORDER BY time, rowid"),
        "SELECT * FROM minute WHERE time >= ? AND time < ? ORDER BY time",
        "SELECT * FROM hour WHERE time >= ? AND time < ? ORDER BY time",
    };
    sqlite3_stmt *s = prepare(f, sql[span], (int64_t[]){from_ms, to_ms}, 2);
    int rc = s ? SQLITE_ROW : SQLITE_ERROR;
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const struct aivo_history_row row = {.time_ms = sqlite3_column_int64(s, 0),
                                             .samples = (uint32_t)sqlite3_column_int64(s, 1),
                                             .min_ms = real(s, 2),
                                             .p50_ms = real(s, 3),
                                             .p95_ms = real(s, 4),
                                             .max_ms = real(s, 5),
                                             .lost = (uint64_t)sqlite3_column_int64(s, 6),
                                             .loss_samples = (uint64_t)sqlite3_column_int64(s, 7),
                                             .worst = (enum aivo_level)sqlite3_column_int(s, 8),
                                             .events = (uint32_t)sqlite3_column_int64(s, 9)};
        if (!fn(user, &row))
            break;
    }
    enum aivo_status status = rc == SQLITE_ROW || rc == SQLITE_DONE ? AIVO_OK : fail(f, err);
    sqlite3_finalize(s);
    return status;
}

enum aivo_status aivo_history_file_trace(struct aivo_history_file *f,
                                         bool (*fn)(void *user, const char *text, size_t len), void *user,
                                         struct aivo_error *err)
{
    sqlite3_stmt *s = prepare(f, "SELECT text FROM trace ORDER BY number", NULL, 0);
    int rc = s ? SQLITE_ROW : SQLITE_ERROR;
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        if (!text || !fn(user, text, (size_t)sqlite3_column_bytes(s, 0)))
            break;
    }
    enum aivo_status status = rc == SQLITE_ROW || rc == SQLITE_DONE ? AIVO_OK : fail(f, err);
    sqlite3_finalize(s);
    return status;
}
