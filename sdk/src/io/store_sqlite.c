/* The queue's messages in SQLite: WAL, synchronous=FULL, one prepared statement an operation. */
#include "store.h"

#include "../error_internal.h"
#include "msgid.h"
#include "store_file.h"
#include "uuid.h"
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID    0x4169766f /* "Aivo": tells our files from other people's databases */
#define SCHEMA_VERSION    2
#define BUSY_MS           2000 /* somebody's sqlite3 shell may hold the write lock for a moment */
#define CHECKPOINT_FRAMES 1000
/* Reading a larger file through takes longer than opening may: there only what is used is checked. */
#define CHECKED_BYTES (64 << 20)

/* What the second version of the schema has beside the first. Each index carries what is counted or chosen by, so that
 * opening and choosing never read the messages themselves. A lane is a named queue; gate is enum aivo_store_gate. */
#define SECOND_TABLES                                                                                                  \
    "CREATE TABLE lane(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"                                     \
    "CREATE TABLE dead("                                                                                               \
    " seq INTEGER PRIMARY KEY, id BLOB NOT NULL, lane INTEGER NOT NULL, priority INTEGER NOT NULL, order_key TEXT,"    \
    " collapse_key TEXT, created_ms INTEGER NOT NULL, clock_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"         \
    " died_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, last_error TEXT, event TEXT NOT NULL, args TEXT NOT NULL"   \
    ") STRICT;"                                                                                                        \
    "CREATE INDEX message_order ON message(lane, gate, priority DESC, seq) WHERE fate IS NULL;"                        \
    "CREATE INDEX message_later ON message(lane, due_ms) WHERE fate IS NULL AND gate = 2;"                             \
    "CREATE INDEX message_expiry ON message(lane, expires_ms, bytes) WHERE fate IS NULL;"                              \
    "CREATE INDEX message_key ON message(lane, order_key, seq) WHERE fate IS NULL AND order_key IS NOT NULL;"          \
    "CREATE INDEX message_collapse ON message(lane, collapse_key) WHERE fate IS NULL AND collapse_key IS NOT NULL;"
#define SECOND_MARK "PRAGMA user_version = 2;"

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE message("
    " seq INTEGER PRIMARY KEY,"
    " id BLOB NOT NULL,"            /* 16 bytes: a UUID; 37: text, padded with NULs */
    " created_ms INTEGER NOT NULL," /* Unix time */
    " clock_ms INTEGER NOT NULL,"   /* the queue's clock, which never goes back */
    " expires_ms INTEGER NOT NULL," /* on the queue's clock; 0: never */
    " bytes INTEGER NOT NULL,"      /* of event and args */
    " attempts INTEGER NOT NULL,"   /* that failed */
    " fate INTEGER,"                /* NULL: waiting; else it has left and its fate is to be told */
    " last_error TEXT,"
    " event TEXT NOT NULL,"
    " args TEXT NOT NULL,"
    " lane INTEGER NOT NULL DEFAULT 0,"
    " gate INTEGER NOT NULL DEFAULT 0,"
    " priority INTEGER NOT NULL DEFAULT 0,"
    " due_ms INTEGER NOT NULL DEFAULT 0," /* on the queue's clock */
    " order_key TEXT,"
    " collapse_key TEXT"
    ") STRICT;"
    "CREATE INDEX message_departed ON message(seq) WHERE fate IS NOT NULL;"
    "CREATE TABLE clock(one INTEGER PRIMARY KEY CHECK(one = 1), clock_ms INTEGER NOT NULL, unix_ms INTEGER NOT NULL)"
    " STRICT;" SECOND_TABLES "PRAGMA application_id = 1097430639;" SECOND_MARK "COMMIT;";

static const char to_second[] = "BEGIN IMMEDIATE;"
                                "ALTER TABLE message ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE message ADD COLUMN gate INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE message ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE message ADD COLUMN due_ms INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE message ADD COLUMN order_key TEXT;"
                                "ALTER TABLE message ADD COLUMN collapse_key TEXT;"
                                "DROP INDEX message_waiting;" SECOND_TABLES SECOND_MARK "COMMIT;";
_Static_assert(APPLICATION_ID == 1097430639 && SCHEMA_VERSION == 2, "the schema's text says the same");

#define ROW                                                                                                            \
    "seq, id, created_ms, clock_ms, expires_ms, attempts, fate, last_error, event, args, lane, priority, gate,"        \
    " due_ms, order_key, collapse_key"
#define DEAD_ROW                                                                                                       \
    "seq, id, created_ms, clock_ms, expires_ms, attempts, 3, last_error, event, args, lane, priority, 0,"              \
    " 0, order_key, collapse_key, died_ms"
#define REF "seq, bytes, expires_ms, due_ms, priority, lane, order_key"

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    NAME_LANE,
    INSERT,
    REMOVE,
    DEPART,
    FAILED,
    LATER,
    SAVE_CLOCK,
    KEY_WAITS,
    PROMOTE,
    BURY,
    DEAD,
    DEAD_ID,
    REMOVE_DEAD,
    LOAD,
    LOAD_LATER,
    FETCH,
    DEPARTED,
    IN_ORDER,
    LEVEL,
    AT_LEVEL,
    EXPIRING,
    COLLAPSING,
    STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [NAME_LANE] = "INSERT INTO lane(id, name) VALUES(?1, ?2)",
    [INSERT] =
        "INSERT INTO message(seq, id, created_ms, clock_ms, expires_ms, bytes, attempts, event, args, lane, gate,"
        " priority, order_key, collapse_key, fate, last_error, due_ms)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    [REMOVE] = "DELETE FROM message WHERE seq = ?1",
    [DEPART] = "UPDATE message SET fate = ?2 WHERE seq = ?1 AND fate IS NULL",
    [FAILED] = "UPDATE message SET attempts = ?2, last_error = ?3 WHERE seq = ?1",
    [LATER] = "UPDATE message SET gate = 2, due_ms = ?2 WHERE seq = ?1 AND fate IS NULL",
    [SAVE_CLOCK] = "INSERT OR REPLACE INTO clock(one, clock_ms, unix_ms) VALUES(1, ?1, ?2)",
    [KEY_WAITS] = "SELECT 1 FROM message INDEXED BY message_key WHERE lane = ?1 AND order_key = ?2 AND fate IS NULL"
                  " LIMIT 1",
    [PROMOTE] = "UPDATE message SET gate = 0 WHERE gate = 1 AND seq = (SELECT seq FROM message INDEXED BY message_key"
                " WHERE lane = ?1 AND order_key = ?2 AND fate IS NULL ORDER BY seq LIMIT 1)",
    [BURY] = "INSERT OR REPLACE INTO dead(seq, id, lane, priority, order_key, collapse_key, created_ms, clock_ms,"
             " expires_ms, died_ms, attempts, last_error, event, args) SELECT seq, id, lane, priority, order_key,"
             " collapse_key, created_ms, clock_ms, expires_ms, ?2, ?3, ?4, event, args FROM message WHERE seq = ?1",
    [DEAD] = "SELECT " DEAD_ROW " FROM dead WHERE seq > ?1 ORDER BY seq LIMIT 1",
    [DEAD_ID] = "SELECT " DEAD_ROW " FROM dead WHERE seq > ?1 AND id = ?2 ORDER BY seq LIMIT 1",
    [REMOVE_DEAD] = "DELETE FROM dead WHERE seq = ?1",
    [LOAD] = "SELECT seq, 0, 0, 0, priority, lane, NULL FROM message INDEXED BY message_order WHERE lane = ?1 AND"
             " gate = 0 AND fate IS NULL ORDER BY priority DESC, seq",
    [LOAD_LATER] = "SELECT seq, 0, 0, due_ms, 0, lane, NULL FROM message INDEXED BY message_later WHERE lane = ?1 AND"
                   " gate = 2 AND fate IS NULL ORDER BY due_ms",
    [FETCH] = "SELECT " ROW " FROM message WHERE seq = ?1",
    [DEPARTED] = "SELECT " ROW " FROM message INDEXED BY message_departed WHERE fate IS NOT NULL ORDER BY seq LIMIT ?1",
    [IN_ORDER] = "SELECT " REF " FROM message NOT INDEXED WHERE seq > ?2 AND lane = ?1 AND fate IS NULL ORDER BY seq",
    [LEVEL] = "SELECT priority FROM message INDEXED BY message_order WHERE lane = ?1 AND gate = ?2 AND fate IS NULL"
              " AND priority > ?3 ORDER BY priority LIMIT 1",
    [AT_LEVEL] = "SELECT " REF " FROM message INDEXED BY message_order WHERE lane = ?1 AND gate = ?2 AND"
                 " priority = ?3 AND fate IS NULL ORDER BY seq",
    [EXPIRING] = "SELECT " REF " FROM message INDEXED BY message_expiry WHERE lane = ?1 AND fate IS NULL AND"
                 " expires_ms > 0 ORDER BY expires_ms",
    [COLLAPSING] = "SELECT " REF " FROM message INDEXED BY message_collapse WHERE lane = ?1 AND collapse_key = ?2 AND"
                   " fate IS NULL",
};

struct aivo_store_db {
    sqlite3 *sql;
    char *path;
    bool in_memory;
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

static enum aivo_status store_name_lane(struct aivo_store_db *db, uint32_t lane, const char *name,
                                        struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[NAME_LANE], 1, lane);
    sqlite3_bind_text(db->statements[NAME_LANE], 2, name, -1, SQLITE_STATIC);
    return run(db, NAME_LANE, "write to", err);
}

/* An id as it is stored: 16 bytes of a UUID in its usual form, else its text. */
static void bind_id(sqlite3_stmt *s, int column, const char *id)
{
    uint8_t uuid[AIVO_UUID_BYTES];
    char again[AIVO_MSGID_TEXT] = "";
    if (aivo_uuid_parse(id, uuid))
        aivo_uuid_format(uuid, again);
    if (strcmp(id, again) == 0 && *id) {
        sqlite3_bind_blob(s, column, uuid, sizeof uuid, SQLITE_TRANSIENT);
        return;
    }
    memset(again, 0, sizeof again);
    snprintf(again, sizeof again, "%s", id);
    sqlite3_bind_blob(s, column, again, sizeof again, SQLITE_TRANSIENT);
}

static enum aivo_status store_insert(struct aivo_store_db *db, const struct aivo_store_row *row, struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[INSERT];
    sqlite3_bind_int64(s, 1, row->seq);
    bind_id(s, 2, row->id);
    sqlite3_bind_int64(s, 3, row->created_ms);
    sqlite3_bind_int64(s, 4, row->clock_ms);
    sqlite3_bind_int64(s, 5, row->expires_ms);
    sqlite3_bind_int64(s, 6, (sqlite3_int64)(row->event_len + row->args_len));
    sqlite3_bind_int64(s, 7, row->attempts);
    sqlite3_bind_text(s, 8, row->event, (int)row->event_len, SQLITE_STATIC);
    sqlite3_bind_text(s, 9, row->args, (int)row->args_len, SQLITE_STATIC);
    sqlite3_bind_int64(s, 10, row->lane);
    sqlite3_bind_int(s, 11, (int)row->gate);
    sqlite3_bind_int(s, 12, row->priority);
    if (row->order_key)
        sqlite3_bind_text(s, 13, row->order_key, -1, SQLITE_STATIC);
    if (row->collapse_key)
        sqlite3_bind_text(s, 14, row->collapse_key, -1, SQLITE_STATIC);
    if (row->fate >= 0)
        sqlite3_bind_int(s, 15, row->fate);
    if (row->last_error)
        sqlite3_bind_text(s, 16, row->last_error, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 17, row->due_ms);
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
                                     int64_t due_ms, struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[FAILED];
    sqlite3_bind_int64(s, 1, seq);
    sqlite3_bind_int64(s, 2, attempts);
    if (last_error)
        sqlite3_bind_text(s, 3, last_error, -1, SQLITE_STATIC);
    enum aivo_status status = run(db, FAILED, "write to", err);
    if (status != AIVO_OK || due_ms == 0)
        return status;
    sqlite3_bind_int64(db->statements[LATER], 1, seq);
    sqlite3_bind_int64(db->statements[LATER], 2, due_ms);
    return run(db, LATER, "write to", err);
}

static enum aivo_status store_promote(struct aivo_store_db *db, uint32_t lane, const char *order_key, bool *changed,
                                      struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[PROMOTE], 1, lane);
    sqlite3_bind_text(db->statements[PROMOTE], 2, order_key, -1, SQLITE_STATIC);
    enum aivo_status status = run(db, PROMOTE, "write to", err);
    *changed = status == AIVO_OK && sqlite3_changes(db->sql) > 0;
    return status;
}

static enum aivo_status store_bury(struct aivo_store_db *db, int64_t seq, uint32_t attempts, const char *reason,
                                   int64_t died_ms, bool *moved, struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[BURY];
    sqlite3_bind_int64(s, 1, seq);
    sqlite3_bind_int64(s, 2, died_ms);
    sqlite3_bind_int64(s, 3, attempts);
    if (reason)
        sqlite3_bind_text(s, 4, reason, -1, SQLITE_STATIC);
    enum aivo_status status = run(db, BURY, "write to", err);
    *moved = status == AIVO_OK && sqlite3_changes(db->sql) > 0;
    return status == AIVO_OK ? store_remove(db, seq, err) : status;
}

static enum aivo_status store_remove_dead(struct aivo_store_db *db, int64_t seq, struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[REMOVE_DEAD], 1, seq);
    return run(db, REMOVE_DEAD, "remove from", err);
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
    int id_len = sqlite3_column_bytes(s, 1);
    if (id && id_len == AIVO_UUID_BYTES)
        aivo_uuid_format(id, row->id);
    else if (id && id_len == AIVO_MSGID_TEXT && ((const char *)id)[id_len - 1] == '\0')
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
    sqlite3_int64 lane = sqlite3_column_int64(s, 10);
    row->lane = lane < 0 || lane >= AIVO_STORE_LANES_MAX ? 0 : (uint32_t)lane;
    row->priority = sqlite3_column_int(s, 11);
    int gate = sqlite3_column_int(s, 12);
    row->gate = gate == AIVO_STORE_BEHIND  ? AIVO_STORE_BEHIND
                : gate == AIVO_STORE_LATER ? AIVO_STORE_LATER
                                           : AIVO_STORE_READY;
    row->due_ms = sqlite3_column_int64(s, 13);
    if (sqlite3_column_type(s, 14) != SQLITE_NULL)
        row->order_key = text_column(s, 14, &len, &row->unreadable);
    if (sqlite3_column_type(s, 15) != SQLITE_NULL)
        row->collapse_key = text_column(s, 15, &len, &row->unreadable);
    if (sqlite3_column_count(s) > 16)
        row->died_ms = sqlite3_column_int64(s, 16);
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

struct fetching {
    aivo_store_row_fn fn;
    void *user;
    bool stopped;
};

static bool fetch_one(void *user, const struct aivo_store_row *row)
{
    struct fetching *f = user;
    f->stopped = !f->fn(f->user, row);
    return false;
}

/* Walks references until *choice is not SKIP; found is asked about each. */
static enum aivo_status each_ref(struct aivo_store_db *db, enum statement which, aivo_store_ref_fn choose,
                                 aivo_store_row_fn fn, void *user, bool *stopped, struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[which];
    enum aivo_status status = AIVO_OK;
    int code = SQLITE_DONE;
    *stopped = false;
    while (status == AIVO_OK && !*stopped && (code = sqlite3_step(s)) == SQLITE_ROW) {
        struct aivo_store_ref ref = {.seq = sqlite3_column_int64(s, 0),
                                     .bytes = (uint64_t)sqlite3_column_int64(s, 1),
                                     .expires_ms = sqlite3_column_int64(s, 2),
                                     .due_ms = sqlite3_column_int64(s, 3),
                                     .priority = sqlite3_column_int(s, 4),
                                     .lane = (uint32_t)sqlite3_column_int64(s, 5),
                                     .order_key = (const char *)sqlite3_column_text(s, 6)};
        enum aivo_store_choice choice = choose(user, &ref);
        *stopped = choice == AIVO_STORE_STOP || (choice == AIVO_STORE_TAKE && !fn);
        if (choice == AIVO_STORE_TAKE && fn) {
            struct fetching f = {.fn = fn, .user = user};
            sqlite3_bind_int64(db->statements[FETCH], 1, ref.seq);
            status = each_row(db, FETCH, fetch_one, &f, err);
            *stopped = f.stopped;
        }
    }
    if (status == AIVO_OK && !*stopped && code != SQLITE_DONE)
        status = failure(db, "read", err);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return status;
}

static enum aivo_status store_load(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn choose,
                                   aivo_store_row_fn fn, void *user, struct aivo_error *err)
{
    bool stopped;
    sqlite3_bind_int64(db->statements[LOAD], 1, lane);
    return each_ref(db, LOAD, choose, fn, user, &stopped, err);
}

static enum aivo_status store_load_later(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn choose,
                                         aivo_store_row_fn fn, void *user, struct aivo_error *err)
{
    bool stopped;
    sqlite3_bind_int64(db->statements[LOAD_LATER], 1, lane);
    return each_ref(db, LOAD_LATER, choose, fn, user, &stopped, err);
}

static enum aivo_status store_in_order(struct aivo_store_db *db, uint32_t lane, int64_t after, aivo_store_ref_fn fn,
                                       void *user, struct aivo_error *err)
{
    bool stopped;
    sqlite3_bind_int64(db->statements[IN_ORDER], 1, lane);
    sqlite3_bind_int64(db->statements[IN_ORDER], 2, after);
    return each_ref(db, IN_ORDER, fn, NULL, user, &stopped, err);
}

static enum aivo_status store_expiring(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn fn, void *user,
                                       struct aivo_error *err)
{
    bool stopped;
    sqlite3_bind_int64(db->statements[EXPIRING], 1, lane);
    return each_ref(db, EXPIRING, fn, NULL, user, &stopped, err);
}

static enum aivo_status store_collapsing(struct aivo_store_db *db, uint32_t lane, const char *collapse_key,
                                         aivo_store_ref_fn fn, void *user, struct aivo_error *err)
{
    bool stopped;
    sqlite3_bind_int64(db->statements[COLLAPSING], 1, lane);
    sqlite3_bind_text(db->statements[COLLAPSING], 2, collapse_key, -1, SQLITE_STATIC);
    return each_ref(db, COLLAPSING, fn, NULL, user, &stopped, err);
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

static enum aivo_status store_key_waits(struct aivo_store_db *db, uint32_t lane, const char *order_key, bool *out,
                                        struct aivo_error *err)
{
    int64_t one;
    sqlite3_bind_int64(db->statements[KEY_WAITS], 1, lane);
    sqlite3_bind_text(db->statements[KEY_WAITS], 2, order_key, -1, SQLITE_STATIC);
    enum aivo_status status = one_row(db, db->statements[KEY_WAITS], &one, 1, err);
    sqlite3_clear_bindings(db->statements[KEY_WAITS]);
    *out = one == 1;
    return status;
}

struct first_row {
    aivo_store_row_fn fn;
    void *user;
    int64_t seq;
};

static bool take_first(void *user, const struct aivo_store_row *row)
{
    struct first_row *f = user;
    f->seq = row->seq;
    if (f->fn)
        f->fn(f->user, row);
    return false;
}

static enum aivo_status store_dead(struct aivo_store_db *db, const char *id, int64_t *seq, aivo_store_row_fn fn,
                                   void *user, struct aivo_error *err)
{
    struct first_row f = {.fn = fn, .user = user};
    enum statement which = id ? DEAD_ID : DEAD;
    sqlite3_bind_int64(db->statements[which], 1, *seq);
    if (id)
        bind_id(db->statements[which], 2, id);
    enum aivo_status status = each_row(db, which, take_first, &f, err);
    sqlite3_clear_bindings(db->statements[which]);
    *seq = f.seq;
    return status;
}

/* The least priority above the given one at one gate; *level stays where there is none. */
static enum aivo_status lower_level(struct aivo_store_db *db, uint32_t lane, int gate, int64_t above, int64_t *level,
                                    struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[LEVEL];
    sqlite3_bind_int64(s, 1, lane);
    sqlite3_bind_int(s, 2, gate);
    sqlite3_bind_int64(s, 3, above);
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW && sqlite3_column_int64(s, 0) < *level)
        *level = sqlite3_column_int64(s, 0);
    enum aivo_status status = code == SQLITE_ROW || code == SQLITE_DONE ? AIVO_OK : failure(db, "read", err);
    sqlite3_reset(s);
    return status;
}

static enum aivo_status store_by_priority(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn fn, void *user,
                                          struct aivo_error *err)
{
    int64_t above = INT64_MIN;
    for (;;) {
        int64_t level = INT64_MAX;
        enum aivo_status status = AIVO_OK;
        for (int gate = AIVO_STORE_READY; status == AIVO_OK && gate <= AIVO_STORE_LATER; gate++)
            status = lower_level(db, lane, gate, above, &level, err);
        if (status != AIVO_OK || level == INT64_MAX)
            return status;
        bool stopped = false;
        for (int gate = AIVO_STORE_READY; status == AIVO_OK && !stopped && gate <= AIVO_STORE_LATER; gate++) {
            sqlite3_bind_int64(db->statements[AT_LEVEL], 1, lane);
            sqlite3_bind_int(db->statements[AT_LEVEL], 2, gate);
            sqlite3_bind_int64(db->statements[AT_LEVEL], 3, level);
            status = each_ref(db, AT_LEVEL, fn, NULL, user, &stopped, err);
        }
        if (status != AIVO_OK || stopped)
            return status;
        above = level;
    }
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

/* A statement cannot be made: a table is missing, or worse. */
static enum aivo_status damaged(struct aivo_store_db *db, struct aivo_error *err)
{
    if (sqlite3_errcode(db->sql) != SQLITE_ERROR)
        return failure(db, "read", err);
    return aivo_error_set(err, AIVO_E_CORRUPT, SQLITE_ERROR, "the queue's file %s is damaged: %s", db->path,
                          sqlite3_errmsg(db->sql));
}

/* The integer that a query gives. */
static enum aivo_status ask(struct aivo_store_db *db, const char *sql, int64_t *out, int columns,
                            struct aivo_error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->sql, sql, -1, &s, NULL) != SQLITE_OK)
        return damaged(db, err);
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
static enum aivo_status identify(struct aivo_store_db *db, bool *empty, bool *foreign, int64_t *version_out,
                                 struct aivo_error *err)
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
    *version_out = version;
    return version >= 1
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

/* The lanes with what waits in them. A lane is known by its row, or (the default one) by being 0. */
static enum aivo_status read_lanes(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err)
{
    static const char names[] = "SELECT id, name FROM lane WHERE id > 0 ORDER BY id";
    static const char counts[] = "SELECT lane, COUNT(*), SUM(bytes) FROM message INDEXED BY message_expiry"
                                 " WHERE fate IS NULL GROUP BY lane";
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->sql, names, -1, &s, NULL) != SQLITE_OK)
        return damaged(db, err);
    enum aivo_status status = AIVO_OK;
    int code;
    info->lane_count = 1;
    while ((code = sqlite3_step(s)) == SQLITE_ROW && status == AIVO_OK) {
        const char *name = (const char *)sqlite3_column_text(s, 1);
        if (sqlite3_column_int64(s, 0) != info->lane_count || info->lane_count == AIVO_STORE_LANES_MAX || !name ||
            strlen(name) > AIVO_STORE_NAME_MAX)
            status =
                aivo_error_set(err, AIVO_E_CORRUPT, 0, "the queue's file %s is damaged: its list of queues", db->path);
        else
            memcpy(info->lanes[info->lane_count++].name, name, strlen(name) + 1);
    }
    if (status == AIVO_OK && code != SQLITE_DONE)
        status = failure(db, "read", err);
    sqlite3_finalize(s);
    s = NULL;
    if (status == AIVO_OK && sqlite3_prepare_v2(db->sql, counts, -1, &s, NULL) != SQLITE_OK)
        status = damaged(db, err);
    while (status == AIVO_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t lane = sqlite3_column_int64(s, 0);
        if (lane < 0 || lane >= info->lane_count)
            continue;
        info->lanes[lane].pending = (uint64_t)sqlite3_column_int64(s, 1);
        info->lanes[lane].bytes = (uint64_t)sqlite3_column_int64(s, 2);
    }
    if (status == AIVO_OK && code != SQLITE_DONE)
        status = failure(db, "read", err);
    sqlite3_finalize(s);
    return status;
}

static enum aivo_status read_info(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err)
{
    int64_t departed, newest[2], clock[2], dead[2];
    *info = (struct aivo_store_info){.lane_count = 1};
    enum aivo_status status = read_lanes(db, info, err);
    if (status == AIVO_OK)
        status = ask(db, "SELECT COUNT(*) FROM message INDEXED BY message_departed WHERE fate IS NOT NULL", &departed,
                     1, err);
    if (status == AIVO_OK)
        status = ask(db, "SELECT seq, clock_ms FROM message ORDER BY seq DESC LIMIT 1", newest, 2, err);
    if (status == AIVO_OK)
        status = ask(db, "SELECT COUNT(*), MAX(seq) FROM dead", dead, 2, err);
    if (status == AIVO_OK)
        status = ask(db, "SELECT clock_ms, unix_ms FROM clock", clock, 2, err);
    if (status != AIVO_OK)
        return status;
    info->departed = (uint64_t)departed;
    info->dead = (uint64_t)dead[0];
    info->last_seq = newest[0] > dead[1] ? newest[0] : dead[1];
    info->newest_ms = held_within(newest[1]);
    info->saved_ms = held_within(clock[0]);
    info->saved_unix_ms = held_within(clock[1]);
    return AIVO_OK;
}

static enum aivo_status prepare(struct aivo_store_db *db, struct aivo_error *err)
{
    for (int i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(db->sql, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL) ==
            SQLITE_OK)
            continue;
        return damaged(db, err);
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
    int64_t version = 0;
    enum aivo_status status = identify(db, &empty, foreign, &version, err);
    if (status == AIVO_OK && !empty)
        status = check_pages(db, err);
    if (status == AIVO_OK && !db->in_memory)
        status = use_wal(db, err);
    if (status == AIVO_OK && empty)
        status = execute(db, schema, err);
    if (status == AIVO_OK && !empty && version == 1)
        status = execute(db, to_second, err);
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
    enum aivo_status status = AIVO_OK;
    db->in_memory = path == NULL;
    if (path)
        status = aivo_store_file_path(path, &db->path, &why);
    else if (!(db->path = strdup(":memory:")))
        status = aivo_error_set(&why, AIVO_E_MEMORY, 0, "no memory for the queue");
    if (status == AIVO_OK && path)
        status = aivo_store_file_lock(db->path, &db->lock, &why);
    if (status == AIVO_OK)
        status = open_sql(db, info, &foreign, &why);
    if (status == AIVO_E_CORRUPT && !foreign && path) {
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
    .name_lane = store_name_lane,
    .insert = store_insert,
    .remove = store_remove,
    .depart = store_depart,
    .failed = store_failed,
    .save_clock = store_save_clock,
    .key_waits = store_key_waits,
    .promote = store_promote,
    .bury = store_bury,
    .dead = store_dead,
    .remove_dead = store_remove_dead,
    .load = store_load,
    .load_later = store_load_later,
    .departed = store_departed,
    .in_order = store_in_order,
    .by_priority = store_by_priority,
    .expiring = store_expiring,
    .collapsing = store_collapsing,
    .tidy = store_tidy,
};
