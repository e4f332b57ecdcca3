/* A trace: the quality core's calls as lines of text, exact, and their replay. */
#ifndef AIVO_QUALITY_TRACE_H
#define AIVO_QUALITY_TRACE_H

#include "quality.h"
#include <aivo/error.h>

#define AIVO_TRACE_BEGIN    'I' /* what the first line of a run begins with, and no other */
#define AIVO_TRACE_LINE_MAX 512 /* with the newline and the NUL */

/* Each writes one line with its newline and returns its length. */
size_t aivo_trace_begin(const struct aivo_quality_options *options, char out[AIVO_TRACE_LINE_MAX]);
size_t aivo_trace_call(const struct aivo_quality_call *call, char out[AIVO_TRACE_LINE_MAX]);
/* What was told to the program then. */
size_t aivo_trace_told(const struct aivo_quality *told, int64_t now_us, char out[AIVO_TRACE_LINE_MAX]);

struct aivo_tracer {
    struct aivo_quality_core core;
    bool begun;
    uint64_t line; /* the number of the latest */
    void (*fn)(void *user, const struct aivo_quality *quality);
    void *user;
};

/* One line, without its newline. AIVO_OK; AIVO_E_CORRUPT: it is no trace, or what was told then is not what comes out
 * now. */
enum aivo_status aivo_tracer_feed(struct aivo_tracer *tracer, const char *line, struct aivo_error *err);

#endif
