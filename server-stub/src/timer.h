/*
 * Deadlines in lists of equal length: all timers of a list run for the same time, so the list is sorted by itself and
 * every operation is O(1), however many connections there are. Pure: the clock (monotonic milliseconds) is an argument.
 */
#ifndef SRV_TIMER_H
#define SRV_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRV_TIMER_NEVER UINT64_MAX

struct srv_timer {
    struct srv_timer *prev, *next; /* NULL: not running */
    uint64_t at_ms;
};

struct srv_timer_list {
    struct srv_timer head; /* a ring; head.next is due first */
    uint32_t interval_ms;
    void (*fire)(void *context, struct srv_timer *timer, uint64_t now_ms); /* the timer is off its list already */
    void *context;
    struct srv_timer_list *next_list;
};

struct srv_timers {
    struct srv_timer_list *lists;
};

void srv_timers_add(struct srv_timers *timers, struct srv_timer_list *list, uint32_t interval_ms,
                    void (*fire)(void *context, struct srv_timer *timer, uint64_t now_ms), void *context);
/* When the next one is due; SRV_TIMER_NEVER if none runs. */
uint64_t srv_timers_next(const struct srv_timers *timers);
/* Fires all that are due. A timer may start and stop itself and others meanwhile. */
void srv_timers_run(struct srv_timers *timers, uint64_t now_ms);

/* Starts it, or starts it anew. now_ms must never go back within a list. */
void srv_timer_start(struct srv_timer_list *list, struct srv_timer *timer, uint64_t now_ms);
void srv_timer_stop(struct srv_timer *timer);
static inline bool srv_timer_running(const struct srv_timer *timer)
{
    return timer->next != NULL;
}

/* The object a timer is a member of. */
#define SRV_TIMER_OWNER(timer, type, member) ((type *)(void *)((char *)(timer)-offsetof(type, member)))

#endif
