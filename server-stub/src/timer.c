#include "timer.h"

void srv_timers_add(struct srv_timers *timers, struct srv_timer_list *list, uint32_t interval_ms,
                    void (*fire)(void *context, struct srv_timer *timer, uint64_t now_ms), void *context)
{
    list->head.prev = list->head.next = &list->head;
    list->head.at_ms = SRV_TIMER_NEVER;
    list->interval_ms = interval_ms;
    list->fire = fire;
    list->context = context;
    list->next_list = timers->lists;
    timers->lists = list;
}

uint64_t srv_timers_next(const struct srv_timers *timers)
{
    uint64_t next = SRV_TIMER_NEVER;
    for (const struct srv_timer_list *l = timers->lists; l; l = l->next_list)
        if (l->head.next->at_ms < next) /* an empty list's first is its head: never */
            next = l->head.next->at_ms;
    return next;
}

void srv_timers_run(struct srv_timers *timers, uint64_t now_ms)
{
    for (struct srv_timer_list *l = timers->lists; l; l = l->next_list)
        while (l->head.next->at_ms <= now_ms) {
            struct srv_timer *timer = l->head.next;
            srv_timer_stop(timer);
            l->fire(l->context, timer, now_ms);
        }
}

void srv_timer_start(struct srv_timer_list *list, struct srv_timer *timer, uint64_t now_ms)
{
    srv_timer_stop(timer);
    timer->at_ms = now_ms + list->interval_ms;
    timer->prev = list->head.prev;
    timer->next = &list->head;
    list->head.prev->next = timer;
    list->head.prev = timer;
}

void srv_timer_stop(struct srv_timer *timer)
{
    if (!timer->next)
        return;
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}
