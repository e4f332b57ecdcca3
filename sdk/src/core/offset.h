/*
 * Telling the offset of connection state recovery from an application's own string (docs/adr/0002-recovery-offset.md).
 * A server puts it last among an event's arguments and marks it in no way, and a volatile event has none. All servers
 * known make it of their clock, in one of three shapes: so a trailing string is an offset if it has such a shape and
 * its time is the server's time now.
 */
#ifndef AIVO_CORE_OFFSET_H
#define AIVO_CORE_OFFSET_H

#include "json.h"

/* In the order of how unlikely an application's string of that shape and a fresh time is. */
enum aivo_offset_shape {
    AIVO_OFFSET_NONE,
    AIVO_OFFSET_OBJECT_ID, /* MongoDB adapter: 24 hexadecimal digits, the first 8 are seconds */
    AIVO_OFFSET_STREAM_ID, /* Redis streams adapter: "<ms>-<sequence>" */
    AIVO_OFFSET_YEAST,     /* in-memory adapter: ms in base 64, "." and a sequence where two fall into one ms */
};

#define AIVO_OFFSET_MAX 48 /* bytes of an offset, with its NUL */

struct aivo_offset {
    char last[AIVO_OFFSET_MAX]; /* the last one taken; "": none yet */
    int64_t last_ms;            /* the server's time in it */
    enum aivo_offset_shape shape;
    bool clock_known;
    int64_t skew_ms; /* the server's clock minus ours */
    /* A candidate with the right shape and a wrong time: two of them a minute apart that agree on the skew are right,
     * and our idea of the server's clock is wrong. */
    enum aivo_offset_shape odd_shape;
    int64_t odd_server_ms, odd_unix_ms;
};

/* The session at the server is a new one. What was learned of its clock stays as a hint. */
void aivo_offset_reset(struct aivo_offset *o);

/* Looks at the last argument of an event (array: a valid JSON array's exact text) that may have an offset. replay: the
 * event was missed, it may be old. true: it is an offset; it was taken, and without it the array is the first
 * *kept bytes of its text and "]". */
bool aivo_offset_take(struct aivo_offset *o, const struct aivo_json *array, int64_t unix_ms, bool replay, size_t *kept);

/* The shape of a text, and the time in it. */
enum aivo_offset_shape aivo_offset_shape_of(const char *text, size_t len, int64_t *server_ms);

#endif
