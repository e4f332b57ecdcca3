/* The query of an Engine.IO request: EIO=4&transport=polling&sid=...&t=... Pure; the input is any peer's. */
#ifndef SRV_QUERY_H
#define SRV_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#define SRV_QUERY_MAX_BYTES 8192 /* a longer query is an error */
#define SRV_QUERY_MAX_PAIRS 64   /* so is one of more pairs */
#define SRV_QUERY_SID_SIZE  64   /* with the NUL */

enum srv_query_transport {
    SRV_QUERY_TRANSPORT_MISSING,
    SRV_QUERY_TRANSPORT_UNKNOWN, /* something else */
    SRV_QUERY_TRANSPORT_POLLING,
    SRV_QUERY_TRANSPORT_WEBSOCKET,
};

struct srv_query {
    int eio; /* the value of EIO: 3, 4, ...; 0 if it is missing, -1 if it is no number of 1..99 */
    enum srv_query_transport transport;
    bool has_sid; /* sid= is there and not empty */
    char
        sid[SRV_QUERY_SID_SIZE]; /* decoded; "" if it cannot be one of ours (too long, odd bytes): then it is unknown */
    unsigned char names_seen, pairs; /* the parser's own */
    bool b64; /* b64=1: an old client that wants base64 (Engine.IO 4 has base64 on polling anyway) */
};

/* query: what stands behind '?', without it. The first of repeated names counts, as in Node. Percent escapes are
 * decoded and '+' is a space; a malformed escape stays as it stands. false: over a bound (answer 400); out is then as
 * if the query had been empty. */
bool srv_query_parse(const char *query, size_t len, struct srv_query *out);
/* The same in pieces, for whoever has the pairs apart and decoded already: to decode them again would make "%41" of
 * "%2541", and then "A". out is zero at first. false as above. */
bool srv_query_add_decoded(struct srv_query *out, const char *pair, size_t len);

#endif
