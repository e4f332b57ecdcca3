/* What all that speaks to SQLite shares: its failures in our words, rows, ids. */
#include "store_sqlite.h"

#include "../error_internal.h"
#include "msgid.h"
#include "uuid.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool means_full(int code, int error)
{
    /* SHMSIZE: the log's index cannot be made longer; why is not kept. */
    return (code & 0xff) == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE || error == ENOSPC || error == EDQUOT ||
           error == EFBIG;
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
enum aivo_status aivo_sql_failure(const struct aivo_store_db *db, const char *what, struct aivo_error *err)
{
    int code = sqlite3_extended_errcode(db->sql);
    int error = (code & 0xff) == SQLITE_IOERR ? last_errno(db->sql) : 0;
    if (error == 0)
        error = sqlite3_system_errno(db->sql);
    if (means_full(code, error))
        return aivo_error_set(err, AIVO_E_STORE, code, "disk full: cannot %s %s (SQLite %d, errno %d)", what, db->path,
                              code, error ? error : ENOSPC);
    if (means_damaged(code) && db->lock)
        aivo_store_file_mark(db->path); /* its writer */
    if (means_damaged(code))
        return aivo_error_set(err, AIVO_E_CORRUPT, code, "the queue's file %s is damaged: %s (SQLite %d)", db->path,
                              sqlite3_errmsg(db->sql), code);
    if (code == SQLITE_BUSY)
        return aivo_error_set(err, AIVO_E_STORE, code, "cannot %s %s: another program holds its write lock", what,
                              db->path);
    if (code == SQLITE_IOERR_FSYNC) /* the log holds it already: only the next transaction overwrites it there */
        return aivo_error_set(err, AIVO_E_STORE, code,
                              "cannot sync %s (%s): refused, but if the power fails now it may be there afterwards",
                              db->path, error ? strerror(error) : sqlite3_errmsg(db->sql));
    return aivo_error_set(err, AIVO_E_STORE, code, "cannot %s %s: %s (SQLite %d%s%s)", what, db->path,
                          sqlite3_errmsg(db->sql), code, error ? ", " : "", error ? strerror(error) : "");
}

/* An id as it is stored: 16 bytes of a UUID in its usual form, else its text. */
void aivo_sql_bind_id(sqlite3_stmt *s, int column, const char *id)
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

void aivo_sql_read_row(sqlite3_stmt *s, struct aivo_store_row *row)
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

/* The one row of a statement whose columns are integers; out is zero where there is none. */
enum aivo_status aivo_sql_one_row(struct aivo_store_db *db, sqlite3_stmt *s, int64_t *out, int columns,
                                  struct aivo_error *err)
{
    memset(out, 0, (size_t)columns * sizeof *out);
    enum aivo_status status = AIVO_OK;
    int code = sqlite3_step(s);
    for (int i = 0; code == SQLITE_ROW && i < columns; i++)
        out[i] = sqlite3_column_int64(s, i);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = aivo_sql_failure(db, "read", err);
    sqlite3_reset(s);
    return status;
}

/* A statement cannot be made: a table is missing, or worse. */
enum aivo_status aivo_sql_damaged(struct aivo_store_db *db, struct aivo_error *err)
{
    if (sqlite3_errcode(db->sql) != SQLITE_ERROR)
        return aivo_sql_failure(db, "read", err);
    return aivo_error_set(err, AIVO_E_CORRUPT, SQLITE_ERROR, "the queue's file %s is damaged: %s", db->path,
                          sqlite3_errmsg(db->sql));
}

/* The integer that a query gives. */
enum aivo_status aivo_sql_ask(struct aivo_store_db *db, const char *sql, int64_t *out, int columns,
                              struct aivo_error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->sql, sql, -1, &s, NULL) != SQLITE_OK)
        return aivo_sql_damaged(db, err);
    enum aivo_status status = aivo_sql_one_row(db, s, out, columns, err);
    sqlite3_finalize(s);
    return status;
}

enum aivo_status aivo_sql_execute(struct aivo_store_db *db, const char *sql, struct aivo_error *err)
{
    if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
        return AIVO_OK;
    enum aivo_status status = aivo_sql_failure(db, "set up", err);
    aivo_sql_rollback(db);
    return status;
}
