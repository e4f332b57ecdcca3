/* How figures come about, for --explain. tests/cli/drift.mjs checks that every figure has its sentence. */
#include "render.h"
#include <string.h>

#define ANY (-1) /* in every stage */

static const struct {
    int stage;
    const char *key, *text;
} facts[] = {
    {AIVO_DIAGNOSE_DNS, "ipv4_count", "A records: addresses of the family IPv4 that the system's resolver gave"},
    {AIVO_DIAGNOSE_DNS, "ipv6_count", "AAAA records: addresses of the family IPv6 that the system's resolver gave"},
    {AIVO_DIAGNOSE_TCP, "time_ms", "from connect() until the socket was writable: one round trip to that address"},
    {AIVO_DIAGNOSE_TLS, "days_left", "whole days until the certificate's notAfter, by this machine's clock"},
    {ANY, "status", "the number in the answer's status line"},
    {ANY, "retry_after_s", "the answer's Retry-After, a date counted from its own Date"},
    {ANY, "rate_limit_remaining", "the answer's RateLimit-Remaining"},
};

const char *aivo_render_explain_fact(enum aivo_diagnose_stage stage, const char *list, const char *key)
{
    (void)list; /* so far a key means the same in each list of a stage */
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        if ((facts[i].stage == ANY || facts[i].stage == (int)stage) && strcmp(facts[i].key, key) == 0) {
            return facts[i].text;
        }
    }
    return NULL;
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
    {"p50_ms", "of the last 256 round trips, nearest rank: half were faster"},
    {"p95_ms",
     "of the last 256 round trips, nearest rank: 95 of 100 were faster. With fewer than 20 it is the slowest"},
    {"p99_ms", "of the last 256 round trips, nearest rank. With fewer than 100 it is the slowest"},
    {"jitter_ms", "standard deviation of the last 10 clean round trips"},
    {"loss_pct",
     "round trips that lost a packet, of those observed: a probe more than 150 ms above the median while the "
     "kernel's retransmit counter (TCP_INFO) moved. TCP repeats what is lost, so no probe is missing"},
    {"loss_low_pct", "lower end of the 95 % Wilson interval: with 10 probes, 0 lost is consistent with up to 28 %"},
    {"loss_high_pct", "upper end of the same interval: more probes (--count, --until-confident) make it narrower"},
    {"uplink_loss_pct", "retransmitted segments, less those the server had already (DSACK), of the segments sent"},
    {"downlink_loss_pct",
     "what is left of the round trip's loss once the uplink's is taken out: 1 - (1 - loss) / (1 - up)"},
    {"network_ms", "the kernel's least smoothed round trip (TCP_INFO): to the first TCP peer, which may be a proxy"},
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
