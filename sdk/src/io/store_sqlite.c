/* The queue's messages in SQLite: WAL, synchronous=FULL, one prepared statement an operation. */
#include "store.h"

#include "../error_internal.h"
#include "store_file.h"
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID    0x4169766f /* "Aivo": tells our files from other people's databases */
#define SCHEMA_VERSION    1
#define BUSY_MS           2000 /* somebody's sqlite3 shell may hold the write lock for a moment */
#define CHECKPOINT_FRAMES 1000
/* Reading a larger file through takes longer than opening may: there only what is used is checked. */
#define CHECKED_BYTES (64 << 20)

/* message_waiting orders by expiry and carries what is counted, so that opening never reads the messages themselves. */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE message("
    " seq INTEGER PRIMARY KEY,"
    " id BLOB NOT NULL,"
    " created_ms INTEGER NOT NULL," /* Unix time */
    " clock_ms INTEGER NOT NULL,"   /* the queue's clock, which never goes back */
    " expires_ms INTEGER NOT NULL," /* on the queue's clock; 0: never */
    " bytes INTEGER NOT NULL,"      /* of event and args */
    " attempts INTEGER NOT NULL,"   /* that failed */
    " fate INTEGER,"                /* NULL: waiting; else it has left and its fate is to be told */
    " last_error TEXT,"
    " event TEXT NOT NULL,"
    " args TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX message_waiting ON message(expires_ms, bytes) WHERE fate IS NULL;"
    "CREATE INDEX message_departed ON message(seq) WHERE fate IS NOT NULL;"
    "CREATE TABLE clock(one INTEGER PRIMARY KEY CHECK(one = 1), clock_ms INTEGER NOT NULL, unix_ms INTEGER NOT NULL)"
    " STRICT;"
    "PRAGMA application_id = 1097430639;"
    "PRAGMA user_version = 1;"
    "COMMIT;";
_Static_assert(APPLICATION_ID == 1097430639 && SCHEMA_VERSION == 1, "the schema's text says the same");

#define ROW "seq, id, created_ms, clock_ms, expires_ms, attempts, fate, last_error, event, args"

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    INSERT,
    REMOVE,
    DEPART,
    FAILED,
    SAVE_CLOCK,
    LOAD,
    DEPARTED,
    FIRST,
    NEXT_EXPIRY,
    STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [INSERT] = "INSERT INTO message(seq, id, created_ms, clock_ms, expires_ms, bytes, attempts, event, args)"
               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8)",
    [REMOVE] = "DELETE FROM message WHERE seq = ?1",
    [DEPART] = "UPDATE message SET fate = ?2 WHERE seq = ?1 AND fate IS NULL",
    [FAILED] = "UPDATE message SET attempts = ?2, last_error = ?3 WHERE seq = ?1",
    [SAVE_CLOCK] = "INSERT OR REPLACE INTO clock(one, clock_ms, unix_ms) VALUES(1, ?1, ?2)",
    [LOAD] = "SELECT " ROW " FROM message NOT INDEXED WHERE seq > ?1 AND fate IS NULL ORDER BY seq LIMIT ?2",
    [DEPARTED] = "SELECT " ROW " FROM message INDEXED BY message_departed WHERE fate IS NOT NULL ORDER BY seq LIMIT ?1",
    [FIRST] = "SELECT seq, bytes FROM message NOT INDEXED WHERE seq > ?1 AND fate IS NULL ORDER BY seq LIMIT 1",
    [NEXT_EXPIRY] = "SELECT seq, bytes, expires_ms FROM message INDEXED BY message_waiting"
                    " WHERE fate IS NULL AND expires_ms > 0 AND seq > ?1 ORDER BY expires_ms LIMIT 1",
};

struct aivo_store_db {
    sqlite3 *sql;
    char *path;
    int lock;
    int wal_frames;
    sqlite3_stmt *statements[STATEMENTS];
};

static bool means_full(int code, int error)
{
    return (code & 0xff) == SQLITE_FULL || error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static bool means_damaged(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

/* errno of a failed call on the log or the file; the connection itself forgets it. 0: not known. */
static int last_errno(sqlite3 *sql)
{
    static const int files[] = {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER};
    int error = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files && error == 0; i++) {
        sqlite3_file *file = NULL;
        if (sqlite3_file_control(sql, "main", files[i], &file) == SQLITE_OK && file && file->pMethods)
            file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
    }
    return error;
}

/* What the connection says about the call that just failed. */
static enum aivo_status failure(const struct aivo_store_db *db, const char *what, struct aivo_error *err)
{
    int code = sqlite3_extended_errcode(db->sql);
    int error = (code & 0xff) == SQLITE_IOERR ? last_errno(db->sql) : sqlite3_system_errno(db->sql);
    if (means_full(code, error))
        return aivo_error_set(err, AIVO_E_STORE, code, "disk full: cannot %s %s (SQLite %d, errno %d)", what, db->path,
                              code, error ? error : ENOSPC);
    if (means_damaged(code))
        return aivo_error_set(err, AIVO_E_CORRUPT, code, "the queue's file %s is damaged: %s (SQLite %d)", db->path,
                              sqlite3_errmsg(db->sql), code);
    if (code == SQLITE_BUSY)
        return aivo_error_set(err, AIVO_E_STORE, code, "cannot %s %s: another program holds its write lock", what,
                              db->path);
    return aivo_error_set(err, AIVO_E_STORE, code, "cannot %s %s: %s (SQLite %d%s%s)", what, db->path,
                          sqlite3_errmsg(db->sql), code, error ? ", " : "", error ? strerror(error) : "");
}

/* Runs a bound statement that returns no row. */
static enum aivo_status run(struct aivo_store_db *db, enum statement which, const char *what, struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[which];
    enum aivo_status status = AIVO_OK;
    if (sqlite3_step(s) != SQLITE_DONE)
        status = failure(db, what, err);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return status;
}

static enum aivo_status store_begin(struct aivo_store_db *db, struct aivo_error *err)
{
    return run(db, BEGIN, "write to", err);
}

static enum aivo_status store_commit(struct aivo_store_db *db, struct aivo_error *err)
{
    return run(db, COMMIT, "write to", err);
}

static void store_rollback(struct aivo_store_db *db)
{
    /* Some failures have already rolled back. */
    if (!sqlite3_get_autocommit(db->sql))
        run(db, ROLLBACK, "roll back", NULL);
}

static enum aivo_status store_insert(struct aivo_store_db *db, const struct aivo_store_row *row, struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[INSERT];
    sqlite3_bind_int64(s, 1, row->seq);
    sqlite3_bind_blob(s, 2, row->id, sizeof row->id, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, row->created_ms);
    sqlite3_bind_int64(s, 4, row->clock_ms);
    sqlite3_bind_int64(s, 5, row->expires_ms);
    sqlite3_bind_int64(s, 6, (sqlite3_int64)(row->event_len + row->args_len));
    sqlite3_bind_text(s, 7, row->event, (int)row->event_len, SQLITE_STATIC);
    sqlite3_bind_text(s, 8, row->args, (int)row->args_len, SQLITE_STATIC);
    return run(db, INSERT, "write to", err);
}

static enum aivo_status store_remove(struct aivo_store_db *db, int64_t seq, struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[REMOVE], 1, seq);
    return run(db, REMOVE, "remove from", err);
}

static enum aivo_status store_depart(struct aivo_store_db *db, int64_t seq, enum aivo_fate fate, struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[DEPART], 1, seq);
    sqlite3_bind_int(db->statements[DEPART], 2, (int)fate);
    return run(db, DEPART, "write to", err);
}

static enum aivo_status store_failed(struct aivo_store_db *db, int64_t seq, uint32_t attempts, const char *last_error,
                                     struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[FAILED];
    sqlite3_bind_int64(s, 1, seq);
    sqlite3_bind_int64(s, 2, attempts);
    if (last_error)
        sqlite3_bind_text(s, 3, last_error, -1, SQLITE_STATIC);
    return run(db, FAILED, "write to", err);
}

static enum aivo_status store_save_clock(struct aivo_store_db *db, int64_t clock_ms, int64_t unix_ms,
                                         struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[SAVE_CLOCK], 1, clock_ms);
    sqlite3_bind_int64(db->statements[SAVE_CLOCK], 2, unix_ms);
    return run(db, SAVE_CLOCK, "write to", err);
}

/* Text without a NUL inside, or "" and *bad. */
static const char *text_column(sqlite3_stmt *s, int column, size_t *len, bool *bad)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    *len = (size_t)sqlite3_column_bytes(s, column);
    if (text && strlen(text) == *len)
        return text;
    *bad = true;
    *len = 0;
    return "";
}

static void read_row(sqlite3_stmt *s, struct aivo_store_row *row)
{
    size_t len = 0;
    *row = (struct aivo_store_row){.seq = sqlite3_column_int64(s, 0)};
    const void *id = sqlite3_column_blob(s, 1);
    if (id && sqlite3_column_bytes(s, 1) == (int)sizeof row->id)
        memcpy(row->id, id, sizeof row->id);
    else
        row->unreadable = true;
    row->created_ms = sqlite3_column_int64(s, 2);
    row->clock_ms = sqlite3_column_int64(s, 3);
    row->expires_ms = sqlite3_column_int64(s, 4);
    sqlite3_int64 attempts = sqlite3_column_int64(s, 5);
    row->attempts = attempts < 0 ? 0 : attempts > UINT32_MAX ? UINT32_MAX : (uint32_t)attempts;
    row->fate = sqlite3_column_type(s, 6) == SQLITE_NULL ? -1 : sqlite3_column_int(s, 6);
    if (sqlite3_column_type(s, 7) != SQLITE_NULL)
        row->last_error = text_column(s, 7, &len, &row->unreadable);
    row->event = text_column(s, 8, &row->event_len, &row->unreadable);
    row->args = text_column(s, 9, &row->args_len, &row->unreadable);
}

static enum aivo_status each_row(struct aivo_store_db *db, enum statement which, aivo_store_row_fn fn, void *user,
                                 struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[which];
    enum aivo_status status = AIVO_OK;
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct aivo_store_row row;
        read_row(s, &row);
        if (!fn(user, &row))
            break;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = failure(db, "read", err);
    sqlite3_reset(s);
    return status;
}

static enum aivo_status store_load(struct aivo_store_db *db, int64_t after, uint32_t limit, aivo_store_row_fn fn,
                                   void *user, struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[LOAD], 1, after);
    sqlite3_bind_int64(db->statements[LOAD], 2, limit);
    return each_row(db, LOAD, fn, user, err);
}

static enum aivo_status store_departed(struct aivo_store_db *db, uint32_t limit, aivo_store_row_fn fn, void *user,
                                       struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[DEPARTED], 1, limit);
    return each_row(db, DEPARTED, fn, user, err);
}

/* The one row of a statement whose columns are integers; out is zero where there is none. */
static enum aivo_status one_row(struct aivo_store_db *db, sqlite3_stmt *s, int64_t *out, int columns,
                                struct aivo_error *err)
{
    memset(out, 0, (size_t)columns * sizeof *out);
    enum aivo_status status = AIVO_OK;
    int code = sqlite3_step(s);
    for (int i = 0; code == SQLITE_ROW && i < columns; i++)
        out[i] = sqlite3_column_int64(s, i);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = failure(db, "read", err);
    sqlite3_reset(s);
    return status;
}

static enum aivo_status store_first(struct aivo_store_db *db, int64_t after, int64_t *seq, uint64_t *bytes,
                                    struct aivo_error *err)
{
    int64_t row[2];
    sqlite3_bind_int64(db->statements[FIRST], 1, after);
    enum aivo_status status = one_row(db, db->statements[FIRST], row, 2, err);
    *seq = row[0];
    *bytes = (uint64_t)row[1];
    return status;
}

static enum aivo_status store_next_expiry(struct aivo_store_db *db, int64_t after, int64_t *seq, uint64_t *bytes,
                                          int64_t *expires_ms, struct aivo_error *err)
{
    int64_t row[3];
    sqlite3_bind_int64(db->statements[NEXT_EXPIRY], 1, after);
    enum aivo_status status = one_row(db, db->statements[NEXT_EXPIRY], row, 3, err);
    *seq = row[0];
    *bytes = (uint64_t)row[1];
    *expires_ms = row[2];
    return status;
}

static void store_tidy(struct aivo_store_db *db, bool idle)
{
    if (db->wal_frames < (idle ? CHECKPOINT_FRAMES / 4 : CHECKPOINT_FRAMES))
        return;
    db->wal_frames = 0;
    /* Passive: it waits for no reader. The log is begun anew by the next write once all of it is copied. */
    sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static int on_wal(void *user, sqlite3 *sql, const char *name, int frames)
{
    (void)sql;
    (void)name;
    ((struct aivo_store_db *)user)->wal_frames = frames;
    return SQLITE_OK;
}

static void close_sql(struct aivo_store_db *db)
{
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    sqlite3_close(db->sql);
    db->sql = NULL;
}

static void store_close(struct aivo_store_db *db)
{
    if (!db)
        return;
    close_sql(db);
    /* After SQLite's last write: who gets the lock next finds the file at rest. */
    if (db->lock >= 0)
        close(db->lock);
    free(db->path);
    free(db);
}

/* The integer that a query gives. */
static enum aivo_status ask(struct aivo_store_db *db, const char *sql, int64_t *out, int columns,
                            struct aivo_error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->sql, sql, -1, &s, NULL) != SQLITE_OK)
        return failure(db, "read", err);
    enum aivo_status status = one_row(db, s, out, columns, err);
    sqlite3_finalize(s);
    return status;
}

static enum aivo_status execute(struct aivo_store_db *db, const char *sql, struct aivo_error *err)
{
    if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
        return AIVO_OK;
    enum aivo_status status = failure(db, "set up", err);
    store_rollback(db);
    return status;
}

static enum aivo_status check_pages(struct aivo_store_db *db, struct aivo_error *err)
{
    struct stat st;
    if (stat(db->path, &st) == 0 && st.st_size > CHECKED_BYTES)
        return AIVO_OK;
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1, &s, NULL) != SQLITE_OK)
        return failure(db, "read", err);
    enum aivo_status status = AIVO_OK;
    const char *said = NULL;
    if (sqlite3_step(s) != SQLITE_ROW)
        status = failure(db, "read", err);
    else if ((said = (const char *)sqlite3_column_text(s, 0)) == NULL || strcmp(said, "ok") != 0)
        status = aivo_error_set(err, AIVO_E_CORRUPT, SQLITE_CORRUPT, "the queue's file %s is damaged: %s", db->path,
                                said ? said : "its check failed");
    sqlite3_finalize(s);
    return status;
}

/* Whose file this is, and whether it can be used. *foreign: somebody else's database, to be left alone. */
static enum aivo_status identify(struct aivo_store_db *db, bool *empty, bool *foreign, struct aivo_error *err)
{
    int64_t tables, application, version;
    enum aivo_status status = ask(db, "SELECT COUNT(*) FROM sqlite_schema", &tables, 1, err);
    if (status == AIVO_OK)
        status = ask(db, "PRAGMA application_id", &application, 1, err);
    if (status == AIVO_OK)
        status = ask(db, "PRAGMA user_version", &version, 1, err);
    if (status != AIVO_OK)
        return status;
    *empty = tables == 0 && application == 0 && version == 0;
    if (*empty)
        return AIVO_OK;
    *foreign = true;
    if (application != APPLICATION_ID)
        return aivo_error_set(err, AIVO_E_CORRUPT, 0, "%s is a database, but no Aivo queue: choose another path",
                              db->path);
    if (version > SCHEMA_VERSION)
        return aivo_error_set(err, AIVO_E_STORE, 0,
                              "the queue's file %s was written by a newer version (schema %lld, this one knows %d): "
                              "upgrade, or choose another path",
                              db->path, (long long)version, SCHEMA_VERSION);
    *foreign = false;
    return version == SCHEMA_VERSION
               ? AIVO_OK
               : aivo_error_set(err, AIVO_E_CORRUPT, 0, "the queue's file %s has no valid schema version", db->path);
}

static enum aivo_status use_wal(struct aivo_store_db *db, struct aivo_error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->sql, "PRAGMA journal_mode = WAL", -1, &s, NULL) != SQLITE_OK)
        return failure(db, "set up", err);
    enum aivo_status status = AIVO_OK;
    const char *mode = NULL;
    if (sqlite3_step(s) != SQLITE_ROW)
        status = failure(db, "set up", err);
    else if ((mode = (const char *)sqlite3_column_text(s, 0)) == NULL || strcmp(mode, "wal") != 0)
        status = aivo_error_set(err, AIVO_E_STORE, 0, "%s: its file system has no shared memory for a write-ahead log",
                                db->path);
    sqlite3_finalize(s);
    if (status != AIVO_OK)
        return status;
    sqlite3_wal_hook(db->sql, on_wal, db); /* also ends SQLite's own checkpoints inside of COMMIT */
    return execute(db, "PRAGMA synchronous = FULL", err);
}

static int64_t held_within(int64_t value)
{
    const int64_t greatest = INT64_C(1) << 52; /* ms; as microseconds it still fits, whatever the file says */
    return value < 0 ? 0 : value > greatest ? greatest : value;
}

static enum aivo_status read_info(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err)
{
    int64_t waiting[2], departed, newest[2], clock[2];
    enum aivo_status status = ask(
        db, "SELECT COUNT(*), SUM(bytes) FROM message INDEXED BY message_waiting WHERE fate IS NULL", waiting, 2, err);
    if (status == AIVO_OK)
        status = ask(db, "SELECT COUNT(*) FROM message INDEXED BY message_departed WHERE fate IS NOT NULL", &departed,
                     1, err);
    if (status == AIVO_OK)
        status = ask(db, "SELECT seq, clock_ms FROM message ORDER BY seq DESC LIMIT 1", newest, 2, err);
    if (status == AIVO_OK)
        status = ask(db, "SELECT clock_ms, unix_ms FROM clock", clock, 2, err);
    if (status != AIVO_OK)
        return status;
    *info = (struct aivo_store_info){.pending = (uint64_t)waiting[0],
                                     .bytes = (uint64_t)waiting[1],
                                     .departed = (uint64_t)departed,
                                     .last_seq = newest[0],
                                     .newest_ms = held_within(newest[1]),
                                     .saved_ms = held_within(clock[0]),
                                     .saved_unix_ms = held_within(clock[1])};
    return AIVO_OK;
}

static enum aivo_status prepare(struct aivo_store_db *db, struct aivo_error *err)
{
    for (int i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(db->sql, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL) ==
            SQLITE_OK)
            continue;
        if (sqlite3_errcode(db->sql) != SQLITE_ERROR)
            return failure(db, "read", err);
        return aivo_error_set(err, AIVO_E_CORRUPT, SQLITE_ERROR, "the queue's file %s is damaged: %s", db->path,
                              sqlite3_errmsg(db->sql));
    }
    return AIVO_OK;
}

/* AIVO_E_CORRUPT and not *foreign: the file is to be moved aside. */
static enum aivo_status open_sql(struct aivo_store_db *db, struct aivo_store_info *info, bool *foreign,
                                 struct aivo_error *err)
{
    bool empty = false;
    *foreign = false;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(db->path, &db->sql, flags, NULL) != SQLITE_OK) {
        if (!db->sql)
            return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for SQLite");
        return failure(db, "open", err);
    }
    sqlite3_busy_timeout(db->sql, BUSY_MS);
    enum aivo_status status = identify(db, &empty, foreign, err);
    if (status == AIVO_OK && !empty)
        status = check_pages(db, err);
    if (status == AIVO_OK)
        status = use_wal(db, err);
    if (status == AIVO_OK && empty)
        status = execute(db, schema, err);
    if (status == AIVO_OK)
        status = prepare(db, err);
    if (status == AIVO_OK)
        status = read_info(db, info, err);
    return status;
}

static enum aivo_status begin_anew(struct aivo_store_db *db, int64_t unix_ms, struct aivo_store_info *info,
                                   const struct aivo_error *why, struct aivo_error *notice, struct aivo_error *err)
{
    char moved[4096 + 64];
    bool foreign;
    /* Its log goes with it, as it is. */
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    close_sql(db);
    enum aivo_status status = aivo_store_file_set_aside(db->path, unix_ms, moved, sizeof moved, err);
    if (status != AIVO_OK)
        return status;
    /* The new name begins with the old one: where both would be cut, it alone says all. */
    if (strlen(moved) < 80)
        aivo_error_set(notice, AIVO_E_CORRUPT, why->code,
                       "the queue's file %s was damaged or no database: moved to %s, a new one was begun", db->path,
                       moved);
    else
        aivo_error_set(notice, AIVO_E_CORRUPT, why->code, "damaged queue file moved to %s", moved);
    return open_sql(db, info, &foreign, err);
}

static enum aivo_status store_open(const char *path, int64_t unix_ms, struct aivo_store_db **out,
                                   struct aivo_store_info *info, struct aivo_error *notice, struct aivo_error *err)
{
    struct aivo_store_db *db = calloc(1, sizeof *db);
    if (!db)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    db->lock = -1;
    *notice = (struct aivo_error){.status = AIVO_OK};
    struct aivo_error why;
    bool foreign = false;
    enum aivo_status status = aivo_store_file_path(path, &db->path, &why);
    if (status == AIVO_OK)
        status = aivo_store_file_lock(db->path, &db->lock, &why);
    if (status == AIVO_OK)
        status = open_sql(db, info, &foreign, &why);
    if (status == AIVO_E_CORRUPT && !foreign) {
        struct aivo_error damage = why;
        status = begin_anew(db, unix_ms, info, &damage, notice, &why);
    }
    if (status == AIVO_OK) {
        *out = db;
        return AIVO_OK;
    }
    if (err)
        *err = why;
    store_close(db);
    return status;
}

const struct aivo_store aivo_store_sqlite = {
    .open = store_open,
    .close = store_close,
    .begin = store_begin,
    .commit = store_commit,
    .rollback = store_rollback,
    .insert = store_insert,
    .remove = store_remove,
    .depart = store_depart,
    .failed = store_failed,
    .save_clock = store_save_clock,
    .load = store_load,
    .departed = store_departed,
    .first = store_first,
    .next_expiry = store_next_expiry,
    .tidy = store_tidy,
};
