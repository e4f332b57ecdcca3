/* The way to the server: name, TCP, proxy. */
#include "judge.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *diag_whom(char out[DIAG_WHOM], const char *host, uint16_t port)
{
    bool v6 = strchr(host, ':') != NULL;
    snprintf(out, DIAG_WHOM, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)port);
    return out;
}

static const char *dialled_host(const struct diag_target *t)
{
    return t->via_proxy ? t->proxy_host : t->host;
}

/* "the proxy " where the failure is the proxy's. */
static const char *the_proxys(const struct diag_target *t)
{
    return t->via_proxy ? "the proxy's " : "";
}

void diag_judge_dns(struct diag_report *r, const struct diag_target *t, const struct diag_dns *f)
{
    const char *host = dialled_host(t), *whose = the_proxys(t);
    unsigned v6 = 0;
    char spent[DIAG_MS_TEXT];
    diag_fact_text(r, "host", host);
    for (unsigned i = 0; i < f->count; i++) {
        diag_item(r, "addresses", i);
        diag_fact_text(r, "address", f->address[i].ip);
        diag_fact_text(r, "family", f->address[i].v6 ? "IPv6" : "IPv4");
        v6 += f->address[i].v6;
    }
    diag_item(r, NULL, 0);
    diag_fact_number(r, "ipv4_count", f->count - v6);
    diag_fact_number(r, "ipv6_count", v6);
    if (f->how == DIAG_TIMEOUT) {
        diag_fail(r, AIVO_DIAGNOSE_NO_CONNECTION, "dns-timeout",
                  "Check that this machine's name servers (/etc/resolv.conf, resolvectl status) are the right ones and "
                  "can be reached; try another one.",
                  "%sname \"%s\" was not resolved within %u ms: the name servers do not answer",
                  t->via_proxy ? "the proxy's " : "the ", host, (unsigned)t->timeout_ms);
    } else if (f->error == DIAG_DNS_NOT_FOUND) {
        diag_fail(r, AIVO_DIAGNOSE_NO_CONNECTION, "dns-not-found",
                  "Check the spelling. If it is right, its DNS record is missing, or known only to the name servers of "
                  "another network (VPN).",
                  "there is no host \"%s\"%s: %s", host, t->via_proxy ? " (the proxy)" : "", f->text);
    } else if (f->error == DIAG_DNS_AGAIN) {
        diag_fail(r, AIVO_DIAGNOSE_NO_CONNECTION, "dns-unavailable",
                  "Check that the network is up and that this machine's name servers (/etc/resolv.conf, resolvectl "
                  "status) can be reached; then try again.",
                  "%sname \"%s\" cannot be resolved now: %s", t->via_proxy ? "the proxy's " : "the ", host, f->text);
    } else if (f->error != DIAG_DNS_OK || f->count == 0) {
        diag_fail(r, AIVO_DIAGNOSE_NO_CONNECTION, "dns-failed",
                  "Check this machine's name resolution (/etc/resolv.conf, /etc/hosts, /etc/nsswitch.conf).",
                  "%sname \"%s\" cannot be resolved: %s", t->via_proxy ? "the proxy's " : "the ", host, f->text);
    } else {
        if (f->time_ms > 500)
            diag_warn(r, "dns-slow",
                      "Look at this machine's name servers: one that does not answer costs seconds at every look-up. A "
                      "caching resolver (systemd-resolved, unbound) helps.",
                      "%s\"%s\" took %s ms to resolve", whose, host, diag_ms(spent, f->time_ms));
        if (f->count == 1 && strcmp(host, f->address[0].ip) == 0)
            diag_say(r, "%s is an address: there is nothing to look up", host);
        else
            diag_say(r, "%s has %u address%s: %s%s%s", host, f->count, f->count > 1 ? "es" : "", f->address[0].ip,
                     f->count > 1 ? ", " : "",
                     f->count > 2   ? "..."
                     : f->count > 1 ? f->address[1].ip
                                    : "");
    }
}

/* What a failed connect to the last, or all, of the addresses is called. */
static void tcp_failed(struct diag_report *r, const struct diag_target *t, const struct diag_tcp *f, unsigned i)
{
    const char *at = f->address[i].at, *who = t->via_proxy ? "the proxy " : "";
    const char *all = f->count > 1 ? " (and so do its other addresses)" : "";
    int error = f->address[i].how == DIAG_ERROR ? f->address[i].error : ETIMEDOUT;
    const enum aivo_diagnose_verdict down = AIVO_DIAGNOSE_NO_CONNECTION;
    switch (error) {
    case ECONNREFUSED:
        diag_fail(r, down, "tcp-refused",
                  t->via_proxy ? "Check the proxy's address and port, and that it runs."
                  : *at == '[' ? "Start the server, or correct the port in the URL. If it runs, check which address it "
                                 "listens on (ss -ltn): 0.0.0.0 and 127.0.0.1 are IPv4 alone, [::] is both."
                               : "Start the server, or correct the port in the URL. If it runs, check which address it "
                                 "listens on (ss -ltn): 127.0.0.1 is reached from its own machine only.",
                  "%s%s refuses connections: nothing listens there%s", who, at, all);
        break;
    case ETIMEDOUT:
        diag_fail(r, down, "tcp-filtered",
                  "A firewall (of the server, of its cloud's security group, or on the way) drops the packets, or the "
                  "machine is off: open the port there, or check the address.",
                  "%s%s does not answer: no reply to the connection within %u ms%s", who, at, (unsigned)t->timeout_ms,
                  f->count > 1 ? " (nor do its other addresses)" : "");
        break;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
        diag_fail(r, down, "tcp-unreachable",
                  "Check that this machine's network is up and has a route there (ip route get ADDRESS); a VPN may be "
                  "needed.",
                  "%s%s cannot be reached: %s", who, at, f->address[i].text);
        break;
    case ECONNRESET:
        diag_fail(r, down, "tcp-reset", "A firewall or load balancer cuts it: look at its rules and its log.",
                  "%s%s cut the connection while it was being made", who, at);
        break;
    case EACCES:
    case EPERM:
        diag_fail(r, down, "tcp-forbidden", "Look at this machine's own firewall and sandbox rules.",
                  "this machine does not permit connections to %s%s: %s", who, at, f->address[i].text);
        break;
    default:
        diag_fail(r, down, "tcp-failed", "Look at the network between this machine and the server.",
                  "no connection to %s%s: %s", who, at, f->address[i].text);
    }
}

/* One of several addresses that does not work while others do. */
static void tcp_partly(struct diag_report *r, const struct diag_tcp *f)
{
    unsigned failed = 0, failed_v6 = 0, v6 = 0, first = 0;
    for (unsigned i = 0; i < f->count; i++) {
        v6 += f->address[i].v6;
        if (f->address[i].how == DIAG_DONE)
            continue;
        if (failed++ == 0)
            first = i;
        failed_v6 += f->address[i].v6;
    }
    if (failed == 0)
        return;
    const char *why = f->address[first].how == DIAG_ERROR ? f->address[first].text : "no answer";
    if (failed == failed_v6 && failed_v6 == v6)
        diag_warn(r, "tcp-ipv6-unusable",
                  "Give this network an IPv6 route, let the server listen on IPv6 as well, or take the AAAA record out "
                  "of the DNS: clients lose time on it at every connection.",
                  "no IPv6 address works (%s: %s), IPv4 does", f->address[first].at, why);
    else if (failed == f->count - v6 && failed_v6 == 0)
        diag_warn(r, "tcp-ipv4-unusable", "Let the server listen on IPv4 as well, or take the A record out of the DNS.",
                  "no IPv4 address works (%s: %s), IPv6 does", f->address[first].at, why);
    else
        diag_warn(r, "tcp-address-down",
                  "Repair the machine behind it, or take its address out of the DNS: a share of the clients tries it "
                  "first.",
                  "%u of %u addresses do not work (%s: %s)", failed, f->count, f->address[first].at, why);
}

static const char *tcp_outcome(const struct diag_tcp *f, unsigned i)
{
    switch (f->address[i].how) {
    case DIAG_DONE:
        return "connected";
    case DIAG_TIMEOUT:
        return "no answer";
    case DIAG_CANCELLED:
        return "cancelled";
    default:
        return f->address[i].text;
    }
}

void diag_judge_tcp(struct diag_report *r, const struct diag_target *t, const struct diag_tcp *f)
{
    char spent[DIAG_MS_TEXT];
    unsigned connected = 0;
    for (unsigned i = 0; i < f->count; i++) {
        diag_item(r, "addresses", i);
        diag_fact_text(r, "address", f->address[i].at);
        diag_fact_text(r, "family", f->address[i].v6 ? "IPv6" : "IPv4");
        diag_fact_bool(r, "connected", f->address[i].how == DIAG_DONE);
        diag_fact_number(r, "time_ms", f->address[i].how == DIAG_DONE ? f->address[i].time_ms : NAN);
        diag_fact_text(r, "outcome", tcp_outcome(f, i));
        connected += f->address[i].how == DIAG_DONE;
    }
    diag_item(r, NULL, 0);
    diag_fact_text(r, "address", f->chosen >= 0 ? f->address[f->chosen].at : NULL);
    if (f->chosen < 0) {
        /* An answer, be it a refusal, says more than silence. */
        unsigned tell = 0;
        for (unsigned i = 0; i < f->count; i++)
            if (f->address[i].how == DIAG_ERROR && f->address[i].error != ENETUNREACH &&
                (f->address[tell].how != DIAG_ERROR || f->address[tell].error == ENETUNREACH))
                tell = i;
            else if (f->address[i].how == DIAG_TIMEOUT && f->address[tell].how == DIAG_ERROR &&
                     f->address[tell].error == ENETUNREACH)
                tell = i;
        tcp_failed(r, t, f, tell);
        return;
    }
    tcp_partly(r, f);
    diag_say(r, "connected to %s in %s ms%s%s", f->address[f->chosen].at, diag_ms(spent, f->address[f->chosen].time_ms),
             f->count > 1 ? "; all addresses answer" : "", t->via_proxy ? " (the proxy)" : "");
    (void)connected;
}

static void proxy_status(struct diag_report *r, const char *whom, const struct diag_target *t,
                         const struct diag_http *f, bool credentials)
{
    const enum aivo_diagnose_verdict down = AIVO_DIAGNOSE_NO_CONNECTION;
    if (f->status == 407 || (f->status == 401 && credentials)) /* tinyproxy says 401 */
        diag_fail(r, down, credentials ? "proxy-credentials" : "proxy-auth-required",
                  credentials
                      ? "Correct user name or password in the proxy's URL (a '@', ':' or '%' in them is written "
                        "%40, %3A or %25)."
                      : "Give user name and password: http://user:password@host:port.",
                  credentials ? "the proxy %s does not accept the user name or password (%d)"
                              : "the proxy %s wants a user name and password (%d)",
                  whom, f->status);
    else if (f->status == 403 || f->status == 405)
        diag_fail(r, down, "proxy-forbidden",
                  "Ask whoever runs the proxy to permit CONNECT to this host and port (many permit 443 alone), or go "
                  "around it: no_proxy, or an empty proxy option.",
                  "the proxy %s forbids CONNECT to %s port %u (%d)", whom, t->host, (unsigned)t->port, f->status);
    else if (f->status == 502 || f->status == 503 || f->status == 504 || f->status == 404)
        diag_fail(r, down, "proxy-unreachable-server",
                  "Check that the host's name and port are right and that the server can be reached from the proxy's "
                  "network.",
                  "the proxy %s cannot reach %s port %u: %d %s", whom, t->host, (unsigned)t->port, f->status,
                  f->reason);
    else
        diag_fail(r, down, "proxy-refused", "Look at the proxy's log for the reason.",
                  "the proxy %s answered %d %s to CONNECT", whom, f->status, f->reason);
}

void diag_judge_proxy(struct diag_report *r, const struct diag_target *t, const struct diag_http *f, bool credentials)
{
    char whom[DIAG_WHOM];
    const enum aivo_diagnose_verdict down = AIVO_DIAGNOSE_NO_CONNECTION;
    diag_whom(whom, t->proxy_host, t->proxy_port);
    diag_fact_text(r, "proxy", whom);
    diag_fact_bool(r, "credentials", credentials);
    if (f->how == DIAG_DONE)
        diag_fact_number(r, "status", f->status);
    if (f->how == DIAG_DONE && *f->server)
        diag_fact_text(r, "server", f->server);
    if (f->how == DIAG_TIMEOUT)
        diag_fail(r, down, "proxy-timeout",
                  "Check that this is the proxy's port. If it is, the proxy cannot reach the server, or is overloaded.",
                  "the proxy %s did not answer CONNECT within %u ms", whom, (unsigned)t->timeout_ms);
    else if (f->how == DIAG_NOT_HTTP)
        diag_fail(r, down, "proxy-not-http",
                  "Check the proxy's address and port. Only HTTP proxies are supported, not SOCKS and not HTTPS ones.",
                  "what listens at %s is no HTTP proxy", whom);
    else if (f->how != DIAG_DONE)
        diag_fail(r, down, "proxy-hung-up", "Check the proxy's address and port, and its log.",
                  "the proxy %s hung up without answering CONNECT", whom);
    else if (f->status < 200 || f->status > 299)
        proxy_status(r, whom, t, f, credentials);
    else
        diag_say(r, "%s lets us through to %s port %u", whom, t->host, (unsigned)t->port);
}
