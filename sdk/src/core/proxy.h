/* Which HTTP proxy, if any, a connection goes through. Pure. */
#ifndef AIVO_CORE_PROXY_H
#define AIVO_CORE_PROXY_H

#include <aivo/error.h>
#include <stdbool.h>
#include <stdint.h>

struct aivo_proxy {
    bool used; /* false: connect directly, the rest is empty */
    bool ipv6;
    char host[256];
    uint16_t port;
    char credentials[512]; /* "user:password", decoded; "" if there are none */
};

/* The variables' values, lower case name first, else upper case; NULL or "" where neither is set. */
struct aivo_proxy_environment {
    const char *https_proxy, *http_proxy, *no_proxy;
};

/* "[http://][user[:password]@]host[:port][/]"; port 80 if there is none. AIVO_E_INVALID with the reason; the
 * password is never in it. */
enum aivo_status aivo_proxy_parse(const char *text, struct aivo_proxy *out, struct aivo_error *err);

/*
 * Whether a rule of a no_proxy list (separated by commas or spaces) covers host and port:
 *   "*"             everything
 *   "example.com"   that name and all below it; ".example.com" and "*.example.com" the same
 *   "10.0.0.1", "::1", "[::1]"   that address, however it is written
 *   any of them with ":port"     only on that port (IPv6 in brackets)
 */
bool aivo_no_proxy_covers(const char *rules, const char *host, uint16_t port);

/* option as in struct aivo_options: given, it is used as it is, "" meaning none; NULL: the environment decides, and a
 * host on this machine ("localhost", 127.0.0.0/8, ::1) is never reached through a proxy. */
enum aivo_status aivo_proxy_choose(const char *option, const struct aivo_proxy_environment *environment, bool tls,
                                   const char *host, uint16_t port, struct aivo_proxy *out, struct aivo_error *err);

#endif
