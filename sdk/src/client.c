/* The public face: creating, destroying, and calls that leave a command in the inbox. */
#include "client_internal.h"

#include "clock.h"
#include "error_internal.h"
#include "history.h"
#include "sized.h"
#include <aivo/aivo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *aivo_version(void)
{
    return AIVO_VERSION_TEXT;
}

const char *aivo_state_name(enum aivo_state state)
{
    static const char *const names[] = {"disconnected", "connecting", "connected", "reconnecting", "closing", "failed"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

static void wake_queue_owner(void *user)
{
    struct aivo_client *c = user;
    aivo_task_wake(&c->task);
}

static enum aivo_status create_session(struct aivo_client *c, struct aivo_error *err)
{
    const struct aivo_options *o = &c->settings.options;
    struct aivo_session_config config = {
        .protocol = o->protocol,
        .nsp = o->nsp,
        .reconnect = o->reconnect,
        .ask_auth = o->auth_fn && o->protocol == AIVO_PROTOCOL_SOCKETIO,
        .auth = o->auth,
        .auth_timeout_ms = o->auth_timeout_ms,
        .connect_timeout_ms = o->connect_timeout_ms,
        .handshake_timeout_ms = o->handshake_timeout_ms,
        .max_payload_bytes = o->max_payload_bytes,
        .recovery = o->recovery,
    };
    /* A plain WebSocket has no heartbeat of its own: our probes are answered, or it is dead. */
    if (o->protocol == AIVO_PROTOCOL_WEBSOCKET && o->quality.enabled)
        config.silence_ms = 2 * o->quality.interval_ms + o->quality.timeout_ms;
    c->session = aivo_session_create(&config);
    c->acks = aivo_acks_create();
    aivo_quality_init(&c->quality, &o->quality);
    if (!c->session || !c->acks)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a client");
    return AIVO_OK;
}

static enum aivo_status join_loop(struct aivo_client *c, struct aivo_error *err)
{
    struct aivo_loop *loop = c->settings.options.loop;
    if (loop) {
        aivo_loop_ref(loop);
    } else {
        enum aivo_status status = aivo_loop_create(&loop, err);
        if (status != AIVO_OK)
            return status;
    }
    aivo_task_init(&c->task, loop, aivo_client_turn);
    return AIVO_OK;
}

static void free_parts(struct aivo_client *c)
{
    if (c->queue)
        aivo_queue_close(c->queue);
    aivo_session_destroy(c->session);
    aivo_acks_destroy(c->acks);
    aivo_dispatch_free(&c->dispatch);
    aivo_inbox_free(&c->inbox);
    aivo_callbacks_free(&c->callbacks);
    aivo_buf_free(&c->out);
    aivo_buf_free(&c->in);
    aivo_buf_free(&c->name);
    aivo_settings_free(&c->settings);
    pthread_mutex_destroy(&c->lock);
    if (c->task.loop)
        aivo_loop_unref(c->task.loop);
    free(c);
}

static enum aivo_status open_queue(struct aivo_client *c, struct aivo_error *err)
{
    struct aivo_queue_options options = c->settings.options.queue;
    if (c->settings.options.protocol == AIVO_PROTOCOL_WEBSOCKET)
        options.message_id_key = NULL;       /* it is in the envelope */
    c->settings.options.queue.queues = NULL; /* the caller's: read for the last time here */
    return aivo_queue_open(&options, NULL, wake_queue_owner, c, &c->queue, err);
}

enum aivo_status aivo_client_create(const struct aivo_options *options, struct aivo_client **out,
                                    struct aivo_error *err)
{
    if (!options || !out)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "%s is NULL", options ? "out" : "options");
    struct aivo_client *c = calloc(1, sizeof *c);
    if (!c)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a client");
    pthread_mutex_init(&c->lock, NULL);
    aivo_inbox_init(&c->inbox);
    atomic_init(&c->state, AIVO_STATE_DISCONNECTED);
    atomic_init(&c->log_most, AIVO_LOG_NOTHING);
    atomic_init(&c->retry_at_us, AIVO_NEVER);
    atomic_init(&c->max_payload, 0);
    atomic_init(&c->generation, 0);
    atomic_init(&c->created, false);
    bool by_dispatch = options->callbacks == AIVO_CALLBACKS_DISPATCH;
    enum aivo_status status = aivo_dispatch_init(&c->dispatch, by_dispatch, err);
    if (status == AIVO_OK)
        status = aivo_settings_init(&c->settings, options, err);
    if (status == AIVO_OK)
        status = create_session(c, err);
    if (status == AIVO_OK)
        status = join_loop(c, err);
    if (status == AIVO_OK && (c->settings.options.queue.path || c->settings.options.queue.memory_only))
        status = open_queue(c, err);
    if (status != AIVO_OK) {
        free_parts(c);
        return status;
    }
    const struct aivo_instant at = aivo_instant_now();
    c->snapshot.time_ms = at.unix_ms;
    aivo_quality_snapshot(&c->quality, at.now_us, &c->snapshot);
    atomic_store(&c->created, true);
    aivo_task_wake(&c->task); /* the queue may have asked for it already */
    *out = c;
    return AIVO_OK;
}

/* The end, on the loop's thread, with none of the client's own callbacks on the stack. */
static void destroy_here(struct aivo_client *c)
{
    aivo_client_teardown(c);
    if (c->dispatch.fd >= 0)
        aivo_client_last_words(c);
    free_parts(c);
}

/* From another thread: the loop takes the client down, then it is ours alone. */
static void destroy_from_outside(struct aivo_client *c)
{
    struct aivo_dispatch *d = &c->dispatch;
    pthread_mutex_lock(&d->lock);
    d->closed = true;
    bool inside = d->depth > 0 && pthread_equal(d->runner, pthread_self());
    if (inside)
        d->destroy_asked = true; /* aivo_client_dispatch() does it when its callback returns */
    pthread_mutex_unlock(&d->lock);
    if (inside)
        return;
    struct aivo_teardown done = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct aivo_command command = {.type = AIVO_CMD_DESTROY, .user = &done};
    aivo_inbox_put(&c->inbox, &command);
    aivo_task_wake(&c->task);
    pthread_mutex_lock(&done.lock);
    while (!done.finished)
        pthread_cond_wait(&done.cond, &done.lock);
    pthread_mutex_unlock(&done.lock);
    if (c->dispatch.fd >= 0)
        aivo_client_last_words(c);
    free_parts(c);
}

void aivo_client_destroy(struct aivo_client *c)
{
    if (!c || aivo_loop_inherited(c->task.loop))
        return;
    if (!aivo_loop_here(c->task.loop)) {
        destroy_from_outside(c);
    } else if (c->callback_depth > 0) {
        c->destroy_asked = true;
        aivo_task_wake(&c->task); /* its next turn is the last */
    } else {
        destroy_here(c);
    }
}

void aivo_client_finish(struct aivo_client *c)
{
    destroy_here(c);
}

/* Leaves a copy of the command in the inbox. */
static enum aivo_status leave(struct aivo_client *c, const struct aivo_command *like)
{
    if (!c)
        return AIVO_E_INVALID;
    struct aivo_command *command = aivo_command_copy(like);
    if (!command)
        return AIVO_E_MEMORY;
    aivo_inbox_put(&c->inbox, command);
    aivo_task_wake(&c->task);
    return AIVO_OK;
}

enum aivo_status aivo_client_start(struct aivo_client *c)
{
    return leave(c, &(struct aivo_command){.type = AIVO_CMD_START});
}

enum aivo_status aivo_client_stop(struct aivo_client *c)
{
    return leave(c, &(struct aivo_command){.type = AIVO_CMD_STOP});
}

enum aivo_status aivo_client_record(struct aivo_client *c, struct aivo_history *history)
{
    if (!c || !history)
        return AIVO_E_INVALID;
    if (c->history || atomic_load(&c->state) != AIVO_STATE_DISCONNECTED)
        return AIVO_E_STATE;
    if (aivo_history_only_reads(history))
        return AIVO_E_INVALID;
    c->history = history;
    aivo_history_attach(history, &c->quality);
    return AIVO_OK;
}

enum aivo_status aivo_client_quality_start(struct aivo_client *c)
{
    return leave(c, &(struct aivo_command){.type = AIVO_CMD_QUALITY_START});
}

enum aivo_status aivo_client_quality_stop(struct aivo_client *c)
{
    return leave(c, &(struct aivo_command){.type = AIVO_CMD_QUALITY_STOP});
}

void aivo_client_retry_now(struct aivo_client *c)
{
    leave(c, &(struct aivo_command){.type = AIVO_CMD_RETRY});
}

enum aivo_status aivo_client_auth(struct aivo_client *c, const char *payload)
{
    if (!c)
        return AIVO_E_INVALID;
    if (!payload && !c->settings.options.auth_fn)
        return AIVO_E_STATE; /* nobody asks */
    if (payload && aivo_json_parse(payload, strlen(payload), NULL).type != AIVO_JSON_OBJECT)
        return AIVO_E_INVALID;
    return leave(
        c, &(struct aivo_command){.type = AIVO_CMD_AUTH, .text = payload, .text_len = payload ? strlen(payload) : 0});
}

enum aivo_state aivo_client_state(struct aivo_client *c)
{
    if (!c)
        return AIVO_STATE_DISCONNECTED;
    return (enum aivo_state)atomic_load(&c->state);
}

int64_t aivo_client_retry_in(struct aivo_client *c)
{
    int64_t at = c ? atomic_load(&c->retry_at_us) : AIVO_NEVER, now = aivo_clock_us();
    if (at == AIVO_NEVER)
        return -1;
    return at > now ? (at - now + 999) / 1000 : 0;
}

void aivo_client_last_error(struct aivo_client *c, struct aivo_error *out)
{
    if (!c) {
        *out = (struct aivo_error){.status = AIVO_OK};
        return;
    }
    pthread_mutex_lock(&c->lock);
    *out = c->last_error;
    pthread_mutex_unlock(&c->lock);
}

void aivo_client_sid(struct aivo_client *c, char *out, size_t size)
{
    if (size == 0)
        return;
    *out = '\0';
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    strncpy(out, c->sid, size - 1);
    out[size - 1] = '\0';
    pthread_mutex_unlock(&c->lock);
}

void aivo_client_on_state(struct aivo_client *c, aivo_state_fn fn, void *user)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->callbacks.on_state = fn;
    c->callbacks.state_user = user;
    pthread_mutex_unlock(&c->lock);
}

void aivo_client_on_quality(struct aivo_client *c, aivo_quality_fn on_sample, aivo_quality_fn on_level, void *user)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->callbacks.on_sample = on_sample;
    c->callbacks.on_level = on_level;
    c->callbacks.quality_user = user;
    pthread_mutex_unlock(&c->lock);
}

void aivo_client_on_fate(struct aivo_client *c, aivo_fate_fn fn, void *user)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->callbacks.on_fate = fn;
    c->callbacks.fate_user = user;
    pthread_mutex_unlock(&c->lock);
}

void aivo_client_on_notice(struct aivo_client *c, aivo_notice_fn fn, void *user)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->callbacks.on_notice = fn;
    c->callbacks.notice_user = user;
    pthread_mutex_unlock(&c->lock);
    aivo_task_wake(&c->task); /* the queue may have something to say since it was opened */
}

enum aivo_status aivo_client_on(struct aivo_client *c, const char *event, aivo_event_fn fn, void *user)
{
    if (!c || (event && (!*event || strlen(event) > AIVO_EVENT_NAME_MAX)))
        return AIVO_E_INVALID;
    pthread_mutex_lock(&c->lock);
    enum aivo_status status = aivo_callbacks_on(&c->callbacks, event, fn, user);
    pthread_mutex_unlock(&c->lock);
    return status;
}

void aivo_client_quality_sized(struct aivo_client *c, struct aivo_quality *out, size_t size)
{
    struct aivo_quality q = {.size = sizeof q};
    if (c) {
        pthread_mutex_lock(&c->lock);
        q = c->snapshot;
        pthread_mutex_unlock(&c->lock);
        aivo_client_add_queue(c, &q);
    } else {
        struct aivo_options defaults;
        struct aivo_quality_core nothing; /* was ever measured */
        aivo_options_init(&defaults);
        aivo_quality_init(&nothing, &defaults.quality);
        aivo_quality_snapshot(&nothing, 0, &q);
    }
    aivo_sized_out(out, size, &q, sizeof q);
}
