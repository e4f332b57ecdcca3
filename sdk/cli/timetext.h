/*
 * Points in time as people give them.
 */
#ifndef CLI_TIMETEXT_H
#define CLI_TIMETEXT_H

#include <stdbool.h>
#include <stdint.h>

/* "90s", "15m", "24h", "7d": so long before now. "2026-01-31", "2026-01-31T12:00[:00[.123]][Z|+01:00]": UTC where no
 * offset stands. False: it is none of these, and out stays. Years 1970 to 9999. */
bool cli_time_parse(const char *text, int64_t now_ms, int64_t *out_ms);

#endif
