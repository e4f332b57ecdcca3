/* A queue under test: the loop is the test's own thread, the server answers when the test tells it to. */
#ifndef QUEUE_BENCH_H
#define QUEUE_BENCH_H

#include "queue.h"
#include <pthread.h>

#define SEEN_MAX 8192

struct bench {
    char dir[128], path[160];
    struct aivo_queue_options options;
    const struct aivo_store *store; /* NULL: SQLite */
    struct aivo_queue *q;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    unsigned wakes;
    int64_t ahead_us; /* what the test adds to the clocks */
    /* What the queue asked for. */
    struct sent {
        uint64_t ticket;
        char event[32];
        char args[128];
        char id[40];
        uint32_t attempts;
    } sent[SEEN_MAX];
    size_t sent_count;
    enum aivo_status send_status; /* what the client says when asked to send */
    const char *auto_answer;      /* given to everything that is sent, at the end of the step; NULL: nothing */
    size_t answered_count;
    struct told {
        char event[32];
        char args[128];
        char reason[128];
        char answer[128];
        enum aivo_fate fate;
        struct queue_message *receipt; /* with keeps: for aivo_queue_told() */
    } told[SEEN_MAX];
    size_t told_count;
    bool deaf;  /* the client does not tell fates any more */
    bool keeps; /* it tells them later */
    struct aivo_error notices[16];
    size_t notice_count;
};

/* A cmocka fixture: a directory of its own with options for a queue in it. */
int bench_setup(void **state);
int bench_teardown(void **state);

struct aivo_instant bench_now(const struct bench *b);
enum aivo_status bench_try_open(struct bench *b, struct aivo_error *err);
void bench_open(struct bench *b);
void bench_close(struct bench *b);
void bench_send(struct bench *b, const char *args);
void bench_connect(struct bench *b);
void bench_disconnect(struct bench *b);
void bench_cut(struct bench *b); /* the server ends the connection */
void bench_step(struct bench *b);
/* Steps as a loop does, whenever the queue asks for it, until *count reaches want (at most 30 s). */
void bench_run_until(struct bench *b, const size_t *count, size_t want);
void bench_answer(struct bench *b, uint64_t ticket, const char *text);
void bench_timeout(struct bench *b, uint64_t ticket);
uint64_t bench_pending(struct bench *b);
/* Steps (at most 30 s) until nothing is left to do now, neither for the loop nor for the store thread. */
void bench_settle(struct bench *b);

#endif
