/* How figures come about, for --explain. tests/cli/drift.mjs checks that every figure has its sentence. */
#include "render.h"
#include <string.h>

#define ANY (-1) /* in every stage */

static const struct {
    int stage;
    const char *key, *text;
} facts[] = {
    {AIVO_DIAGNOSE_DNS, "ipv4_count", "addresses of the family IPv4 (A records) that the system's resolver gave"},
    {AIVO_DIAGNOSE_DNS, "ipv6_count", "addresses of the family IPv6 (AAAA records) that the system's resolver gave"},
    {AIVO_DIAGNOSE_TCP, "time_ms", "from connect() until the socket was writable: one round trip to that address"},
    {AIVO_DIAGNOSE_TLS, "days_left", "whole days until the certificate's notAfter, by this machine's clock"},
    {ANY, "status", "the number in the answer's status line"},
    {ANY, "retry_after_s", "the answer's Retry-After; a date is counted from the answer's own Date"},
    {ANY, "rate_limit_remaining", "the answer's RateLimit-Remaining"},
    {AIVO_DIAGNOSE_ENGINEIO, "ping_interval_ms", "pingInterval of the server's handshake: how often it sends a ping"},
    {AIVO_DIAGNOSE_ENGINEIO, "ping_timeout_ms",
     "pingTimeout of the handshake: so long after an unanswered ping it gives the connection up"},
    {AIVO_DIAGNOSE_ENGINEIO, "max_payload_bytes",
     "maxPayload of the handshake: the largest message that the server takes"},
    {AIVO_DIAGNOSE_AUTH, "clock_skew_s",
     "the Date of the server's answer less this machine's clock, to a second; not known where the answer has none"},
    {AIVO_DIAGNOSE_AUTH, "token_expires_in_s", "the token's exp less the time now; below 0 it has expired"},
    {AIVO_DIAGNOSE_AUTH, "token_valid_in_s", "the token's nbf less the time now; above 0 it is not valid yet"},
    {AIVO_DIAGNOSE_AUTH, "token_age_s", "the time now less the token's iat"},
    {AIVO_DIAGNOSE_PROBES, "sent", "WebSocket PING frames that were sent, one at a time"},
    {AIVO_DIAGNOSE_PROBES, "answered", "PING frames whose PONG came"},
    {AIVO_DIAGNOSE_PROBES, "points", "what that cause took off a score of 100"},
    {AIVO_DIAGNOSE_POLLING, "engineio", "version of the Engine.IO protocol that the server's answer is of"},
    {AIVO_DIAGNOSE_POLLING, "requests",
     "requests of one session, each over a connection of its own, as a load balancer spreads them"},
    {AIVO_DIAGNOSE_POLLING, "unknown_session",
     "of these, how many were answered by a server that does not know the session: no sticky sessions"},
    {AIVO_DIAGNOSE_POLLING, "time_ms", "from writing the request until its answer was read"},
    {AIVO_DIAGNOSE_THROUGHPUT, "bytes", "what was sent, the frames' heads included"},
    {AIVO_DIAGNOSE_THROUGHPUT, "messages", "large messages, each at most as large as the server takes"},
    {AIVO_DIAGNOSE_THROUGHPUT, "message_bytes", "bytes of one of them"},
    {AIVO_DIAGNOSE_THROUGHPUT, "up_ms",
     "from the first byte written until the PONG of a PING behind the last: the server has read all of it by then"},
    {AIVO_DIAGNOSE_THROUGHPUT, "up_kbit_s", "bytes x 8 / up_ms less one round trip: TCP's slow start is in it"},
    {AIVO_DIAGNOSE_THROUGHPUT, "down_kbit_s",
     "the same of what the server sent back; not known where it sends nothing back"},
    {AIVO_DIAGNOSE_RATE_LIMIT, "sent", "messages that were sent, at most 16 of them unanswered at a time"},
    {AIVO_DIAGNOSE_RATE_LIMIT, "answered", "of these, how many were acknowledged by the first refusal"},
    {AIVO_DIAGNOSE_RATE_LIMIT, "accepted",
     "messages that this connection sent before the first refusal, those of other stages included"},
    {AIVO_DIAGNOSE_RATE_LIMIT, "time_ms", "from the first message until the first refusal"},
    {AIVO_DIAGNOSE_RATE_LIMIT, "retry_after_ms", "retryAfterMs of the refusal"},
};

/* Facts of the round trips that are figures of the quality under another name. */
static const struct {
    const char *key, *name;
} same[] = {{"min_ms", "min_latency_ms"}, {"avg_ms", "avg_latency_ms"}};

const char *aivo_render_explain_fact(enum aivo_diagnose_stage stage, const char *list, const char *key)
{
    (void)list; /* so far a key means the same in each list of a stage */
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        if ((facts[i].stage == ANY || facts[i].stage == (int)stage) && strcmp(facts[i].key, key) == 0) {
            return facts[i].text;
        }
    }
    if (stage != AIVO_DIAGNOSE_PROBES) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        key = strcmp(same[i].key, key) == 0 ? same[i].name : key;
    }
    return aivo_render_explain_quality(key);
}

static const struct {
    const char *name, *text;
} measures[] = {
    {"score",
     "100 at 0 ms, 80 at 100, 60 at 250, 40 at 500, 20 at 1000 (the mean of the last 10 clean round trips, linear "
     "in between), less 4 points for each % of loss above 0.5 (at most 40), less at most 15 for jitter; smoothed"},
    {"latency_ms", "the last probe: from writing a WebSocket PING frame until its PONG was read, monotonic clock"},
    {"avg_latency_ms",
     "mean of the last 10 round trips; those with a retransmit, a full send buffer or a stall of this "
     "process in them are left out"},
    {"min_latency_ms", "least of the last 10 clean round trips"},
    {"p50_ms", "of the last 256 round trips: half were faster"},
    {"p95_ms",
     "of the last 256 round trips, between the two nearest: 95 of 100 were faster. With fewer than 20 it says little"},
    {"p99_ms", "of the last 256 round trips, between the two nearest. With fewer than 100 it says little"},
    {"jitter_ms", "standard deviation of the last 10 clean round trips"},
    {"loss_pct",
     "round trips that lost a packet, of those observed: a probe more than 150 ms above the median while the "
     "kernel's retransmit counter (TCP_INFO) moved. TCP repeats what is lost, so no probe is missing"},
    {"loss_low_pct", "lower end of the 95 % Wilson interval: with 10 probes, 0 lost is consistent with up to 28 %"},
    {"loss_high_pct", "upper end of the same interval: more probes (--count, --until-confident) make it narrower"},
    {"uplink_loss_pct", "retransmitted segments, less those the server had already (DSACK), of the segments sent"},
    {"downlink_loss_pct",
     "what is left of the round trip's loss once the uplink's is taken out: 1 - (1 - loss) / (1 - up)"},
    {"network_ms", "the kernel's smoothed round trip less 40 ms for a delayed ACK, at least its least one (TCP_INFO): "
                   "to the first TCP peer, which may be a proxy"},
    {"edge_ms",
     "the PING's round trip less the network's: proxies behind the first TCP peer, and the server's event loop"},
    {"handler_ms",
     "an acknowledged event's round trip less a PING's: the server's application. Not known where the server "
     "does not answer quality_ping"},
    {"clock_offset_ms",
     "the server's timestamps in quality_pong less the middle of our own: right to half a round trip"},
    {"samples", "probes that were answered"},
    {"lost", "round trips that lost a packet, and probes unanswered for 5 s"},
    {"loss_samples", "round trips that the loss is a share of"},
};

const char *aivo_render_explain_quality(const char *name)
{
    for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
        if (strcmp(measures[i].name, name) == 0) {
            return measures[i].text;
        }
    }
    return NULL;
}
