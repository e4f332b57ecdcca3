/*
 * Where the offline queue's messages are kept, as an interface: store_sqlite.c is the real one, tests may put another
 * in its place. One thread at a time, and only the queue's store thread once it runs.
 *
 * A stored message is waiting, or it has left with a fate that is still to be told: it is kept until aivo_store.remove,
 * so that a fate survives the process as well as a message does.
 *
 * Every call but rollback() and close() may fail with AIVO_E_STORE, or AIVO_E_CORRUPT where the file turns out to be
 * damaged, and then fills *err.
 */
#ifndef AIVO_IO_STORE_H
#define AIVO_IO_STORE_H

#include <aivo/error.h>
#include <aivo/outbox.h>
#include <stdbool.h>
#include <stdint.h>

#define AIVO_STORE_ARGS_MAX (64u << 20) /* bytes of a message's arguments */

struct aivo_store_db;

struct aivo_store_row {
    int64_t seq; /* > 0 */
    uint8_t id[16];
    const char *event; /* NUL-terminated, without NULs inside; "" in an unreadable row */
    const char *args;
    const char *last_error; /* NULL: none */
    size_t event_len, args_len;
    int64_t created_ms; /* Unix time */
    int64_t clock_ms;   /* the queue's clock at that time */
    int64_t expires_ms; /* on the queue's clock; 0: never */
    uint32_t attempts;
    int fate;        /* -1: waiting */
    bool unreadable; /* a field is not what it should be */
};
/* Borrowed for the length of the call. false: no more. */
typedef bool (*aivo_store_row_fn)(void *user, const struct aivo_store_row *row);

/* What a file held when it was opened. */
struct aivo_store_info {
    uint64_t pending;      /* waiting messages */
    uint64_t bytes;        /* of their events and arguments */
    uint64_t departed;     /* fates to be told */
    int64_t last_seq;      /* 0: none */
    int64_t newest_ms;     /* clock_ms of the newest message, 0: none */
    int64_t saved_ms;      /* the queue's clock when it was saved, 0: never */
    int64_t saved_unix_ms; /* and the wall clock */
};

struct aivo_store {
    /* Makes the file where there is none. A file that is damaged or no database is moved aside, a new one begun, and
     * notice filled (status AIVO_E_CORRUPT, else AIVO_OK). AIVO_E_LOCKED: another writer; AIVO_E_CORRUPT: somebody
     * else's database, left alone; AIVO_E_STORE: anything else. */
    enum aivo_status (*open)(const char *path, int64_t unix_ms, struct aivo_store_db **out,
                             struct aivo_store_info *info, struct aivo_error *notice, struct aivo_error *err);
    void (*close)(struct aivo_store_db *db);

    /* What happens between begin and commit is on disk when commit returns AIVO_OK. When any call fails, call
     * rollback(): nothing of it is on disk then. */
    enum aivo_status (*begin)(struct aivo_store_db *db, struct aivo_error *err);
    enum aivo_status (*commit)(struct aivo_store_db *db, struct aivo_error *err);
    void (*rollback)(struct aivo_store_db *db);
    enum aivo_status (*insert)(struct aivo_store_db *db, const struct aivo_store_row *row, struct aivo_error *err);
    enum aivo_status (*remove)(struct aivo_store_db *db, int64_t seq, struct aivo_error *err);
    /* A waiting message leaves; its fate is to be told. */
    enum aivo_status (*depart)(struct aivo_store_db *db, int64_t seq, enum aivo_fate fate, struct aivo_error *err);
    enum aivo_status (*failed)(struct aivo_store_db *db, int64_t seq, uint32_t attempts, const char *last_error,
                               struct aivo_error *err);
    enum aivo_status (*save_clock)(struct aivo_store_db *db, int64_t clock_ms, int64_t unix_ms, struct aivo_error *err);

    /* Waiting messages with seq > after, in order. */
    enum aivo_status (*load)(struct aivo_store_db *db, int64_t after, uint32_t limit, aivo_store_row_fn fn, void *user,
                             struct aivo_error *err);
    /* Messages that have left, in order of seq. */
    enum aivo_status (*departed)(struct aivo_store_db *db, uint32_t limit, aivo_store_row_fn fn, void *user,
                                 struct aivo_error *err);
    /* The first waiting message with after < seq: its seq and size; *seq is 0 where there is none. */
    enum aivo_status (*first)(struct aivo_store_db *db, int64_t after, int64_t *seq, uint64_t *bytes,
                              struct aivo_error *err);
    /* The waiting message with seq > after that expires first; *expires_ms is 0 where none does. */
    enum aivo_status (*next_expiry)(struct aivo_store_db *db, int64_t after, int64_t *seq, uint64_t *bytes,
                                    int64_t *expires_ms, struct aivo_error *err);

    /* Housekeeping that may take its time, outside a transaction. Never fails: what could not be done is done later. */
    void (*tidy)(struct aivo_store_db *db, bool idle);
};

extern const struct aivo_store aivo_store_sqlite;

#endif
