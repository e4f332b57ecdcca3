/*
 * Redis' protocol: replies out of bytes (by hiredis' reader, with objects of our own), commands into bytes. Pure.
 *
 * hiredis' own connection code is not used: version 0.14 ends the process on a reply nobody asked for, and takes
 * memory for whatever size a reply claims. Here a reply is one item or a flat array of them.
 * Bounds: a reply of SRV_RESP_MAX_ITEMS items, max_bytes of an unfinished one. More is a broken connection.
 */
#ifndef SRV_RESP_H
#define SRV_RESP_H

#include "socketio.h"

#define SRV_RESP_MAX_ITEMS 8

struct srv_resp_reader;

enum srv_resp_type { SRV_RESP_TEXT, SRV_RESP_STATUS, SRV_RESP_ERROR, SRV_RESP_INTEGER, SRV_RESP_NIL };

struct srv_resp_item {
    enum srv_resp_type type;
    long long integer;
    const char *text; /* NUL-terminated; NULL for INTEGER and NIL */
    size_t len;
};

struct srv_resp_reply {
    bool is_array;
    unsigned count; /* 1 unless is_array */
    struct srv_resp_item items[SRV_RESP_MAX_ITEMS];
};

struct srv_resp_reader *srv_resp_reader_new(size_t max_bytes);
void srv_resp_reader_destroy(struct srv_resp_reader *r);
/* false: no memory, or more than max_bytes wait. The connection cannot be used any more. */
bool srv_resp_feed(struct srv_resp_reader *r, const void *data, size_t len);
enum srv_resp_status { SRV_RESP_MORE /* bytes are needed */, SRV_RESP_REPLY, SRV_RESP_BROKEN };
/* The next reply, valid until the next call. */
enum srv_resp_status srv_resp_next(struct srv_resp_reader *r, const struct srv_resp_reply **reply);

bool srv_resp_is(const struct srv_resp_item *item, const char *text);

/* Appends a command. */
void srv_resp_command(struct aivo_buf *out, const struct aivo_bytes *words, size_t count);

#endif
