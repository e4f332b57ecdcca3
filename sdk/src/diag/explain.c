#include "explain.h"

#include <string.h>

#define DNS        AIVO_DIAGNOSE_DNS
#define TCP        AIVO_DIAGNOSE_TCP
#define PROXY      AIVO_DIAGNOSE_PROXY
#define TLS        AIVO_DIAGNOSE_TLS
#define HTTP       AIVO_DIAGNOSE_HTTP
#define ENGINEIO   AIVO_DIAGNOSE_ENGINEIO
#define AUTH       AIVO_DIAGNOSE_AUTH
#define PROBES     AIVO_DIAGNOSE_PROBES
#define POLLING    AIVO_DIAGNOSE_POLLING
#define THROUGHPUT AIVO_DIAGNOSE_THROUGHPUT
#define RATE       AIVO_DIAGNOSE_RATE_LIMIT

const struct diag_explanation diag_explanations[] = {
    {DNS, NULL, "host", "Host", "The name that was looked up: the server's, or the proxy's where there is one."},
    {DNS, NULL, "ipv4_count", "IPv4 addresses",
     "Addresses of the family IPv4 (A records) that the system's resolver (getaddrinfo) gave."},
    {DNS, NULL, "ipv6_count", "IPv6 addresses",
     "Addresses of the family IPv6 (AAAA records) that the system's resolver (getaddrinfo) gave."},
    {DNS, "addresses", "address", "Address",
     "In the order in which they are tried: families alternating, the system's "
     "first choice first."},
    {DNS, "addresses", "family", "Family", "IPv4 or IPv6."},

    {TCP, NULL, "address", "Used address",
     "The first one that connected, in the resolver's order; all that follows is "
     "done with it."},
    {TCP, "addresses", "address", "Address", "All were tried at the same time."},
    {TCP, "addresses", "family", "Family", "IPv4 or IPv6."},
    {TCP, "addresses", "connected", "Connected", "Whether the three-way handshake was completed."},
    {TCP, "addresses", "time_ms", "Time",
     "From connect() until the socket could be written: one round trip of the "
     "network, and more if a SYN was lost."},
    {TCP, "addresses", "outcome", "Outcome",
     "The system's word for it. Once one address had connected the others had one "
     "more second."},

    {PROXY, NULL, "proxy", "Proxy",
     "By the option, or else by https_proxy, http_proxy and no_proxy of the environment."},
    {PROXY, NULL, "credentials", "Credentials", "Whether a user name and password were sent with CONNECT."},
    {PROXY, NULL, "status", "Status", "The proxy's HTTP status to CONNECT."},
    {PROXY, NULL, "server", "Software", "The proxy's Server header."},

    {TLS, NULL, "version", "Version", "What both sides agreed on; 1.2 and 1.3 are offered."},
    {TLS, NULL, "cipher", "Cipher", "What both sides agreed on."},
    {TLS, NULL, "alpn", "ALPN", "The protocol that the server chose; http/1.1 is offered."},
    {TLS, NULL, "names", "Names", "The alternative names of the server's certificate: host names and addresses."},
    {TLS, NULL, "days_left", "Days left",
     "Whole days until the server's own certificate ends, by this machine's clock."},
    {TLS, NULL, "pin", "Pin", "SHA-256 of the server's public key (SPKI), in the form that --pin takes."},
    {TLS, NULL, "checked", "Checked", "Whether CA, dates and name were checked: not with --insecure."},
    {TLS, NULL, "pinned", "Pinned", "Whether a pin was given; it is checked in any case."},
    {TLS, NULL, "client_certificate", "Client certificate", "Whether one was given."},
    {TLS, "chain", "subject", "Subject", "Of each certificate as the server sent it, its own first."},
    {TLS, "chain", "issuer", "Issuer", "Who signed it."},
    {TLS, "chain", "from", "Valid from", "UTC."},
    {TLS, "chain", "to", "Valid to", "UTC."},
    {TLS, "chain", "days_left", "Days left", "Whole days, by this machine's clock."},
    {TLS, "chain", "key", "Key", "Kind and size, or curve."},

    {HTTP, NULL, "path", "Path", "What was asked for, without its query."},
    {HTTP, NULL, "origin", "Origin", "What was sent as Origin."},
    {HTTP, NULL, "status", "Status", "The HTTP status to the WebSocket upgrade: 101 is a success."},
    {HTTP, NULL, "status_text", "Status text", "As the server wrote it."},
    {HTTP, NULL, "server", "Software", "The Server header: mostly that of a proxy in front of the server."},
    {HTTP, NULL, "via", "Via", "The Via header: proxies on the way."},
    {HTTP, NULL, "location", "Location", "Where a redirect points to."},
    {HTTP, NULL, "www_authenticate", "Wanted credentials", "The WWW-Authenticate header."},
    {HTTP, NULL, "allow_origin", "Allowed origin", "The Access-Control-Allow-Origin header."},
    {HTTP, NULL, "body", "Body", "The beginning of a refusal's body."},
    {HTTP, NULL, "retry_after_s", "Retry after",
     "The Retry-After header: seconds, or its date minus the answer's Date."},
    {HTTP, NULL, "rate_limit_remaining", "Requests left", "The RateLimit-Remaining or X-RateLimit-Remaining header."},

    {ENGINEIO, NULL, "sid", "Session", "The server's id for this connection."},
    {ENGINEIO, NULL, "ping_interval_ms", "Heartbeat", "How often the server pings, as its open packet says."},
    {ENGINEIO, NULL, "ping_timeout_ms", "Heartbeat patience", "How long it waits for the answer."},
    {ENGINEIO, NULL, "max_payload_bytes", "Largest message",
     "What the server takes; unknown if its open packet does not "
     "say."},
    {ENGINEIO, NULL, "transport", "Transport", "What was opened: directly, without long-polling first."},

    {AUTH, NULL, "namespace", "Namespace", "What was asked for."},
    {AUTH, NULL, "sid", "Socket", "The server's id in this namespace."},
    {AUTH, NULL, "recovery", "Recovery", "Whether the server offers to resume a lost connection (it sent a pid)."},
    {AUTH, NULL, "server_message", "Server's words", "The message of its refusal."},
    {AUTH, NULL, "server_data", "Server's data", "The data of its refusal, as JSON."},
    {AUTH, NULL, "clock_skew_s", "Clock skew",
     "The Date of the server's answer less this machine's clock, to a second; not known where the answer has none."},
    {AUTH, NULL, "token", "Token",
     "JWT if what was given could be decoded as one, opaque if not, or none. Nothing is "
     "verified: that is the server's affair."},
    {AUTH, NULL, "token_from", "Token from", "The member of the CONNECT payload, or the header, that has it."},
    {AUTH, NULL, "token_algorithm", "Token algorithm", "The token's own \"alg\"."},
    {AUTH, NULL, "token_subject", "Token user", "The token's \"userId\", or else \"sub\"."},
    {AUTH, NULL, "token_issuer", "Token issuer", "The token's \"iss\"."},
    {AUTH, NULL, "token_audience", "Token audience", "The token's \"aud\", the first one."},
    {AUTH, NULL, "token_expires_in_s", "Token ends in",
     "Its \"exp\" minus this machine's clock, seconds; below 0 it has "
     "expired."},
    {AUTH, NULL, "token_valid_in_s", "Token begins in",
     "Its \"nbf\" minus this machine's clock, seconds; above 0 it is not "
     "valid yet."},
    {AUTH, NULL, "token_age_s", "Token age", "This machine's clock minus its \"iat\", seconds."},

    {PROBES, NULL, "sent", "Probes", "WebSocket PING frames, one at a time; every server has to answer them."},
    {PROBES, NULL, "answered", "Answers", "PONG frames."},
    {PROBES, NULL, "confident", "Certain",
     "Whether the intervals of loss and median became as narrow as was asked for."},
    {PROBES, NULL, "level", "Level", "Excellent above 80 points, Good above 60, Fair above 40, else Poor."},
    {PROBES, NULL, "score", "Score",
     "100 at 0 ms, 80 at 100, 60 at 250, 40 at 500, 20 at 1,000 (the mean of the last 10 clean round trips, linear in "
     "between), less 4 points for each % of loss above 0.5 (at most 40; the lower end of its interval counts, from 10 "
     "observations on), less at most 15 for jitter; smoothed."},
    {PROBES, NULL, "min_ms", "Least", "Least of the last 10 clean round trips."},
    {PROBES, NULL, "avg_ms", "Mean",
     "Mean of the last 10 round trips; those with a retransmit, a full send buffer or a stall of this process in them "
     "are left out."},
    {PROBES, NULL, "p50_ms", "Median", "Of the last 256 round trips: half were faster."},
    {PROBES, NULL, "p95_ms", "95th percentile",
     "Of the last 256 round trips, between the two nearest: 95 of 100 were faster. With fewer than 20 it says little."},
    {PROBES, NULL, "p99_ms", "99th percentile",
     "Of the last 256 round trips, between the two nearest: 99 of 100 were faster. With fewer than 100 it says "
     "little."},
    {PROBES, NULL, "jitter_ms", "Jitter", "Standard deviation of the last 10 clean round trips."},
    {PROBES, NULL, "loss_pct", "Loss",
     "Round trips that lost a packet, of those observed, by the kernel's retransmit counters (TCP_INFO): TCP repeats "
     "what is lost, so no probe is missing."},
    {PROBES, NULL, "loss_low_pct", "Loss, at least", "Lower end of the 95 % Wilson interval of loss."},
    {PROBES, NULL, "loss_high_pct", "Loss, at most",
     "Upper end of the same interval: more probes (--count, --until-confident) make it narrower."},
    {PROBES, NULL, "uplink_loss_pct", "Loss to the server",
     "Retransmits minus those that the server had already (DSACK), as "
     "a share of the segments sent."},
    {PROBES, NULL, "downlink_loss_pct", "Loss from the server",
     "What is left of the round trip's loss once the uplink's is taken out: 1 - (1 - loss) / (1 - up)."},
    {PROBES, NULL, "network_ms", "Network",
     "The kernel's smoothed round trip less 40 ms for a delayed ACK, at least its least one (TCP_INFO): to the first "
     "TCP peer, which may be a proxy."},
    {PROBES, NULL, "edge_ms", "Edge",
     "Mean minus network: proxies behind the first TCP peer, and the server's event loop."},
    {PROBES, NULL, "handler_ms", "Handler",
     "What an acknowledged quality_ping takes beyond a PING; unknown where the server "
     "does not answer it."},
    {PROBES, NULL, "clock_offset_ms", "Clock offset",
     "The server's timestamps in quality_pong less the middle of our own: right to half a round trip."},
    {PROBES, NULL, "loss_source", "Loss known by",
     "tcp: the kernel's counters; probes: unanswered probes, where the system "
     "has no counters."},
    {PROBES, "causes", "cause", "Cause", "What took points off the score, most first."},
    {PROBES, "causes", "points", "Points", "How many it took off."},

    {POLLING, NULL, "status", "Status", "The HTTP status of the first request."},
    {POLLING, NULL, "origin", "Origin", "What was sent as Origin."},
    {POLLING, NULL, "allow_origin", "Allowed origin", "Access-Control-Allow-Origin: browsers go by it."},
    {POLLING, NULL, "allow_credentials", "Allows cookies", "Access-Control-Allow-Credentials."},
    {POLLING, NULL, "server", "Software", "The Server header."},
    {POLLING, NULL, "engineio", "Engine.IO version",
     "By the form of the answer: version 3 puts lengths in front of packets."},
    {POLLING, NULL, "can_upgrade", "Offers WebSocket", "Whether \"websocket\" is among the upgrades that it offers."},
    {POLLING, NULL, "requests", "Requests",
     "Of one session, each over a TCP connection of its own, as a load balancer may "
     "see them."},
    {POLLING, NULL, "unknown_session", "Unknown session",
     "How many of them came to an instance that does not know the "
     "session."},
    {POLLING, NULL, "cookie", "Cookie",
     "Name of the cookie that the first answer set; it was sent back with the others."},

    {THROUGHPUT, NULL, "bytes", "Bytes", "Sent in large messages to measure the way up."},
    {THROUGHPUT, NULL, "messages", "Messages", "How many; they count towards the server's limit on messages."},
    {THROUGHPUT, NULL, "message_bytes", "Message size", "At most half of what the server takes, and 64 KiB."},
    {THROUGHPUT, NULL, "up_ms", "Time", "Until the PONG to a PING behind them: the server has read them then."},
    {THROUGHPUT, NULL, "up_kbit_s", "To the server",
     "Bytes over the time without one round trip. TCP has hardly begun to "
     "speed up after so few bytes: a lower bound."},
    {THROUGHPUT, NULL, "down_kbit_s", "From the server",
     "Bytes that came back over the time from the first byte of each "
     "message to its last; unknown where nothing repeats what it gets."},

    {RATE, NULL, "event", "Event", "What was sent, with an acknowledgement wanted."},
    {RATE, NULL, "sent", "Sent", "How many, at most 16 unanswered at a time."},
    {RATE, NULL, "answered", "Answered", "How many."},
    {RATE, NULL, "limited", "Limited", "Whether one was refused for the limit's sake."},
    {RATE, NULL, "accepted", "Accepted", "Messages on this connection before the first refusal."},
    {RATE, NULL, "time_ms", "Time", "For all of them."},
    {RATE, NULL, "retry_after_ms", "Retry after", "As the refusal says."},
};
const size_t diag_explanation_count = sizeof diag_explanations / sizeof *diag_explanations;

static const struct diag_explanation *find(enum aivo_diagnose_stage stage, const char *list, const char *key)
{
    for (size_t i = 0; key && i < diag_explanation_count; i++) {
        const struct diag_explanation *e = &diag_explanations[i];
        if (e->stage == stage && strcmp(e->list ? e->list : "", list ? list : "") == 0 && strcmp(e->key, key) == 0)
            return e;
    }
    return NULL;
}

const char *aivo_diagnose_fact_title(enum aivo_diagnose_stage stage, const char *list, const char *key)
{
    const struct diag_explanation *e = find(stage, list, key);
    return e ? e->title : key ? key : "";
}

const char *aivo_diagnose_fact_explain(enum aivo_diagnose_stage stage, const char *list, const char *key)
{
    const struct diag_explanation *e = find(stage, list, key);
    return e ? e->text : "";
}
