#include "settings.h"

#include "error_internal.h"
#include "httphead.h"
#include "json.h"
#include "msgid.h"
#include "proxy.h"
#include "sized.h"
#include "socketio.h"
#include "store.h"
#include "transport.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 1024

static const struct aivo_options *defaults(void)
{
    static const struct aivo_options options = {
        .size = sizeof options,
        .path = "/socket.io/",
        .nsp = "/",
        .auth_timeout_ms = 30000,
        .connect_timeout_ms = 10000,
        .handshake_timeout_ms = 10000,
        .max_payload_bytes = 16u << 20,
        .max_send_buffer_bytes = 16u << 20,
        .recovery = true,
        .watch_network = true,
        .reconnect = {.enabled = true, .floor_ms = 250, .base_ms = 1000, .cap_ms = 30000, .stable_after_ms = 10000},
        .queue = {.max_messages = 100,
                  .ttl_s = 86400,
                  .max_retries = 3,
                  .window = 64,
                  .ack_timeout_ms = 10000,
                  .retry_base_ms = 1000,
                  .retry_cap_ms = 30000,
                  .message_id_key = "messageId",
                  .max_dead = 1000},
        .quality = {.enabled = true,
                    .interval_ms = 10000,
                    .timeout_ms = 5000,
                    .quality_ping = true,
                    .profile = AIVO_PROFILE_STANDARD,
                    .window = 10,
                    .thresholds = {100, 250, 500}},
    };
    return &options;
}

void aivo_options_init_sized(struct aivo_options *o, size_t size)
{
    aivo_sized_out(o, size, defaults(), sizeof *o);
}

/* The strings of the options, so that copying them is one loop. */
static size_t strings_of(struct aivo_options *o, const char **list[16])
{
    size_t n = 0;
    list[n++] = &o->url;
    list[n++] = &o->path;
    list[n++] = &o->nsp;
    list[n++] = &o->subprotocol;
    list[n++] = &o->headers;
    list[n++] = &o->auth;
    list[n++] = &o->proxy;
    list[n++] = &o->tls.ca_file;
    list[n++] = &o->tls.cert_file;
    list[n++] = &o->tls.key_file;
    list[n++] = &o->tls.pin;
    list[n++] = &o->queue.path;
    list[n++] = &o->queue.message_id_key;
    return n;
}

static enum aivo_status copy_strings(struct aivo_settings *s, struct aivo_error *err)
{
    const char **list[16];
    size_t n = strings_of(&s->options, list);
    s->copies = calloc(n, sizeof *s->copies);
    if (!s->copies)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the options");
    for (size_t i = 0; i < n; i++) {
        if (!*list[i])
            continue;
        char *copy = strdup(*list[i]);
        if (!copy)
            return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the options");
        s->copies[s->copy_count++] = copy;
        *list[i] = copy;
    }
    return AIVO_OK;
}

struct range {
    const char *name;
    uint64_t value, least, most;
};

static enum aivo_status check_ranges(const struct aivo_options *o, struct aivo_error *err)
{
    const uint64_t hour = 3600000, day = 24 * hour;
    const struct range ranges[] = {
        {"auth_timeout_ms", o->auth_timeout_ms, 1, day},
        {"connect_timeout_ms", o->connect_timeout_ms, 1, day},
        {"handshake_timeout_ms", o->handshake_timeout_ms, 1, day},
        {"max_payload_bytes", o->max_payload_bytes, 1024, 1u << 30},
        {"max_send_buffer_bytes", o->max_send_buffer_bytes, 1024, 1u << 30},
        {"reconnect.cap_ms", o->reconnect.cap_ms, 1, day},
        {"reconnect.floor_ms", o->reconnect.floor_ms, 0, o->reconnect.cap_ms},
        {"reconnect.base_ms", o->reconnect.base_ms, 1, day},
        {"reconnect.stable_after_ms", o->reconnect.stable_after_ms, 0, day},
        {"queue.max_messages", o->queue.max_messages, 1, 10000000},
        {"queue.ttl_s", o->queue.ttl_s, 0, UINT32_MAX},
        {"queue.window", o->queue.window, 1, 1024},
        {"queue.ack_timeout_ms", o->queue.ack_timeout_ms, 1, day},
        {"queue.retry_base_ms", o->queue.retry_base_ms, 1, day},
        {"queue.retry_cap_ms", o->queue.retry_cap_ms, 1, day},
        {"quality.interval_ms", o->quality.interval_ms, 100, hour},
        {"quality.timeout_ms", o->quality.timeout_ms, 100, hour},
        {"quality.window", o->quality.window, 3, 60},
        {"quality.profile", o->quality.profile, AIVO_PROFILE_STANDARD, AIVO_PROFILE_CLASSIC},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *r = &ranges[i];
        if (r->value < r->least || r->value > r->most)
            return aivo_error_set(err, AIVO_E_INVALID, 0, "option %s is %llu: it must be %llu..%llu", r->name,
                                  (unsigned long long)r->value, (unsigned long long)r->least,
                                  (unsigned long long)r->most);
    }
    const struct aivo_quality_thresholds *t = &o->quality.thresholds;
    if (!(t->excellent_ms > 0 && t->excellent_ms < t->good_ms && t->good_ms < t->fair_ms))
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option quality.thresholds: they must be positive and ascending");
    return AIVO_OK;
}

static bool has_control_bytes(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static enum aivo_status check_queues(const struct aivo_queue_options *o, struct aivo_error *err)
{
    const char *key = o->message_id_key;
    if (key && (strlen(key) > AIVO_MSGID_KEY_MAX || !aivo_utf8_valid(key, strlen(key))))
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option queue.message_id_key: at most %d bytes of UTF-8",
                              AIVO_MSGID_KEY_MAX);
    if ((unsigned)o->overflow > AIVO_OVERFLOW_REJECT)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option queue.overflow has no such value: %d", (int)o->overflow);
    for (size_t i = 0; i < o->queue_count; i++) {
        const struct aivo_queue_policy *p = &o->queues[i];
        size_t len = p->name ? strnlen(p->name, AIVO_STORE_NAME_MAX + 1) : 0;
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= p->name && strcmp(o->queues[k].name, p->name) == 0;
        if (len == 0 || len > AIVO_STORE_NAME_MAX || !aivo_utf8_valid(p->name, len) || again)
            return aivo_error_set(err, AIVO_E_INVALID, 0,
                                  "option queue.queues: number %zu has no valid name, or one that is there twice", i);
        if (p->max_messages < 1 || p->max_messages > 10000000 || p->window < 1 || p->window > 1024 ||
            (unsigned)p->overflow > AIVO_OVERFLOW_REJECT)
            return aivo_error_set(err, AIVO_E_INVALID, 0, "option queue.queues: '%s' has a value out of range",
                                  p->name);
    }
    return AIVO_OK;
}

/* The policies, with the defaults of what the caller does not know of. His array's stride is his struct's size. */
static enum aivo_status take_policies(struct aivo_settings *s, struct aivo_error *err)
{
    struct aivo_queue_options *o = &s->options.queue;
    if (o->queue_count > AIVO_SETTINGS_QUEUES_MAX)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option queue.queue_count is %zu: it must be 0..%d",
                              o->queue_count, AIVO_SETTINGS_QUEUES_MAX);
    if (o->queue_count > 0 && !o->queues)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option queue.queues is NULL, and queue.queue_count %zu",
                              o->queue_count);
    const char *given = (const char *)o->queues;
    size_t stride = o->queue_count > 0 ? o->queues->size : 0;
    for (size_t i = 0; i < o->queue_count; i++, given += stride) {
        struct aivo_queue_policy *full = &s->policies[i];
        aivo_queue_policy_init(full);
        if (!aivo_sized_in(full, sizeof *full, given, stride, AIVO_SIZE_THROUGH(struct aivo_queue_policy, window)))
            return aivo_error_set(err, AIVO_E_INVALID, 0,
                                  "option queue.queues: fill each with aivo_queue_policy_init()");
    }
    o->queues = s->policies;
    return AIVO_OK;
}

static enum aivo_status check_texts(const struct aivo_options *o, struct aivo_error *err)
{
    if (o->protocol != AIVO_PROTOCOL_SOCKETIO && o->protocol != AIVO_PROTOCOL_WEBSOCKET)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option protocol has no such value: %d", (int)o->protocol);
    if (o->callbacks != AIVO_CALLBACKS_SERVICE && o->callbacks != AIVO_CALLBACKS_DISPATCH)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option callbacks has no such value: %d", (int)o->callbacks);
    if (o->path && strlen(o->path) > PATH_MAX_BYTES)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option path is %zu bytes long: %d is the limit", strlen(o->path),
                              PATH_MAX_BYTES);
    if (o->nsp && strlen(o->nsp) > AIVO_SIO_MAX_NAMESPACE)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option nsp is %zu bytes long: %d is the limit", strlen(o->nsp),
                              (int)AIVO_SIO_MAX_NAMESPACE);
    if (o->path && (o->path[0] != '/' || has_control_bytes(o->path) || strpbrk(o->path, " ?#")))
        return aivo_error_set(err, AIVO_E_INVALID, 0,
                              "option path '%.100s': it must begin with '/', without spaces, '?' and '#'", o->path);
    if (!o->nsp || o->nsp[0] != '/' || has_control_bytes(o->nsp) || strchr(o->nsp, ','))
        return aivo_error_set(err, AIVO_E_INVALID, 0,
                              "option nsp '%.100s': a namespace begins with '/' and has no comma",
                              o->nsp ? o->nsp : "");
    if (o->auth) {
        size_t at = 0;
        struct aivo_json json = aivo_json_parse(o->auth, strlen(o->auth), &at);
        if (json.type == AIVO_JSON_NONE)
            return aivo_error_set(err, AIVO_E_INVALID, 0, "option auth is no valid JSON (at byte %zu)", at);
        if (json.type != AIVO_JSON_OBJECT)
            return aivo_error_set(err, AIVO_E_INVALID, 0, "option auth must be a JSON object");
    }
    enum aivo_status status = check_queues(&o->queue, err);
    if (status != AIVO_OK)
        return status;
    if (!o->tls.cert_file != !o->tls.key_file)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "options tls.cert_file and tls.key_file go together");
    return AIVO_OK;
}

/* What every attempt would be refused for, with the reason as the dialling has it. */
static enum aivo_status check_request(const struct aivo_settings *s, struct aivo_error *err)
{
    const struct aivo_options *o = &s->options;
    struct aivo_error why;
    struct aivo_proxy proxy;
    const char *option = NULL;
    if (aivo_upgrade_check("/", NULL, o->headers, &why) != AIVO_OK)
        option = "headers";
    else if (aivo_upgrade_check("/", o->subprotocol, NULL, &why) != AIVO_OK)
        option = "subprotocol";
    else if (aivo_upgrade_check(s->target, NULL, NULL, &why) != AIVO_OK)
        option = o->protocol == AIVO_PROTOCOL_SOCKETIO ? "path" : "url";
    else if (o->proxy && *o->proxy && aivo_proxy_parse(o->proxy, &proxy, &why) != AIVO_OK)
        option = "proxy";
    return option ? aivo_error_set(err, AIVO_E_INVALID, 0, "option %s: %.200s", option, why.message) : AIVO_OK;
}

/* What is requested from the server: the path, and over Socket.IO the transport's query. */
static enum aivo_status build_target(struct aivo_settings *s, struct aivo_error *err)
{
    const struct aivo_options *o = &s->options;
    const struct aivo_url *url = &s->url;
    bool socketio = o->protocol == AIVO_PROTOCOL_SOCKETIO;
    const char *path = o->path ? o->path : "/socket.io/";
    if (socketio && strcmp(url->path, "/") != 0 && strcmp(url->path, path) != 0)
        return aivo_error_set(err, AIVO_E_INVALID, 0,
                              "the URL's path '%.80s' is not used over Socket.IO: name a namespace or the endpoint's "
                              "path by their own options",
                              url->path);
    if (!socketio)
        path = url->path;
    const char *between = url->query[0] ? "&" : "";
    int n = asprintf(&s->target, "%s%s%s%s%s", path, socketio || url->query[0] ? "?" : "", url->query,
                     socketio ? between : "", socketio ? "EIO=4&transport=websocket" : "");
    if (n < 0) {
        s->target = NULL;
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the options");
    }
    return AIVO_OK;
}

enum aivo_status aivo_settings_init(struct aivo_settings *s, const struct aivo_options *options, struct aivo_error *err)
{
    memset(s, 0, sizeof *s);
    s->options = *defaults();
    if (!aivo_sized_in(&s->options, sizeof s->options, options, options->size,
                       AIVO_SIZE_THROUGH(struct aivo_options, quality)))
        return aivo_error_set(err, AIVO_E_INVALID, 0, "the options were not filled with aivo_options_init()");
    if (!options->url)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "option url is missing");
    enum aivo_status status = aivo_url_parse(options->url, &s->url, err);
    if (status == AIVO_OK)
        status = check_ranges(&s->options, err);
    if (status == AIVO_OK)
        status = take_policies(s, err);
    if (status == AIVO_OK)
        status = check_texts(&s->options, err);
    if (status == AIVO_OK && s->url.tls)
        status = aivo_tls_check(&s->options.tls, err);
    if (status == AIVO_OK)
        status = build_target(s, err);
    if (status == AIVO_OK)
        status = check_request(s, err);
    if (status == AIVO_OK)
        status = copy_strings(s, err);
    if (status != AIVO_OK)
        aivo_settings_free(s);
    return status;
}

void aivo_settings_free(struct aivo_settings *s)
{
    for (size_t i = 0; i < s->copy_count; i++)
        free(s->copies[i]);
    free(s->copies);
    free(s->target);
    memset(s, 0, sizeof *s);
}
