#include "redis_link.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void timer_fired(uv_timer_t *timer);

#define WORD(text) ((struct aivo_bytes){(text), strlen(text)})

/* --- the end of an attempt or a connection --- */

static void wait_for_next(struct srv_redis_link *link)
{
    unsigned doublings = link->failures < 8 ? link->failures : 8;
    uint32_t delay = (uint32_t)SRV_REDIS_BACKOFF_MS << doublings, random = 0;
    if (delay > SRV_REDIS_BACKOFF_MAX)
        delay = SRV_REDIS_BACKOFF_MAX;
    link->random(&random, sizeof random);
    delay = delay / 2 + random % (delay / 2 + 1); /* instances that lost it together do not come back together */
    link->failures++;
    link->state = SRV_REDIS_WAITING;
    uv_timer_start(&link->timer, timer_fired, delay, SRV_REDIS_TICK_MS);
    link->at_ms = uv_now(link->loop) + delay;
}

static void tcp_closed(uv_handle_t *handle)
{
    struct srv_redis_link *link = handle->data;
    link->tcp_open = false;
    link->is_writing = false;
    if (link->state == SRV_REDIS_CLOSING)
        wait_for_next(link);
}

static void close_tcp(struct srv_redis_link *link)
{
    aivo_buf_clear(&link->out);
    link->unanswered = 0;
    link->pinged = false;
    srv_resp_reader_destroy(link->reader);
    link->reader = NULL;
    if (link->tcp_open && !uv_is_closing((uv_handle_t *)&link->tcp))
        uv_close((uv_handle_t *)&link->tcp, tcp_closed);
}

void srv_redis_link_fail(struct srv_redis_link *link, const char *why)
{
    if (link->state == SRV_REDIS_STOPPED || link->state == SRV_REDIS_CLOSING || link->state == SRV_REDIS_WAITING)
        return;
    bool was_up = link->state == SRV_REDIS_UP;
    if (link->tcp_open) {
        link->state = SRV_REDIS_CLOSING;
        close_tcp(link);
    } else {
        wait_for_next(link);
    }
    link->hooks->down(link, why, was_up);
}

/* --- reading --- */

static void greeted(struct srv_redis_link *link, const struct srv_resp_reply *reply)
{
    const struct srv_resp_item *item = &reply->items[0];
    if (!reply->is_array && item->type == SRV_RESP_STATUS) {
        srv_redis_link_answered(link);
        link->state = SRV_REDIS_UP;
        link->failures = 0;
        link->hooks->up(link);
        return;
    }
    char why[160];
    bool error = !reply->is_array && item->type == SRV_RESP_ERROR;
    snprintf(why, sizeof why, error ? "it refuses: %.100s" : "it is no Redis", error ? item->text : "");
    srv_redis_link_fail(link, why);
}

static void got_bytes(struct srv_redis_link *link, size_t len)
{
    link->heard_ms = uv_now(link->loop);
    if (!srv_resp_feed(link->reader, link->in, len)) {
        srv_redis_link_fail(link, "a reply is too large");
        return;
    }
    while (link->state == SRV_REDIS_UP || link->state == SRV_REDIS_GREETING) {
        const struct srv_resp_reply *reply;
        enum srv_resp_status status = srv_resp_next(link->reader, &reply);
        if (status == SRV_RESP_MORE)
            return;
        if (status == SRV_RESP_BROKEN)
            srv_redis_link_fail(link, "a reply breaks the protocol");
        else if (link->state == SRV_REDIS_GREETING)
            greeted(link, reply);
        else
            link->hooks->reply(link, reply);
    }
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct srv_redis_link *link = handle->data;
    *buf = uv_buf_init(link->in, sizeof link->in);
}

static void was_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct srv_redis_link *link = stream->data;
    if (n > 0)
        got_bytes(link, (size_t)n);
    else if (n < 0)
        srv_redis_link_fail(link, n == UV_EOF ? "it closed the connection" : uv_strerror((int)n));
}

/* --- writing --- */

static void written(uv_write_t *request, int status)
{
    struct srv_redis_link *link = request->data;
    link->is_writing = false;
    if (status == 0)
        srv_redis_link_flush(link);
    else if (status != UV_ECANCELED)
        srv_redis_link_fail(link, uv_strerror(status));
}

void srv_redis_link_flush(struct srv_redis_link *link)
{
    if (link->is_writing || !link->out.len || (link->state != SRV_REDIS_UP && link->state != SRV_REDIS_GREETING))
        return;
    struct aivo_buf swap = link->writing;
    link->writing = link->out;
    link->out = swap;
    aivo_buf_clear(&link->out);
    uv_buf_t buf = uv_buf_init(link->writing.data, (unsigned)link->writing.len);
    link->write.data = link;
    link->is_writing = true;
    int status = uv_write(&link->write, (uv_stream_t *)&link->tcp, &buf, 1, written);
    if (status != 0) {
        link->is_writing = false;
        srv_redis_link_fail(link, uv_strerror(status));
    }
}

static bool queue(struct srv_redis_link *link, const struct aivo_bytes *words, size_t count, unsigned replies)
{
    size_t before = link->out.len, size = 16;
    for (size_t i = 0; i < count; i++)
        size += words[i].len + 32;
    if (before + (link->is_writing ? link->writing.len : 0) + size > link->options->max_pending_bytes)
        return false;
    srv_resp_command(&link->out, words, count);
    if (link->out.failed) {
        link->out.failed = false;
        link->out.len = before;
        return false;
    }
    if (!link->unanswered)
        link->asked_ms = uv_now(link->loop);
    link->unanswered += replies;
    return true;
}

bool srv_redis_link_send(struct srv_redis_link *link, const struct aivo_bytes *words, size_t count, unsigned replies)
{
    return link->state == SRV_REDIS_UP && queue(link, words, count, replies);
}

void srv_redis_link_answered(struct srv_redis_link *link)
{
    if (link->unanswered)
        link->unanswered--;
    link->asked_ms = uv_now(link->loop);
}

/* --- connecting --- */

static void greet(struct srv_redis_link *link)
{
    const struct srv_redis_options *o = link->options;
    struct aivo_bytes words[3] = {WORD("AUTH")};
    size_t count = 1;
    if (o->password) {
        if (o->username)
            words[count++] = WORD(o->username);
        words[count++] = WORD(o->password);
    } else {
        words[0] = WORD("PING");
    }
    link->state = SRV_REDIS_GREETING;
    link->at_ms = uv_now(link->loop) + SRV_REDIS_DEADLINE_MS;
    if (queue(link, words, count, 1))
        srv_redis_link_flush(link);
    else
        srv_redis_link_fail(link, "out of memory");
}

static void connected(uv_connect_t *request, int status)
{
    struct srv_redis_link *link = request->data;
    if (link->state != SRV_REDIS_CONNECTING)
        return;
    if (status != 0) {
        srv_redis_link_fail(link, uv_strerror(status));
        return;
    }
    uv_tcp_nodelay(&link->tcp, 1);
    link->reader = srv_resp_reader_new(link->options->max_reply_bytes);
    if (!link->reader || uv_read_start((uv_stream_t *)&link->tcp, give_buffer, was_read) != 0) {
        srv_redis_link_fail(link, "out of memory");
        return;
    }
    greet(link);
}

static void connect_to(struct srv_redis_link *link, const struct sockaddr *address)
{
    int status = uv_tcp_init(link->loop, &link->tcp);
    if (status == 0) {
        link->tcp_open = true;
        link->tcp.data = link->connect.data = link;
        link->state = SRV_REDIS_CONNECTING;
        link->at_ms = uv_now(link->loop) + SRV_REDIS_DEADLINE_MS;
        status = uv_tcp_connect(&link->connect, &link->tcp, address, connected);
    }
    if (status != 0)
        srv_redis_link_fail(link, uv_strerror(status));
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct srv_redis_link *link = request->data;
    link->resolving = false;
    if (link->state == SRV_REDIS_RESOLVING) {
        if (status == 0)
            connect_to(link, found->ai_addr);
        else
            srv_redis_link_fail(link, uv_strerror(status));
    }
    uv_freeaddrinfo(found);
}

static void begin(struct srv_redis_link *link)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    const char *host = link->options->host;
    link->state = SRV_REDIS_RESOLVING;
    if (uv_ip4_addr(host, link->options->port, &v4) == 0) {
        connect_to(link, (const struct sockaddr *)&v4);
    } else if (uv_ip6_addr(host, link->options->port, &v6) == 0) {
        connect_to(link, (const struct sockaddr *)&v6);
    } else {
        char port[8];
        const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
        snprintf(port, sizeof port, "%u", (unsigned)link->options->port);
        link->resolve.data = link;
        int status = uv_getaddrinfo(link->loop, &link->resolve, resolved, host, port, &hints);
        link->resolving = status == 0;
        if (status != 0)
            srv_redis_link_fail(link, uv_strerror(status));
    }
}

/* --- time --- */

static void check_life(struct srv_redis_link *link, uint64_t now_ms)
{
    uint64_t since = link->asked_ms > link->heard_ms ? link->asked_ms : link->heard_ms;
    if (link->unanswered) {
        if (now_ms - since >= SRV_REDIS_DEADLINE_MS)
            srv_redis_link_fail(link, "it does not answer");
    } else if (now_ms - link->heard_ms >= SRV_REDIS_IDLE_MS) {
        const struct aivo_bytes ping = WORD("PING");
        link->pinged = queue(link, &ping, 1, 1);
        srv_redis_link_flush(link);
    }
}

static void timer_fired(uv_timer_t *timer)
{
    struct srv_redis_link *link = timer->data;
    uint64_t now_ms = uv_now(link->loop);
    switch (link->state) {
    case SRV_REDIS_WAITING:
        if (now_ms >= link->at_ms)
            begin(link);
        return;
    case SRV_REDIS_CONNECTING:
    case SRV_REDIS_GREETING:
        if (now_ms >= link->at_ms)
            srv_redis_link_fail(link, "it does not answer");
        return;
    case SRV_REDIS_UP:
        check_life(link, now_ms);
        return;
    case SRV_REDIS_RESOLVING: /* a worker does that: it ends by itself */
    case SRV_REDIS_CLOSING:
    case SRV_REDIS_STOPPED:
        return;
    }
}

bool srv_redis_link_start(struct srv_redis_link *link, uv_loop_t *loop, const struct srv_redis_options *options,
                          const struct srv_redis_hooks *hooks, void (*random)(void *out, size_t len), void *user)
{
    memset(link, 0, sizeof *link);
    link->loop = loop;
    link->options = options;
    link->hooks = hooks;
    link->random = random;
    link->user = user;
    aivo_buf_init(&link->out);
    aivo_buf_init(&link->writing);
    if (uv_timer_init(loop, &link->timer) != 0)
        return false;
    link->timer_open = true;
    link->timer.data = link;
    link->state = SRV_REDIS_WAITING;
    link->at_ms = 0;
    uv_timer_start(&link->timer, timer_fired, 0, SRV_REDIS_TICK_MS);
    return true;
}

void srv_redis_link_stop(struct srv_redis_link *link)
{
    if (!link->loop || link->state == SRV_REDIS_STOPPED)
        return;
    if (link->state == SRV_REDIS_RESOLVING)
        uv_cancel((uv_req_t *)&link->resolve);
    link->state = SRV_REDIS_STOPPED;
    close_tcp(link);
    if (link->timer_open)
        uv_close((uv_handle_t *)&link->timer, NULL);
    link->timer_open = false;
}

void srv_redis_link_free(struct srv_redis_link *link)
{
    srv_resp_reader_destroy(link->reader);
    aivo_buf_free(&link->out);
    aivo_buf_free(&link->writing);
}
