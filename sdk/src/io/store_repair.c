/* Rows that nothing would ever look at: what a message waits for is a number in its row, and a wrong one (a bit that
 * flipped, a row written by hand) lets it wait for ever although the file is whole. Put right at opening, by indexes
 * and within a time. */
#include "store_sqlite.h"

#include "clock.h"
#include <inttypes.h>
#include <stdio.h>

#define LONGEST_WAIT_MS (INT64_C(366) * 24 * 3600 * 1000) /* for the next attempt: more is damage */
#define KEYS_MOST_US    20000                             /* for looking at messages that wait for an earlier one */

#define WAITING_ROWS(index, condition, change)                                                                         \
    "UPDATE message INDEXED BY " index " SET " change " WHERE fate IS NULL AND " condition ";"
#define LANES "lane IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) AND "
#define ANEW  "due_ms = 0, gate = order_key IS NOT NULL" /* of a key, the first is found out below */
_Static_assert(AIVO_STORE_LANES_MAX == 16 && AIVO_STORE_READY == 0 && AIVO_STORE_BEHIND == 1 && AIVO_STORE_LATER == 2,
               "the statements say the same");

struct walk {
    sqlite3_stmt *behind, *first;
    int64_t until_us;
    int64_t seqs[1024]; /* of those that nobody is before */
    size_t count;
};

/* Looks at messages that wait for an earlier one of their key, the important and old ones first. */
static void find_first(struct walk *w)
{
    for (unsigned n = 1; sqlite3_step(w->behind) == SQLITE_ROW && w->count < sizeof w->seqs / sizeof *w->seqs; n++) {
        sqlite3_bind_value(w->first, 1, sqlite3_column_value(w->behind, 1));
        sqlite3_bind_value(w->first, 2, sqlite3_column_value(w->behind, 2));
        const int64_t seq = sqlite3_column_int64(w->behind, 0);
        if (sqlite3_step(w->first) != SQLITE_ROW || sqlite3_column_int64(w->first, 0) == seq)
            w->seqs[w->count++] = seq;
        sqlite3_reset(w->first);
        if (n % 64 == 0 && aivo_clock_us() > w->until_us)
            return;
    }
}

static enum aivo_status promote_first(struct aivo_store_db *db, struct aivo_error *err)
{
    struct walk w = {.until_us = aivo_clock_us() + KEYS_MOST_US};
    enum aivo_status status = AIVO_OK;
    if (sqlite3_prepare_v2(db->sql,
                           "SELECT seq, lane, order_key FROM message INDEXED BY message_order WHERE " LANES
                           "gate = 1 AND fate IS NULL",
                           -1, &w.behind, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db->sql,
                           "SELECT seq FROM message INDEXED BY message_key WHERE lane = ?1 AND order_key = ?2 AND fate"
                           " IS NULL ORDER BY seq LIMIT 1",
                           -1, &w.first, NULL) == SQLITE_OK)
        find_first(&w);
    sqlite3_finalize(w.behind);
    sqlite3_finalize(w.first);
    if (w.count > 0)
        status = aivo_sql_execute(db, "BEGIN IMMEDIATE", err);
    for (size_t i = 0; status == AIVO_OK && i < w.count; i++) {
        char sql[96];
        snprintf(sql, sizeof sql, "UPDATE message SET gate = 0 WHERE seq = %" PRId64 " AND gate = 1", w.seqs[i]);
        status = aivo_sql_execute(db, sql, err);
    }
    if (status == AIVO_OK && w.count > 0)
        status = aivo_sql_execute(db, "COMMIT", err);
    return status;
}

enum aivo_status aivo_sql_repair(struct aivo_store_db *db, int64_t unix_ms, struct aivo_error *err)
{
    static const char gates[] = /* nothing is written where nothing is found */
        WAITING_ROWS("message_expiry", "lane < 0", "lane = 0") WAITING_ROWS("message_expiry", "lane > 15", "lane = 0")
            WAITING_ROWS("message_order", LANES "gate < 0", ANEW) WAITING_ROWS("message_order", LANES "gate > 2", ANEW);
    char late[512];
    snprintf(late, sizeof late, WAITING_ROWS("message_later", LANES "gate = 2 AND due_ms > %" PRId64, ANEW),
             unix_ms + LONGEST_WAIT_MS);
    enum aivo_status status = aivo_sql_execute(db, gates, err);
    if (status == AIVO_OK)
        status = aivo_sql_execute(db, late, err);
    return status == AIVO_OK ? promote_first(db, err) : status;
}
