#include "audit.h"
#include <stdio.h>

static const struct {
    const char *name, *message;
} kinds[SRV_AUDIT_COUNT] = {
    [SRV_AUDIT_TOKEN_REFUSED] = {"token_refused", "token refused"},
    [SRV_AUDIT_TOKEN_EXPIRED] = {"token_expired", "session ended: its token has expired"},
    [SRV_AUDIT_ORIGIN_REFUSED] = {"origin_refused", "request of a page whose origin is not in CORS_ORIGIN"},
    [SRV_AUDIT_CERTIFICATE_REFUSED] = {"certificate_refused", "client certificate refused"},
    [SRV_AUDIT_RATE_LIMIT] = {"rate_limit", "message refused: rate limit"},
    [SRV_AUDIT_CONNECTION_LIMIT] = {"connection_limit", "connection refused: too many from this address"},
    [SRV_AUDIT_HANDSHAKE_LIMIT] = {"handshake_limit",
                                   "too many pending handshakes: the oldest is cut, or new ones wait"},
    [SRV_AUDIT_TIMEOUT] = {"handshake_timeout", "connection cut: it did not say in time what it wants"},
    [SRV_AUDIT_BAD_PACKET] = {"bad_packet", "connection closed: what it sent breaks the protocol"},
    [SRV_AUDIT_TOO_LARGE] = {"payload_too_large", "message refused: larger than MAX_PAYLOAD_BYTES"},
    [SRV_AUDIT_HEAD_TOO_LARGE] = {"head_too_large", "request refused: its head is larger than 8 KB"},
    [SRV_AUDIT_SLOW_CONSUMER] = {"slow_consumer", "connection closed: it does not read what it is sent"},
};

const char *srv_audit_name(enum srv_audit_kind kind)
{
    return kinds[kind].name;
}

void srv_audit(struct srv_audit *audit, enum srv_audit_kind kind, const struct srv_address *address, const char *user,
               const char *reason, uint64_t now_ms)
{
    unsigned left_out;
    if (!audit->log || !srv_log_enabled(audit->log, SRV_LOG_WARN))
        return;
    bool bounded = srv_log_bounded(&audit->bounds[kind], SRV_AUDIT_LINES, now_ms, &left_out);
    bool all = srv_log_enabled(audit->log, SRV_LOG_DEBUG);
    if (!bounded && !all)
        return;
    char text[SRV_ADDRESS_TEXT], more[16];
    if (address)
        srv_address_format(address, text);
    snprintf(more, sizeof more, "%u", left_out);
    const struct srv_log_field fields[] = {
        SRV_LOG_FIELD("event", kinds[kind].name), SRV_LOG_FIELD("address", address ? text : NULL),
        SRV_LOG_FIELD("user", user && user[0] ? user : NULL), SRV_LOG_FIELD("reason", reason),
        SRV_LOG_FIELD("left_out", left_out && !all ? more : NULL)};
    srv_log_fields(audit->log, bounded ? SRV_LOG_WARN : SRV_LOG_DEBUG, kinds[kind].message, fields,
                   sizeof fields / sizeof *fields);
}
