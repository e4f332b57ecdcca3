/* One-line error texts made of pieces. Pure. */
#ifndef AIVO_CORE_ERRTEXT_H
#define AIVO_CORE_ERRTEXT_H

#include <aivo/error.h>

/* Fills *err (may be NULL) and returns status. The pieces are joined, up to a NULL; control bytes become '?', and what
 * does not fit is cut at a character's edge. Pieces may point into err->message. */
enum aivo_status aivo_error_join(struct aivo_error *err, enum aivo_status status, int code, ...)
    __attribute__((sentinel));

/* value as decimal text in buf, returned. */
const char *aivo_decimal(char buf[24], long long value);

#endif
