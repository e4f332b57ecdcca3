/* Opening a queue's file: whose it is, its schema and older ones, and what to do when it is damaged. */
#include "store_sqlite.h"

#include "../error_internal.h"
#include "store_file.h"
#include "store_log.h"
#include "store_replace.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reading a larger file through takes longer than opening may: there only what is used is checked. */
#define CHECKED_BYTES (64 << 20)
#define INDEX_BYTES                                                                                                    \
    (8 << 20)        /* up to here the indexes are compared with the rows as well, which takes thrice as long */
#define BUSY_MS 2000 /* somebody's sqlite3 shell may hold the write lock for a moment */

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
_Static_assert(AIVO_SQL_APPLICATION == 1097430639 && AIVO_SQL_SCHEMA == 2, "the schema's text says the same");

static int on_wal(void *user, sqlite3 *sql, const char *name, int frames)
{
    (void)sql;
    (void)name;
    ((struct aivo_store_db *)user)->wal_frames = frames;
    return SQLITE_OK;
}

void aivo_sql_close(struct aivo_store_db *db)
{
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    sqlite3_close(db->sql);
    db->sql = NULL;
}

/* A message that the index of the order does not have would never be sent. */
enum aivo_status aivo_sql_check(struct aivo_store_db *db, struct aivo_error *err)
{
    struct stat st;
    if (!db->in_memory && aivo_store_file_marked(db->path))
        return aivo_error_set(err, AIVO_E_CORRUPT, SQLITE_CORRUPT, "the queue's file %s was found damaged in use",
                              db->path);
    off_t size = stat(db->path, &st) == 0 ? st.st_size : 0;
    if (size > CHECKED_BYTES)
        return AIVO_OK;
    sqlite3_stmt *s = NULL;
    const char *check = size > INDEX_BYTES ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)";
    if (sqlite3_prepare_v2(db->sql, check, -1, &s, NULL) != SQLITE_OK)
        return aivo_sql_failure(db, "read", err);
    enum aivo_status status = AIVO_OK;
    const char *said = NULL;
    if (sqlite3_step(s) != SQLITE_ROW)
        status = aivo_sql_failure(db, "read", err);
    else if ((said = (const char *)sqlite3_column_text(s, 0)) == NULL || strcmp(said, "ok") != 0)
        status = aivo_error_set(err, AIVO_E_CORRUPT, SQLITE_CORRUPT, "the queue's file %s is damaged: %s", db->path,
                                said ? said : "its check failed");
    sqlite3_finalize(s);
    return status;
}

/* Whose file this is, and whether it can be used. *foreign: somebody else's database, to be left alone. */
enum aivo_status aivo_sql_identify(struct aivo_store_db *db, bool *empty, bool *foreign, int64_t *version_out,
                                   struct aivo_error *err)
{
    int64_t tables, application, version;
    enum aivo_status status = aivo_sql_ask(db, "SELECT COUNT(*) FROM sqlite_schema", &tables, 1, err);
    if (status == AIVO_OK)
        status = aivo_sql_ask(db, "PRAGMA application_id", &application, 1, err);
    if (status == AIVO_OK)
        status = aivo_sql_ask(db, "PRAGMA user_version", &version, 1, err);
    if (status != AIVO_OK)
        return status;
    *empty = tables == 0 && application == 0 && version == 0;
    if (*empty)
        return AIVO_OK;
    *foreign = true;
    if (application != AIVO_SQL_APPLICATION)
        return aivo_error_set(err, AIVO_E_CORRUPT, 0, "%s is a database, but no Aivo queue: choose another path",
                              db->path);
    if (version > AIVO_SQL_SCHEMA)
        return aivo_error_set(err, AIVO_E_STORE, 0,
                              "the queue's file %s was written by a newer version (schema %lld, this one knows %d): "
                              "upgrade, or choose another path",
                              db->path, (long long)version, AIVO_SQL_SCHEMA);
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
        return aivo_sql_failure(db, "set up", err);
    enum aivo_status status = AIVO_OK;
    const char *mode = NULL;
    if (sqlite3_step(s) != SQLITE_ROW)
        status = aivo_sql_failure(db, "set up", err);
    else if ((mode = (const char *)sqlite3_column_text(s, 0)) == NULL || strcmp(mode, "wal") != 0)
        status = aivo_error_set(err, AIVO_E_STORE, 0, "%s: its file system has no shared memory for a write-ahead log",
                                db->path);
    sqlite3_finalize(s);
    if (status != AIVO_OK)
        return status;
    sqlite3_wal_hook(db->sql, on_wal, db); /* also ends SQLite's own checkpoints inside of COMMIT */
    return aivo_sql_execute(db, "PRAGMA synchronous = FULL", err);
}

static int64_t held_within(int64_t value)
{
    const int64_t greatest = INT64_C(1) << 52; /* ms; as microseconds it still fits, whatever the file says */
    return value < 0 ? 0 : value > greatest ? greatest : value;
}

/* A lane is known by its row, or (the default one) by being 0. */
enum aivo_status aivo_sql_lane_names(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err)
{
    static const char names[] = "SELECT id, name FROM lane WHERE id > 0 ORDER BY id";
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->sql, names, -1, &s, NULL) != SQLITE_OK)
        return aivo_sql_damaged(db, err);
    enum aivo_status status = AIVO_OK;
    int code;
    info->lane_count = 1;
    while ((code = sqlite3_step(s)) == SQLITE_ROW && status == AIVO_OK) {
        const char *name = (const char *)sqlite3_column_text(s, 1);
        const int64_t id = sqlite3_column_int64(s, 0);
        if (id >= AIVO_STORE_LANES_MAX || !name || strlen(name) > AIVO_STORE_NAME_MAX) {
            status =
                aivo_error_set(err, AIVO_E_CORRUPT, 0, "the queue's file %s is damaged: its list of queues", db->path);
        } else {
            memcpy(info->lanes[id].name, name, strlen(name) + 1);
            info->lane_count = (uint32_t)id + 1;
        }
    }
    if (status == AIVO_OK && code != SQLITE_DONE)
        status = aivo_sql_failure(db, "read", err);
    sqlite3_finalize(s);
    return status;
}

enum aivo_status aivo_sql_lanes(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err)
{
    static const char counts[] = "SELECT lane, COUNT(*), SUM(bytes) FROM message INDEXED BY message_expiry"
                                 " WHERE fate IS NULL GROUP BY lane";
    sqlite3_stmt *s = NULL;
    int code = SQLITE_DONE;
    enum aivo_status status = aivo_sql_lane_names(db, info, err);
    if (status == AIVO_OK && sqlite3_prepare_v2(db->sql, counts, -1, &s, NULL) != SQLITE_OK)
        status = aivo_sql_damaged(db, err);
    while (status == AIVO_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t lane = sqlite3_column_int64(s, 0);
        if (lane < 0 || lane >= info->lane_count)
            continue;
        info->lanes[lane].pending = (uint64_t)sqlite3_column_int64(s, 1);
        info->lanes[lane].bytes = (uint64_t)sqlite3_column_int64(s, 2);
    }
    if (status == AIVO_OK && code != SQLITE_DONE)
        status = aivo_sql_failure(db, "read", err);
    sqlite3_finalize(s);
    return status;
}

static enum aivo_status mark_used(struct aivo_store_db *db, const char *query, struct aivo_store_info *info,
                                  struct aivo_error *err)
{
    sqlite3_stmt *s = NULL;
    int code;
    if (sqlite3_prepare_v2(db->sql, query, -1, &s, NULL) != SQLITE_OK)
        return aivo_sql_damaged(db, err);
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t lane = sqlite3_column_int64(s, 0);
        if (lane >= 0 && lane < AIVO_STORE_LANES_MAX)
            info->lanes[lane].unused = false;
    }
    enum aivo_status status = code == SQLITE_DONE ? AIVO_OK : aivo_sql_failure(db, "read", err);
    sqlite3_finalize(s);
    return status;
}

/* Names pile up, as nobody takes one back. Where no place is left: which ones stand for nothing. */
static enum aivo_status find_unused(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err)
{
    for (uint32_t i = 1; i < AIVO_STORE_LANES_MAX; i++) {
        if (!*info->lanes[i].name)
            return AIVO_OK;
    }
    for (uint32_t i = 1; i < AIVO_STORE_LANES_MAX; i++)
        info->lanes[i].unused = info->lanes[i].pending == 0;
    enum aivo_status status = mark_used(
        db, "SELECT DISTINCT lane FROM message INDEXED BY message_departed WHERE fate IS NOT NULL", info, err);
    return status == AIVO_OK ? mark_used(db, "SELECT DISTINCT lane FROM dead", info, err) : status;
}

enum aivo_status aivo_sql_info(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err)
{
    int64_t departed, newest[2], clock[2], dead[2];
    *info = (struct aivo_store_info){.lane_count = 1};
    enum aivo_status status = aivo_sql_lanes(db, info, err);
    if (status == AIVO_OK)
        status = find_unused(db, info, err);
    if (status == AIVO_OK)
        status = aivo_sql_ask(db, "SELECT COUNT(*) FROM message INDEXED BY message_departed WHERE fate IS NOT NULL",
                              &departed, 1, err);
    if (status == AIVO_OK)
        status = aivo_sql_ask(db, "SELECT seq, clock_ms FROM message ORDER BY seq DESC LIMIT 1", newest, 2, err);
    if (status == AIVO_OK)
        status = aivo_sql_ask(db, "SELECT COUNT(*), MAX(seq) FROM dead", dead, 2, err);
    if (status == AIVO_OK)
        status = aivo_sql_ask(db, "SELECT clock_ms, unix_ms FROM clock", clock, 2, err);
    if (status != AIVO_OK)
        return status;
    info->departed = (uint64_t)departed;
    info->dead = (uint64_t)dead[0];
    info->last_seq = newest[0] > dead[1] ? newest[0] : dead[1];
    if (info->last_seq > AIVO_SQL_SEQ_MAX)
        return aivo_error_set(err, AIVO_E_CORRUPT, SQLITE_CORRUPT, "the queue's file %s is damaged: a row's number",
                              db->path);
    info->newest_ms = held_within(newest[1]);
    info->saved_ms = held_within(clock[0]);
    info->saved_unix_ms = held_within(clock[1]);
    return AIVO_OK;
}

static enum aivo_status prepare(struct aivo_store_db *db, struct aivo_error *err)
{
    for (int i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(db->sql, aivo_sql_statements[i], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i],
                               NULL) == SQLITE_OK)
            continue;
        return aivo_sql_damaged(db, err);
    }
    return AIVO_OK;
}

/* AIVO_E_CORRUPT and not *foreign: the file is to be moved aside. */
static enum aivo_status open_sql(struct aivo_store_db *db, int64_t unix_ms, struct aivo_store_info *info, bool *foreign,
                                 struct aivo_error *err)
{
    struct aivo_error repair = {.status = AIVO_OK};
    bool empty = false;
    *foreign = false;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(db->path, &db->sql, flags, NULL) != SQLITE_OK) {
        if (!db->sql)
            return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for SQLite");
        return aivo_sql_failure(db, "open", err);
    }
    sqlite3_busy_timeout(db->sql, BUSY_MS);
    int64_t version = 0;
    enum aivo_status status = aivo_sql_identify(db, &empty, foreign, &version, err);
    if (status == AIVO_OK && !db->in_memory && aivo_store_log_broken(db->path)) /* may be all that an empty file has */
        status = aivo_error_set(err, AIVO_E_CORRUPT, SQLITE_CORRUPT,
                                "the log of the queue's file %s is damaged before its end", db->path);
    if (status == AIVO_OK && !empty)
        status = aivo_sql_check(db, err);
    if (status == AIVO_OK && !db->in_memory)
        status = use_wal(db, err);
    if (status == AIVO_OK && empty)
        status = aivo_sql_execute(db, schema, err);
    if (status == AIVO_OK && !empty && version == 1)
        status = aivo_sql_execute(db, to_second, err);
    if (status == AIVO_OK)
        status = prepare(db, err);
    /* What cannot be put right now (a full disk) is at the next opening. */
    if (status == AIVO_OK && !empty && aivo_sql_repair(db, unix_ms, &repair) == AIVO_E_CORRUPT) {
        status = AIVO_E_CORRUPT;
        *err = repair;
    }
    if (status == AIVO_OK)
        status = aivo_sql_info(db, info, err);
    return status;
}

enum aivo_status aivo_sql_open_scratch(struct aivo_store_db *db, struct aivo_error *err)
{
    struct aivo_store_info info;
    bool foreign;
    enum aivo_status status = open_sql(db, 0, &info, &foreign, err);
    /* No log: the room on the disk may be short, and a file that is not whole is made again. */
    return status == AIVO_OK ? aivo_sql_execute(db, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF", err)
                             : status;
}

static void tell_replaced(const struct aivo_store_db *db, const struct aivo_store_replaced *r, int code,
                          struct aivo_error *notice)
{
    /* The new name begins with the old one: where both would be cut, it alone says all. */
    if (strlen(r->moved) < 70)
        aivo_error_set(notice, AIVO_E_CORRUPT, code,
                       "the queue's file %s was damaged: moved to %s, %llu messages salvaged", db->path, r->moved,
                       (unsigned long long)r->saved);
    else
        aivo_error_set(notice, AIVO_E_CORRUPT, code, "damaged queue file moved to %s, %llu messages salvaged", r->moved,
                       (unsigned long long)r->saved);
}

/* What can be read of a damaged file goes on in a new one. Where that fails the damaged one is left, and is not open.
 */
static enum aivo_status begin_anew(struct aivo_store_db *db, int64_t unix_ms, struct aivo_store_info *info,
                                   const struct aivo_error *why, struct aivo_error *notice, struct aivo_error *err)
{
    struct aivo_store_replaced r = {.saved = 0};
    bool foreign;
    /* Its log stays as it is. */
    if (db->sql)
        sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    aivo_sql_close(db);
    enum aivo_status status = aivo_sql_salvage(db->path, &r.saved, err);
    if (status == AIVO_OK)
        status = aivo_store_replace_commit(db->path, unix_ms, &r, err);
    if (status != AIVO_OK)
        return status;
    db->log = (struct aivo_store_identity){.ino = 0};
    tell_replaced(db, &r, why->code, notice);
    status = aivo_store_file_identify(db->path, &db->file, err);
    if (status == AIVO_OK)
        status = open_sql(db, unix_ms, info, &foreign, err);
    info->salvaged = r.saved;
    return status;
}

/* A file that is no database may be somebody's letters. */
static enum aivo_status refuse_others(struct aivo_store_db *db, struct aivo_error *why)
{
    /* SQLite lets go of it: a file that is closed loses all locks of its process. */
    sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    aivo_sql_close(db);
    if (db->was_marked || aivo_store_file_was_queue(db->path, AIVO_SQL_APPLICATION))
        return AIVO_OK;
    aivo_store_file_unmark(db->path);
    aivo_store_lock_undo(db->lock, db->path);
    db->lock = NULL;
    return aivo_error_set(why, AIVO_E_CORRUPT, SQLITE_NOTADB, "%s is no database: choose another path", db->path);
}

/* The file is ours alone from here on, and in one piece. */
static enum aivo_status claim(struct aivo_store_db *db, int64_t unix_ms, struct aivo_error *notice,
                              struct aivo_error *err)
{
    struct aivo_store_replaced r;
    enum aivo_status status = aivo_store_lock_take(db->path, &db->lock, err);
    if (status == AIVO_OK)
        status = aivo_store_replace_finish(db->path, unix_ms, &r, err);
    db->was_marked = aivo_store_file_marked(db->path);
    if (status == AIVO_OK && *r.moved)
        tell_replaced(db, &r, SQLITE_CORRUPT, notice);
    if (status == AIVO_OK)
        status = aivo_store_file_identify(db->path, &db->file, err);
    return status;
}

enum aivo_status aivo_sql_store_open(const char *path, int64_t unix_ms, struct aivo_store_db **out,
                                     struct aivo_store_info *info, struct aivo_error *notice, struct aivo_error *err)
{
    struct aivo_store_db *db = calloc(1, sizeof *db);
    if (!db)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
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
        status = claim(db, unix_ms, notice, &why);
    if (status == AIVO_OK)
        status = open_sql(db, unix_ms, info, &foreign, &why);
    if (status == AIVO_E_CORRUPT && !foreign && path) {
        struct aivo_error damage = why;
        status = refuse_others(db, &why);
        if (status == AIVO_OK)
            status = begin_anew(db, unix_ms, info, &damage, notice, &why);
    }
    if (status == AIVO_OK) {
        if (path && aivo_store_file_keep_reserve(db->path, AIVO_SQL_RESERVE_BYTES))
            db->reserve = RESERVE_KEPT;
        *out = db;
        return AIVO_OK;
    }
    if (err)
        *err = why;
    aivo_sql_store_close(db);
    return status;
}

/* The damaged file as it was, so that what can be reached of it goes on. false: not even that. */
static bool open_as_it_is(struct aivo_store_db *db)
{
    struct aivo_error ignored;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    aivo_sql_close(db);
    return sqlite3_open_v2(db->path, &db->sql, flags, NULL) == SQLITE_OK &&
           sqlite3_busy_timeout(db->sql, BUSY_MS) == SQLITE_OK && use_wal(db, &ignored) == AIVO_OK &&
           prepare(db, &ignored) == AIVO_OK;
}

enum aivo_status aivo_sql_store_recover(struct aivo_store_db *db, int64_t unix_ms, struct aivo_store_info *info,
                                        struct aivo_error *notice, struct aivo_error *err)
{
    const struct aivo_error why = {.status = AIVO_E_CORRUPT, .code = SQLITE_CORRUPT};
    struct aivo_store_db empty = {.path = ":memory:", .in_memory = true};
    struct aivo_store_info ignored;
    bool foreign;
    if (db->in_memory)
        return aivo_error_set(err, AIVO_E_STORE, 0, "there is no file to salvage");
    enum aivo_status status =
        aivo_store_file_unchanged(db->path, &db->file, aivo_store_lock_file(db->lock), &db->log, err);
    if (status == AIVO_OK) /* something must be open, whatever comes */
        status = open_sql(&empty, unix_ms, &ignored, &foreign, err);
    if (status != AIVO_OK) {
        aivo_sql_close(&empty);
        return status;
    }
    db->wal_frames = 0;
    status = begin_anew(db, unix_ms, info, &why, notice, err);
    if (status == AIVO_OK || open_as_it_is(db)) {
        aivo_sql_close(&empty);
        return status;
    }
    /* Nothing can be read or kept: no commit finds the file that it should go into. */
    aivo_sql_close(db);
    db->sql = empty.sql;
    memcpy(db->statements, empty.statements, sizeof db->statements);
    db->file = (struct aivo_store_identity){.ino = 0};
    return status;
}
