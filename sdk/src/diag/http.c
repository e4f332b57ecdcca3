#include "http.h"

#include "clock.h"
#include "httpdate.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_US 500000 /* once the head is there, the body of a refusal has so long */

void diag_http_init(struct diag_http *out)
{
    *out = (struct diag_http){.retry_after_s = NAN, .limit_remaining = NAN};
}

static void copy(char *out, size_t room, const char *text, size_t len)
{
    size_t n = len < room - 1 ? len : room - 1;
    memcpy(out, text, n);
    out[n] = 0;
}

static void copy_field(const struct aivo_http_head *head, const char *name, char *out, size_t room)
{
    size_t len;
    const char *value = aivo_http_field(head, name, &len);
    if (value)
        copy(out, room, value, len);
}

static void head_facts(const struct aivo_http_head *head, struct diag_http *out)
{
    size_t len;
    const char *value;
    out->status = head->status;
    copy(out->reason, sizeof out->reason, head->reason, head->reason_len);
    copy_field(head, "server", out->server, sizeof out->server);
    copy_field(head, "location", out->location, sizeof out->location);
    copy_field(head, "via", out->via, sizeof out->via);
    copy_field(head, "content-type", out->content_type, sizeof out->content_type);
    copy_field(head, "www-authenticate", out->www_authenticate, sizeof out->www_authenticate);
    copy_field(head, "access-control-allow-origin", out->allow_origin, sizeof out->allow_origin);
    out->allow_credentials = aivo_http_has_token(head, "access-control-allow-credentials", "true");
    out->has_upgrade = aivo_http_has_token(head, "upgrade", "websocket");
    out->has_connection_upgrade = aivo_http_has_token(head, "connection", "upgrade");
    if ((value = aivo_http_field(head, "date", &len)))
        out->date_ms = diag_http_date(value, len);
    if ((value = aivo_http_field(head, "retry-after", &len)))
        out->retry_after_s = diag_retry_after(value, len, out->date_ms ? out->date_ms : out->at_ms);
    if ((value = aivo_http_field(head, "ratelimit-remaining", &len)) ||
        (value = aivo_http_field(head, "x-ratelimit-remaining", &len)))
        out->limit_remaining = diag_http_number(value, len);
}

enum diag_how diag_http_head(struct diag_stream *s, struct aivo_http_head *head, struct diag_http *out)
{
    for (;;) {
        enum aivo_http_found found = s->in.len ? aivo_http_parse(s->in.data, s->in.len, head) : AIVO_HTTP_MORE;
        if (found == AIVO_HTTP_HEAD) {
            out->at_ms = aivo_clock_unix_ms();
            head_facts(head, out);
            return out->how = DIAG_DONE;
        }
        if (found == AIVO_HTTP_INVALID) {
            out->first = (unsigned char)s->in.data[0];
            return out->how = DIAG_NOT_HTTP;
        }
        enum diag_how how = diag_stream_read(s);
        if (how != DIAG_DONE) {
            if (how == DIAG_ERROR)
                snprintf(out->error, sizeof out->error, "%s", s->error.message);
            return out->how = how;
        }
    }
}

/* Joins the chunks of a body; what is malformed ends it. */
static void unchunk(struct aivo_buf *body)
{
    size_t from = 0, to = 0;
    while (from < body->len) {
        char *end;
        unsigned long n = strtoul(body->data + from, &end, 16);
        char *line = memchr(body->data + from, '\n', body->len - from);
        if (end == body->data + from || !line || n == 0)
            break;
        from = (size_t)(line - body->data) + 1;
        n = n < body->len - from ? n : body->len - from;
        memmove(body->data + to, body->data + from, n);
        to += n;
        from += n + 2;
    }
    body->len = to;
    if (body->data)
        body->data[to] = 0;
}

void diag_http_body(struct diag_stream *s, const struct aivo_http_head *head, struct aivo_buf *body)
{
    size_t len, want = DIAG_BODY_MAX;
    const char *value = aivo_http_field(head, "content-length", &len);
    bool chunked = aivo_http_has_token(head, "transfer-encoding", "chunked");
    double said = value ? diag_http_number(value, len) : NAN;
    if (head->status == 204 || head->status == 304)
        said = 0;
    if (said < (double)want)
        want = (size_t)said;
    diag_stream_used(s, head->total);
    int64_t until_us = aivo_clock_us() + BODY_US, deadline_us = s->deadline_us;
    s->deadline_us = until_us < deadline_us ? until_us : deadline_us;
    while (s->in.len < want && !(chunked && s->in.len >= 5 && memcmp(s->in.data + s->in.len - 5, "0\r\n\r\n", 5) == 0))
        if (diag_stream_read(s) != DIAG_DONE)
            break;
    s->deadline_us = deadline_us;
    aivo_buf_clear(body);
    size_t take = s->in.len < want ? s->in.len : want;
    aivo_buf_add(body, take ? s->in.data : "", take);
    if (take)
        diag_stream_used(s, take);
    if (chunked)
        unchunk(body);
}

void diag_http_keep_body(struct diag_http *out, const struct aivo_buf *body)
{
    copy(out->body, sizeof out->body, body->data ? body->data : "", body->len);
}
