/* The certificate and the handshake. */
#include "judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000.0

/* Unix time as "2026-11-23": civil from days (proleptic Gregorian), without a clock or the locale. */
static const char *date(char out[32], int64_t unix_ms)
{
    int64_t days = unix_ms / 86400000 - (unix_ms % 86400000 < 0);
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);
    snprintf(out, 32, "%04d-%02d-%02d", (int)year, (int)month, (int)(doy - (153 * mp + 2) / 5 + 1));
    return out;
}

static void tls_facts(struct diag_report *r, const struct diag_tls *f)
{
    char text[32];
    if (*f->version) {
        diag_fact_text(r, "version", f->version);
        diag_fact_text(r, "cipher", f->cipher);
    }
    if (*f->alpn)
        diag_fact_text(r, "alpn", f->alpn);
    if (f->chain_count > 0) {
        diag_fact_text(r, "names", f->names);
        diag_fact_number(r, "days_left", floor((double)(f->chain[0].to_ms - f->now_ms) / DAY_MS));
        diag_fact_text(r, "pin", f->pin);
    }
    diag_fact_bool(r, "checked", !f->insecure);
    diag_fact_bool(r, "pinned", f->pinned);
    diag_fact_bool(r, "client_certificate", f->client_cert);
    for (unsigned i = 0; i < f->chain_count; i++) {
        const struct diag_cert *c = &f->chain[i];
        diag_item(r, "chain", i);
        diag_fact_text(r, "subject", c->subject);
        diag_fact_text(r, "issuer", c->issuer);
        diag_fact_text(r, "from", date(text, c->from_ms));
        diag_fact_text(r, "to", date(text, c->to_ms));
        diag_fact_number(r, "days_left", floor((double)(c->to_ms - f->now_ms) / DAY_MS));
        diag_fact_text(r, "key", c->key);
    }
    diag_item(r, NULL, 0);
}

/* The one of the chain that is out of date: mostly the server's own, at times a CA's. */
static const struct diag_cert *culprit(const struct diag_tls *f)
{
    for (unsigned i = 0; i < f->chain_count; i++)
        if (f->chain[i].to_ms <= f->now_ms || f->chain[i].from_ms > f->now_ms)
            return &f->chain[i];
    return &f->chain[0];
}

static void cert_refused(struct diag_report *r, const struct diag_target *t, const struct diag_tls *f)
{
    const enum aivo_diagnose_verdict down = AIVO_DIAGNOSE_NO_CONNECTION;
    const struct diag_cert *own = &f->chain[0], *bad = culprit(f);
    char when[32];
    switch (f->fault) {
    case DIAG_TLS_EXPIRED:
        diag_fail(r, down, "tls-expired",
                  "Renew the server's certificate and reload the server. If it was renewed, the server still has the "
                  "old one loaded; if the date is in the future, this machine's clock is wrong.",
                  "the certificate \"%s\" of %s expired on %s", bad->subject, t->host, date(when, bad->to_ms));
        break;
    case DIAG_TLS_NOT_YET:
        diag_fail(r, down, "tls-not-yet-valid",
                  "Check this machine's clock and date; if they are right, the certificate was made for the future: "
                  "issue it anew.",
                  "the certificate \"%s\" of %s is valid only from %s", bad->subject, t->host,
                  date(when, bad->from_ms));
        break;
    case DIAG_TLS_WRONG_NAME:
        diag_fail(r, down, "tls-wrong-name",
                  "Connect by a name that the certificate has, or issue it anew with this name among its alternative "
                  "names. Behind a proxy with several sites, the default site's certificate is shown: configure this "
                  "name there.",
                  "the server's certificate is for %s, not for %s", *f->names ? f->names : own->subject, t->host);
        break;
    case DIAG_TLS_SELF_SIGNED:
        diag_fail(r, down, "tls-self-signed",
                  "Give that certificate as the CA file (--ca), or let a CA that clients know sign one for the server.",
                  "the certificate of %s is self-signed: no known CA vouches for it", t->host);
        break;
    case DIAG_TLS_UNKNOWN_CA:
        diag_fail(r, down, "tls-unknown-ca",
                  f->leaf_only ? "If it is a public CA, the server does not send its intermediate certificate: give it "
                                 "the full chain. If it is a CA of your own, give its certificate as the CA file "
                                 "(--ca)."
                               : "Give that CA's certificate as the CA file (--ca), or let a CA that clients know sign "
                                 "one for the server.",
                  "the certificate of %s is signed by \"%s\", which %s", t->host, f->chain[f->chain_count - 1].issuer,
                  f->ca_file ? "is not in the given CA file" : "is not among the system's CAs");
        break;
    default:
        diag_fail(r, down, "tls-bad-certificate", "Look at the certificate on the server (openssl x509 -text).", "%s",
                  f->error);
    }
}

static void handshake_failed(struct diag_report *r, const struct diag_target *t, const struct diag_tls *f)
{
    const enum aivo_diagnose_verdict down = AIVO_DIAGNOSE_NO_CONNECTION;
    char whom[DIAG_WHOM];
    diag_whom(whom, t->host, t->port);
    switch (f->fault) {
    case DIAG_TLS_PIN:
        diag_fail(r, down, "tls-pin",
                  "If the server's key was renewed on purpose, pin the new one as well. If not, somebody stands in "
                  "between: do not go on.",
                  "the key of %s is not the pinned one: it is %s", whom, f->pin);
        break;
    case DIAG_TLS_CERT_WANTED:
        diag_fail(r, down, "tls-client-certificate",
                  f->client_cert ? "Give a client certificate of a CA that the server accepts (--cert, --key)."
                                 : "Give a client certificate and its key (--cert, --key).",
                  "%s asks for a client certificate and %s", whom,
                  f->client_cert ? "does not accept ours" : "got none");
        break;
    case DIAG_TLS_ALERT:
        diag_fail(r, down, f->client_cert ? "tls-client-certificate" : "tls-refused",
                  f->client_cert
                      ? "The server may not accept our client certificate: look at its log."
                      : "The server and this client may have no TLS version or cipher in common (1.2 and 1.3 "
                        "are spoken here), or the server knows no site of this name: look at its log.",
                  "%s: %s", whom, f->error);
        break;
    case DIAG_TLS_NOT_TLS:
        diag_fail(r, down, "tls-not-spoken",
                  "Use http:// or ws:// for this port, or the port on which the server speaks TLS.",
                  "what answers at %s does not speak TLS", whom);
        break;
    case DIAG_TLS_CUT:
        diag_fail(r, down, "tls-hung-up",
                  "Is it the right port? A firewall or proxy that inspects TLS, or a server without a certificate for "
                  "this name, does this as well: look at their logs.",
                  "%s hung up in the TLS handshake", whom);
        break;
    default:
        diag_fail(r, down, "tls-failed", "Look at the server's log and its TLS settings.", "%s: %s", whom, f->error);
    }
}

static void tls_warnings(struct diag_report *r, const struct diag_tls *f, double warn_days)
{
    char when[32];
    const struct diag_cert *first = &f->chain[0]; /* to end */
    for (unsigned i = 1; i < f->chain_count; i++)
        if (f->chain[i].to_ms < first->to_ms)
            first = &f->chain[i];
    double days = f->chain_count ? (double)(first->to_ms - f->now_ms) / DAY_MS : NAN;
    if (days < 0)
        diag_warn(r, "tls-expired-unchecked", "Renew it: every client that checks certificates refuses it.",
                  "the certificate \"%s\" expired on %s; it was not refused only because %s", first->subject,
                  date(when, first->to_ms), f->insecure ? "nothing is checked" : "another chain is valid");
    else if (days < warn_days)
        diag_warn(r, "tls-expires-soon", "Renew it in time; find out why it was not renewed by itself.",
                  "the certificate \"%s\" expires in %d days, on %s", first->subject, (int)days,
                  date(when, first->to_ms));
    if (f->insecure)
        diag_warn(r, "tls-unchecked",
                  "Give the server's CA (--ca) or a pin (--pin) instead of switching the check off.",
                  "the certificate was not checked: anybody may be at the other end");
}

void diag_judge_tls(struct diag_report *r, const struct diag_target *t, const struct diag_tls *f, double warn_days)
{
    tls_facts(r, f);
    if (f->how == DIAG_TIMEOUT) {
        char whom[DIAG_WHOM];
        diag_fail(
            r, AIVO_DIAGNOSE_NO_CONNECTION, "tls-timeout",
            "Is TLS spoken on this port? If it is, the server, or a firewall that inspects TLS, hangs: look at its "
            "load and its log.",
            "%s did not finish the TLS handshake within %u ms", diag_whom(whom, t->host, t->port),
            (unsigned)t->timeout_ms);
    } else if (f->fault >= DIAG_TLS_EXPIRED && f->fault <= DIAG_TLS_BAD_CERT && f->chain_count > 0) {
        cert_refused(r, t, f);
    } else if (f->fault != DIAG_TLS_NONE) {
        handshake_failed(r, t, f);
    } else {
        tls_warnings(r, f, warn_days);
        double days = f->chain_count ? floor((double)(f->chain[0].to_ms - f->now_ms) / DAY_MS) : 0;
        diag_say(r, "%s, %s; certificate \"%s\" by \"%s\", %d days left", f->version, f->cipher, f->chain[0].subject,
                 f->chain[0].issuer, (int)days);
    }
}
