/* UUIDv7 (RFC 9562): ids that sort by the time they were made, in order also within one millisecond. Pure: the time and
 * the random bits come in as arguments. */
#ifndef AIVO_CORE_UUID_H
#define AIVO_CORE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define AIVO_UUID_BYTES 16
#define AIVO_UUID_TEXT  37 /* with the NUL */

/* What was handed out last. All zero to begin with. Not thread-safe: the owner locks. */
struct aivo_uuid_source {
    uint64_t last_ms;
    uint16_t last_a; /* 12 bits */
    uint64_t last_b; /* 62 bits */
};

/* The next id. Greater than every id this source gave before, whatever the clock does: when the time has not advanced,
 * the last id's random part grows by a random step instead. random: fresh bits, all of them used. */
void aivo_uuid_next(struct aivo_uuid_source *source, int64_t unix_ms, const uint64_t random[2],
                    uint8_t out[AIVO_UUID_BYTES]);

/* Lower-case text with its NUL. */
void aivo_uuid_format(const uint8_t uuid[AIVO_UUID_BYTES], char out[AIVO_UUID_TEXT]);
/* The text form back to bytes: exactly 36 characters, digits of either case. */
bool aivo_uuid_parse(const char *text, uint8_t out[AIVO_UUID_BYTES]);

#endif
