/* The insides of the store in SQLite, shared by its files: store_sqlite.c (operations), store_open.c (opening),
 * store_reader.c (looking at a file beside its writer), store_sql.c (what all share). Only they include sqlite3.h. */
#ifndef AIVO_IO_STORE_SQLITE_H
#define AIVO_IO_STORE_SQLITE_H

#include "store.h"
#include "store_file.h"
#include "store_lock.h"
#include <sqlite3.h>

#define AIVO_SQL_APPLICATION 0x4169766f /* "Aivo": tells our files from other people's databases */
#define AIVO_SQL_SCHEMA      2
#define AIVO_SQL_SEQ_MAX     (INT64_C(1) << 52) /* a greater number is damage: nobody ever sent so many */

#define AIVO_SQL_ROW                                                                                                   \
    "seq, id, created_ms, clock_ms, expires_ms, attempts, fate, last_error, event, args, lane, priority, gate,"        \
    " due_ms, order_key, collapse_key"
/* The same of a file of the first version. */
#define AIVO_SQL_FIRST_ROW                                                                                             \
    "seq, id, created_ms, clock_ms, expires_ms, attempts, fate, last_error, event, args, 0, 0, 0, 0, NULL, NULL"
#define AIVO_SQL_DEAD_ROW                                                                                              \
    "seq, id, created_ms, clock_ms, expires_ms, attempts, 3, last_error, event, args, lane, priority, 0,"              \
    " 0, order_key, collapse_key, died_ms"
#define AIVO_SQL_REF "seq, bytes, expires_ms, due_ms, priority, lane, order_key"

/* As much as a checkpoint of a full log may let the file grow: it gives the log free in turn. */
#define AIVO_SQL_CHECKPOINT_FRAMES 1000
#define AIVO_SQL_RESERVE_BYTES     (4u << 20)

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
    MATCHING,
    WITH_ID,
    STATEMENTS
};

struct aivo_store_db {
    sqlite3 *sql;
    char *path;
    bool in_memory;
    struct aivo_store_lock *lock; /* NULL: not its writer */
    bool was_marked;              /* as damaged, when it was opened */
    int wal_frames;
    struct aivo_store_identity file, log;
    enum { RESERVE_NONE, RESERVE_KEPT, RESERVE_USED } reserve;
    sqlite3_stmt *statements[STATEMENTS];
};

extern const char *const aivo_sql_statements[STATEMENTS];

/* store_sql.c. What the connection says about the call that just failed; damaged: a statement could not be made. */
enum aivo_status aivo_sql_failure(const struct aivo_store_db *db, const char *what, struct aivo_error *err);
enum aivo_status aivo_sql_damaged(struct aivo_store_db *db, struct aivo_error *err);
void aivo_sql_bind_id(sqlite3_stmt *s, int column, const char *id);
void aivo_sql_read_row(sqlite3_stmt *s, struct aivo_store_row *row);
/* The one row of a statement whose columns are integers; out is zero where there is none. */
enum aivo_status aivo_sql_one_row(struct aivo_store_db *db, sqlite3_stmt *s, int64_t *out, int columns,
                                  struct aivo_error *err);
enum aivo_status aivo_sql_ask(struct aivo_store_db *db, const char *sql, int64_t *out, int columns,
                              struct aivo_error *err);
enum aivo_status aivo_sql_execute(struct aivo_store_db *db, const char *sql, struct aivo_error *err);

/* store_open.c */
/* AIVO_E_CORRUPT: what its size allows to look at is damaged, or it is marked so. */
enum aivo_status aivo_sql_check(struct aivo_store_db *db, struct aivo_error *err);
enum aivo_status aivo_sql_identify(struct aivo_store_db *db, bool *empty, bool *foreign, int64_t *version,
                                   struct aivo_error *err);
enum aivo_status aivo_sql_store_open(const char *path, int64_t unix_ms, struct aivo_store_db **out,
                                     struct aivo_store_info *info, struct aivo_error *notice, struct aivo_error *err);
enum aivo_status aivo_sql_store_recover(struct aivo_store_db *db, int64_t unix_ms, struct aivo_store_info *info,
                                        struct aivo_error *notice, struct aivo_error *err);
void aivo_sql_close(struct aivo_store_db *db);
enum aivo_status aivo_sql_lanes(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err);
/* Only their names: does not count what waits, which takes longer the more there is. */
enum aivo_status aivo_sql_lane_names(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err);
enum aivo_status aivo_sql_info(struct aivo_store_db *db, struct aivo_store_info *info, struct aivo_error *err);

/* A new file that only has to be whole when it is closed and synced. */
enum aivo_status aivo_sql_open_scratch(struct aivo_store_db *db, struct aivo_error *err);

/* store_repair.c: whoever waits for what never comes. */
enum aivo_status aivo_sql_repair(struct aivo_store_db *db, int64_t unix_ms, struct aivo_error *err);

/* store_salvage.c: brings what can be read of a damaged file into PATH-salvage. *saved: messages and dead letters.
 * Nobody has the file open; it stays as it is. */
enum aivo_status aivo_sql_salvage(const char *path, uint64_t *saved, struct aivo_error *err);

/* store_sqlite.c */
void aivo_sql_store_close(struct aivo_store_db *db);
void aivo_sql_rollback(struct aivo_store_db *db);
enum aivo_status aivo_sql_insert(struct aivo_store_db *db, const struct aivo_store_row *row, struct aivo_error *err);

#endif
