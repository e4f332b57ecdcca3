#include "delivery.h"

void aivo_queue_clock_start(struct aivo_queue_clock *c, const struct aivo_instant *at, int64_t newest_ms,
                            int64_t saved_ms, int64_t saved_unix_ms)
{
    int64_t ms = at->unix_ms > newest_ms ? at->unix_ms : newest_ms;
    /* What passed while nobody ran, as far as the wall clock tells; a wall clock that went back tells nothing. One that
     * has caught up with the queue's was most likely put right meanwhile: then it is believed. Were that wrong,
     * messages would stay for as long as it was off, where the other guess would expire them early. */
    int64_t away_ms = at->unix_ms > saved_unix_ms ? at->unix_ms - saved_unix_ms : 0;
    bool behind = at->unix_ms < saved_ms;
    if (saved_unix_ms > 0 && saved_ms > 0 && behind && saved_ms + away_ms > ms)
        ms = saved_ms + away_ms;
    c->clock_us = ms * 1000;
    c->now_us = at->now_us;
    c->running = true;
}

int64_t aivo_queue_clock_advance(struct aivo_queue_clock *c, const struct aivo_instant *at)
{
    if (at->now_us > c->now_us) {
        c->clock_us += at->now_us - c->now_us;
        c->now_us = at->now_us;
    }
    if (at->unix_ms * 1000 > c->clock_us)
        c->clock_us = at->unix_ms * 1000;
    return aivo_queue_clock_ms(c);
}

int64_t aivo_queue_clock_ms(const struct aivo_queue_clock *c)
{
    return c->clock_us / 1000;
}
