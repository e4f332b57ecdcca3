/* HTTP's dates and waits. Pure. */
#ifndef AIVO_DIAG_HTTPDATE_H
#define AIVO_DIAG_HTTPDATE_H

#include <stddef.h>
#include <stdint.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT" (the one form that is still sent) -> Unix time in ms; 0: it is none. */
int64_t diag_http_date(const char *text, size_t len);
/* Retry-After: seconds, or a date seen from now_ms; NAN: neither. */
double diag_retry_after(const char *text, size_t len, int64_t now_ms);
/* A plain number of at most 15 digits (RateLimit-Remaining); NAN: it is none. */
double diag_http_number(const char *text, size_t len);

#endif
