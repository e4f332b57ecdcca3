/*
 * Where the offline queue's messages are kept, as an interface: store_sqlite.c is the real one, tests may put another
 * in its place. One thread at a time, which need not always be the same.
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

#define AIVO_STORE_ARGS_MAX  (64u << 20) /* bytes of a message's arguments */
#define AIVO_STORE_LANES_MAX 16          /* named queues in a file, the default one included */
#define AIVO_STORE_NAME_MAX  64

struct aivo_store_db;

/* What a waiting message waits for. */
enum aivo_store_gate {
    AIVO_STORE_READY = 0,
    AIVO_STORE_BEHIND = 1, /* an earlier waiting message has the same order key: exactly one of a key is not BEHIND */
    AIVO_STORE_LATER = 2,  /* due_ms */
};

struct aivo_store_row {
    int64_t seq; /* > 0 */
    char id[37];
    const char *event; /* NUL-terminated, without NULs inside; "" in an unreadable row */
    const char *args;
    const char *last_error;               /* NULL: none */
    const char *order_key, *collapse_key; /* NULL: none */
    size_t event_len, args_len;
    int64_t created_ms; /* Unix time */
    int64_t clock_ms;   /* the queue's clock at that time */
    int64_t expires_ms; /* on the queue's clock; 0: never */
    int64_t due_ms;     /* LATER: on the queue's clock */
    int64_t died_ms;    /* dead letters: Unix time */
    uint32_t attempts;
    uint32_t lane;
    int32_t priority;
    enum aivo_store_gate gate;
    int fate;        /* -1: waiting */
    bool unreadable; /* a field is not what it should be */
};
/* Borrowed for the length of the call. false: no more. */
typedef bool (*aivo_store_row_fn)(void *user, const struct aivo_store_row *row);

/* A message without its contents. */
struct aivo_store_ref {
    int64_t seq;
    uint64_t bytes;
    int64_t expires_ms; /* 0: never */
    int64_t due_ms;     /* 0: not LATER */
    int32_t priority;
    uint32_t lane;
    const char *order_key; /* NULL: none; borrowed for the length of the call */
};
/* Which waiting messages are meant. */
struct aivo_store_match {
    int lane;             /* -1: any */
    int64_t after;        /* seq */
    const char *event;    /* NULL: any */
    int64_t not_after_ms; /* created_ms; 0: any */
};
/* What to do with it. */
enum aivo_store_choice { AIVO_STORE_SKIP, AIVO_STORE_TAKE, AIVO_STORE_STOP };
/* TAKE in a loading call: its row is read and handed on; in the others: that was the one, stop. */
typedef enum aivo_store_choice (*aivo_store_ref_fn)(void *user, const struct aivo_store_ref *ref);

struct aivo_store_lane {
    char name[AIVO_STORE_NAME_MAX + 1]; /* "" behind the first: the place is free */
    bool unused;                        /* nothing is in it; found out only where no place is free */
    uint64_t pending;                   /* waiting messages */
    uint64_t bytes;                     /* of their events and arguments */
};

/* What a file held when it was opened. */
struct aivo_store_info {
    struct aivo_store_lane lanes[AIVO_STORE_LANES_MAX]; /* the default one, "", is the first */
    uint32_t lane_count;
    uint64_t departed;     /* fates to be told */
    uint64_t dead;         /* dead letters */
    uint64_t salvaged;     /* rows brought over from a damaged file */
    int64_t last_seq;      /* of messages and dead letters; 0: none */
    int64_t newest_ms;     /* clock_ms of the newest message, 0: none */
    int64_t saved_ms;      /* the queue's clock when it was saved, 0: never */
    int64_t saved_unix_ms; /* and the wall clock */
};

struct aivo_store {
    /* Makes the file where there is none; path NULL: in memory only. A file that is damaged is moved aside, a new one
     * begun with those of its rows that can be read, and notice filled (status AIVO_E_CORRUPT, else AIVO_OK).
     * AIVO_E_LOCKED: another writer; AIVO_E_CORRUPT: somebody else's database, or none, left alone; AIVO_E_STORE:
     * anything else. */
    enum aivo_status (*open)(const char *path, int64_t unix_ms, struct aivo_store_db **out,
                             struct aivo_store_info *info, struct aivo_error *notice, struct aivo_error *err);
    void (*close)(struct aivo_store_db *db);

    /* What happens between begin and commit is on disk when commit returns AIVO_OK. When any call fails, call
     * rollback(): nothing of it is on disk then. */
    enum aivo_status (*begin)(struct aivo_store_db *db, struct aivo_error *err);
    enum aivo_status (*commit)(struct aivo_store_db *db, struct aivo_error *err);
    void (*rollback)(struct aivo_store_db *db);
    /* One that is free or unused. */
    enum aivo_status (*name_lane)(struct aivo_store_db *db, uint32_t lane, const char *name, struct aivo_error *err);
    enum aivo_status (*insert)(struct aivo_store_db *db, const struct aivo_store_row *row, struct aivo_error *err);
    enum aivo_status (*remove)(struct aivo_store_db *db, int64_t seq, struct aivo_error *err);
    /* A waiting message leaves; its fate is to be told. */
    enum aivo_status (*depart)(struct aivo_store_db *db, int64_t seq, enum aivo_fate fate, struct aivo_error *err);
    /* due_ms: 0, or the message becomes LATER. */
    enum aivo_status (*failed)(struct aivo_store_db *db, int64_t seq, uint32_t attempts, const char *last_error,
                               int64_t due_ms, struct aivo_error *err);
    enum aivo_status (*save_clock)(struct aivo_store_db *db, int64_t clock_ms, int64_t unix_ms, struct aivo_error *err);

    /* Whether a waiting message of this lane has the order key. */
    enum aivo_status (*key_waits)(struct aivo_store_db *db, uint32_t lane, const char *order_key, bool *out,
                                  struct aivo_error *err);
    /* The first of the lane that is BEHIND with this key becomes READY, unless an earlier one waits. */
    enum aivo_status (*promote)(struct aivo_store_db *db, uint32_t lane, const char *order_key, bool *changed,
                                struct aivo_error *err);

    /* A message, waiting or not, becomes a dead letter with the same seq. *moved: it was there. */
    enum aivo_status (*bury)(struct aivo_store_db *db, int64_t seq, uint32_t attempts, const char *reason,
                             int64_t died_ms, bool *moved, struct aivo_error *err);
    /* The first dead letter after *seq (id NULL), or the one with this id after *seq; *seq is 0 if there is none. */
    enum aivo_status (*dead)(struct aivo_store_db *db, const char *id, int64_t *seq, aivo_store_row_fn fn, void *user,
                             struct aivo_error *err);
    enum aivo_status (*remove_dead)(struct aivo_store_db *db, int64_t seq, struct aivo_error *err);

    /* READY messages of a lane, the highest priority first and then in order of seq. */
    enum aivo_status (*load)(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn choose, aivo_store_row_fn fn,
                             void *user, struct aivo_error *err);
    /* LATER messages of a lane in order of due_ms. */
    enum aivo_status (*load_later)(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn choose,
                                   aivo_store_row_fn fn, void *user, struct aivo_error *err);
    /* Messages that have left, in order of seq. */
    enum aivo_status (*departed)(struct aivo_store_db *db, uint32_t limit, aivo_store_row_fn fn, void *user,
                                 struct aivo_error *err);
    /* Waiting messages of a lane with seq > after, in order of seq. */
    enum aivo_status (*in_order)(struct aivo_store_db *db, uint32_t lane, int64_t after, aivo_store_ref_fn fn,
                                 void *user, struct aivo_error *err);
    /* Waiting messages of a lane, the lowest priority first; of one priority those of one gate in order of seq. */
    enum aivo_status (*by_priority)(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn fn, void *user,
                                    struct aivo_error *err);
    /* Waiting messages of a lane that expire, in that order. */
    enum aivo_status (*expiring)(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn fn, void *user,
                                 struct aivo_error *err);
    /* Waiting messages of a lane with this collapse key. */
    enum aivo_status (*collapsing)(struct aivo_store_db *db, uint32_t lane, const char *collapse_key,
                                   aivo_store_ref_fn fn, void *user, struct aivo_error *err);

    /* Those that are meant, in order of seq. */
    enum aivo_status (*matching)(struct aivo_store_db *db, const struct aivo_store_match *match, aivo_store_ref_fn fn,
                                 void *user, struct aivo_error *err);
    /* The waiting messages with this id. */
    enum aivo_status (*with_id)(struct aivo_store_db *db, const char *id, aivo_store_ref_fn fn, void *user,
                                struct aivo_error *err);

    /* A transaction that only removes failed for why: true if room was made for another try. Until there is as much
     * room again insert() fails, so that no new message takes what was made. */
    bool (*relieve)(struct aivo_store_db *db, const struct aivo_error *why);

    /* A call said AIVO_E_CORRUPT: what can be read goes on in a new file, as in open(); numbers and lanes stay. No
     * transaction is open. Upon failure the damaged one goes on. NULL: cannot be done. */
    enum aivo_status (*recover)(struct aivo_store_db *db, int64_t unix_ms, struct aivo_store_info *info,
                                struct aivo_error *notice, struct aivo_error *err);

    /* Housekeeping that may take its time, outside a transaction. Never fails: what could not be done is done later. */
    void (*tidy)(struct aivo_store_db *db, bool idle);
    /* Whether it would take its time, were something to be done besides. */
    bool (*untidy)(const struct aivo_store_db *db);
};

extern const struct aivo_store aivo_store_sqlite;

#endif
