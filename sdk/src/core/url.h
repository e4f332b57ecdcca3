/* The URL a client is given. Pure. */
#ifndef AIVO_CORE_URL_H
#define AIVO_CORE_URL_H

#include <aivo/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AIVO_URL_DEFAULT_PORT 4003
#define AIVO_URL_MAX          2047 /* bytes of the whole text */

struct aivo_url {
    bool tls;         /* https, wss */
    bool ipv6;        /* host is an IPv6 address: it needs brackets in a URL or a Host header */
    char host[256];   /* lower case, without brackets: a name or a numeric address */
    uint16_t port;    /* 1..65535; 4003 if the text gives none */
    char path[2048];  /* begins with '/'; "/" if the text gives none; without the query */
    char query[2048]; /* what follows '?', without it; "" if there is none */
};

/*
 * Parses "http|https|ws|wss://host[:port][/path][?query]". AIVO_E_INVALID with the reason in *err (may be NULL) for
 * anything else: another scheme, user info, a fragment, a port outside 1..65535, spaces, control bytes, bytes beyond
 * ASCII. *out is untouched then. The text's user info is never repeated in the message.
 */
enum aivo_status aivo_url_parse(const char *text, struct aivo_url *out, struct aivo_error *err);

/* The part of aivo_url_parse() that reads "host[:port]" (brackets around IPv6) in text[0..len): also for proxies.
 * A port that is not there gives default_port. */
enum aivo_status aivo_url_parse_authority(const char *text, size_t len, uint16_t default_port, char host[256],
                                          bool *ipv6, uint16_t *port, struct aivo_error *err);

#endif
