#include "acks.h"
#include "hub.h"
#include <stdlib.h>

struct srv_ack_slot {
    struct srv_ack_wait *wait;
    struct srv_socket *socket;
    struct srv_ack_slot *wait_prev, *wait_next, *socket_prev, *socket_next;
};

static void end(struct srv_acks *acks, struct srv_ack_wait *wait);

static void tick(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_acks *acks = context;
    struct srv_ack_wait *wait = SRV_TIMER_OWNER(timer, struct srv_ack_wait, timer);
    if (now_ms >= wait->deadline_ms)
        end(acks, wait);
    else
        srv_timer_start(&acks->list, timer, now_ms);
}

void srv_acks_init(struct srv_acks *acks, struct srv_timers *timers)
{
    srv_timers_add(timers, &acks->list, SRV_ACKS_TICK_MS, tick, acks);
}

void srv_acks_free(struct srv_acks *acks)
{
    while (acks->waits)
        end(acks, acks->waits);
}

static void slot_free(struct srv_acks *acks, struct srv_ack_slot *slot)
{
    if (slot->wait_prev)
        slot->wait_prev->wait_next = slot->wait_next;
    else
        slot->wait->slots = slot->wait_next;
    if (slot->wait_next)
        slot->wait_next->wait_prev = slot->wait_prev;
    if (slot->socket_prev)
        slot->socket_prev->socket_next = slot->socket_next;
    else
        slot->socket->acks = slot->socket_next;
    if (slot->socket_next)
        slot->socket_next->socket_prev = slot->socket_prev;
    acks->slot_count--;
    free(slot);
}

static void end(struct srv_acks *acks, struct srv_ack_wait *wait)
{
    srv_timer_stop(&wait->timer);
    while (wait->slots)
        slot_free(acks, wait->slots);
    if (wait->prev)
        wait->prev->next = wait->next;
    else
        acks->waits = wait->next;
    if (wait->next)
        wait->next->prev = wait->prev;
    acks->wait_count--;
    wait->hooks->over(wait->context);
    free(wait);
}

struct srv_ack_wait *srv_ack_wait_new(struct srv_acks *acks, const struct srv_ack_hooks *hooks, void *context,
                                      uint64_t timeout_ms, uint64_t now_ms)
{
    struct srv_ack_wait *wait = acks->wait_count < SRV_ACKS_MAX_WAITS ? calloc(1, sizeof *wait) : NULL;
    if (!wait)
        return NULL;
    wait->hooks = hooks;
    wait->context = context;
    wait->id = acks->next_id++;
    wait->deadline_ms = now_ms + (timeout_ms < SRV_ACKS_MAX_TIMEOUT_MS ? timeout_ms : SRV_ACKS_MAX_TIMEOUT_MS);
    wait->next = acks->waits;
    if (wait->next)
        wait->next->prev = wait;
    acks->waits = wait;
    acks->wait_count++;
    srv_timer_start(&acks->list, &wait->timer, now_ms);
    return wait;
}

bool srv_ack_expect(struct srv_acks *acks, struct srv_ack_wait *wait, struct srv_socket *socket)
{
    struct srv_ack_slot *slot = acks->slot_count < SRV_ACKS_MAX_SLOTS ? malloc(sizeof *slot) : NULL;
    if (!slot)
        return false;
    *slot = (struct srv_ack_slot){wait, socket, NULL, wait->slots, NULL, socket->acks};
    if (slot->wait_next)
        slot->wait_next->wait_prev = slot;
    wait->slots = slot;
    if (slot->socket_next)
        slot->socket_next->socket_prev = slot;
    socket->acks = slot;
    acks->slot_count++;
    return true;
}

void srv_ack_wait_begin(struct srv_acks *acks, struct srv_ack_wait *wait)
{
    if (!wait->slots)
        end(acks, wait);
}

void srv_acks_received(struct srv_acks *acks, struct srv_socket *socket, uint64_t id, const struct aivo_json *args,
                       const struct aivo_bytes *attachments, unsigned count)
{
    struct srv_ack_slot *slot = socket->acks;
    while (slot && slot->wait->id != id)
        slot = slot->socket_next;
    if (!slot)
        return;
    struct srv_ack_wait *wait = slot->wait;
    slot_free(acks, slot);
    wait->hooks->answered(wait->context, args, attachments, count);
    srv_ack_wait_begin(acks, wait);
}

void srv_acks_forget(struct srv_acks *acks, struct srv_socket *socket)
{
    while (socket->acks) {
        struct srv_ack_wait *wait = socket->acks->wait;
        slot_free(acks, socket->acks);
        srv_ack_wait_begin(acks, wait);
    }
}
