/* What an outside agent is told of an event. Pure. */
#include "engineio.h"
#include "outside.h"
#include "placeholder.h"
#include <string.h>

struct span {
    size_t start, end;
    unsigned num;
};

struct spans {
    struct span list[AIVO_SIO_MAX_ATTACHMENTS];
    unsigned count;
};

/* One inside another is part of what its parent stands for: as in JavaScript, the outer one counts. */
static void found(void *context, size_t start, size_t end, unsigned num)
{
    struct spans *s = context;
    while (s->count && s->list[s->count - 1].start > start)
        s->count--;
    if (s->count < AIVO_SIO_MAX_ATTACHMENTS)
        s->list[s->count++] = (struct span){start, end, num};
}

/* The value with base64 strings where its placeholders stand. */
static void put_data(struct aivo_buf *out, const struct aivo_json *value, const struct aivo_bytes *attachments,
                     unsigned attachment_count)
{
    struct spans spans = {.count = 0};
    unsigned seen = 0;
    size_t at = 0;
    if (attachment_count)
        aivo_sio_each_placeholder(value, &seen, found, &spans);
    for (unsigned i = 0; i < spans.count; i++) {
        const struct span *span = &spans.list[i];
        if (span->num >= attachment_count)
            continue;
        aivo_buf_add(out, value->text + at, span->start - at);
        aivo_buf_char(out, '"');
        aivo_base64_encode(out, attachments[span->num].data, attachments[span->num].len);
        aivo_buf_char(out, '"');
        at = span->end;
    }
    aivo_buf_add(out, value->text + at, value->len - at);
}

static void put_id(struct aivo_buf *out, const char *name, const char *id)
{
    aivo_buf_str(out, name);
    if (id && *id)
        aivo_json_write_string(out, id, strlen(id));
    else
        aivo_buf_str(out, "null");
}

bool srv_outside_body(struct aivo_buf *out, const char *event, const struct aivo_json *data,
                      const struct aivo_bytes *attachments, unsigned attachment_count,
                      const struct srv_outside_ids *ids)
{
    struct aivo_json argument = aivo_json_at(data, 1);
    aivo_buf_str(out, "{\"event\":");
    aivo_json_write_string(out, event, strlen(event));
    aivo_buf_str(out, ",\"data\":");
    if (argument.type == AIVO_JSON_NONE)
        aivo_buf_str(out, "null");
    else
        put_data(out, &argument, attachments, attachment_count);
    put_id(out, ",\"learnerId\":", ids->learner && *ids->learner ? ids->learner : ids->user);
    put_id(out, ",\"userId\":", ids->user);
    put_id(out, ",\"socketId\":", ids->socket);
    aivo_buf_char(out, '}');
    return !out->failed;
}
