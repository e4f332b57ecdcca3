#include "client_internal.h"
#include "error_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A callback with its arguments: on the stack it borrows them, in the queue it owns them (behind the struct). */
enum note_kind {
    NOTE_STATE,
    NOTE_AUTH,
    NOTE_EVENT,
    NOTE_ACK,
    NOTE_QUALITY,
    NOTE_FATE,
    NOTE_NOTICE,
    NOTE_QUEUE,
    NOTE_STORED
};
struct aivo_note {
    struct aivo_note *next;
    enum note_kind kind;
    enum aivo_state from, to;
    struct aivo_error error; /* STATE, NOTICE */
    bool has_error;
    enum aivo_auth_reason reason;
    struct aivo_message message; /* EVENT, ACK */
    bool has_message;
    struct aivo_attachment attachments[AIVO_SIO_MAX_ATTACHMENTS];
    aivo_ack_fn ack;
    void *ack_user;
    enum aivo_status status;
    struct aivo_quality quality;
    bool level_changed, sampled;
    struct aivo_queued queued; /* FATE */
    enum aivo_fate fate;
    const char *answer;
    struct queue_message *receipt; /* FATE in the queue: its texts are there */
    enum aivo_queue_event event;   /* QUEUE */
    aivo_stored_fn stored;         /* STORED; status, error and queued.id go with it */
    void *stored_user;
};

enum aivo_status aivo_dispatch_init(struct aivo_dispatch *d, bool with_fd, struct aivo_error *err)
{
    *d = (struct aivo_dispatch){.fd = -1};
    d->last = &d->first;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->idle, NULL);
    if (with_fd && (d->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        return aivo_error_set(err, AIVO_E_SYSTEM, errno, "no file descriptor for the callbacks: %s", strerror(errno));
    return AIVO_OK;
}

void aivo_dispatch_free(struct aivo_dispatch *d)
{
    while (d->first) {
        struct aivo_note *next = d->first->next;
        free(d->first);
        d->first = next;
    }
    if (d->fd >= 0)
        close(d->fd);
    pthread_cond_destroy(&d->idle);
    pthread_mutex_destroy(&d->lock);
}

static void run_event(struct aivo_client *c, const struct aivo_note *n)
{
    pthread_mutex_lock(&c->lock);
    aivo_event_fn any = c->callbacks.on_any;
    void *any_user = c->callbacks.any_user;
    const struct aivo_handler *h = aivo_callbacks_find(&c->callbacks, n->message.event);
    aivo_event_fn fn = h ? h->fn : NULL;
    void *user = h ? h->user : NULL;
    pthread_mutex_unlock(&c->lock);
    if (any)
        any(c, &n->message, any_user);
    if (fn && !c->dispatch.destroy_asked && !c->destroy_asked)
        fn(c, &n->message, user);
}

static void run_quality(struct aivo_client *c, const struct aivo_callbacks_set *set, const struct aivo_note *n)
{
    if (n->sampled && set->on_sample)
        set->on_sample(c, &n->quality, set->quality_user);
    if (n->level_changed && set->on_level && !c->dispatch.destroy_asked && !c->destroy_asked)
        set->on_level(c, &n->quality, set->quality_user);
}

/* The callback for a message's fate, besides the one for all. */
static aivo_queued_fn fate_callback(const struct aivo_queue_callbacks *set, enum aivo_fate fate)
{
    switch (fate) {
    case AIVO_FATE_ACKNOWLEDGED:
        return set->acknowledged;
    case AIVO_FATE_EXPIRED:
        return set->expired;
    case AIVO_FATE_EVICTED:
        return set->evicted;
    case AIVO_FATE_REPLACED:
        return set->replaced;
    case AIVO_FATE_DEAD:
    case AIVO_FATE_UNREADABLE:
        break;
    }
    return set->dead;
}

static void run_fate(struct aivo_client *c, const struct aivo_callbacks_set *set, const struct aivo_note *n)
{
    aivo_queued_fn fn = fate_callback(&set->queue, n->fate);
    if (set->on_fate)
        set->on_fate(c, &n->queued, n->fate, n->answer, set->fate_user);
    if (fn && !c->dispatch.destroy_asked && !c->destroy_asked)
        fn(c, &n->queued, n->answer, set->queue.user);
}

static void run_queue(struct aivo_client *c, const struct aivo_callbacks_set *set, const struct aivo_note *n)
{
    aivo_queued_fn fn = n->event == AIVO_QUEUE_QUEUED ? set->queue.queued : set->queue.sent;
    if (fn)
        fn(c, &n->queued, NULL, set->queue.user);
}

static void run_note(struct aivo_client *c, const struct aivo_note *n)
{
    if (n->kind == NOTE_ACK) {
        n->ack(c, n->status, n->has_message ? &n->message : NULL, n->ack_user);
        return;
    }
    if (n->kind == NOTE_STORED) {
        n->stored(c, n->status, &n->queued.id, n->has_error ? &n->error : NULL, n->stored_user);
        return;
    }
    if (n->kind == NOTE_EVENT) {
        run_event(c, n);
        return;
    }
    pthread_mutex_lock(&c->lock);
    struct aivo_callbacks_set set = c->callbacks;
    pthread_mutex_unlock(&c->lock);
    switch (n->kind) {
    case NOTE_STATE:
        if (set.on_state)
            set.on_state(c, n->from, n->to, n->has_error ? &n->error : NULL, set.state_user);
        break;
    case NOTE_AUTH:
        c->settings.options.auth_fn(c, n->reason, c->settings.options.auth_user);
        break;
    case NOTE_QUALITY:
        run_quality(c, &set, n);
        break;
    case NOTE_FATE:
        run_fate(c, &set, n);
        break;
    case NOTE_QUEUE:
        run_queue(c, &set, n);
        break;
    case NOTE_NOTICE:
        if (set.on_notice)
            set.on_notice(c, &n->error, set.notice_user);
        break;
    case NOTE_EVENT:
    case NOTE_ACK:
    case NOTE_STORED:
        break;
    }
}

static const char *keep(char **at, const char *text, size_t len)
{
    if (!text)
        return NULL;
    char *start = *at;
    if (len)
        memcpy(start, text, len);
    start[len] = '\0';
    *at = start + len + 1;
    return start;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static struct aivo_note *note_copy(const struct aivo_note *n)
{
    size_t bytes = text_bytes(n->message.event) + n->message.args_len + 1 + text_bytes(n->queued.event) +
                   text_bytes(n->queued.args) + text_bytes(n->queued.last_error) + text_bytes(n->answer) +
                   text_bytes(n->queued.queue) + text_bytes(n->queued.order_key) + text_bytes(n->queued.collapse_key);
    for (size_t i = 0; i < n->message.attachment_count; i++)
        bytes += n->message.attachments[i].len + 1;
    struct aivo_note *copy = malloc(sizeof *copy + bytes);
    if (!copy)
        return NULL;
    *copy = *n;
    copy->next = NULL;
    if (n->receipt)
        return copy;
    char *at = (char *)(copy + 1);
    copy->message.event = keep(&at, n->message.event, n->message.event ? strlen(n->message.event) : 0);
    copy->message.args = keep(&at, n->message.args, n->message.args_len);
    for (size_t i = 0; i < n->message.attachment_count; i++) {
        const struct aivo_attachment *a = &n->message.attachments[i];
        copy->attachments[i] = (struct aivo_attachment){keep(&at, a->data ? a->data : "", a->len), a->len};
    }
    copy->message.attachments = copy->attachments;
    copy->queued.event = keep(&at, n->queued.event, n->queued.event ? strlen(n->queued.event) : 0);
    copy->queued.args = keep(&at, n->queued.args, n->queued.args ? strlen(n->queued.args) : 0);
    copy->queued.queue = keep(&at, n->queued.queue, n->queued.queue ? strlen(n->queued.queue) : 0);
    copy->queued.order_key = keep(&at, n->queued.order_key, n->queued.order_key ? strlen(n->queued.order_key) : 0);
    copy->queued.collapse_key =
        keep(&at, n->queued.collapse_key, n->queued.collapse_key ? strlen(n->queued.collapse_key) : 0);
    copy->queued.last_error = keep(&at, n->queued.last_error, n->queued.last_error ? strlen(n->queued.last_error) : 0);
    copy->answer = keep(&at, n->answer, n->answer ? strlen(n->answer) : 0);
    return copy;
}

/* Ends of what the program asked for are told in any case. */
static bool is_an_end(const struct aivo_note *n)
{
    return n->kind == NOTE_ACK || n->kind == NOTE_STORED;
}

/* Takes the note into the queue. */
enum posted { POSTED, CLOSED, NO_MEMORY };
static enum posted post(struct aivo_dispatch *d, const struct aivo_note *n, size_t *count)
{
    struct aivo_note *copy = note_copy(n);
    if (!copy)
        return NO_MEMORY;
    pthread_mutex_lock(&d->lock);
    if (d->closed && !is_an_end(n)) {
        pthread_mutex_unlock(&d->lock);
        free(copy);
        return CLOSED;
    }
    *d->last = copy;
    d->last = &copy->next;
    *count = ++d->count;
    pthread_mutex_unlock(&d->lock);
    uint64_t one = 1;
    while (write(d->fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    return POSTED;
}

/* false: it was not told, and will not be. */
static bool tell(struct aivo_client *c, const struct aivo_note *n)
{
    if ((c->destroy_asked || c->tearing_down) && !is_an_end(n))
        return false;
    if (c->dispatch.fd < 0) {
        c->callback_depth++;
        run_note(c, n);
        c->callback_depth--;
        return true;
    }
    size_t count = 0;
    /* Without memory for a note the program must still learn of it: stop reading, so that nothing more is lost. */
    enum posted posted = post(&c->dispatch, n, &count);
    bool full = posted == NO_MEMORY || count >= AIVO_DISPATCH_PAUSE;
    if (full && c->conn && !c->paused) {
        c->paused = true;
        aivo_loop_transport(c->task.loop)->pause(c->conn, true);
    }
    return posted == POSTED;
}

void aivo_tell_state(struct aivo_client *c, enum aivo_state from, enum aivo_state to, const struct aivo_error *error)
{
    struct aivo_note n = {.kind = NOTE_STATE, .from = from, .to = to, .has_error = error};
    if (error)
        n.error = *error;
    tell(c, &n);
}

void aivo_tell_auth(struct aivo_client *c, enum aivo_auth_reason reason)
{
    tell(c, &(struct aivo_note){.kind = NOTE_AUTH, .reason = reason});
}

void aivo_tell_event(struct aivo_client *c, const struct aivo_message *message)
{
    tell(c, &(struct aivo_note){.kind = NOTE_EVENT, .message = *message, .has_message = true});
}

void aivo_tell_ack(struct aivo_client *c, aivo_ack_fn fn, void *user, enum aivo_status status,
                   const struct aivo_message *message)
{
    struct aivo_note n = {.kind = NOTE_ACK, .ack = fn, .ack_user = user, .status = status, .has_message = message};
    if (message)
        n.message = *message;
    tell(c, &n);
}

void aivo_tell_quality(struct aivo_client *c, const struct aivo_quality *quality, bool level_changed, bool sampled)
{
    tell(c, &(struct aivo_note){
                .kind = NOTE_QUALITY, .quality = *quality, .level_changed = level_changed, .sampled = sampled});
}

bool aivo_tell_fate(struct aivo_client *c, const struct aivo_queued *message, enum aivo_fate fate, const char *answer,
                    struct queue_message *receipt)
{
    return tell(c, &(struct aivo_note){
                       .kind = NOTE_FATE, .queued = *message, .fate = fate, .answer = answer, .receipt = receipt});
}

void aivo_tell_queue(struct aivo_client *c, enum aivo_queue_event event, const struct aivo_queued *message)
{
    pthread_mutex_lock(&c->lock);
    bool wanted = event == AIVO_QUEUE_QUEUED ? c->callbacks.queue.queued != NULL : c->callbacks.queue.sent != NULL;
    pthread_mutex_unlock(&c->lock);
    if (wanted)
        tell(c, &(struct aivo_note){.kind = NOTE_QUEUE, .queued = *message, .event = event});
}

void aivo_tell_stored(struct aivo_client *c, const struct aivo_queue_stored *stored)
{
    struct aivo_note n = {.kind = NOTE_STORED,
                          .status = stored->status,
                          .queued = {.id = *stored->id},
                          .stored = (aivo_stored_fn)stored->fn,
                          .stored_user = stored->fn_user,
                          .has_error = stored->error};
    if (stored->error)
        n.error = *stored->error;
    tell(c, &n);
}

void aivo_tell_notice(struct aivo_client *c, const struct aivo_error *error)
{
    tell(c, &(struct aivo_note){.kind = NOTE_NOTICE, .error = *error, .has_error = true});
}

static struct aivo_note *take(struct aivo_dispatch *d, size_t *left)
{
    pthread_mutex_lock(&d->lock);
    struct aivo_note *n = d->first;
    if (n) {
        d->first = n->next;
        if (!d->first)
            d->last = &d->first;
        d->count--;
    }
    *left = d->count;
    pthread_mutex_unlock(&d->lock);
    return n;
}

bool aivo_dispatch_finish(struct aivo_client *c)
{
    size_t left;
    bool any = false;
    struct aivo_note *n;
    while ((n = take(&c->dispatch, &left))) {
        if (is_an_end(n)) {
            run_note(c, n);
            any = true;
        }
        free(n);
    }
    return any;
}

int aivo_client_fd(struct aivo_client *c)
{
    return c ? c->dispatch.fd : -1;
}

static int run_waiting(struct aivo_client *c)
{
    struct aivo_dispatch *d = &c->dispatch;
    int ran = 0;
    size_t left;
    struct aivo_note *n;
    /* Only what waited at the start, so that a callback that makes new callbacks does not keep us for ever. */
    pthread_mutex_lock(&d->lock);
    size_t budget = d->count;
    pthread_mutex_unlock(&d->lock);
    while (budget-- > 0 && !d->destroy_asked && (n = take(d, &left))) {
        run_note(c, n);
        if (n->receipt)
            aivo_queue_told(c->queue, n->receipt);
        free(n);
        ran++;
        if (left == AIVO_DISPATCH_RESUME) {
            struct aivo_command *resume = aivo_command_copy(&(struct aivo_command){.type = AIVO_CMD_RESUME});
            if (resume) {
                aivo_inbox_put(&c->inbox, resume);
                aivo_task_wake(&c->task);
            }
        }
    }
    return ran;
}

/* The descriptor is readable exactly while something waits. */
static void settle_fd(struct aivo_dispatch *d)
{
    uint64_t value;
    pthread_mutex_lock(&d->lock);
    if (d->count == 0) {
        while (read(d->fd, &value, sizeof value) < 0 && errno == EINTR)
            continue;
    }
    pthread_mutex_unlock(&d->lock);
}

int aivo_client_dispatch(struct aivo_client *c)
{
    struct aivo_dispatch *d = c ? &c->dispatch : NULL;
    if (!d || d->fd < 0)
        return 0;
    pthread_mutex_lock(&d->lock);
    d->runner = pthread_self();
    d->depth++;
    pthread_mutex_unlock(&d->lock);
    int ran = run_waiting(c);
    settle_fd(d);
    pthread_mutex_lock(&d->lock);
    bool last = --d->depth == 0;
    bool destroy = last && d->destroy_asked;
    pthread_mutex_unlock(&d->lock);
    if (destroy) {
        d->destroy_asked = false;
        aivo_client_destroy(c);
    }
    return ran;
}
