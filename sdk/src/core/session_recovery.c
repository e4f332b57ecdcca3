/* Connection state recovery: what is kept of a session, what is asked for on resume, what was missed. */
#include "session_impl.h"

#include <stdlib.h>
#include <string.h>

#define HELD_EVENTS_MAX 10000

void aivo_session_set_pid(struct aivo_session *s, const char *pid)
{
    size_t len = strlen(pid);
    if (len < sizeof(s->pid))
        memcpy(s->pid, pid, len + 1);
    else
        s->pid[0] = '\0';
    aivo_offset_reset(&s->offset);
}

/* {"pid":..,"offset":..,<members of the credentials>}: the credentials' own members win, as the last of a name does. */
static void connect_payload(struct aivo_session *s)
{
    struct aivo_buf *out = &s->out;
    size_t auth_len = s->auth ? strlen(s->auth) : 0;
    if (!s->resuming) {
        aivo_buf_add(out, s->auth ? s->auth : "", auth_len);
        return;
    }
    aivo_buf_str(out, "{\"pid\":");
    aivo_json_write_string(out, s->pid, strlen(s->pid));
    if (s->offset.last[0]) {
        aivo_buf_str(out, ",\"offset\":");
        aivo_json_write_string(out, s->offset.last, strlen(s->offset.last));
    }
    size_t pos = 0;
    struct aivo_json key, value, auth = {.type = AIVO_JSON_OBJECT, .text = s->auth, .len = auth_len};
    if (s->auth && aivo_json_next_member(&auth, &pos, &key, &value)) {
        aivo_buf_char(out, ',');
        aivo_buf_add(out, s->auth + 1, auth_len - 1);
    } else {
        aivo_buf_char(out, '}');
    }
}

bool aivo_session_connect_packet(struct aivo_session *s)
{
    s->resuming = s->config.recovery && s->pid[0];
    aivo_buf_clear(&s->out);
    aivo_buf_char(&s->out, '0' + AIVO_EIO_MESSAGE);
    aivo_sio_encode_header(&s->out, AIVO_SIO_CONNECT, 0, s->nsp, strlen(s->nsp), NULL);
    connect_payload(s);
    return !s->out.failed;
}

/* Takes the offset off, if there is one: where it begins the array's text ends. */
static bool take_offset(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_sio_packet *p,
                        bool replay, size_t *kept)
{
    /* A server marks no packet that asks for an answer. Binary events it marks: they are type 5 only on the wire. */
    return s->pid[0] && !p->has_id && aivo_offset_take(&s->offset, &p->data, at->unix_ms, replay, kept);
}

void aivo_session_deliver(struct aivo_session *s, const struct aivo_instant *at)
{
    struct aivo_json *data = &s->incoming.packet.data;
    size_t kept;
    if (take_offset(s, at, &s->incoming.packet, false, &kept)) {
        aivo_buf_clear(&s->stripped);
        aivo_buf_add(&s->stripped, data->text, kept);
        aivo_buf_char(&s->stripped, ']');
        if (!s->stripped.failed) { /* else with the offset, rather than not at all */
            data->text = s->stripped.data;
            data->len = s->stripped.len;
        }
    }
    aivo_session_push(s, AIVO_ACT_EVENT)->message = &s->incoming;
}

/* ---- events before CONNECT's answer ---- */

void aivo_held_init(struct aivo_held_list *list)
{
    *list = (struct aivo_held_list){.first = NULL};
    list->end = &list->first;
}

void aivo_held_free(struct aivo_held_list *list)
{
    while (list->first) {
        struct aivo_held *held = list->first;
        list->first = held->next;
        free(held);
    }
    aivo_held_init(list);
}

bool aivo_session_hold(struct aivo_session *s, const struct aivo_sio_message *m)
{
    const struct aivo_sio_packet *p = &m->packet;
    size_t bytes = p->nsp_len + p->data.len; /* each part is in memory already: the sum cannot overflow */
    for (unsigned i = 0; i < p->attachments; i++)
        bytes += m->attachments[i].len;
    if (s->held.count >= HELD_EVENTS_MAX || bytes > s->config.max_payload_bytes - s->held.bytes)
        return false;
    struct aivo_held *held = malloc(sizeof(*held) + bytes);
    if (!held)
        return false;

    held->next = NULL;
    held->message = *m;
    char *to = held->text;
    memcpy(to, p->nsp, p->nsp_len);
    held->message.packet.nsp = to;
    to += p->nsp_len;
    memcpy(to, p->data.text, p->data.len);
    held->message.packet.data.text = to;
    to += p->data.len;
    for (unsigned i = 0; i < p->attachments; i++) {
        if (m->attachments[i].len)
            memcpy(to, m->attachments[i].data, m->attachments[i].len);
        held->message.attachments[i].data = to;
        to += m->attachments[i].len;
    }
    *s->held.end = held;
    s->held.end = &held->next;
    s->held.count++;
    s->held.bytes += bytes;
    return true;
}

void aivo_session_release(struct aivo_session *s, const struct aivo_instant *at, bool recovered)
{
    for (struct aivo_held *held = s->held.first; held; held = held->next) {
        struct aivo_json *data = &held->message.packet.data;
        size_t kept, offset = (size_t)(data->text - held->text);
        if (take_offset(s, at, &held->message.packet, true, &kept)) {
            held->text[offset + kept] = ']';
            data->len = kept + 1;
        }
        struct aivo_action *action = aivo_session_push(s, AIVO_ACT_EVENT);
        action->message = &held->message;
        action->recovered = recovered;
    }
    aivo_held_free(&s->released);
    s->released = s->held;
    if (!s->released.first)
        s->released.end = &s->released.first;
    aivo_held_init(&s->held);
}
