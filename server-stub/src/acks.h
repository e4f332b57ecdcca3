/*
 * Broadcasts that many clients acknowledge: who was asked, who has answered.
 * Bounds: SRV_ACKS_MAX_WAITS broadcasts at a time, SRV_ACKS_MAX_SLOTS clients asked by all of them together.
 */
#ifndef SRV_ACKS_H
#define SRV_ACKS_H

#include "socketio.h"
#include "timer.h"

#define SRV_ACKS_MAX_WAITS      1024
#define SRV_ACKS_MAX_SLOTS      1000000
#define SRV_ACKS_TICK_MS        20
#define SRV_ACKS_MAX_TIMEOUT_MS 600000 /* a longer one, and none, is this */

struct srv_socket;
struct srv_ack_slot;

struct srv_ack_hooks {
    /* One client's answer: an array and its attachments. */
    void (*answered)(void *context, const struct aivo_json *args, const struct aivo_bytes *attachments, unsigned count);
    /* All have answered or are gone, or the time is over. The wait is freed when this returns. */
    void (*over)(void *context);
};

struct srv_ack_wait {
    struct srv_ack_wait *prev, *next;
    struct srv_timer timer;
    uint64_t id, deadline_ms;
    struct srv_ack_slot *slots;
    const struct srv_ack_hooks *hooks;
    void *context;
};

struct srv_acks {
    struct srv_timer_list list;
    struct srv_ack_wait *waits;
    size_t wait_count, slot_count;
    uint64_t next_id;
};

void srv_acks_init(struct srv_acks *acks, struct srv_timers *timers);
/* Ends all of them; over is called. */
void srv_acks_free(struct srv_acks *acks);

/* NULL: no memory, or too many. */
struct srv_ack_wait *srv_ack_wait_new(struct srv_acks *acks, const struct srv_ack_hooks *hooks, void *context,
                                      uint64_t timeout_ms, uint64_t now_ms);
/* false: no memory, or too many: this one is not waited for. */
bool srv_ack_expect(struct srv_acks *acks, struct srv_ack_wait *wait, struct srv_socket *socket);
/* Everybody has been asked: if that was nobody it is over now. */
void srv_ack_wait_begin(struct srv_acks *acks, struct srv_ack_wait *wait);

/* An ACK came in. One that nobody waits for is ignored. */
void srv_acks_received(struct srv_acks *acks, struct srv_socket *socket, uint64_t id, const struct aivo_json *args,
                       const struct aivo_bytes *attachments, unsigned count);
/* The socket is going. */
void srv_acks_forget(struct srv_acks *acks, struct srv_socket *socket);

#endif
