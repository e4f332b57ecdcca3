/* Where a binary packet's attachments belong: {"_placeholder":true,"num":N}. */
#ifndef AIVO_CORE_PLACEHOLDER_H
#define AIVO_CORE_PLACEHOLDER_H

#include "json.h"

/* Calls found for each placeholder anywhere in the value, when its object closes: one inside another comes first. start
 * and end are the object's place in value->text. One pass whatever the depth. false if one is malformed, out of range
 * or was seen before. */
bool aivo_sio_each_placeholder(const struct aivo_json *value, unsigned *seen,
                               void (*found)(void *context, size_t start, size_t end, unsigned num), void *context);

/* Sets bit N of *seen for each placeholder anywhere in the value. One pass whatever the depth.
 * false if one is malformed, out of range or was seen before. */
bool aivo_sio_find_placeholders(const struct aivo_json *value, unsigned *seen);

#endif
