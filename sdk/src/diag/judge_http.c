/* The answer to the WebSocket upgrade. */
#include "judge.h"

#include "json.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const enum aivo_diagnose_verdict down = AIVO_DIAGNOSE_NO_CONNECTION, refused = AIVO_DIAGNOSE_REFUSED;

/* Engine.IO's own refusals are {"code":N,"message":"..."}, or to an upgrade that it saw the message alone; -1: neither.
 */
static int engineio_code(const char *body)
{
    uint64_t code;
    static const char *const alone[] = {
        [0] = "Transport unknown", [4] = "Forbidden", [5] = "Unsupported protocol version"};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (alone[i] && strcmp(body, alone[i]) == 0)
            return (int)i;
    struct aivo_json json = aivo_json_parse(body, strlen(body), NULL);
    if (json.type != AIVO_JSON_OBJECT)
        return -1;
    struct aivo_json number = aivo_json_get(&json, "code");
    return number.type == AIVO_JSON_NUMBER && aivo_json_u64(&number, &code) && code < 100 ? (int)code : -1;
}

static const char *stripped_fix(const struct diag_http *f)
{
    return *f->via || *f->server
               ? "Let the reverse proxy pass the upgrade on (nginx: proxy_http_version 1.1; proxy_set_header Upgrade "
                 "$http_upgrade; proxy_set_header Connection \"upgrade\"). Over https most proxies on the way leave it "
                 "alone."
               : "A proxy on the way takes the Upgrade header out: let it pass (nginx: proxy_http_version 1.1; "
                 "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"), or use https, "
                 "which "
                 "most leave alone.";
}

static void stripped(struct diag_report *r, const struct diag_http *f)
{
    diag_fail(r, refused, "http-upgrade-stripped", stripped_fix(f),
              "the server saw no Upgrade header (it answered %d): something on the way strips it", f->status);
}

static const char *wait_text(struct diag_report *r, const struct diag_http *f)
{
    char span[DIAG_SPAN_TEXT];
    return isnan(f->retry_after_s) ? ""
                                   : diag_text(r, "; it says to try again in %s", diag_span(span, f->retry_after_s));
}

/* Who answered, as far as it says so. */
static const char *who(struct diag_report *r, const struct diag_http *f)
{
    return *f->server ? diag_text(r, "\"%s\"", f->server) : "the server";
}

static void forbidden(struct diag_report *r, const struct diag_http *f, const char *origin)
{
    diag_fail(
        r, refused, "http-forbidden",
        origin ? "Allow this origin at the server (CORS_ORIGIN, allowRequest), or look at the rules of the firewall "
                 "in front of it."
               : "Look at the server's rules (allowed origins and addresses), and at the web application firewall "
                 "in front of it.",
        "%s forbids the upgrade (%d)%s%s", who(r, f), f->status, origin ? " for origin " : "", origin ? origin : "");
}

/* nginx, Apache and Go's servers say so themselves. */
static bool wants_tls(const struct diag_target *t, const struct diag_http *f)
{
    return !t->tls && (strstr(f->body, "HTTPS port") || strstr(f->body, "SSL-enabled server port") ||
                       strstr(f->body, "to an HTTPS server"));
}

static void bad_request(struct diag_report *r, const struct diag_target *t, const struct diag_http *f,
                        const char *origin)
{
    bool page;
    if (wants_tls(t, f)) {
        diag_fail(r, down, "http-speaks-tls", "Use https:// or wss:// for this port.",
                  "%s says that this port speaks TLS, not http", who(r, f));
        return;
    }
    switch (t->socketio ? engineio_code(f->body) : -1) {
    case 0:
        diag_fail(r, refused, "http-transport-disabled",
                  "Switch the transport \"websocket\" on at the server (transports: [\"polling\", \"websocket\"]).",
                  "the server does not offer WebSocket: \"%s\"", f->body);
        break;
    case 3:
        stripped(r, f);
        break;
    case 4:
        forbidden(r, f, origin);
        break;
    case 5:
        diag_fail(r, refused, "engineio-version",
                  "Update the server to Socket.IO 3 or later: this client speaks Engine.IO 4.",
                  "the server does not speak Engine.IO 4: \"%s\"", f->body);
        break;
    default:
        page = *f->body == '\0' || *f->body == '<'; /* one for browsers says no more than its status */
        diag_fail(r, refused, "http-bad-request",
                  "Check the path, and whether the server, or what stands in front of it, wants a further header or "
                  "query.",
                  "%s answered 400 Bad Request to the upgrade of %s%s%.160s", who(r, f), t->path, page ? "" : ": ",
                  page ? "" : f->body);
    }
}

/* Does a Location lead to the same host, by https? That is what a server does that wants TLS. */
static bool same_host_by_tls(const struct diag_target *t, const char *location)
{
    size_t len = strlen(t->host);
    if (strncasecmp(location, "https://", 8) != 0)
        return false;
    const char *host = location + 8 + (location[8] == '['); /* an IPv6 address stands in brackets */
    return strncasecmp(host, t->host, len) == 0 && (host[len] == '\0' || strchr(":/?#]", host[len]));
}

static void redirected(struct diag_report *r, const struct diag_target *t, const struct diag_http *f)
{
    const char *fix =
        *f->location
            ? "WebSocket clients follow no redirects. If the server has moved, use its new address (without the "
              "query; for Socket.IO with the path by --path); if that is a page to log in at, what stands in "
              "front of the server has to let its path through."
            : "Find out where it points to, and use that address: WebSocket clients do not follow redirects.";
    if (!t->tls && same_host_by_tls(t, f->location))
        fix = diag_text(r, "Use https:// instead of http:// (it points to %.200s).", f->location);
    diag_fail(r, down, "http-redirect", fix, "the server redirects (%d) to %s", f->status,
              *f->location ? f->location : "an address that it does not name");
}

static void server_error(struct diag_report *r, const struct diag_target *t, const struct diag_http *f)
{
    const char *wait = wait_text(r, f);
    switch (f->status) {
    case 502:
        diag_fail(r, down, "http-502",
                  "Start the server behind it, or correct the address that the proxy passes requests on to; its error "
                  "log says which.",
                  "%s answered 502 Bad Gateway: it is up, the server behind it is not", who(r, f));
        break;
    case 503:
        diag_fail(r, down, "http-503",
                  "The server is starting, draining or overloaded, or no instance behind the load balancer is healthy: "
                  "look at their health checks.",
                  "%s answered 503 Service Unavailable%s", who(r, f), wait);
        break;
    case 504:
        diag_fail(r, down, "http-504",
                  "The server behind it hangs or cannot be reached from there: look at its load, and at firewalls "
                  "between the two.",
                  "%s answered 504 Gateway Timeout: the server behind it did not answer", who(r, f));
        break;
    default:
        diag_fail(r, down, "http-error", "Look at the log of the server, and of what stands in front of it.",
                  "%s answered %d %s to the upgrade of %s", who(r, f), f->status, f->reason, t->path);
    }
}

static void client_error(struct diag_report *r, const struct diag_target *t, const struct diag_http *f,
                         const char *origin)
{
    const char *wait = wait_text(r, f);
    switch (f->status) {
    case 400:
        bad_request(r, t, f, origin);
        break;
    case 401:
        diag_fail(
            r, refused, "http-401",
            "What stands in front of the server wants a login of its own: except the server's path from it (Socket.IO "
            "has its own token), or give a program's client the header (Authorization) or cookie to send.",
            "%s wants credentials with the request (401)%s%s", who(r, f), *f->www_authenticate ? ": " : "",
            f->www_authenticate);
        break;
    case 403:
        forbidden(r, f, origin);
        break;
    case 404:
        diag_fail(r, down, "http-404",
                  t->socketio
                      ? "Check the server's path (Socket.IO's own is /socket.io/; --path gives another one), and "
                        "that what stands in front passes it on."
                      : "Check the URL's path.",
                  "%s knows nothing at %s (404)", who(r, f), t->path);
        break;
    case 426:
        stripped(r, f);
        break;
    case 429:
        diag_fail(r, down, "http-429",
                  "Wait, then connect more rarely: many clients behind one address share a limit. Otherwise raise the "
                  "limit in front of the server.",
                  "%s refuses further connections for now (429 Too Many Requests)%s", who(r, f), wait);
        break;
    default:
        diag_fail(r, down, "http-refused", "Look at the log of the server, and of what stands in front of it.",
                  "%s answered %d %s to the upgrade of %s", who(r, f), f->status, f->reason, t->path);
    }
}

static void answered(struct diag_report *r, const struct diag_target *t, const struct diag_http *f, const char *origin)
{
    if (f->status == 101 && *f->wrong && (!f->has_upgrade || !f->has_connection_upgrade))
        diag_fail(r, refused, "http-upgrade-stripped", stripped_fix(f),
                  "the answer is 101, but its %s header is missing: something on the way strips it",
                  f->has_upgrade ? "Connection" : "Upgrade");
    else if (f->status == 101 && *f->wrong)
        diag_fail(r, refused, "http-bad-upgrade",
                  "This is no correct WebSocket server, or a proxy on the way alters the answer (a cache, perhaps).",
                  "%s", f->wrong);
    else if (f->status == 101)
        diag_say(r, "101 %s%s%s", *f->reason ? f->reason : "Switching Protocols", *f->server ? ", by " : "", f->server);
    else if (f->status >= 500)
        server_error(r, t, f);
    else if (f->status >= 400)
        client_error(r, t, f, origin);
    else if (f->status >= 300)
        redirected(r, t, f);
    else if (t->socketio && strstr(f->body, "\"sid\""))
        stripped(r, f);
    else
        diag_fail(r, refused, "http-no-websocket",
                  "Check host, port and path. If they are right, what stands in front does not pass WebSockets on.",
                  "%s answered %d %s: there is no WebSocket server at %s", who(r, f), f->status, f->reason, t->path);
}

static void http_facts(struct diag_report *r, const struct diag_target *t, const struct diag_http *f,
                       const char *origin)
{
    diag_fact_text(r, "path", t->path);
    diag_fact_text(r, "origin", origin);
    if (f->how != DIAG_DONE)
        return;
    diag_fact_number(r, "status", f->status);
    const struct {
        const char *key, *text;
    } texts[] = {{"status_text", f->reason},
                 {"server", f->server},
                 {"via", f->via},
                 {"location", f->location},
                 {"www_authenticate", f->www_authenticate},
                 {"allow_origin", f->allow_origin}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*texts[i].text)
            diag_fact_text(r, texts[i].key, texts[i].text);
    if (f->status != 101 && *f->body)
        diag_fact_text(r, "body", f->body);
    if (!isnan(f->retry_after_s))
        diag_fact_number(r, "retry_after_s", f->retry_after_s);
    if (!isnan(f->limit_remaining))
        diag_fact_number(r, "rate_limit_remaining", f->limit_remaining);
}

void diag_judge_http(struct diag_report *r, const struct diag_target *t, const struct diag_http *f, const char *origin)
{
    char whom[DIAG_WHOM];
    diag_whom(whom, t->host, t->port);
    http_facts(r, t, f, origin);
    switch (f->how) {
    case DIAG_DONE:
        answered(r, t, f, origin);
        break;
    case DIAG_NOT_HTTP:
        if (!t->tls && (f->first == 0x15 || f->first == 0x16))
            diag_fail(r, down, "http-speaks-tls", "Use https:// or wss:// for this port.", "%s speaks TLS, not http",
                      whom);
        else
            diag_fail(r, refused, "http-not-http", "Check the port: another service listens there.",
                      "what answers at %s is no HTTP server", whom);
        break;
    case DIAG_TIMEOUT:
        diag_fail(
            r, down, "http-timeout",
            "The server accepts connections but does not serve them: it hangs or is overloaded, or a proxy cannot "
            "reach it. Look at its load and its log.",
            "%s did not answer the WebSocket upgrade within %u ms", whom, (unsigned)t->timeout_ms);
        break;
    default:
        diag_fail(r, down, "http-hung-up",
                  t->tls
                      ? "Check the path (many servers hang up where none of their services has it); else look at the "
                        "log of the server, and of what stands in front of it."
                      : "Check port and path: many servers hang up where none of their services has that path. If "
                        "the port speaks TLS, use https://; else look at the server's log.",
                  "%s hung up without answering the WebSocket upgrade%s%s", whom, *f->error ? ": " : "", f->error);
    }
}
