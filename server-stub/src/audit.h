/*
 * Security events in the log: who was refused, and why. One line each, with the same fields in the same order, at most
 * SRV_AUDIT_LINES a minute of each kind: peers cause them, and must not be able to fill a disk. With LOG_LEVEL=debug
 * the others are written too, as debug. Never a secret: tokens, cookies and payloads are not among the arguments.
 */
#ifndef SRV_AUDIT_H
#define SRV_AUDIT_H

#include "address.h"
#include "log.h"

#define SRV_AUDIT_LINES 10

enum srv_audit_kind {
    SRV_AUDIT_TOKEN_REFUSED,
    SRV_AUDIT_TOKEN_EXPIRED,
    SRV_AUDIT_ORIGIN_REFUSED,
    SRV_AUDIT_CERTIFICATE_REFUSED,
    SRV_AUDIT_RATE_LIMIT,
    SRV_AUDIT_CONNECTION_LIMIT, /* too many of one address */
    SRV_AUDIT_HANDSHAKE_LIMIT,  /* too many that have not said what they want */
    SRV_AUDIT_TIMEOUT,          /* no request, or no namespace, in time */
    SRV_AUDIT_BAD_PACKET,
    SRV_AUDIT_TOO_LARGE,
    SRV_AUDIT_HEAD_TOO_LARGE,
    SRV_AUDIT_SLOW_CONSUMER,
    SRV_AUDIT_COUNT
};

struct srv_audit {
    const struct srv_log *log;
    struct srv_log_bound bounds[SRV_AUDIT_COUNT];
};

const char *srv_audit_name(enum srv_audit_kind kind); /* the field "event": "token_refused", ... */

/* address, user and reason may be NULL. now_ms is monotonic. */
void srv_audit(struct srv_audit *audit, enum srv_audit_kind kind, const struct srv_address *address, const char *user,
               const char *reason, uint64_t now_ms);

#endif
