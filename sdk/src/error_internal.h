/* Filling a struct aivo_error. */
#ifndef AIVO_ERROR_INTERNAL_H
#define AIVO_ERROR_INTERNAL_H

#include <aivo/error.h>

/* Fills *err, which may be NULL, and returns status, so that a failing function ends in one line:
 *     return aivo_error_set(err, AIVO_E_STORE, code, "cannot open %s: %s", path, text);
 * A message that does not fit is cut at a character's boundary; line breaks in it become spaces. */
__attribute__((format(printf, 4, 5))) enum aivo_status aivo_error_set(struct aivo_error *err, enum aivo_status status,
                                                                      int code, const char *fmt, ...);

#endif
