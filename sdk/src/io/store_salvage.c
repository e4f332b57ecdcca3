/* What can still be read of a damaged file is brought over into a new one. SQLite's own recovery needs tables that a
 * distribution's library need not have, so rows are walked by their number: what lies on a bad page gives an error and
 * is passed over, one number at a time. A page that lies where another belongs brings rows a second time, or in another
 * order: what is there already is passed over, and the walk never begins again before the greatest number it saw. */
#include "store_sqlite.h"

#include "../error_internal.h"
#include "store_log.h"
#include "store_replace.h"
#include <errno.h>
#include <string.h>

#define BLIND_STEPS 1000000 /* numbers tried one by one behind the last row that could be read; then it jumps */

struct salvage {
    struct aivo_store_db *from, *into;
    const char *range, *point, *greatest;
    bool dead;
    bool lanes[AIVO_STORE_LANES_MAX]; /* the new file has them */
    uint64_t saved;
    int64_t last_seq;         /* the greatest that was brought */
    struct aivo_error failed; /* the new file could not be written, or the old one not be read for another reason */
};

/* Why a row cannot be read: not because it is damaged, but because of something that passes. What is left out for that
 * would be lost. */
static bool passes(struct salvage *s)
{
    const int code = sqlite3_extended_errcode(s->from->sql);
    switch (code & 0xff) {
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ || code == SQLITE_IOERR_CORRUPTFS ||
            code == SQLITE_IOERR_DATA)
            return false;
        break;
    case SQLITE_NOMEM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
        break;
    default:
        return false;
    }
    if (s->failed.status == AIVO_OK)
        aivo_sql_failure(s->from, "salvage", &s->failed);
    return true;
}

static enum aivo_status insert_dead(struct salvage *s, const struct aivo_store_row *row)
{
    bool moved;
    enum aivo_status status = aivo_sql_insert(s->into, row, &s->failed);
    if (status == AIVO_OK)
        status =
            aivo_store_sqlite.bury(s->into, row->seq, row->attempts, row->last_error, row->died_ms, &moved, &s->failed);
    return status;
}

/* false: stop, the new file cannot be written. */
static bool bring(struct salvage *s, sqlite3_stmt *found)
{
    struct aivo_store_row row;
    aivo_sql_read_row(found, &row);
    if (row.seq <= 0 || (row.unreadable && s->dead))
        return true;
    if (row.unreadable) /* what is left of it is told */
        row.fate = AIVO_FATE_UNREADABLE;
    if (!s->lanes[row.lane])
        row.lane = 0;
    if (row.seq > AIVO_SQL_SEQ_MAX) /* its number is damaged: it comes behind what was before it */
        row.seq = s->last_seq + 1;
    enum aivo_status status = s->dead ? insert_dead(s, &row) : aivo_sql_insert(s->into, &row, &s->failed);
    if (status != AIVO_OK && (s->failed.code & 0xff) == SQLITE_CONSTRAINT) {
        s->failed.status = AIVO_OK;
        return true;
    }
    s->last_seq = row.seq > s->last_seq ? row.seq : s->last_seq;
    s->saved += status == AIVO_OK && !row.unreadable;
    return status == AIVO_OK;
}

/* One number. *ok: its row could be read (or was read and is not there). */
static bool bring_one(struct salvage *s, sqlite3_stmt *point, int64_t seq, bool *found)
{
    sqlite3_bind_int64(point, 1, seq);
    int code = sqlite3_step(point);
    *found = code == SQLITE_ROW;
    bool more = *found ? bring(s, point) : code == SQLITE_DONE || !passes(s);
    sqlite3_reset(point);
    return more;
}

static int64_t greatest_seq(struct salvage *s)
{
    struct aivo_error ignored;
    int64_t seq = 0;
    return aivo_sql_ask(s->from, s->greatest, &seq, 1, &ignored) == AIVO_OK ? seq : 0;
}

static void walk(struct salvage *s)
{
    sqlite3_stmt *range = NULL, *point = NULL;
    if (sqlite3_prepare_v2(s->from->sql, s->range, -1, &range, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(s->from->sql, s->point, -1, &point, NULL) != SQLITE_OK) {
        passes(s);
        sqlite3_finalize(range);
        return;
    }
    int64_t greatest = greatest_seq(s);
    int64_t seq = 0, jump = BLIND_STEPS;
    bool more = true;
    while (more) {
        sqlite3_bind_int64(range, 1, seq);
        int code;
        while (more && (code = sqlite3_step(range)) == SQLITE_ROW) {
            int64_t at = sqlite3_column_int64(range, 0);
            seq = at > seq ? at : seq;
            more = bring(s, range);
        }
        sqlite3_reset(range);
        if (!more || code == SQLITE_DONE || passes(s))
            break;
        /* A bad page: on, number by number, until a row can be read again. */
        bool found = false;
        int64_t left = greatest > 0 ? greatest - seq : BLIND_STEPS;
        for (int64_t step = 0; more && !found && step < left && step < BLIND_STEPS; step++)
            more = bring_one(s, point, ++seq, &found);
        if (found) {
            jump = BLIND_STEPS;
        } else if (greatest - seq > 1) { /* so far away only where the greatest number is itself damaged */
            seq = greatest - seq > jump ? seq + jump : greatest - 1;
            jump = jump > INT64_MAX / 2 ? jump : jump * 2;
        } else {
            break;
        }
    }
    sqlite3_finalize(range);
    sqlite3_finalize(point);
}

static void bring_lanes(struct salvage *s)
{
    struct aivo_store_info info = {0};
    struct aivo_error ignored;
    s->lanes[0] = true;
    if (aivo_sql_lane_names(s->from, &info, &ignored) != AIVO_OK) {
        passes(s);
        return;
    }
    for (uint32_t i = 1; i < info.lane_count && s->failed.status == AIVO_OK; i++)
        s->lanes[i] =
            *info.lanes[i].name && aivo_store_sqlite.name_lane(s->into, i, info.lanes[i].name, &s->failed) == AIVO_OK;
}

static void bring_all(struct salvage *s, int64_t version)
{
    if (version >= 2)
        bring_lanes(s);
    if (s->failed.status != AIVO_OK)
        return;
    s->range = version >= 2 ? "SELECT " AIVO_SQL_ROW " FROM message NOT INDEXED WHERE seq > ?1 ORDER BY seq"
                            : "SELECT " AIVO_SQL_FIRST_ROW " FROM message NOT INDEXED WHERE seq > ?1 ORDER BY seq";
    s->point = version >= 2 ? "SELECT " AIVO_SQL_ROW " FROM message NOT INDEXED WHERE seq = ?1"
                            : "SELECT " AIVO_SQL_FIRST_ROW " FROM message NOT INDEXED WHERE seq = ?1";
    s->greatest = "SELECT seq FROM message NOT INDEXED ORDER BY seq DESC LIMIT 1";
    walk(s);
    if (version < 2 || s->failed.status != AIVO_OK)
        return;
    s->dead = true;
    s->range = "SELECT " AIVO_SQL_DEAD_ROW " FROM dead WHERE seq > ?1 ORDER BY seq";
    s->point = "SELECT " AIVO_SQL_DEAD_ROW " FROM dead WHERE seq = ?1";
    s->greatest = "SELECT seq FROM dead ORDER BY seq DESC LIMIT 1";
    walk(s);
}

static bool open_damaged(struct salvage *s, const char *path, int64_t *version)
{
    struct aivo_error ignored;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    bool ok = sqlite3_open_v2(path, &s->from->sql, flags, NULL) == SQLITE_OK &&
              sqlite3_db_config(s->from->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK &&
              /* else a file that was cut short is not read at all */
              sqlite3_db_config(s->from->sql, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL) == SQLITE_OK &&
              sqlite3_busy_timeout(s->from->sql, 2000) == SQLITE_OK &&
              aivo_sql_ask(s->from, "PRAGMA user_version", version, 1, &ignored) == AIVO_OK;
    if (!ok)
        passes(s);
    return ok && *version >= 1 && *version <= AIVO_SQL_SCHEMA;
}

/* One transaction of what can be read of a file as it is. */
static enum aivo_status salvage_once(struct aivo_store_db *into, const char *path, uint64_t *saved,
                                     struct aivo_error *err)
{
    struct aivo_store_db from = {.path = (char *)path};
    struct salvage s = {.from = &from, .into = into, .lanes = {true}, .failed = {.status = AIVO_OK}};
    int64_t version = 0;
    bool readable = open_damaged(&s, path, &version);
    if (readable && aivo_store_sqlite.begin(into, &s.failed) == AIVO_OK) {
        bring_all(&s, version);
        /* The first of a key may be among the lost. */
        if (s.failed.status == AIVO_OK)
            aivo_sql_execute(into,
                             "DELETE FROM dead WHERE seq IN (SELECT seq FROM message);"
                             "UPDATE message SET gate = 0 WHERE gate = 1 AND seq IN (SELECT MIN(seq) FROM message"
                             " WHERE fate IS NULL AND order_key IS NOT NULL GROUP BY lane, order_key)",
                             &s.failed);
        if (s.failed.status == AIVO_OK)
            aivo_store_sqlite.commit(into, &s.failed);
        if (s.failed.status != AIVO_OK)
            aivo_sql_rollback(into);
    }
    sqlite3_close(from.sql);
    if (s.failed.status == AIVO_OK)
        *saved += s.saved;
    else if (err)
        *err = s.failed;
    return s.failed.status == AIVO_OK ? AIVO_OK : AIVO_E_STORE;
}

/* With the commits behind a bad place of the log first, so that the newest of each row is there; then what is to be had
 * without them, where the pages that went bad are in an older state. That may bring back what was delivered since: it
 * is sent again, with its id. */
static enum aivo_status salvage_both(struct aivo_store_db *into, const char *path, uint64_t *saved,
                                     struct aivo_error *err)
{
    enum aivo_status status = AIVO_OK;
    if (aivo_store_log_broken(path)) {
        if (!aivo_store_log_mend(path))
            return aivo_error_set(err, AIVO_E_STORE, errno, "%s salvage the log of the damaged queue file %s: %s",
                                  errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? "disk full: cannot" : "cannot",
                                  path, strerror(errno));
        status = salvage_once(into, path, saved, err);
        aivo_store_log_unmend(path);
    }
    return status == AIVO_OK ? salvage_once(into, path, saved, err) : status;
}

enum aivo_status aivo_sql_salvage(const char *path, uint64_t *saved, struct aivo_error *err)
{
    char scratch[PATH_MAX];
    struct aivo_store_db into = {.path = scratch, .in_memory = true};
    *saved = 0;
    enum aivo_status status = aivo_store_replace_begin(path, scratch, err);
    if (status == AIVO_OK)
        status = aivo_sql_open_scratch(&into, err);
    if (status == AIVO_OK)
        status = salvage_both(&into, path, saved, err);
    aivo_sql_close(&into);
    if (status != AIVO_OK)
        aivo_store_replace_drop(path);
    return status;
}
