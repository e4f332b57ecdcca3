/* What the kernel knows of this process, under the names that Prometheus' client libraries use, and how late the event
 * loop is. */
#ifndef SRV_PROCESS_H
#define SRV_PROCESS_H

#include "buf.h"
#include <stdbool.h>
#include <stdint.h>

#define SRV_LAG_BUCKETS  10  /* 1 2 5 10 25 50 100 250 1000 +Inf ms */
#define SRV_LAG_EVERY_MS 250 /* how often a timer's lateness is taken */

struct srv_lag {
    uint64_t buckets[SRV_LAG_BUCKETS]; /* not cumulative */
    uint64_t sum_us;
    uint64_t latest_us;
};
void srv_lag_add(struct srv_lag *lag, uint64_t micros);

struct srv_process {
    double cpu_s, start_s; /* start_s: Unix time */
    uint64_t resident_bytes, virtual_bytes, open_fds, max_fds, threads;
};
/* false: /proc cannot be read; out is then zero. */
bool srv_process_read(struct srv_process *out);
/* The pure part: the text of /proc/self/stat, ticks a second, page size, and the Unix time of the boot. */
bool srv_process_parse_stat(const char *stat, long ticks, long page, double boot_s, struct srv_process *out);

void srv_process_text(const struct srv_process *p, const struct srv_lag *lag, struct aivo_buf *out);
/* A member of an object: "process":{...},"eventLoopLagMs":{...} */
void srv_process_json(const struct srv_process *p, const struct srv_lag *lag, struct aivo_buf *out);

#endif
