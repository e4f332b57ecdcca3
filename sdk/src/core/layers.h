/* Where the time goes beyond the round trip of a PING: the server's handler, the two clocks, the two ways. Pure. */
#ifndef AIVO_CORE_LAYERS_H
#define AIVO_CORE_LAYERS_H

#include <stddef.h>
#include <stdint.h>

#define AIVO_LAYERS_HANDLER 8  /* answers whose median counts */
#define AIVO_LAYERS_WAYS    16 /* answers with the server's times */

struct aivo_layers {
    double handler[AIVO_LAYERS_HANDLER];
    size_t handler_len, handler_next;
    double up[AIVO_LAYERS_WAYS], down[AIVO_LAYERS_WAYS]; /* each way's time plus resp. minus the clocks' difference */
    size_t ways_len, ways_next, ways_last;
};

/* In ms; NAN is unknown. */
struct aivo_layers_figures {
    double handler;              /* what the handler adds to a PING */
    double clock_offset;         /* the server's wall clock minus ours */
    double up_queue, down_queue; /* the latest beyond the least of each way */
};

/* All zero is empty. */
void aivo_layers_handler(struct aivo_layers *l, double extra_ms);
/* Wall clock times of one exchange: ours at sending, the server's at receiving and answering, ours at the end. */
void aivo_layers_times(struct aivo_layers *l, double sent_ms, double received_at_ms, double sent_at_ms, double back_ms);
void aivo_layers_figures(const struct aivo_layers *l, struct aivo_layers_figures *out);

#endif
