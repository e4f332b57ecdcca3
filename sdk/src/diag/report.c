#include "report.h"

#include "buf.h"
#include "json.h"
#include "utf8.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct diag_text {
    struct diag_text *next;
    char text[];
};

static const struct {
    const char *name, *title;
} names[AIVO_DIAGNOSE_STAGES] = {
    {"dns", "Name resolution"},
    {"tcp", "TCP connection"},
    {"proxy", "HTTP proxy"},
    {"tls", "TLS"},
    {"http", "WebSocket upgrade"},
    {"engineio", "Engine.IO handshake"},
    {"auth", "Namespace and credentials"},
    {"probes", "Round trips"},
    {"polling", "HTTP long-polling"},
    {"throughput", "Throughput"},
    {"rate-limit", "Rate limit"},
};

const char *aivo_diagnose_stage_name(enum aivo_diagnose_stage stage)
{
    return (unsigned)stage < AIVO_DIAGNOSE_STAGES ? names[stage].name : "unknown";
}

const char *aivo_diagnose_stage_title(enum aivo_diagnose_stage stage)
{
    return (unsigned)stage < AIVO_DIAGNOSE_STAGES ? names[stage].title : "Unknown";
}

const char *aivo_diagnose_status_name(enum aivo_diagnose_status status)
{
    static const char *const texts[] = {"ok", "warn", "fail", "skip"};
    return (unsigned)status < sizeof texts / sizeof *texts ? texts[status] : "unknown";
}

const char *aivo_diagnose_verdict_name(enum aivo_diagnose_verdict verdict)
{
    static const char *const texts[] = {"good", "degraded", "no connection", "refused"};
    return (unsigned)verdict < sizeof texts / sizeof *texts ? texts[verdict] : "unknown";
}

void diag_report_init(struct diag_report *r)
{
    memset(r, 0, sizeof *r);
    for (unsigned i = 0; i < AIVO_DIAGNOSE_STAGES; i++)
        r->results[i] = (struct aivo_diagnose_result){.stage = (enum aivo_diagnose_stage)i,
                                                      .status = AIVO_DIAGNOSE_SKIP,
                                                      .start_ms = NAN,
                                                      .time_ms = NAN,
                                                      .code = "",
                                                      .reason = "",
                                                      .fix = ""};
    r->at = &r->stages[0];
    r->out = (struct aivo_diagnose_report){.size = sizeof r->out,
                                           .url = "",
                                           .summary = "",
                                           .fix = "",
                                           .culprit = -1,
                                           .stages = r->results,
                                           .stage_count = AIVO_DIAGNOSE_STAGES};
}

void diag_report_free(struct diag_report *r)
{
    while (r->texts) {
        struct diag_text *next = r->texts->next;
        free(r->texts);
        r->texts = next;
    }
    for (unsigned i = 0; i < AIVO_DIAGNOSE_STAGES; i++)
        free(r->stages[i].facts);
    memset(r, 0, sizeof *r);
}

/* How many bytes from text are one well-formed character; 0: none are. */
static size_t character(const char *text, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++)
        if (aivo_utf8_valid(text, n))
            return n;
    return 0;
}

/* A copy that is one line of UTF-8, whatever a peer sent. */
static const char *keep(struct diag_report *r, const char *text, size_t len)
{
    struct diag_text *copy = malloc(sizeof *copy + 3 * len + 1); /* a bad byte becomes three */
    if (!copy)
        return "";
    char *out = copy->text;
    for (size_t i = 0; i < len;) {
        size_t n = character(text + i, len - i);
        unsigned char c = (unsigned char)text[i];
        if (n == 0) {
            memcpy(out, "\xef\xbf\xbd", 3);
            out += 3;
            i++;
            continue;
        }
        if (c < 0x20 || c == 0x7f || (n == 2 && c == 0xc2 && (unsigned char)text[i + 1] < 0xa0))
            *out++ = c == '\n' || c == '\t' ? ' ' : '?';
        else
            for (size_t k = 0; k < n; k++)
                *out++ = text[i + k];
        i += n;
    }
    *out = 0;
    copy->next = r->texts;
    r->texts = copy;
    return copy->text;
}

/* Without the beginning of a last character whose end was cut off. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t lead = len;
    while (lead > 0 && len - lead < 3 && aivo_utf8_tail((unsigned char)text[lead - 1]))
        lead--;
    if (lead == 0 || (unsigned char)text[lead - 1] < 0xc0)
        return len;
    return character(text + lead - 1, len - lead + 1) ? len : lead - 1;
}

__attribute__((format(printf, 2, 0))) static const char *keep_format(struct diag_report *r, const char *format,
                                                                     va_list args)
{
    char text[DIAG_TEXT];
    int n = vsnprintf(text, sizeof text, format, args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : whole_characters(text, sizeof text - 1);
    return keep(r, text, len);
}

const char *diag_text(struct diag_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = keep_format(r, format, args);
    va_end(args);
    return text;
}

void diag_stage_fill(struct diag_report *r, enum aivo_diagnose_stage stage)
{
    r->at = &r->stages[stage];
    diag_item(r, NULL, 0);
}

void diag_item(struct diag_report *r, const char *list, uint32_t item)
{
    r->at->list = list;
    r->at->item = item;
}

static void add_fact(struct diag_report *r, struct aivo_diagnose_fact fact)
{
    struct diag_stage *s = r->at;
    if (s->fact_count == DIAG_FACTS)
        return;
    if (s->fact_count == s->fact_room) {
        size_t room = s->fact_room ? 2 * s->fact_room : 16;
        struct aivo_diagnose_fact *facts = realloc(s->facts, room * sizeof *facts);
        if (!facts)
            return;
        s->facts = facts;
        s->fact_room = room;
    }
    fact.list = s->list;
    fact.item = s->item;
    s->facts[s->fact_count++] = fact;
}

void diag_fact_text(struct diag_report *r, const char *key, const char *text)
{
    if (text)
        add_fact(r, (struct aivo_diagnose_fact){
                        .key = key, .type = AIVO_DIAGNOSE_TEXT, .text = keep(r, text, strlen(text)), .number = NAN});
}

void diag_fact_number(struct diag_report *r, const char *key, double number)
{
    add_fact(r, (struct aivo_diagnose_fact){.key = key, .type = AIVO_DIAGNOSE_NUMBER, .number = number});
}

void diag_fact_bool(struct diag_report *r, const char *key, bool truth)
{
    add_fact(r, (struct aivo_diagnose_fact){.key = key, .type = AIVO_DIAGNOSE_BOOL, .truth = truth, .number = NAN});
}

void diag_say(struct diag_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    r->at->said = keep_format(r, format, args);
    va_end(args);
}

/* Failures stand before warnings, each in the order they were found. */
static void add_finding(struct diag_report *r, const struct aivo_diagnose_finding *finding,
                        enum aivo_diagnose_verdict verdict)
{
    struct diag_stage *s = r->at;
    if (s->finding_count == DIAG_FINDINGS)
        return;
    size_t at = s->finding_count;
    while (at > 0 && s->findings[at - 1].status < finding->status) {
        s->findings[at] = s->findings[at - 1];
        s->verdicts[at] = s->verdicts[at - 1];
        at--;
    }
    s->findings[at] = *finding;
    s->verdicts[at] = verdict;
    s->finding_count++;
}

void diag_warn(struct diag_report *r, const char *code, const char *fix, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct aivo_diagnose_finding finding = {
        .status = AIVO_DIAGNOSE_WARN, .code = code, .reason = keep_format(r, format, args), .fix = fix};
    va_end(args);
    add_finding(r, &finding, AIVO_DIAGNOSE_GOOD);
}

void diag_fail(struct diag_report *r, enum aivo_diagnose_verdict verdict, const char *code, const char *fix,
               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct aivo_diagnose_finding finding = {
        .status = AIVO_DIAGNOSE_FAIL, .code = code, .reason = keep_format(r, format, args), .fix = fix};
    va_end(args);
    add_finding(r, &finding, verdict);
}

bool diag_stage_failed(const struct diag_report *r, enum aivo_diagnose_stage stage)
{
    const struct diag_stage *s = &r->stages[stage];
    return s->finding_count > 0 && s->findings[0].status == AIVO_DIAGNOSE_FAIL;
}

static const char *skip_reason(struct diag_report *r, enum aivo_diagnose_stage stage, const char *skip)
{
    static const char *const not_needed[AIVO_DIAGNOSE_STAGES] = {
        [AIVO_DIAGNOSE_DNS] = "the host is given as a numeric address",
        [AIVO_DIAGNOSE_PROXY] = "no proxy is used",
        [AIVO_DIAGNOSE_TLS] = "the URL's scheme has no TLS",
        [AIVO_DIAGNOSE_ENGINEIO] = "a plain WebSocket has no Engine.IO",
        [AIVO_DIAGNOSE_AUTH] = "a plain WebSocket has no namespaces",
        [AIVO_DIAGNOSE_POLLING] = "a plain WebSocket has no long-polling",
        [AIVO_DIAGNOSE_RATE_LIMIT] = "only a Socket.IO server says when a limit is reached",
    };
    if (r->stages[stage].said)
        return r->stages[stage].said;
    if (strcmp(skip, "not-needed") == 0 && not_needed[stage])
        return not_needed[stage];
    if (strcmp(skip, "not-asked") == 0)
        return "not asked for";
    if (strcmp(skip, "cancelled") == 0)
        return "cancelled before it was done";
    return "not reached: an earlier stage failed";
}

const struct aivo_diagnose_result *diag_stage_end(struct diag_report *r, enum aivo_diagnose_stage stage,
                                                  double start_ms, double time_ms, const char *skip)
{
    struct diag_stage *s = &r->stages[stage];
    struct aivo_diagnose_result *result = &r->results[stage];
    s->ended = true;
    result->start_ms = start_ms;
    result->time_ms = time_ms;
    result->findings = s->findings;
    result->finding_count = s->finding_count;
    result->facts = s->facts;
    result->fact_count = s->fact_count;
    if (s->finding_count > 0) {
        result->status = s->findings[0].status;
        result->code = s->findings[0].code;
        result->reason = s->findings[0].reason;
        result->fix = s->findings[0].fix;
    } else if (skip) {
        result->status = AIVO_DIAGNOSE_SKIP;
        result->code = skip;
        result->reason = skip_reason(r, stage, skip);
    } else {
        result->status = AIVO_DIAGNOSE_OK;
        result->reason = s->said ? s->said : "";
    }
    return result;
}

const char *diag_ms(char out[DIAG_MS_TEXT], double ms)
{
    if (!(ms >= 0 && ms < 1e12)) {
        snprintf(out, DIAG_MS_TEXT, "?");
    } else if (ms < 10) {
        unsigned tenths = (unsigned)(ms * 10 + 0.5);
        snprintf(out, DIAG_MS_TEXT, "%u.%u", tenths / 10, tenths % 10);
    } else {
        snprintf(out, DIAG_MS_TEXT, "%.0f", ms);
    }
    return out;
}

const char *diag_span(char out[DIAG_SPAN_TEXT], double seconds)
{
    double s = fabs(seconds);
    if (!(s < 1e12))
        snprintf(out, DIAG_SPAN_TEXT, "a very long time");
    else if (s < 120)
        snprintf(out, DIAG_SPAN_TEXT, "%.0f s", s);
    else if (s < 7200)
        snprintf(out, DIAG_SPAN_TEXT, "%.0f min", s / 60);
    else if (s < 2 * 86400)
        snprintf(out, DIAG_SPAN_TEXT, "%.0f h", s / 3600);
    else
        snprintf(out, DIAG_SPAN_TEXT, "%.0f days", s / 86400);
    return out;
}

static void conclude_connected(struct diag_report *r)
{
    struct aivo_diagnose_report *o = &r->out;
    unsigned warnings = 0;
    for (unsigned i = 0; i < AIVO_DIAGNOSE_STAGES; i++)
        for (size_t k = 0; k < r->results[i].finding_count; k++) {
            if (warnings++ > 0)
                continue;
            o->culprit = (int)i;
            o->fix = r->results[i].findings[k].fix;
        }
    char p50[DIAG_MS_TEXT], few[48] = "";
    if (warnings > 0)
        snprintf(few, sizeof few, "; %u warning%s", warnings, warnings > 1 ? "s" : "");
    o->verdict = o->quality.level >= AIVO_LEVEL_GOOD ? AIVO_DIAGNOSE_GOOD : AIVO_DIAGNOSE_DEGRADED;
    o->summary = diag_text(r, "Connected, %s: median round trip %s ms%s", aivo_level_name(o->quality.level),
                           diag_ms(p50, o->quality.p50_ms), few);
}

void diag_report_conclude(struct diag_report *r)
{
    struct aivo_diagnose_report *o = &r->out;
    for (unsigned i = 0; i < AIVO_DIAGNOSE_STAGES; i++) {
        if (!diag_stage_failed(r, (enum aivo_diagnose_stage)i))
            continue;
        o->culprit = (int)i;
        o->verdict = r->stages[i].verdicts[0];
        o->exit_code = (int)o->verdict;
        o->summary = diag_text(r, "%s failed: %s", names[i].title, r->results[i].reason);
        o->fix = r->results[i].fix;
        return;
    }
    if (o->has_quality && o->quality.level > AIVO_LEVEL_OFFLINE) {
        conclude_connected(r);
    } else {
        o->verdict = AIVO_DIAGNOSE_NO_CONNECTION;
        o->summary = o->cancelled ? "Cancelled before there was a connection" : "No connection";
    }
    o->exit_code = (int)o->verdict;
}
