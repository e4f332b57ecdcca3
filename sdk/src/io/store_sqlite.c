/* The queue's messages in SQLite: WAL, synchronous=FULL, one prepared statement an operation. */
#include "store_sqlite.h"

#include "../error_internal.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const aivo_sql_statements[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [NAME_LANE] = "INSERT OR REPLACE INTO lane(id, name) VALUES(?1, ?2)",
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
    [DEAD] = "SELECT " AIVO_SQL_DEAD_ROW " FROM dead WHERE seq > ?1 ORDER BY seq LIMIT 1",
    [DEAD_ID] = "SELECT " AIVO_SQL_DEAD_ROW " FROM dead WHERE seq > ?1 AND id = ?2 ORDER BY seq LIMIT 1",
    [REMOVE_DEAD] = "DELETE FROM dead WHERE seq = ?1",
    [LOAD] = "SELECT seq, 0, 0, 0, priority, lane, NULL FROM message INDEXED BY message_order WHERE lane = ?1 AND"
             " gate = 0 AND fate IS NULL ORDER BY priority DESC, seq",
    [LOAD_LATER] = "SELECT seq, 0, 0, due_ms, 0, lane, NULL FROM message INDEXED BY message_later WHERE lane = ?1 AND"
                   " gate = 2 AND fate IS NULL ORDER BY due_ms",
    [FETCH] = "SELECT " AIVO_SQL_ROW " FROM message WHERE seq = ?1",
    [DEPARTED] =
        "SELECT " AIVO_SQL_ROW " FROM message INDEXED BY message_departed WHERE fate IS NOT NULL ORDER BY seq LIMIT ?1",
    [IN_ORDER] =
        "SELECT " AIVO_SQL_REF " FROM message NOT INDEXED WHERE seq > ?2 AND lane = ?1 AND fate IS NULL ORDER BY seq",
    [LEVEL] = "SELECT priority FROM message INDEXED BY message_order WHERE lane = ?1 AND gate = ?2 AND fate IS NULL"
              " AND priority > ?3 ORDER BY priority LIMIT 1",
    [AT_LEVEL] = "SELECT " AIVO_SQL_REF " FROM message INDEXED BY message_order WHERE lane = ?1 AND gate = ?2 AND"
                 " priority = ?3 AND fate IS NULL ORDER BY seq",
    [EXPIRING] = "SELECT " AIVO_SQL_REF " FROM message INDEXED BY message_expiry WHERE lane = ?1 AND fate IS NULL AND"
                 " expires_ms > 0 ORDER BY expires_ms",
    [COLLAPSING] =
        "SELECT " AIVO_SQL_REF " FROM message INDEXED BY message_collapse WHERE lane = ?1 AND collapse_key = ?2 AND"
        " fate IS NULL",
    [MATCHING] = "SELECT " AIVO_SQL_REF " FROM message NOT INDEXED WHERE seq > ?2 AND (?1 < 0 OR lane = ?1) AND"
                 " fate IS NULL AND (?3 IS NULL OR event = ?3) AND (?4 = 0 OR created_ms <= ?4) ORDER BY seq",
    [WITH_ID] = "SELECT " AIVO_SQL_REF " FROM message WHERE id = ?1 AND fate IS NULL",
};

/* Runs a bound statement that returns no row. */
static enum aivo_status run(struct aivo_store_db *db, enum statement which, const char *what, struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[which];
    enum aivo_status status = AIVO_OK;
    if (sqlite3_step(s) != SQLITE_DONE)
        status = aivo_sql_failure(db, what, err);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return status;
}

static enum aivo_status store_begin(struct aivo_store_db *db, struct aivo_error *err)
{
    return run(db, BEGIN, "write to", err);
}

static enum aivo_status unchanged(struct aivo_store_db *db, struct aivo_error *err)
{
    if (db->in_memory)
        return AIVO_OK;
    return aivo_store_file_unchanged(db->path, &db->file, aivo_store_lock_file(db->lock), &db->log, err);
}

static enum aivo_status store_commit(struct aivo_store_db *db, struct aivo_error *err)
{
    enum aivo_status status = unchanged(db, err);
    return status == AIVO_OK ? run(db, COMMIT, "write to", err) : status;
}

void aivo_sql_rollback(struct aivo_store_db *db)
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

static void restore_reserve(struct aivo_store_db *db)
{
    if (db->reserve == RESERVE_USED && aivo_store_file_keep_reserve(db->path, AIVO_SQL_RESERVE_BYTES))
        db->reserve = RESERVE_KEPT;
}

enum aivo_status aivo_sql_insert(struct aivo_store_db *db, const struct aivo_store_row *row, struct aivo_error *err)
{
    restore_reserve(db);
    if (db->reserve == RESERVE_USED)
        return aivo_error_set(err, AIVO_E_STORE, SQLITE_FULL,
                              "disk full: cannot write to %s: what room there is, is for removing what was delivered",
                              db->path);
    sqlite3_stmt *s = db->statements[INSERT];
    sqlite3_bind_int64(s, 1, row->seq);
    aivo_sql_bind_id(s, 2, row->id);
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
    enum aivo_status status = run(db, INSERT, "write to", err);
    if (status != AIVO_OK && (sqlite3_errcode(db->sql) & 0xff) == SQLITE_CONSTRAINT)
        unchanged(db, err); /* another writer would explain it */
    return status;
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

static enum aivo_status each_row(struct aivo_store_db *db, enum statement which, aivo_store_row_fn fn, void *user,
                                 struct aivo_error *err)
{
    sqlite3_stmt *s = db->statements[which];
    enum aivo_status status = AIVO_OK;
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct aivo_store_row row;
        aivo_sql_read_row(s, &row);
        if (!fn(user, &row))
            break;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = aivo_sql_failure(db, "read", err);
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
        status = aivo_sql_failure(db, "read", err);
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

static enum aivo_status store_matching(struct aivo_store_db *db, const struct aivo_store_match *match,
                                       aivo_store_ref_fn fn, void *user, struct aivo_error *err)
{
    bool stopped;
    sqlite3_stmt *s = db->statements[MATCHING];
    sqlite3_bind_int(s, 1, match->lane);
    sqlite3_bind_int64(s, 2, match->after);
    if (match->event)
        sqlite3_bind_text(s, 3, match->event, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, match->not_after_ms);
    return each_ref(db, MATCHING, fn, NULL, user, &stopped, err);
}

static enum aivo_status store_with_id(struct aivo_store_db *db, const char *id, aivo_store_ref_fn fn, void *user,
                                      struct aivo_error *err)
{
    bool stopped;
    aivo_sql_bind_id(db->statements[WITH_ID], 1, id);
    return each_ref(db, WITH_ID, fn, NULL, user, &stopped, err);
}

static enum aivo_status store_departed(struct aivo_store_db *db, uint32_t limit, aivo_store_row_fn fn, void *user,
                                       struct aivo_error *err)
{
    sqlite3_bind_int64(db->statements[DEPARTED], 1, limit);
    return each_row(db, DEPARTED, fn, user, err);
}

static enum aivo_status store_key_waits(struct aivo_store_db *db, uint32_t lane, const char *order_key, bool *out,
                                        struct aivo_error *err)
{
    int64_t one;
    sqlite3_bind_int64(db->statements[KEY_WAITS], 1, lane);
    sqlite3_bind_text(db->statements[KEY_WAITS], 2, order_key, -1, SQLITE_STATIC);
    enum aivo_status status = aivo_sql_one_row(db, db->statements[KEY_WAITS], &one, 1, err);
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
        aivo_sql_bind_id(db->statements[which], 2, id);
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
    enum aivo_status status = code == SQLITE_ROW || code == SQLITE_DONE ? AIVO_OK : aivo_sql_failure(db, "read", err);
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

static bool store_relieve(struct aivo_store_db *db, const struct aivo_error *why)
{
    if (db->reserve != RESERVE_KEPT || strncmp(why->message, "disk full", 9) != 0)
        return false;
    aivo_store_file_free_reserve(db->path);
    db->reserve = RESERVE_USED;
    db->wal_frames = 0;
    sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL); /* as far as readers let it */
    return true;
}

static void store_tidy(struct aivo_store_db *db, bool idle)
{
    restore_reserve(db);
    if (db->wal_frames < (idle ? AIVO_SQL_CHECKPOINT_FRAMES / 4 : AIVO_SQL_CHECKPOINT_FRAMES))
        return;
    db->wal_frames = 0;
    /* Passive: it waits for no reader. The log is begun anew by the next write once all of it is copied. */
    sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static bool store_untidy(const struct aivo_store_db *db)
{
    return db->wal_frames >= AIVO_SQL_CHECKPOINT_FRAMES;
}

void aivo_sql_store_close(struct aivo_store_db *db)
{
    if (!db)
        return;
    if (!db->lock || aivo_store_lock_is_ours(db->lock)) /* SQLite's connections are not for a forked child */
        aivo_sql_close(db);
    /* After SQLite's last write: who gets the lock next finds the file at rest. */
    aivo_store_lock_release(db->lock);
    free(db->path);
    free(db);
}

const struct aivo_store aivo_store_sqlite = {
    .open = aivo_sql_store_open,
    .close = aivo_sql_store_close,
    .begin = store_begin,
    .commit = store_commit,
    .rollback = aivo_sql_rollback,
    .name_lane = store_name_lane,
    .insert = aivo_sql_insert,
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
    .matching = store_matching,
    .with_id = store_with_id,
    .relieve = store_relieve,
    .recover = aivo_sql_store_recover,
    .tidy = store_tidy,
    .untidy = store_untidy,
};
