/*
 * JSON as slices: validates, walks and writes JSON text without building a tree or allocating.
 * The codecs need to know where a value begins and ends, no more; who wants a tree uses cJSON outside the core.
 *
 * Bounds: nesting up to AIVO_JSON_MAX_DEPTH. Text must be valid UTF-8.
 */
#ifndef AIVO_CORE_JSON_H
#define AIVO_CORE_JSON_H

#include "buf.h"
#include <stdint.h>

#define AIVO_JSON_MAX_DEPTH 128

enum aivo_json_type {
    AIVO_JSON_NONE, /* no value here: the end, or malformed */
    AIVO_JSON_NULL,
    AIVO_JSON_FALSE,
    AIVO_JSON_TRUE,
    AIVO_JSON_NUMBER,
    AIVO_JSON_STRING,
    AIVO_JSON_ARRAY,
    AIVO_JSON_OBJECT,
};

/* A value's exact text, borrowed from the text it was found in. */
struct aivo_json {
    enum aivo_json_type type;
    const char *text;
    size_t len;
};

/* Validates the whole text as one JSON value (surrounding white space allowed). type is AIVO_JSON_NONE if malformed;
 * *error_at (may be NULL) then says at which byte. All other functions expect a value that came from here. */
struct aivo_json aivo_json_parse(const char *text, size_t len, size_t *error_at);

/* Walks an array's or object's members: start with *pos = 0; AIVO_JSON_NONE at the end. */
struct aivo_json aivo_json_next(const struct aivo_json *array, size_t *pos);
bool aivo_json_next_member(const struct aivo_json *object, size_t *pos, struct aivo_json *key, struct aivo_json *value);

struct aivo_json aivo_json_at(const struct aivo_json *array, size_t index);
/* The member's value, or type AIVO_JSON_NONE. The last of duplicate keys wins, as in JavaScript. */
struct aivo_json aivo_json_get(const struct aivo_json *object, const char *key);

size_t aivo_json_count(const struct aivo_json *array);

/* Strings: unescaped UTF-8 is appended to out (lone surrogates become U+FFFD). false: not a string. */
bool aivo_json_string(const struct aivo_json *value, struct aivo_buf *out);
bool aivo_json_string_is(const struct aivo_json *value, const char *text);
/* Copies into a fixed field, NUL-terminated; false if it is no string, has a NUL inside or does not fit. */
bool aivo_json_string_copy(const struct aivo_json *value, char *out, size_t size);
bool aivo_json_double(const struct aivo_json *value, double *out);
/* A whole number of 0..2^53; false otherwise. */
bool aivo_json_u64(const struct aivo_json *value, uint64_t *out);
bool aivo_json_is_true(const struct aivo_json *value);

/* Writes a JSON string, quotes included. Invalid UTF-8 becomes U+FFFD. */
void aivo_json_write_string(struct aivo_buf *out, const char *text, size_t len);

/* UTF-8 as RFC 3629: no overlong forms, no surrogates, at most U+10FFFF. */
bool aivo_utf8_valid(const char *text, size_t len);

#endif
