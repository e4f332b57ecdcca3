/* Engine.IO's handshake, namespace and credentials. */
#include "judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SKEW_S   30  /* of the clocks: from here on it is worth a word */
#define LEEWAY_S 60  /* servers commonly forgive so much */
#define SOON_S   300 /* a token that ends within so long */

static const enum aivo_diagnose_verdict down = AIVO_DIAGNOSE_NO_CONNECTION, refused = AIVO_DIAGNOSE_REFUSED;

/* ": 1008, \"policy\"" */
static const char *close_words(struct diag_report *r, int code, const char *text)
{
    if (code == 0)
        return "";
    return *text ? diag_text(r, " (close code %d, \"%s\")", code, text) : diag_text(r, " (close code %d)", code);
}

static void no_open_packet(struct diag_report *r, const struct diag_target *t, const struct diag_engineio *f)
{
    if (*f->error)
        diag_fail(r, refused, "engineio-bad-handshake",
                  "The server is no Engine.IO server of version 4, or a broken one: check path and version.",
                  "the server's open packet is wrong: %s (%.100s)", f->error, f->got);
    else if (f->binary || *f->got != '0')
        diag_fail(r, refused, "engineio-not-spoken",
                  "If it is a plain WebSocket server, say so (--protocol websocket). Else check the path.",
                  "the WebSocket at %s does not speak Engine.IO: its first message is %s%.80s", t->path,
                  f->binary ? "binary" : "", f->binary ? "" : f->got);
    else
        diag_fail(r, refused, "engineio-bad-handshake", "Check path and version of the server.",
                  "the server's first message is no open packet: %.100s", f->got);
}

void diag_judge_engineio(struct diag_report *r, const struct diag_target *t, const struct diag_engineio *f)
{
    if (f->opened) {
        diag_fact_text(r, "sid", f->sid);
        diag_fact_number(r, "ping_interval_ms", f->ping_interval_ms);
        diag_fact_number(r, "ping_timeout_ms", f->ping_timeout_ms);
        diag_fact_number(r, "max_payload_bytes", f->max_payload ? (double)f->max_payload : NAN);
        diag_fact_text(r, "transport", "websocket");
    }
    if (f->how == DIAG_TIMEOUT) {
        diag_fail(
            r, down, "engineio-timeout",
            "If it is a plain WebSocket server, say so (--protocol websocket). Else the server accepts connections "
            "and then hangs: look at its load and its log.",
            "the WebSocket is open, but no Engine.IO handshake came within %u ms", (unsigned)t->timeout_ms);
    } else if (f->how == DIAG_ERROR) {
        diag_fail(r, down, "engineio-cut", "Look at the log of the server, and of what stands in front of it.",
                  "the connection broke before the Engine.IO handshake: %s", f->error);
    } else if (f->how != DIAG_DONE) {
        diag_fail(r, f->close_code == 1008 || f->close_code == 1002 ? refused : down, "engineio-closed",
                  "The server, or what stands in front of it, ends WebSockets as soon as they are open: look at their "
                  "logs.",
                  "the server closed the WebSocket before the Engine.IO handshake%s",
                  close_words(r, f->close_code, f->close_text));
    } else if (!f->opened) {
        no_open_packet(r, t, f);
    } else {
        char dead[DIAG_SPAN_TEXT];
        double silent_s = ((double)f->ping_interval_ms + f->ping_timeout_ms) / 1000.0;
        if (silent_s > 300)
            diag_warn(r, "engineio-slow-heartbeat", "Make pingInterval and pingTimeout shorter at the server.",
                      "a dead connection is noticed by the heartbeat only after %s", diag_span(dead, silent_s));
        else if (f->ping_interval_ms < 1000)
            diag_warn(r, "engineio-fast-heartbeat", "Make pingInterval longer at the server (25000 is usual).",
                      "the server pings every %u ms: that costs battery and traffic", (unsigned)f->ping_interval_ms);
        if (f->max_payload && f->max_payload < 10000)
            diag_warn(r, "engineio-small-payload", "Raise maxHttpBufferSize at the server.",
                      "the server takes messages of at most %llu bytes", (unsigned long long)f->max_payload);
        diag_say(r, "Engine.IO over WebSocket; pings every %u s, dead after %u s more", f->ping_interval_ms / 1000,
                 f->ping_timeout_ms / 1000);
    }
}

/* ---- namespace and credentials ---- */

/* What is wrong with the token by itself. */
enum token_state {
    TOKEN_FINE,
    TOKEN_EXPIRED,
    TOKEN_NOT_YET,
    TOKEN_NONE,
    TOKEN_SPACES,
    TOKEN_ALG_NONE,
    TOKEN_JUST_OVER /* by no more than servers forgive, if they forgive: it may be why, and may not */
};

static enum token_state token_state(const struct diag_auth *f)
{
    const struct diag_token *k = &f->token;
    /* The server's clock is what counts, where it is known. */
    int64_t now_s = f->now_ms / 1000 + (isnan(f->skew_s) ? 0 : (int64_t)f->skew_s);
    if (!k->given || !k->jwt)
        return TOKEN_NONE;
    if (k->exp_s && k->exp_s <= now_s - LEEWAY_S)
        return TOKEN_EXPIRED;
    if (k->nbf_s && k->nbf_s > now_s + LEEWAY_S)
        return TOKEN_NOT_YET;
    if (k->spaces)
        return TOKEN_SPACES;
    if (strcmp(k->algorithm, "none") == 0)
        return TOKEN_ALG_NONE;
    return (k->exp_s && k->exp_s <= now_s) || (k->nbf_s && k->nbf_s > now_s) ? TOKEN_JUST_OVER : TOKEN_FINE;
}

static void auth_facts(struct diag_report *r, const struct diag_target *t, const struct diag_auth *f)
{
    const struct diag_token *k = &f->token;
    double now_s = (double)f->now_ms / 1000.0;
    diag_fact_text(r, "namespace", t->nsp);
    if (*f->sid)
        diag_fact_text(r, "sid", f->sid);
    if (f->connected)
        diag_fact_bool(r, "recovery", f->recovery);
    if (f->refused)
        diag_fact_text(r, "server_message", f->message);
    if (*f->data)
        diag_fact_text(r, "server_data", f->data);
    diag_fact_number(r, "clock_skew_s", f->skew_s);
    diag_fact_text(r, "token", k->jwt ? "JWT" : k->given ? "opaque" : "none");
    if (!k->jwt)
        return;
    diag_fact_text(r, "token_from", k->where);
    diag_fact_text(r, "token_algorithm", k->algorithm);
    if (*k->subject)
        diag_fact_text(r, "token_subject", k->subject);
    if (*k->issuer)
        diag_fact_text(r, "token_issuer", k->issuer);
    if (*k->audience)
        diag_fact_text(r, "token_audience", k->audience);
    diag_fact_number(r, "token_expires_in_s", k->exp_s ? round((double)k->exp_s - now_s) : NAN);
    diag_fact_number(r, "token_valid_in_s", k->nbf_s ? round((double)k->nbf_s - now_s) : NAN);
    diag_fact_number(r, "token_age_s", k->iat_s ? round(now_s - (double)k->iat_s) : NAN);
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && text[i] && (text[i] | 0x20) == word[i])
            i++;
        if (i == n)
            return true;
    }
    return false;
}

/* How far a moment lies from now, by our clock. */
static double apart_s(const struct diag_auth *f, int64_t then_s)
{
    return (double)then_s - (double)f->now_ms / 1000.0;
}

static void token_refused(struct diag_report *r, const struct diag_auth *f)
{
    char span[DIAG_SPAN_TEXT], other[DIAG_SPAN_TEXT];
    const struct diag_token *k = &f->token;
    bool just_over = token_state(f) == TOKEN_JUST_OVER;
    switch (token_state(f)) {
    case TOKEN_EXPIRED:
        if (apart_s(f, k->exp_s) > 0)
            diag_fail(r, refused, "clock-skew", "Set both clocks right (NTP): this machine's and the server's.",
                      "the token has expired for the server, whose clock is %s ahead of ours: \"%s\"",
                      diag_span(other, f->skew_s), f->message);
        else
            diag_fail(
                r, refused, "token-expired", "Get a new token, or let whoever issues it make it valid for longer.",
                "the token expired %s ago; the server says \"%s\"", diag_span(span, apart_s(f, k->exp_s)), f->message);
        return;
    case TOKEN_NOT_YET:
        diag_fail(r, refused, isnan(f->skew_s) || fabs(f->skew_s) < SKEW_S ? "token-not-yet-valid" : "clock-skew",
                  "Wait until then, or set the clocks right (NTP): this machine's, the server's and that of whoever "
                  "issued the token.",
                  "the token is valid only in %s; the server says \"%s\"", diag_span(span, apart_s(f, k->nbf_s)),
                  f->message);
        return;
    case TOKEN_SPACES:
        diag_fail(r, refused, "token-malformed", "Give the token alone.",
                  "there are white space or quotes around the token; the server says \"%s\"", f->message);
        return;
    case TOKEN_NONE:
        diag_fail(r, refused, "token-malformed",
                  "Give the token as it was issued: three parts of base64url, joined with dots.",
                  "what was given as token has not the form of one; the server says \"%s\"", f->message);
        return;
    case TOKEN_ALG_NONE:
        diag_fail(r, refused, "token-unsigned", "Let it be signed by whoever the server trusts.",
                  "the token is not signed (algorithm \"none\"); the server says \"%s\"", f->message);
        return;
    default:
        diag_fail(r, refused, "token-refused",
                  diag_text(r,
                            "%sIt is signed with another secret or key (or algorithm: it says %s) than the server "
                            "expects, or meant for another server%s%s: compare what issues tokens with the server's "
                            "settings.",
                            just_over ? "Try a new token first. If that is refused as well: " : "",
                            *k->algorithm ? k->algorithm : "nothing", *k->audience ? ", for " : "", k->audience),
                  "the token %s, and the server refuses it: \"%s\"",
                  just_over ? "is out of date by less than the 60 s that servers commonly forgive" : "is in date",
                  f->message);
    }
}

static void connect_refused(struct diag_report *r, const struct diag_target *t, const struct diag_auth *f)
{
    if (has_word(f->message, "invalid namespace")) {
        diag_fail(r, refused, "namespace-unknown", "Check the namespace's spelling; the server has to define it.",
                  "the server has no namespace \"%s\": \"%s\"", t->nsp, f->message);
    } else if (has_word(f->message, "rate limit") || has_word(f->message, "too many")) {
        diag_fail(r, refused, "connect-rate-limited", "Wait, then connect more rarely.",
                  "the server takes no further connections for now: \"%s\"", f->message);
    } else if (f->token.given) {
        token_refused(r, f);
    } else if (has_word(f->message, "auth") || has_word(f->message, "token") || has_word(f->message, "credential") ||
               has_word(f->message, "unauthori")) {
        diag_fail(r, refused, "credentials-missing",
                  f->auth_given
                      ? "Give what the server wants in the CONNECT payload: most look for \"token\" (--token)."
                      : "Give a token (--token, --token-file), or what else the server wants (--auth).",
                  "the server wants credentials, and %s: \"%s\"",
                  f->auth_given ? "the payload has no token" : "none were given", f->message);
    } else {
        diag_fail(r, refused, "connect-refused",
                  "Look at the server's log, and at what it wants in the CONNECT payload.",
                  "the server refuses the connection to \"%s\": \"%s\"", t->nsp, f->message);
    }
}

static void connect_accepted(struct diag_report *r, const struct diag_target *t, const struct diag_auth *f)
{
    char span[DIAG_SPAN_TEXT];
    const struct diag_token *k = &f->token;
    double left_s = apart_s(f, k->exp_s);
    if (k->jwt && k->exp_s && left_s < -LEEWAY_S && !(f->skew_s < left_s))
        diag_warn(r, "token-expired-accepted",
                  "Let the server check \"exp\": it accepts tokens for ever. If it does, its clock is wrong.",
                  "the token expired %s ago, and the server accepts it", diag_span(span, left_s));
    else if (k->jwt && k->exp_s && left_s < SOON_S)
        diag_warn(r, "token-expires-soon", "Renew it before: the next reconnect will be refused.", "the token %s in %s",
                  left_s < 0 ? "expired just now:" : "expires", diag_span(span, left_s));
    if (k->jwt && strcmp(k->algorithm, "none") == 0)
        diag_warn(r, "token-unsigned-accepted", "Let the server refuse unsigned tokens, at once.",
                  "the token is not signed, and the server accepts it: anybody may be anybody");
    if (fabs(f->skew_s) > SKEW_S)
        diag_warn(r, "clock-skew", "Set the clocks right (NTP): tokens are judged by them.",
                  "the server's clock is %s %s ours", diag_span(span, f->skew_s),
                  f->skew_s > 0 ? "ahead of" : "behind");
    diag_say(r, "connected to %s%s%s%s", t->nsp, *k->subject ? " as " : "", k->subject,
             k->jwt && k->exp_s ? diag_text(r, "; the token expires in %s", diag_span(span, left_s)) : "");
}

void diag_judge_auth(struct diag_report *r, const struct diag_target *t, const struct diag_auth *f)
{
    auth_facts(r, t, f);
    if (f->connected)
        connect_accepted(r, t, f);
    else if (f->refused)
        connect_refused(r, t, f);
    else if (f->old_protocol)
        diag_fail(r, refused, "engineio-version",
                  "Update the server to Socket.IO 3 or later: this client speaks Socket.IO 5 over Engine.IO 4, which "
                  "servers of version 2 do not.",
                  "the server speaks Engine.IO 3 (Socket.IO 2): it answers CONNECT without a session id");
    else if (f->disconnected)
        diag_fail(r, refused, "connect-disconnected", "Look at the server's log: a middleware may refuse this client.",
                  "the server answered CONNECT to \"%s\" with DISCONNECT", t->nsp);
    else if (f->how == DIAG_TIMEOUT)
        diag_fail(
            r, down, "connect-timeout",
            "The server's middleware, or what it asks about credentials (a database, an identity provider), hangs: "
            "look at its log.",
            "the server did not answer CONNECT to \"%s\" within %u ms", t->nsp, (unsigned)t->timeout_ms);
    else
        diag_fail(r, f->close_code == 1008 ? refused : down, "connect-closed",
                  "Look at the server's log: it hangs up instead of saying why it refuses.",
                  "the server closed the connection instead of answering CONNECT to \"%s\"%s", t->nsp,
                  close_words(r, f->close_code, f->close_text));
}
