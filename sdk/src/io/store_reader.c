#include "store_reader.h"

#include "../error_internal.h"
#include "store_sqlite.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 2000

struct aivo_store_reader {
    struct aivo_store_db db;
    int64_t version;
};

static enum aivo_status open_once(struct aivo_store_reader *r, const char *name, int more_flags, struct aivo_error *err)
{
    bool empty, foreign = false;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | more_flags;
    if (sqlite3_open_v2(name, &r->db.sql, flags, NULL) != SQLITE_OK)
        return r->db.sql ? aivo_sql_failure(&r->db, "open", err)
                         : aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for SQLite");
    sqlite3_busy_timeout(r->db.sql, BUSY_MS);
    enum aivo_status status = aivo_sql_identify(&r->db, &empty, &foreign, &r->version, err);
    if (status == AIVO_OK && empty)
        status = aivo_error_set(err, AIVO_E_CORRUPT, 0, "%s is no Aivo queue: it is empty", r->db.path);
    return status;
}

/* "file:PATH?immutable=1" */
static char *immutable_name(const char *path)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = malloc(strlen(path) * 3 + 32);
    if (!out)
        return NULL;
    char *at = out + sprintf(out, "file:");
    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        if (*p != '%' && *p != '?' && *p != '#' && *p > ' ' && *p < 0x7f) {
            *at++ = (char)*p;
            continue;
        }
        *at++ = '%';
        *at++ = hex[*p >> 4];
        *at++ = hex[*p & 15];
    }
    snprintf(at, 16, "?immutable=1");
    return out;
}

static bool may_write_beside(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    bool may = !dir || access(dir, W_OK) == 0;
    free(dir);
    return may;
}

static bool has_log(const char *path)
{
    char name[PATH_MAX];
    struct stat st;
    return (size_t)snprintf(name, sizeof name, "%s-wal", path) >= sizeof name ||
           (stat(name, &st) == 0 ? st.st_size > 0 : errno != ENOENT);
}

/* SQLite wants to make a log's index beside the file. Where that cannot be done and there is no log, nobody has the
 * file in use: it does not change while it is looked at. */
static enum aivo_status open_read_only(struct aivo_store_reader *r, struct aivo_error *err)
{
    enum aivo_status status = open_once(r, r->db.path, 0, err);
    const int code = r->db.sql ? sqlite3_errcode(r->db.sql) & 0xff : 0;
    if (status != AIVO_E_STORE || (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) || may_write_beside(r->db.path))
        return status;
    if (has_log(r->db.path))
        return aivo_error_set(err, AIVO_E_STORE, code,
                              "the queue's file %s has a log (-wal), and its directory is not writable: copy both to "
                              "where it is",
                              r->db.path);
    char *name = immutable_name(r->db.path);
    if (!name)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    sqlite3_close(r->db.sql);
    r->db.sql = NULL;
    status = open_once(r, name, SQLITE_OPEN_URI, err);
    free(name);
    return status;
}

enum aivo_status aivo_store_reader_open(const char *path, struct aivo_store_reader **out, struct aivo_error *err)
{
    if (access(path, R_OK) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? aivo_error_set(err, AIVO_E_NOT_FOUND, errno, "there is no queue file %s", path)
                   : aivo_error_set(err, AIVO_E_STORE, errno, "cannot read the queue's file %s: %s", path,
                                    strerror(errno));
    struct aivo_store_reader *r = calloc(1, sizeof *r);
    if (!r || !(r->db.path = strdup(path))) {
        free(r);
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    }
    enum aivo_status status = open_read_only(r, err);
    if (status != AIVO_OK) {
        aivo_store_reader_close(r);
        return status;
    }
    *out = r;
    return AIVO_OK;
}

enum aivo_status aivo_store_reader_check(struct aivo_store_reader *r, struct aivo_error *err)
{
    return aivo_sql_check(&r->db, err);
}

void aivo_store_reader_close(struct aivo_store_reader *r)
{
    if (!r)
        return;
    sqlite3_close(r->db.sql);
    free(r->db.path);
    free(r);
}

enum aivo_status aivo_store_reader_lanes(struct aivo_store_reader *r, struct aivo_store_info *info,
                                         struct aivo_error *err)
{
    *info = (struct aivo_store_info){.lane_count = 1};
    return r->version >= 2 ? aivo_sql_lane_names(&r->db, info, err) : AIVO_OK;
}

/* A query with the lane, the first schema having none, and its integers. */
static enum aivo_status count(struct aivo_store_reader *r, const char *sql, int lane, int64_t *out, int columns,
                              struct aivo_error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(r->db.sql, sql, -1, &s, NULL) != SQLITE_OK)
        return aivo_sql_damaged(&r->db, err);
    sqlite3_bind_int(s, 1, lane);
    enum aivo_status status = aivo_sql_one_row(&r->db, s, out, columns, err);
    sqlite3_finalize(s);
    return status;
}

enum aivo_status aivo_store_reader_count(struct aivo_store_reader *r, int lane, struct aivo_store_counts *out,
                                         struct aivo_error *err)
{
    int64_t waiting[4] = {0}, oldest = 0, departed = 0, dead = 0;
    bool first = r->version < 2;
    enum aivo_status status =
        count(r,
              first ? "SELECT COUNT(*), SUM(bytes), 0, 0 FROM message WHERE fate IS NULL AND ?1 <= 0"
                    : "SELECT COUNT(*), SUM(bytes), SUM(gate = 2), SUM(gate = 1) FROM message WHERE fate IS NULL AND"
                      " (?1 < 0 OR lane = ?1)",
              lane, waiting, 4, err);
    if (status == AIVO_OK)
        status = count(r,
                       first ? "SELECT created_ms FROM message WHERE fate IS NULL AND ?1 <= 0 ORDER BY seq LIMIT 1"
                             : "SELECT created_ms FROM message NOT INDEXED WHERE fate IS NULL AND (?1 < 0 OR lane = ?1)"
                               " ORDER BY seq LIMIT 1",
                       lane, &oldest, 1, err);
    if (status == AIVO_OK)
        status = count(r,
                       first ? "SELECT COUNT(*) FROM message WHERE fate IS NOT NULL AND ?1 <= 0"
                             : "SELECT COUNT(*) FROM message WHERE fate IS NOT NULL AND (?1 < 0 OR lane = ?1)",
                       lane, &departed, 1, err);
    if (status == AIVO_OK && !first)
        status = count(r, "SELECT COUNT(*) FROM dead WHERE ?1 < 0 OR lane = ?1", lane, &dead, 1, err);
    if (status != AIVO_OK)
        return status;
    *out = (struct aivo_store_counts){.pending = (uint64_t)waiting[0],
                                      .bytes = (uint64_t)waiting[1],
                                      .later = (uint64_t)waiting[2],
                                      .behind = (uint64_t)waiting[3],
                                      .departed = (uint64_t)departed,
                                      .dead = (uint64_t)dead,
                                      .oldest_ms = oldest};
    return AIVO_OK;
}

static enum aivo_status rows(struct aivo_store_reader *r, sqlite3_stmt *s, aivo_store_row_fn fn, void *user,
                             bool *found, struct aivo_error *err)
{
    int code;
    bool more = true;
    while (more && (code = sqlite3_step(s)) == SQLITE_ROW) {
        struct aivo_store_row row;
        aivo_sql_read_row(s, &row);
        *found = true;
        more = fn(user, &row);
    }
    enum aivo_status status = AIVO_OK;
    if (more && code != SQLITE_DONE)
        status = aivo_sql_failure(&r->db, "read", err);
    sqlite3_finalize(s);
    return status;
}

static enum aivo_status prepare(struct aivo_store_reader *r, bool dead, const char *where, sqlite3_stmt **s,
                                struct aivo_error *err)
{
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE %s",
             dead              ? AIVO_SQL_DEAD_ROW
             : r->version >= 2 ? AIVO_SQL_ROW
                               : AIVO_SQL_FIRST_ROW,
             dead ? "dead" : "message", where);
    return sqlite3_prepare_v2(r->db.sql, sql, -1, s, NULL) == SQLITE_OK ? AIVO_OK : aivo_sql_damaged(&r->db, err);
}

enum aivo_status aivo_store_reader_list(struct aivo_store_reader *r, bool dead, int lane, int64_t after, uint32_t limit,
                                        aivo_store_row_fn fn, void *user, struct aivo_error *err)
{
    sqlite3_stmt *s = NULL;
    bool found;
    if (r->version < 2 && (dead || lane > 0))
        return AIVO_OK;
    const char *where = dead             ? "seq > ?1 AND (?3 < 0 OR lane = ?3) ORDER BY seq LIMIT ?2"
                        : r->version < 2 ? "seq > ?1 AND fate IS NULL AND ?3 <= 0 ORDER BY seq LIMIT ?2"
                                         : "seq > ?1 AND fate IS NULL AND (?3 < 0 OR lane = ?3) ORDER BY seq LIMIT ?2";
    enum aivo_status status = prepare(r, dead, where, &s, err);
    if (status != AIVO_OK)
        return status;
    sqlite3_bind_int64(s, 1, after);
    sqlite3_bind_int64(s, 2, limit);
    sqlite3_bind_int(s, 3, lane);
    return rows(r, s, fn, user, &found, err);
}

enum aivo_status aivo_store_reader_show(struct aivo_store_reader *r, bool dead, const char *id, aivo_store_row_fn fn,
                                        void *user, bool *found, struct aivo_error *err)
{
    sqlite3_stmt *s = NULL;
    *found = false;
    if (r->version < 2 && dead)
        return AIVO_OK;
    enum aivo_status status = prepare(r, dead, "id = ?1 LIMIT 1", &s, err);
    if (status != AIVO_OK)
        return status;
    aivo_sql_bind_id(s, 1, id);
    return rows(r, s, fn, user, found, err);
}
