/* The little HTTP a WebSocket client speaks: the upgrade and CONNECT requests, and the heads of their answers. Pure. */
#ifndef AIVO_CORE_HTTPHEAD_H
#define AIVO_CORE_HTTPHEAD_H

#include "buf.h"
#include <aivo/error.h>
#include <stdint.h>

#define AIVO_HTTP_HEAD_MAX 16384 /* bytes of an answer's head */

struct aivo_upgrade_request {
    const char *host; /* without brackets */
    uint16_t port;
    bool tls;
    const char *path;        /* begins with '/' */
    const char *key;         /* Sec-WebSocket-Key */
    const char *subprotocol; /* or NULL */
    const char *headers;     /* "Name: value\n..." or NULL */
};

/* Whether path, subprotocol and headers can be sent as they are: AIVO_OK or AIVO_E_INVALID with the reason. */
enum aivo_status aivo_upgrade_check(const char *path, const char *subprotocol, const char *headers,
                                    struct aivo_error *err);
/* A GET that asks for the upgrade; checked before. A Host or User-Agent in headers replaces ours. */
void aivo_upgrade_write(struct aivo_buf *out, const struct aivo_upgrade_request *request);
/* CONNECT host:port. authorization: base64 of "user:password", or NULL. */
void aivo_connect_write(struct aivo_buf *out, const char *host, uint16_t port, const char *authorization);
/* "host:port", with brackets where they belong. */
void aivo_host_port(struct aivo_buf *out, const char *host, uint16_t port);

/* An answer's head, in place. */
struct aivo_http_head {
    int status;         /* 100..599 */
    const char *reason; /* not NUL-terminated */
    size_t reason_len;
    const char *fields; /* the lines between status line and empty line */
    size_t fields_len;
    size_t total; /* bytes of the head: what follows is not its own */
};

enum aivo_http_found {
    AIVO_HTTP_MORE,    /* not all there yet */
    AIVO_HTTP_HEAD,    /* *head is filled */
    AIVO_HTTP_INVALID, /* no HTTP/1 answer, or a head beyond AIVO_HTTP_HEAD_MAX */
};
enum aivo_http_found aivo_http_parse(const char *data, size_t len, struct aivo_http_head *head);
/* The first field of that name (any case): its value, trimmed, with its length; NULL if there is none. */
const char *aivo_http_field(const struct aivo_http_head *head, const char *name, size_t *len);
/* Whether any field of that name has token in its comma-separated list (any case). */
bool aivo_http_has_token(const struct aivo_http_head *head, const char *name, const char *token);

/* Judges the answer to an upgrade: AIVO_OK, AIVO_E_HTTP (code: the status) or AIVO_E_PROTOCOL. accept: the
 * Sec-WebSocket-Accept that belongs to the key; subprotocol: what was asked for, or NULL. */
enum aivo_status aivo_upgrade_judge(const struct aivo_http_head *head, const char *accept, const char *subprotocol,
                                    struct aivo_error *err);

#endif
