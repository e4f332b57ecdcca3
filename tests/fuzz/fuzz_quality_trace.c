/* Traces, a line a record: whatever a file says, the scorer neither crashes nor leaves its ranges. */
#include "fuzz.h"
#include "quality_trace.h"
#include <string.h>

static void told(void *user, const struct aivo_quality *q)
{
    (void)user;
    double points = 0;
    CHECK(q->score >= 0 && q->score <= 100 && q->cause_count <= AIVO_QUALITY_CAUSES);
    for (size_t i = 0; i < q->cause_count; i++)
        points += q->causes[i].points;
    CHECK(points >= 0 && points < 100.001);
    CHECK((q->score == 0) == (q->level == AIVO_LEVEL_OFFLINE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct aivo_tracer tracer;
    char line[AIVO_TRACE_LINE_MAX];
    struct aivo_error error;
    memset(&tracer, 0, sizeof tracer);
    tracer.fn = told;
    for (const uint8_t *end = data + size; data < end;) {
        const uint8_t *stop = memchr(data, '\n', (size_t)(end - data));
        size_t n = (size_t)((stop ? stop : end) - data);
        if (n >= sizeof line)
            return 0;
        memcpy(line, data, n);
        line[n] = '\0';
        aivo_tracer_feed(&tracer, line, &error); /* a wrong hash does not end it: mutation rarely makes a right one */
        data = stop ? stop + 1 : end;
    }
    return 0;
}
