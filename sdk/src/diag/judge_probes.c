/* What was measured: round trips, long-polling, throughput, limits. */
#include "judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SKEW_MS 30000

static void quality_facts(struct diag_report *r, const struct aivo_quality *q)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"score", q->score},
        {"min_ms", q->min_latency_ms},
        {"avg_ms", q->avg_latency_ms},
        {"p50_ms", q->p50_ms},
        {"p95_ms", q->p95_ms},
        {"p99_ms", q->p99_ms},
        {"jitter_ms", q->jitter_ms},
        {"loss_pct", q->loss_pct},
        {"loss_low_pct", q->loss_low_pct},
        {"loss_high_pct", q->loss_high_pct},
        {"uplink_loss_pct", q->uplink_loss_pct},
        {"downlink_loss_pct", q->downlink_loss_pct},
        {"network_ms", q->network_ms},
        {"edge_ms", q->edge_ms},
        {"handler_ms", q->handler_ms},
        {"clock_offset_ms", q->clock_offset_ms},
    };
    diag_fact_text(r, "level", aivo_level_name(q->level));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        diag_fact_number(r, numbers[i].key, numbers[i].value);
    diag_fact_text(r, "loss_source",
                   q->loss_source == AIVO_LOSS_TCP      ? "tcp"
                   : q->loss_source == AIVO_LOSS_PROBES ? "probes"
                                                        : "none");
    for (size_t i = 0; i < q->cause_count; i++) {
        diag_item(r, "causes", (uint32_t)i);
        diag_fact_text(r, "cause", aivo_cause_name(q->causes[i].cause));
        diag_fact_number(r, "points", q->causes[i].points);
    }
    diag_item(r, NULL, 0);
}

/* A finding for what takes most points off, in words. */
static void cause_warning(struct diag_report *r, const struct diag_target *t, const struct aivo_quality *q,
                          enum aivo_cause cause)
{
    char a[DIAG_MS_TEXT], b[DIAG_MS_TEXT], c[DIAG_MS_TEXT];
    switch (cause) {
    case AIVO_CAUSE_UPLINK_LOSS:
    case AIVO_CAUSE_DOWNLINK_LOSS:
    case AIVO_CAUSE_LOSS:
        diag_warn(r, "packet-loss",
                  "Measure for longer to be sure (--until-confident). On Wi-Fi go nearer to the access point or use a "
                  "cable; else look at the line, and for a congested link on the way (mtr shows where).",
                  "%s %% of the round trips lost a packet (95 %% certain: %s to %s %%)%s", diag_ms(a, q->loss_pct),
                  diag_ms(b, q->loss_low_pct), diag_ms(c, q->loss_high_pct),
                  cause == AIVO_CAUSE_UPLINK_LOSS     ? ", mostly on the way to the server"
                  : cause == AIVO_CAUSE_DOWNLINK_LOSS ? ", mostly on the way back"
                                                      : "");
        break;
    case AIVO_CAUSE_JITTER:
        diag_warn(r, "jitter",
                  "Look for something else that fills the line (uploads, backups), and for a weak radio link.",
                  "round trips vary: median %s ms, standard deviation %s ms", diag_ms(a, q->p50_ms),
                  diag_ms(b, q->jitter_ms));
        break;
    case AIVO_CAUSE_EDGE:
        diag_warn(r, "edge-slow",
                  t->via_proxy || t->tls
                      ? "Look at the load of the server's event loop, and of the proxies in front of it; or what lies "
                        "behind them is far away."
                      : "Look at the load of the server's event loop (something blocks it), and at proxies in front of "
                        "the server.",
                  "%s ms of the round trip are spent behind the first TCP peer, not in the network",
                  diag_ms(a, q->edge_ms));
        break;
    default:
        diag_warn(r, "latency",
                  "Use a server that is nearer, or look at the way there (mtr): a detour, a VPN, a full line.",
                  "the round trip takes %s ms (median), %s ms of it in the network", diag_ms(a, q->p50_ms),
                  diag_ms(b, isnan(q->network_ms) ? q->p50_ms : q->network_ms));
    }
}

static void quality_warnings(struct diag_report *r, const struct diag_target *t, const struct aivo_quality *q)
{
    char a[DIAG_MS_TEXT], span[DIAG_SPAN_TEXT];
    bool told = false;
    for (size_t i = 0; i < q->cause_count; i++) {
        enum aivo_cause cause = q->causes[i].cause;
        double points = q->causes[i].points;
        bool worst = q->level < AIVO_LEVEL_GOOD && !told && points > 0;
        bool lost = cause == AIVO_CAUSE_LOSS || cause == AIVO_CAUSE_UPLINK_LOSS || cause == AIVO_CAUSE_DOWNLINK_LOSS;
        if (cause != AIVO_CAUSE_LOCAL_STALL && cause != AIVO_CAUSE_SERVER_HANDLER &&
            (worst || (lost && points > 0) || (points >= 10 && cause != AIVO_CAUSE_NETWORK_LATENCY))) {
            cause_warning(r, t, q, cause);
            told = true;
        }
    }
    /* Few probes: the score waits to be sure, but what was seen is worth a word. */
    bool loss_told = false;
    for (size_t i = 0; i < r->at->finding_count; i++)
        loss_told |= strcmp(r->at->findings[i].code, "packet-loss") == 0;
    if (!loss_told && q->loss_pct > 0 && q->lost > 0)
        cause_warning(r, t, q, AIVO_CAUSE_LOSS);
    if (q->handler_ms >= 100)
        diag_warn(r, "handler-slow",
                  "Look at what the server's handlers do: a database, another service, a lock. The connection is not "
                  "the cause.",
                  "the server's handler adds %s ms to a round trip", diag_ms(a, q->handler_ms));
    if (fabs(q->clock_offset_ms) > SKEW_MS)
        diag_warn(r, "clock-skew", "Set the clocks right (NTP): tokens are judged by them.",
                  "the server's clock is %s %s ours", diag_span(span, q->clock_offset_ms / 1000),
                  q->clock_offset_ms > 0 ? "ahead of" : "behind");
    if (q->local_stalls > q->samples / 2 && q->samples > 1)
        diag_warn(r, "local-stall", "Look at this machine's load: the figures are of little worth.",
                  "this machine was too busy for %llu of %llu probes", (unsigned long long)q->local_stalls,
                  (unsigned long long)q->samples);
}

void diag_judge_probes(struct diag_report *r, const struct diag_target *t, const struct diag_probes *f)
{
    const struct aivo_quality *q = &f->quality;
    const enum aivo_diagnose_verdict down = AIVO_DIAGNOSE_NO_CONNECTION;
    char p50[DIAG_MS_TEXT], p95[DIAG_MS_TEXT], loss[DIAG_MS_TEXT];
    diag_fact_number(r, "sent", (double)f->sent);
    diag_fact_number(r, "answered", (double)q->samples);
    if (f->until_confident)
        diag_fact_bool(r, "confident", f->confident);
    if (q->samples > 0)
        quality_facts(r, q);
    if (f->how == DIAG_END || f->how == DIAG_ERROR) {
        diag_fail(r, down, "connection-lost",
                  "Look at the logs of the server and of what stands in front of it: one of them ends connections.",
                  "the connection was closed after %llu probes%s%s%s", (unsigned long long)q->samples,
                  f->close_code ? diag_text(r, " (close code %d)", f->close_code) : "", *f->error ? ": " : "",
                  f->error);
    } else if (q->samples == 0) {
        if (f->how != DIAG_CANCELLED)
            diag_fail(r, down, "probes-unanswered",
                      "The network, or the server's event loop, hangs: look at the server's load. A proxy that passes "
                      "the upgrade but no PING frames does this as well.",
                      "the connection is open, but no PING was answered (%llu sent)", (unsigned long long)f->sent);
    } else if (f->dead) {
        diag_fail(
            r, down, "connection-dead",
            "The network between here and the server broke off, or the server's machine hangs: try again, and look "
            "at the line (Wi-Fi, VPN, NAT time-outs).",
            "after %llu answers nothing came back any more, and what was sent is not acknowledged",
            (unsigned long long)q->samples);
    } else {
        quality_warnings(r, t, q);
        diag_say(r, "%s: median %s ms, 95th percentile %s ms, loss %s %% (%llu probes)", aivo_level_name(q->level),
                 diag_ms(p50, q->p50_ms), diag_ms(p95, q->p95_ms), diag_ms(loss, q->loss_pct),
                 (unsigned long long)q->samples);
    }
}

/* ---- long-polling ---- */

static void cors(struct diag_report *r, const struct diag_polling *f)
{
    if (!f->origin)
        return;
    const char *allowed = f->http.allow_origin;
    if (strcmp(allowed, f->origin) == 0 || strcmp(allowed, "*") == 0)
        return;
    diag_warn(r, "cors", "Add this origin at the server (aivo-server: CORS_ORIGIN; socket.io: cors.origin).",
              *allowed ? "browsers on %s may not use long-polling: the server allows %s"
                       : "browsers on %s may not use long-polling: the server allows no other origin%s",
              f->origin, allowed);
}

static void sticky(struct diag_report *r, const struct diag_polling *f)
{
    if (f->unknown > 0)
        diag_warn(r, "sticky-sessions",
                  f->with_cookie
                      ? "The load balancer sets a cookie, but does not go by it: repair its session affinity."
                      : "Let the load balancer send a client's requests to the same instance (by a cookie or "
                        "by address: nginx ip_hash), or let clients use WebSocket alone.",
                  "%u of %u requests of one session were answered \"unknown session\": several instances, and the load "
                  "balancer spreads a session over them",
                  f->unknown, f->requests);
    else if (f->failed > 0)
        diag_warn(r, "polling-unreliable", "Look at the log of the server, and of what stands in front of it.",
                  "%u of %u long-polling requests failed (status %d)", f->failed, f->requests, f->failed_status);
}

/* ": " and what was answered; a page for browsers says no more than its status. */
static const char *clip(struct diag_report *r, const char *text)
{
    return *text == '\0' || *text == '<' ? "" : diag_text(r, ": %.120s", text);
}

void diag_judge_polling(struct diag_report *r, const struct diag_target *t, const struct diag_polling *f)
{
    const struct diag_http *h = &f->http;
    char spent[DIAG_MS_TEXT];
    if (h->how == DIAG_DONE)
        diag_fact_number(r, "status", h->status);
    if (f->origin) {
        diag_fact_text(r, "origin", f->origin);
        diag_fact_text(r, "allow_origin", *h->allow_origin ? h->allow_origin : "none");
        diag_fact_bool(r, "allow_credentials", h->allow_credentials);
    }
    if (*h->server)
        diag_fact_text(r, "server", h->server);
    if (f->protocol)
        diag_fact_number(r, "engineio", f->protocol);
    if (f->opened) {
        diag_fact_bool(r, "can_upgrade", f->can_upgrade);
        diag_fact_number(r, "requests", f->requests);
        diag_fact_number(r, "unknown_session", f->unknown);
        if (*f->set_cookie)
            diag_fact_text(r, "cookie", f->set_cookie);
    }
    const struct diag_stage *upgrade = &r->stages[AIVO_DIAGNOSE_HTTP];
    const char *use = upgrade->finding_count > 0 && upgrade->findings[0].status == AIVO_DIAGNOSE_FAIL
                          ? "The WebSocket upgrade failed as well: mend that first, then look again."
                          : "Clients that begin with WebSocket do not need it; JavaScript's begin with long-polling "
                            "unless told otherwise (transports: [\"websocket\"]).";
    if (h->how == DIAG_TIMEOUT)
        diag_warn(r, "polling-timeout", use, "long-polling was not answered within %u ms", (unsigned)t->timeout_ms);
    else if (h->how != DIAG_DONE)
        diag_warn(r, "polling-failed", use, "the long-polling request was not answered: the server hung up");
    else if (h->status == 400 && strstr(h->body, "Transport unknown"))
        diag_warn(r, "polling-disabled", use, "the server does not offer long-polling");
    else if (h->status != 200)
        diag_warn(r, h->status == 429 ? "polling-rate-limited" : "polling-refused", use,
                  "long-polling was answered %d %s%s", h->status, h->reason, clip(r, h->body));
    else if (f->protocol == 3)
        diag_warn(r, "engineio-version", "Update the server to Socket.IO 3 or later.",
                  "the server's long-polling speaks Engine.IO 3");
    else if (!f->opened)
        diag_warn(r, "polling-not-engineio", use, "long-polling was not answered with an Engine.IO handshake%s",
                  *h->body == '<' ? ", but with a page for browsers" : clip(r, h->body));
    if (f->opened) {
        sticky(r, f);
        cors(r, f);
        if (!f->can_upgrade)
            diag_warn(r, "polling-no-upgrade", "Switch the transport \"websocket\" on at the server.",
                      "the server does not offer long-polling clients to change to WebSocket");
    }
    diag_say(r, "works (%s ms)%s", diag_ms(spent, f->time_ms),
             f->requests
                 ? diag_text(r, "; %u requests of one session over connections of their own answered", f->requests)
                 : "");
}

/* ---- throughput and limits ---- */

void diag_judge_throughput(struct diag_report *r, const struct diag_throughput *f)
{
    diag_fact_number(r, "bytes", (double)f->bytes);
    diag_fact_number(r, "messages", f->messages);
    diag_fact_number(r, "message_bytes", (double)f->message_bytes);
    diag_fact_number(r, "up_ms", f->up_ms);
    diag_fact_number(r, "up_kbit_s", f->up_kbit_s);
    diag_fact_number(r, "down_kbit_s", f->down_kbit_s);
    char spent[DIAG_MS_TEXT];
    if (f->how == DIAG_END || f->how == DIAG_ERROR)
        diag_warn(r, "throughput-closed",
                  "The server's limit (maxHttpBufferSize) or a proxy's is smaller than it says: look at their logs.",
                  "the connection was closed while %u messages of %llu bytes were sent%s", f->messages,
                  (unsigned long long)f->message_bytes, f->close_code ? diag_text(r, " (code %d)", f->close_code) : "");
    else if (isnan(f->up_kbit_s))
        diag_warn(r, "throughput-timeout", "The line is slow, or the server reads slowly: try with fewer bytes.",
                  "the server had not read all %u messages of %llu bytes in time", f->messages,
                  (unsigned long long)f->message_bytes);
    else
        diag_say(r, "%.0f kbit/s to the server (%llu bytes in %s ms)%s", f->up_kbit_s, (unsigned long long)f->bytes,
                 diag_ms(spent, f->up_ms),
                 isnan(f->down_kbit_s) ? "" : diag_text(r, ", %.0f kbit/s back", f->down_kbit_s));
}

void diag_judge_rate(struct diag_report *r, const struct diag_rate *f)
{
    char spent[DIAG_MS_TEXT], span[DIAG_SPAN_TEXT];
    diag_fact_text(r, "event", f->event);
    diag_fact_number(r, "sent", f->sent);
    diag_fact_number(r, "answered", f->answered);
    diag_fact_bool(r, "limited", f->limited);
    diag_fact_number(r, "accepted", f->accepted);
    diag_fact_number(r, "time_ms", f->time_ms);
    diag_fact_number(r, "retry_after_ms", f->retry_after_ms);
    if (f->how == DIAG_END || f->how == DIAG_ERROR)
        diag_warn(r, "rate-limit-closed",
                  "Send more slowly: this server ends connections that send too much, without a word.",
                  "the server closed the connection after %u messages in %s ms%s", f->sent, diag_ms(spent, f->time_ms),
                  f->close_code ? diag_text(r, " (close code %d)", f->close_code) : "");
    else if (f->limited)
        diag_warn(r, "rate-limited",
                  "Keep below it: batch messages, or raise the server's limit (aivo-server: RATE_LIMIT_MAX_MESSAGES).",
                  "the server takes %u messages and then refuses (within %s ms)%s", f->accepted,
                  diag_ms(spent, f->time_ms),
                  isnan(f->retry_after_ms)
                      ? ""
                      : diag_text(r, "; it says to try again in %s", diag_span(span, f->retry_after_ms / 1000)));
    else if (f->answered == 0)
        diag_warn(r, "rate-limit-unknown", "Name an event that the server answers.",
                  "the server does not answer \"%s\": its limit cannot be seen", f->event);
    else
        diag_say(r, "%u messages in %s ms, and none was refused", f->answered, diag_ms(spent, f->time_ms));
}
