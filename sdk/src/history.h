/* The history as the client sees it. */
#ifndef AIVO_HISTORY_INTERNAL_H
#define AIVO_HISTORY_INTERNAL_H

#include "quality.h"
#include <aivo/history.h>

/* Was it opened to read only? Then no client can record to it. */
bool aivo_history_only_reads(const struct aivo_history *history);
/* A client begins to record: takes the core's tap. */
void aivo_history_attach(struct aivo_history *history, struct aivo_quality_core *core);
/* A snapshot was made for the program; a sample is kept, anything else only traced. */
void aivo_history_told(struct aivo_history *history, const struct aivo_quality *quality, int64_t now_us, bool sampled);

#endif
