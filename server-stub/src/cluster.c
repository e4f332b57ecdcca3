/* The cluster's connections: one that publishes and asks, one that listens. */
#include "cluster_internal.h"
#include <stdlib.h>
#include <string.h>

#define WORD(text) ((struct aivo_bytes){(text), strlen(text)})
#define COMPLAINTS 10                           /* in the log, a minute */
#define MOST_BYTES ((size_t)1024 * 1024 * 1024) /* of any of our bounds: one write takes no more than 32 bits say */

/* --- telling --- */

void srv_cluster_trouble(struct srv_cluster *c, const char *what)
{
    unsigned left_out;
    srv_metrics_error(c->metrics, SRV_ERROR_REDIS);
    if (!srv_log_enabled(c->hub->log, SRV_LOG_WARN) ||
        !srv_log_bounded(&c->complaints, COMPLAINTS, c->hub->engine->now_ms, &left_out))
        return;
    if (left_out)
        srv_log(c->hub->log, SRV_LOG_WARN, "redis: %u further lines were left out", left_out);
    srv_log(c->hub->log, SRV_LOG_WARN, "redis: %s", what);
}

static void update_connected(struct srv_cluster *c)
{
    bool connected = c->pub.state == SRV_REDIS_UP && c->sub.state == SRV_REDIS_UP && c->confirmed == c->subscriptions;
    if (connected == c->connected)
        return;
    c->connected = connected;
    c->metrics->redis.connected = connected;
    if (connected) {
        c->metrics->redis.connections++;
        srv_log(c->hub->log, SRV_LOG_INFO, "redis: connected to %s:%u", c->options.host, (unsigned)c->options.port);
    }
}

/* --- awaited replies --- */

static struct srv_awaited *await_at(struct srv_cluster *c, size_t i)
{
    return &c->awaited[(c->awaited_first + i) % c->awaited_size];
}

static bool await_grow(struct srv_cluster *c)
{
    if (c->awaited_count < c->awaited_size)
        return true;
    if (c->awaited_count >= SRV_CLUSTER_MAX_AWAITED)
        return false;
    size_t size = c->awaited_size ? c->awaited_size * 2 : 64;
    struct srv_awaited *ring = malloc(size * sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < c->awaited_count; i++)
        ring[i] = *await_at(c, i);
    free(c->awaited);
    c->awaited = ring;
    c->awaited_size = size;
    c->awaited_first = 0;
    return true;
}

static void await_add(struct srv_cluster *c, srv_cluster_reply *reply, void *context)
{
    if (!reply && c->awaited_count && !await_at(c, c->awaited_count - 1)->reply) {
        await_at(c, c->awaited_count - 1)->run++;
        return;
    }
    c->awaited_count++;
    *await_at(c, c->awaited_count - 1) = (struct srv_awaited){reply, context, 1};
}

/* The oldest one, off the ring. */
static struct srv_awaited await_take(struct srv_cluster *c)
{
    struct srv_awaited first = *await_at(c, 0);
    if (first.run > 1) {
        await_at(c, 0)->run--;
        return first;
    }
    c->awaited_first = (c->awaited_first + 1) % c->awaited_size;
    c->awaited_count--;
    return first;
}

static void await_none(struct srv_cluster *c)
{
    while (c->awaited_count) {
        struct srv_awaited first = await_take(c);
        if (first.reply)
            first.reply(first.context, NULL);
    }
}

bool srv_cluster_command(struct srv_cluster *c, const struct aivo_bytes *words, size_t count, srv_cluster_reply *reply,
                         void *context)
{
    if (!c->connected || c->stopped || !await_grow(c) || !srv_redis_link_send(&c->pub, words, count, 1))
        return false;
    await_add(c, reply, context);
    return true;
}

/* --- publishing --- */

static void drop(struct srv_cluster *c)
{
    c->metrics->redis.dropped++;
    srv_cluster_trouble(c, "a message for the other instances was dropped: too many wait already");
}

/* While Redis is away: kept for when it is back, within the bound. */
static void hold(struct srv_cluster *c, const struct aivo_bytes *words, size_t count)
{
    size_t before = c->held.len, size = 64;
    for (size_t i = 0; i < count; i++)
        size += words[i].len + 32;
    if (before + size > c->options.max_pending_bytes) {
        drop(c);
        return;
    }
    srv_resp_command(&c->held, words, count);
    if (c->held.failed) {
        c->held.failed = false;
        c->held.len = before;
        drop(c);
        return;
    }
    c->held_count++;
}

void srv_cluster_send(struct srv_cluster *c, struct aivo_bytes channel, const struct aivo_buf *payload)
{
    const struct aivo_bytes words[] = {WORD("PUBLISH"), channel, srv_buf_bytes(payload)};
    if (!c->wanted || c->stopped)
        return;
    if (payload->failed) {
        drop(c);
        return;
    }
    if (c->pub.state != SRV_REDIS_UP) {
        hold(c, words, 3);
        return;
    }
    if (!await_grow(c) || !srv_redis_link_send(&c->pub, words, 3, 1)) {
        drop(c);
        return;
    }
    await_add(c, NULL, NULL);
    c->metrics->redis.published++;
}

/* With an acknowledgement it is a request, and makes no sense later. */
static void publish_ask(struct srv_cluster *c, const struct srv_broadcast *broadcast, struct srv_cluster_packet packet)
{
    packet.flags.timeout_ms = broadcast->ask_timeout_ms;
    if (!c->connected)
        return;
    if (srv_cluster_write_ack_request(&c->message, c->uid, broadcast->ask_id, &packet, &c->scratch))
        srv_cluster_send(c, srv_buf_bytes(&srv_cluster_channels(c, broadcast->nsp)->request), &c->message);
    else
        drop(c);
}

void srv_cluster_publish(struct srv_cluster *c, const struct srv_broadcast *broadcast, const char *data,
                         size_t data_len)
{
    if (!c->wanted)
        return;
    struct srv_channels *channels = srv_cluster_channels(c, broadcast->nsp);
    const struct srv_cluster_packet packet = {
        .nsp = broadcast->nsp->name,
        .data = data,
        .data_len = data_len,
        .attachments = broadcast->args.attachments,
        .attachment_count = broadcast->args.attachment_count,
        .target = &broadcast->target,
        .flags = {.is_volatile = broadcast->is_volatile, .timeout_ms = SRV_CLUSTER_NO_TIMEOUT},
    };
    aivo_buf_clear(&c->message);
    aivo_buf_clear(&c->scratch);
    if (broadcast->wait) {
        publish_ask(c, broadcast, packet);
        return;
    }
    if (!srv_cluster_write_broadcast(&c->message, c->uid, &packet, &c->scratch)) {
        drop(c);
        return;
    }
    struct aivo_bytes channel = srv_buf_bytes(&channels->broadcast);
    if (broadcast->target.room_count == 1) { /* so that others need not read it */
        aivo_buf_clear(&c->scratch);
        aivo_buf_add(&c->scratch, channel.data, channel.len);
        aivo_buf_add(&c->scratch, broadcast->target.rooms[0].data, broadcast->target.rooms[0].len);
        aivo_buf_char(&c->scratch, '#');
        channel = srv_buf_bytes(&c->scratch);
    }
    srv_cluster_send(c, channel, &c->message);
}

/* --- the connection that publishes --- */

static void pub_up(struct srv_redis_link *link)
{
    struct srv_cluster *c = link->user;
    update_connected(c);
    if (!c->held.len)
        return;
    /* Whole commands, ready to be sent: behind what the link has queued itself. */
    aivo_buf_add(&link->out, c->held.data, c->held.len);
    if (!link->out.failed) {
        link->asked_ms = uv_now(link->loop);
        link->unanswered += c->held_count;
        c->metrics->redis.published += c->held_count;
        for (uint64_t i = 0; i < c->held_count && await_grow(c); i++)
            await_add(c, NULL, NULL);
    } else {
        srv_redis_link_fail(link, "out of memory");
    }
    c->held_count = 0;
    aivo_buf_free(&c->held);
}

static void link_down(struct srv_cluster *c, const char *why)
{
    c->hub->engine->now_ms = uv_now(c->pub.loop);
    bool was_connected = c->connected;
    unsigned left_out;
    update_connected(c);
    srv_metrics_error(c->metrics, SRV_ERROR_REDIS);
    if (!was_connected && strcmp(c->reason, why) == 0) /* still away: said once for each reason, counted each time */
        return;
    snprintf(c->reason, sizeof c->reason, "%s", why);
    if (!srv_log_enabled(c->hub->log, SRV_LOG_WARN) ||
        !srv_log_bounded(&c->complaints, COMPLAINTS, c->hub->engine->now_ms, &left_out))
        return;
    srv_log(c->hub->log, SRV_LOG_WARN, "redis: %s:%u is away: %s; this instance goes on alone", c->options.host,
            (unsigned)c->options.port, why);
}

static void pub_down(struct srv_redis_link *link, const char *why, bool was_up)
{
    struct srv_cluster *c = link->user;
    (void)was_up;
    link_down(c, why);
    await_none(c);
}

static void pub_reply(struct srv_redis_link *link, const struct srv_resp_reply *reply)
{
    struct srv_cluster *c = link->user;
    c->hub->engine->now_ms = uv_now(link->loop);
    if (!link->unanswered) {
        srv_redis_link_fail(link, "an answer that nobody asked for");
        return;
    }
    srv_redis_link_answered(link);
    if (link->pinged || !c->awaited_count) { /* the link's own question: asked only when nothing else was */
        link->pinged = false;
        return;
    }
    struct srv_awaited first = await_take(c);
    if (!reply->is_array && reply->items[0].type == SRV_RESP_ERROR) {
        char text[160];
        snprintf(text, sizeof text, "it refuses a command: %.100s", reply->items[0].text);
        srv_cluster_trouble(c, text);
    }
    if (first.reply)
        first.reply(first.context, reply);
}

/* --- the connection that listens --- */

static void subscribe(struct srv_cluster *c, const struct srv_channels *channels)
{
    const struct aivo_bytes pattern[] = {WORD("PSUBSCRIBE"), srv_buf_bytes(&channels->pattern)};
    const struct aivo_bytes names[] = {WORD("SUBSCRIBE"), srv_buf_bytes(&channels->request),
                                       srv_buf_bytes(&channels->response), srv_buf_bytes(&channels->own)};
    if (!srv_redis_link_send(&c->sub, pattern, 2, 1) || !srv_redis_link_send(&c->sub, names, 4, 3))
        srv_redis_link_fail(&c->sub, "out of memory");
}

static void sub_up(struct srv_redis_link *link)
{
    struct srv_cluster *c = link->user;
    c->confirmed = 0;
    for (unsigned i = 0; i < c->hub->nsp_count; i++)
        subscribe(c, &c->channels[i]);
}

static void sub_down(struct srv_redis_link *link, const char *why, bool was_up)
{
    struct srv_cluster *c = link->user;
    c->confirmed = 0;
    (void)was_up;
    link_down(c, why);
}

static struct aivo_bytes bytes_of(const struct srv_resp_item *item)
{
    return (struct aivo_bytes){item->text ? item->text : "", item->text ? item->len : 0};
}

static void sub_reply(struct srv_redis_link *link, const struct srv_resp_reply *reply)
{
    struct srv_cluster *c = link->user;
    const struct srv_resp_item *items = reply->items;
    if (reply->is_array && reply->count == 4 && srv_resp_is(&items[0], "pmessage")) {
        c->metrics->redis.received++;
        srv_cluster_receive(c, bytes_of(&items[2]), bytes_of(&items[3]));
    } else if (reply->is_array && reply->count == 3 && srv_resp_is(&items[0], "message")) {
        c->metrics->redis.received++;
        srv_cluster_receive(c, bytes_of(&items[1]), bytes_of(&items[2]));
    } else if (reply->is_array && reply->count == 3 && link->unanswered &&
               (srv_resp_is(&items[0], "subscribe") || srv_resp_is(&items[0], "psubscribe"))) {
        srv_redis_link_answered(link);
        c->confirmed++;
        update_connected(c);
    } else if (link->unanswered && (reply->is_array ? reply->count == 2 && srv_resp_is(&items[0], "pong")
                                                    : items[0].type == SRV_RESP_STATUS)) {
        srv_redis_link_answered(link);
    } else {
        char why[160];
        bool error = !reply->is_array && items[0].type == SRV_RESP_ERROR;
        snprintf(why, sizeof why, error ? "it refuses a subscription: %.100s" : "it sends what no Redis does",
                 error ? items[0].text : "");
        srv_redis_link_fail(link, why);
    }
}

/* --- start and end --- */

void srv_cluster_new_id(struct srv_cluster *c, char out[SRV_CLUSTER_ID_LEN + 1])
{
    char id[SRV_SID_LEN + 1];
    srv_engine_new_id(c->hub->engine, id);
    memcpy(out, id, SRV_CLUSTER_ID_LEN);
    out[SRV_CLUSTER_ID_LEN] = '\0';
}

struct srv_channels *srv_cluster_channels(struct srv_cluster *c, const struct srv_nsp *nsp)
{
    return &c->channels[nsp - c->hub->nsps];
}

static void channel_name(struct aivo_buf *out, const char *prefix, const char *kind, const char *nsp, const char *more)
{
    aivo_buf_init(out);
    aivo_buf_str(out, prefix);
    aivo_buf_str(out, kind);
    aivo_buf_char(out, '#');
    aivo_buf_str(out, nsp);
    aivo_buf_char(out, '#');
    aivo_buf_str(out, more);
}

static bool name_channels(struct srv_cluster *c)
{
    char own[SRV_CLUSTER_ID_LEN + 2];
    const char *prefix = c->hub->config->redis_prefix ? c->hub->config->redis_prefix : "socket.io";
    snprintf(own, sizeof own, "%s#", c->uid);
    bool good = true;
    for (unsigned i = 0; i < c->hub->nsp_count; i++) {
        struct srv_channels *channels = &c->channels[i];
        const char *nsp = c->hub->nsps[i].name;
        channels->nsp = &c->hub->nsps[i];
        channel_name(&channels->broadcast, prefix, "", nsp, "");
        channel_name(&channels->pattern, prefix, "", nsp, "*");
        channel_name(&channels->request, prefix, "-request", nsp, "");
        channel_name(&channels->response, prefix, "-response", nsp, "");
        channel_name(&channels->own, prefix, "-response", nsp, own);
        good &= !channels->broadcast.failed && !channels->pattern.failed && !channels->request.failed &&
                !channels->response.failed && !channels->own.failed;
    }
    c->subscriptions = c->hub->nsp_count * 4;
    return good;
}

static size_t at_least(size_t least, size_t size)
{
    size = size > least ? size : least;
    return size < MOST_BYTES ? size : MOST_BYTES;
}

struct srv_cluster *srv_cluster_new(struct srv_hub *hub, uv_loop_t *loop)
{
    static const struct srv_redis_hooks pub_hooks = {pub_up, pub_down, pub_reply},
                                        sub_hooks = {sub_up, sub_down, sub_reply};
    const struct srv_config *config = hub->config;
    struct srv_cluster *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    hub->cluster = c;
    c->hub = hub;
    c->metrics = hub->metrics;
    c->wanted = config->redis_host != NULL;
    c->metrics->redis.wanted = c->wanted;
    c->options = (struct srv_redis_options){
        .host = config->redis_host,
        .username = config->redis_username,
        .password = config->redis_password,
        .port = config->redis_port,
        .max_reply_bytes = at_least(SRV_CLUSTER_MAX_MESSAGE, (size_t)config->max_payload_bytes * SRV_HUB_MAX_ASSEMBLY),
        .max_pending_bytes =
            at_least(SRV_CLUSTER_MAX_PENDING, (size_t)config->max_payload_bytes * SRV_HUB_MAX_ASSEMBLY),
    };
    srv_cluster_in_init(&c->in);
    srv_cluster_new_id(c, c->uid);
    srv_asks_init(c);
    srv_claims_init(c);
    if (!name_channels(c))
        return NULL;
    if (c->wanted && (!srv_redis_link_start(&c->pub, loop, &c->options, &pub_hooks, hub->engine->random, c) ||
                      !srv_redis_link_start(&c->sub, loop, &c->options, &sub_hooks, hub->engine->random, c)))
        return NULL;
    return c;
}

void srv_cluster_stop(struct srv_cluster *c)
{
    if (!c || c->stopped)
        return;
    if (c->wanted) {
        srv_cluster_flush(c);
        srv_redis_link_stop(&c->pub);
        srv_redis_link_stop(&c->sub);
    }
    c->stopped = true;
    srv_asks_free(c);
    await_none(c);
    srv_claims_free(c); /* those that no reply waits for */
}

void srv_cluster_destroy(struct srv_cluster *c)
{
    if (!c)
        return;
    srv_redis_link_free(&c->pub);
    srv_redis_link_free(&c->sub);
    for (unsigned i = 0; i < SRV_HUB_MAX_NSPS; i++) {
        struct srv_channels *channels = &c->channels[i];
        aivo_buf_free(&channels->broadcast);
        aivo_buf_free(&channels->pattern);
        aivo_buf_free(&channels->request);
        aivo_buf_free(&channels->response);
        aivo_buf_free(&channels->own);
    }
    srv_cluster_in_free(&c->in);
    aivo_buf_free(&c->held);
    aivo_buf_free(&c->message);
    aivo_buf_free(&c->scratch);
    free(c->awaited);
    free(c);
}

void srv_cluster_flush(struct srv_cluster *c)
{
    if (!c || !c->wanted || c->stopped)
        return;
    srv_redis_link_flush(&c->pub);
    srv_redis_link_flush(&c->sub);
}

bool srv_cluster_wanted(const struct srv_cluster *c)
{
    return c && c->wanted;
}

bool srv_cluster_connected(const struct srv_cluster *c)
{
    return c && c->connected;
}

bool srv_cluster_resolving(const struct srv_cluster *c)
{
    return c && (c->pub.resolving || c->sub.resolving);
}
