/*
 * Log lines on standard error: text, or one JSON object a line. Each is written with one write(2), so that lines of
 * several processes do not mix. A line is cut at SRV_LOG_MAX_LINE bytes; control characters never reach the terminal.
 */
#ifndef SRV_LOG_H
#define SRV_LOG_H

#include "buf.h"
#include <stdbool.h>
#include <stdint.h>

#define SRV_LOG_MAX_LINE   2048 /* bytes, the newline included */
#define SRV_LOG_MAX_FIELDS 8    /* further ones are left out */

enum srv_log_level { /* the numbers of enum srv_log_level_setting in config.h */
                     SRV_LOG_ERROR = 0,
                     SRV_LOG_WARN,
                     SRV_LOG_INFO,
                     SRV_LOG_DEBUG,
};

struct srv_log {
    enum srv_log_level level; /* lines of a higher number are not written */
    bool json;
    int fd;
};

/* A name and a text; in JSON a member of the object, in text name=text (quoted where needed). */
struct srv_log_field {
    const char *name;
    const char *value; /* NULL: the field is left out */
};
#define SRV_LOG_FIELD(field_name, field_value) ((struct srv_log_field){(field_name), (field_value)})

void srv_log_init(struct srv_log *log, enum srv_log_level level, bool json); /* writes to fd 2 */

static inline bool srv_log_enabled(const struct srv_log *log, enum srv_log_level level)
{
    return level <= log->level;
}
/* Reads the clock. Never call it for each message on the hot path: ask srv_log_enabled() first. */
void srv_log(const struct srv_log *log, enum srv_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with fields, for what a machine will search: srv_log_fields(log, SRV_LOG_WARN, "token refused",
 * (struct srv_log_field[]){SRV_LOG_FIELD("reason", why), SRV_LOG_FIELD("socket", sid)}, 2). */
void srv_log_fields(const struct srv_log *log, enum srv_log_level level, const char *message,
                    const struct srv_log_field *fields, unsigned count);

/* A bound on lines that peers can cause: at most `most` of them in a minute. */
struct srv_log_bound {
    uint64_t ends_ms; /* of the minute that is counted; zero at first */
    unsigned written, left_out;
};
/* May a line be written now? *left_out becomes the number of those that were not since the last minute with lines, and
 * is 0 but for the first line of a minute. now_ms is monotonic. */
bool srv_log_bounded(struct srv_log_bound *bound, unsigned most, uint64_t now_ms, unsigned *left_out);

/* The pure part: appends the line with its newline. unix_ms is the time it shows. */
void srv_log_format(struct aivo_buf *out, bool json, enum srv_log_level level, uint64_t unix_ms, const char *message,
                    const struct srv_log_field *fields, unsigned count);
/* RFC 3339 in UTC with milliseconds: 2024-02-29T12:34:56.789Z. */
#define SRV_LOG_TIME_SIZE 32
void srv_log_time(char out[SRV_LOG_TIME_SIZE], uint64_t unix_ms);

#endif
