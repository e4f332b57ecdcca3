#include "layers.h"

#include "stats.h"
#include <math.h>

void aivo_layers_handler(struct aivo_layers *l, double extra_ms)
{
    l->handler[l->handler_next] = extra_ms > 0 ? extra_ms : 0;
    l->handler_next = (l->handler_next + 1) % AIVO_LAYERS_HANDLER;
    if (l->handler_len < AIVO_LAYERS_HANDLER)
        l->handler_len++;
}

void aivo_layers_times(struct aivo_layers *l, double sent_ms, double received_at_ms, double sent_at_ms, double back_ms)
{
    l->ways_last = l->ways_next;
    l->up[l->ways_next] = received_at_ms - sent_ms;
    l->down[l->ways_next] = back_ms - sent_at_ms;
    l->ways_next = (l->ways_next + 1) % AIVO_LAYERS_WAYS;
    if (l->ways_len < AIVO_LAYERS_WAYS)
        l->ways_len++;
}

void aivo_layers_figures(const struct aivo_layers *l, struct aivo_layers_figures *out)
{
    out->handler = aivo_stats_median(l->handler, l->handler_len);
    out->clock_offset = out->up_queue = out->down_queue = (double)NAN;
    if (!l->ways_len)
        return;
    size_t best = 0; /* the exchange that took least was queued least: its two ways are the most alike */
    for (size_t i = 1; i < l->ways_len; i++)
        if (l->up[i] + l->down[i] < l->up[best] + l->down[best])
            best = i;
    out->clock_offset = (l->up[best] - l->down[best]) / 2;
    out->up_queue = l->up[l->ways_last] - aivo_stats_min(l->up, l->ways_len);
    out->down_queue = l->down[l->ways_last] - aivo_stats_min(l->down, l->ways_len);
}
