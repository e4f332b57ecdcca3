/*
 * Which web pages may talk to us: CORS_ORIGIN's list against a request's Origin, and the headers that say so.
 * Requests without an Origin (native clients, curl) are not a browser's and always pass.
 */
#ifndef SRV_CORS_H
#define SRV_CORS_H

#include <stdbool.h>
#include <stddef.h>

#define SRV_CORS_MAX_ORIGINS 64
#define SRV_CORS_MAX_ORIGIN  512 /* bytes of one origin */
#define SRV_CORS_MAX_HEADERS 6

struct srv_cors;

/* list: comma-separated origins (scheme://host[:port], nothing behind), or "*". false: error says what is wrong. */
bool srv_cors_new(const char *list, struct srv_cors **out, char *error, size_t error_size);
void srv_cors_destroy(struct srv_cors *cors);

enum srv_cors_verdict {
    SRV_CORS_NONE,    /* no Origin: pass, no header needed */
    SRV_CORS_ALLOWED, /* pass, with headers */
    SRV_CORS_REFUSED, /* answer 403 {"code":4,"message":"Forbidden"}, without headers */
};
/* origin need not be terminated; NULL or length 0 is no Origin. Scheme and host compare without case; the default
 * port (80, 443) may be written or not. */
enum srv_cors_verdict srv_cors_check(const struct srv_cors *cors, const char *origin, size_t len);

/* name ends in ':' as lws_add_http_header_by_name() takes it. value is not terminated. */
struct srv_header {
    const char *name;
    const char *value;
    size_t value_len;
};

/* The headers of a response to this origin; values borrow from origin, requested and static text. Nothing but Vary
 * unless the verdict is SRV_CORS_ALLOWED. With preflight (an OPTIONS request: answer 204) also methods, headers and
 * max age; requested is Access-Control-Request-Headers' value, echoed if it is a plain list of names, else the usual.
 * For "*": the header is "*" and there is no Allow-Credentials; for a list: the origin itself and "true".
 * Returns how many of out were filled. */
size_t srv_cors_headers(const struct srv_cors *cors, const char *origin, size_t len, bool preflight,
                        const char *requested, size_t requested_len, struct srv_header out[SRV_CORS_MAX_HEADERS]);

#endif
