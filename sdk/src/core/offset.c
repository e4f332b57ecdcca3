/* Which trailing string is an offset. */
#include "offset.h"

#include <string.h>

#define MINUTE_MS        ((int64_t)60 * 1000)
#define NEAR_MS          (10 * MINUTE_MS)      /* once the server's clock is known: delay, drift, small steps */
#define FAR_MS           (26 * 60 * MINUTE_MS) /* before: two wall clocks, one of them perhaps in the wrong zone */
#define ODD_APART_MS     MINUTE_MS             /* apart enough that ids made in one batch do not pass */
#define ODD_AGREE_MS     ((int64_t)10 * 1000)
#define YEAST_DIGITS     7  /* of every time from 1972 to 2109 */
#define YEAST_SEQ_DIGITS 5  /* 2^30 in one ms */
#define STREAM_DIGITS    13 /* of every time from 2001 to 2286 */
#define STREAM_SEQ_MAX   20
#define OBJECT_ID_DIGITS 24

void aivo_offset_reset(struct aivo_offset *o)
{
    o->last[0] = '\0';
    o->last_ms = 0;
    o->shape = AIVO_OFFSET_NONE;
    o->clock_known = false;
    o->odd_shape = AIVO_OFFSET_NONE;
}

/* The alphabet of yeast: 0-9 A-Z a-z - _. -1: not of it. */
static int yeast_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 36;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool is_yeast(const char *text, size_t len, int64_t *server_ms)
{
    if (len < YEAST_DIGITS || text[0] == '0')
        return false;
    int64_t ms = 0;
    for (size_t i = 0; i < YEAST_DIGITS; i++) {
        int digit = yeast_digit(text[i]);
        if (digit < 0)
            return false;
        ms = ms * 64 + digit;
    }
    *server_ms = ms;
    if (len == YEAST_DIGITS)
        return true;
    size_t seq = len - YEAST_DIGITS - 1;
    if (text[YEAST_DIGITS] != '.' || seq < 1 || seq > YEAST_SEQ_DIGITS || (text[YEAST_DIGITS + 1] == '0' && seq > 1))
        return false;
    for (size_t i = YEAST_DIGITS + 1; i < len; i++) {
        if (yeast_digit(text[i]) < 0)
            return false;
    }
    return true;
}

static bool is_stream_id(const char *text, size_t len, int64_t *server_ms)
{
    if (len < STREAM_DIGITS + 2 || len > STREAM_DIGITS + 1 + STREAM_SEQ_MAX || text[0] == '0' ||
        text[STREAM_DIGITS] != '-' || (text[STREAM_DIGITS + 1] == '0' && len > STREAM_DIGITS + 2))
        return false;
    int64_t ms = 0;
    for (size_t i = 0; i < len; i++) {
        if (i == STREAM_DIGITS)
            continue;
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (i < STREAM_DIGITS)
            ms = ms * 10 + (text[i] - '0');
    }
    *server_ms = ms;
    return true;
}

static bool is_object_id(const char *text, size_t len, int64_t *server_ms)
{
    if (len != OBJECT_ID_DIGITS)
        return false;
    int64_t seconds = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = yeast_digit(text[i]);
        if (digit >= 36 && digit < 42) /* a-f; upper case is not written */
            digit -= 26;
        else if (digit < 0 || digit > 9)
            return false;
        if (i < 8)
            seconds = seconds * 16 + digit;
    }
    *server_ms = seconds * 1000;
    return true;
}

enum aivo_offset_shape aivo_offset_shape_of(const char *text, size_t len, int64_t *server_ms)
{
    if (is_yeast(text, len, server_ms))
        return AIVO_OFFSET_YEAST;
    if (is_stream_id(text, len, server_ms))
        return AIVO_OFFSET_STREAM_ID;
    if (is_object_id(text, len, server_ms))
        return AIVO_OFFSET_OBJECT_ID;
    return AIVO_OFFSET_NONE;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Finds the last element of [..., "element"] if it is a string of an offset's bytes and not the only element. Read from
 * the end: an event may be long. The text is valid JSON, so a quote, offset bytes and a quote before the end are a
 * whole string unless the first quote is escaped, and then no comma stands before it.
 */
static bool last_string(const struct aivo_json *array, size_t *start, size_t *len, size_t *kept)
{
    const char *text = array->text;
    size_t end = array->len;
    if (end < 2 || text[end - 1] != ']')
        return false;
    for (end--; end > 0 && is_space(text[end - 1]); end--)
        ;
    if (end == 0 || text[--end] != '"')
        return false;
    size_t at = end;
    while (at > 0 && end - at < AIVO_OFFSET_MAX && (yeast_digit(text[at - 1]) >= 0 || text[at - 1] == '.'))
        at--;
    if (at == 0 || end == at || end - at >= AIVO_OFFSET_MAX || text[at - 1] != '"')
        return false;
    *start = at;
    *len = end - at;
    for (at--; at > 0 && is_space(text[at - 1]); at--)
        ;
    if (at == 0 || text[at - 1] != ',')
        return false;
    *kept = at - 1;
    return true;
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

static bool time_fits(const struct aivo_offset *o, int64_t server_ms, int64_t unix_ms, bool replay)
{
    int64_t expected = unix_ms + o->skew_ms;
    if (!o->clock_known)
        return distance(server_ms, expected) <= FAR_MS || distance(server_ms, unix_ms) <= FAR_MS;
    int64_t least = replay && o->last[0] ? o->last_ms : expected;
    return server_ms >= least - NEAR_MS && server_ms <= expected + NEAR_MS;
}

/* The time is wrong by all that is known of the server's clock: is it that which is wrong? */
static bool clock_was_wrong(struct aivo_offset *o, enum aivo_offset_shape shape, int64_t server_ms, int64_t unix_ms)
{
    int64_t elapsed = unix_ms - o->odd_unix_ms;
    bool agree =
        o->odd_shape == shape && elapsed >= 0 && distance(server_ms - o->odd_server_ms, elapsed) <= ODD_AGREE_MS;
    if (agree && elapsed >= ODD_APART_MS)
        return true;
    if (!agree) {
        o->odd_shape = shape;
        o->odd_server_ms = server_ms;
        o->odd_unix_ms = unix_ms;
    }
    return false;
}

bool aivo_offset_take(struct aivo_offset *o, const struct aivo_json *array, int64_t unix_ms, bool replay, size_t *kept)
{
    size_t start, len, before;
    int64_t server_ms;
    if (!last_string(array, &start, &len, &before))
        return false;
    enum aivo_offset_shape shape = aivo_offset_shape_of(array->text + start, len, &server_ms);
    if (shape == AIVO_OFFSET_NONE || shape < o->shape)
        return false;
    bool fits = time_fits(o, server_ms, unix_ms, replay);
    if (!fits && (replay || !clock_was_wrong(o, shape, server_ms, unix_ms)))
        return false;

    memcpy(o->last, array->text + start, len);
    o->last[len] = '\0';
    o->last_ms = server_ms;
    o->shape = shape;
    if (!replay) { /* a missed event's offset is as old as the event */
        o->skew_ms = server_ms - unix_ms;
        o->clock_known = true;
        o->odd_shape = AIVO_OFFSET_NONE;
    }
    *kept = before;
    return true;
}
