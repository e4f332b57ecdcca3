/* The queue's callers and the loop's side. queue_store.c is the other half. */
#include "queue_internal.h"

#include "error_internal.h"
#include "io/clock.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FULL_RETRY_US    20000  /* the send buffer is full: look again then, if no event comes before */
#define OFFLINE_RETRY_US 200000 /* the client said "not connected" before it said so to the queue */

bool aivo_queue_is_ours(const struct aivo_queue *q)
{
    return q->pid == getpid();
}

void aivo_queue_list_add(struct message_list *list, struct queue_message *m)
{
    m->next = NULL;
    if (list->head)
        *list->tail = m;
    else
        list->head = m;
    list->tail = &m->next;
}

struct queue_message *aivo_queue_list_take(struct message_list *list)
{
    struct queue_message *head = list->head;
    *list = (struct message_list){0};
    return head;
}

void aivo_queue_notice(struct aivo_queue *q, const struct aivo_error *error)
{
    if (q->notice_count < AIVO_QUEUE_NOTICES_MAX)
        q->notices[q->notice_count++] = *error;
}

static const char *keep(char **at, const char *text, size_t len)
{
    char *start = *at;
    memcpy(start, text, len);
    *at = start + len + 1; /* the NUL is there: the memory was zero */
    return start;
}

struct queue_message *aivo_queue_message_new(const struct aivo_queue *q, const struct aivo_store_row *row,
                                             int64_t skew_ms)
{
    size_t order_len = row->order_key ? strlen(row->order_key) : 0;
    size_t collapse_len = row->collapse_key ? strlen(row->collapse_key) : 0;
    struct queue_message *m = calloc(1, sizeof *m + row->event_len + row->args_len + order_len + collapse_len + 4);
    if (!m)
        return NULL;
    if (row->last_error && !(m->last_error = strdup(row->last_error))) {
        free(m);
        return NULL;
    }
    char *at = m->text;
    m->seq = row->seq;
    m->bytes = row->event_len + row->args_len;
    m->lane = row->lane < q->lane_count ? row->lane : 0;
    m->shown.size = sizeof m->shown;
    memcpy(m->shown.id.text, row->id, sizeof row->id);
    m->shown.event = keep(&at, row->event, row->event_len);
    m->shown.args = keep(&at, row->args, row->args_len);
    m->shown.order_key = row->order_key ? keep(&at, row->order_key, order_len) : NULL;
    m->shown.collapse_key = row->collapse_key ? keep(&at, row->collapse_key, collapse_len) : NULL;
    m->shown.queue = q->lanes[m->lane].name;
    m->shown.priority = row->priority;
    m->shown.created_ms = row->created_ms;
    m->shown.expires_ms = row->expires_ms > 0 ? row->expires_ms - skew_ms : 0;
    m->shown.attempts = row->attempts;
    m->shown.last_error = m->last_error;
    return m;
}

void aivo_queue_message_free(struct queue_message *m)
{
    if (!m)
        return;
    free(m->last_error);
    free(m->answer);
    free(m);
}

void aivo_queue_free_list(struct queue_message *m)
{
    while (m) {
        struct queue_message *next = m->next;
        aivo_queue_message_free(m);
        m = next;
    }
}

static void drop_held(void *user, void *message)
{
    (void)user;
    aivo_queue_message_free(message);
}

static void free_ops(struct ops *ops)
{
    for (size_t i = 0; i < ops->count; i++) {
        free(ops->at[i].last_error);
        free(ops->at[i].order_key);
    }
    free(ops->at);
    *ops = (struct ops){0};
}

/* What stands in a message for an op. */
struct op aivo_queue_op_of(const struct queue_message *m)
{
    return (struct op){.seq = m->seq,
                       .lane = m->lane,
                       .attempts = m->shown.attempts,
                       .fate = m->fate,
                       .bytes = m->bytes,
                       .departed = m->departed,
                       .kept = m->kept,
                       .releases = !m->departed || m->kept,
                       .order_key = m->shown.order_key && !m->departed ? strdup(m->shown.order_key) : NULL};
}

/* Without memory the change is forgotten: the message is sent once more after the next start, never lost. Locked. */
void aivo_queue_push_op(struct aivo_queue *q, struct op op)
{
    struct ops *ops = &q->ops;
    if (ops->count == ops->cap) {
        size_t cap = ops->cap ? ops->cap * 2 : 64;
        struct op *at = realloc(ops->at, cap * sizeof *at);
        if (!at) {
            free(op.last_error);
            free(op.order_key);
            return;
        }
        ops->at = at;
        ops->cap = cap;
    }
    ops->at[ops->count++] = op;
    q->backlog++;
}

static uint32_t within(uint32_t value, uint32_t least, uint32_t greatest)
{
    return value < least ? least : value > greatest ? greatest : value;
}

/* A lane as the policy says. */
static bool init_lane(struct lane *lane, const struct aivo_queue_options *o, const struct aivo_queue_policy *p)
{
    uint32_t window = within(p->window, 1, 1024);
    struct aivo_delivery_options delivery = {
        .capacity = window + within(window, 64, 1024), /* and a prefetch, so that the window never waits for the disk */
        .window = window,
        .max_retries = p->max_retries,
        .retry = {.floor_ms = 0, .base_ms = o->retry_base_ms, .cap_ms = o->retry_cap_ms},
    };
    lane->window = window;
    lane->max_messages = within(p->max_messages, 1, 10000000);
    lane->max_bytes = p->max_bytes;
    lane->overflow = p->overflow;
    lane->ttl_s = p->ttl_s;
    lane->more = true;
    lane->delivery = aivo_delivery_create(&delivery);
    return lane->delivery != NULL;
}

static struct aivo_queue_policy default_policy(const struct aivo_queue_options *o)
{
    return (struct aivo_queue_policy){.size = sizeof(struct aivo_queue_policy),
                                      .max_messages = o->max_messages,
                                      .max_bytes = o->max_bytes,
                                      .overflow = o->overflow,
                                      .ttl_s = o->ttl_s,
                                      .max_retries = o->max_retries,
                                      .window = o->window};
}

static const struct aivo_queue_policy *policy_named(const struct aivo_queue_options *o, const char *name)
{
    for (size_t i = 0; i < o->queue_count; i++) {
        if (strcmp(o->queues[i].name, name) == 0)
            return &o->queues[i];
    }
    return NULL;
}

/* Where a name that the file does not know gets its place: one that is free, else one behind all others, else one that
 * stands for nothing and is not named by the options. Less than 0: there is none. */
static int place_for_name(const struct aivo_queue *q, const struct aivo_queue_options *o,
                          const struct aivo_store_info *info)
{
    for (uint32_t i = 1; i < q->lane_count; i++) {
        if (!*q->lanes[i].name)
            return (int)i;
    }
    if (q->lane_count < AIVO_QUEUE_LANES_MAX)
        return (int)q->lane_count;
    for (uint32_t i = 1; i < info->lane_count; i++) {
        if (info->lanes[i].unused && q->lanes[i].stored && !policy_named(o, q->lanes[i].name))
            return (int)i;
    }
    return -1;
}

static enum aivo_status add_lane(struct aivo_queue *q, const struct aivo_queue_options *o,
                                 const struct aivo_store_info *info, const struct aivo_queue_policy *policy,
                                 struct aivo_error *err)
{
    const int place = place_for_name(q, o, info);
    if (place < 0)
        return aivo_error_set(err, AIVO_E_INVALID, 0,
                              "option queue.queues: with those in the file that still hold messages they are more"
                              " than %d",
                              AIVO_QUEUE_LANES_MAX - 1);
    struct lane *lane = &q->lanes[place];
    q->lane_count += (uint32_t)place == q->lane_count;
    aivo_delivery_destroy(lane->delivery, drop_held, NULL);
    *lane = (struct lane){.stored = false};
    memcpy(lane->name, policy->name, strnlen(policy->name, AIVO_STORE_NAME_MAX));
    return init_lane(lane, o, policy) ? AIVO_OK : aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
}

/* The lanes of the file, in their order, and those that it does not know yet. A lane that the options do not name any
 * more is served as the default one is, so that nothing is left behind. */
static enum aivo_status make_lanes(struct aivo_queue *q, const struct aivo_queue_options *o,
                                   const struct aivo_store_info *info, struct aivo_error *err)
{
    struct aivo_queue_policy plain = default_policy(o);
    enum aivo_status status = AIVO_OK;
    for (uint32_t i = 0; i < info->lane_count; i++) {
        struct lane *lane = &q->lanes[q->lane_count++];
        const struct aivo_queue_policy *policy = i > 0 ? policy_named(o, info->lanes[i].name) : NULL;
        memcpy(lane->name, info->lanes[i].name, sizeof lane->name);
        lane->stored = i == 0 || *lane->name;
        lane->pending = info->lanes[i].pending;
        lane->bytes = info->lanes[i].bytes;
        if (!init_lane(lane, o, policy ? policy : &plain))
            return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    }
    for (size_t i = 0; status == AIVO_OK && i < o->queue_count; i++) {
        bool known = false;
        for (uint32_t k = 0; k < q->lane_count; k++)
            known |= strcmp(q->lanes[k].name, o->queues[i].name) == 0;
        if (!known)
            status = add_lane(q, o, info, &o->queues[i], err);
    }
    return status;
}

/* The text that goes before an id. */
static void set_id_key(struct aivo_queue *q, const char *key)
{
    struct aivo_buf text;
    if (!key || !*key || strlen(key) > AIVO_MSGID_KEY_MAX)
        return;
    aivo_buf_init(&text);
    aivo_json_write_string(&text, key, strlen(key));
    aivo_buf_str(&text, ":\"");
    if (!text.failed && text.len < sizeof q->id_member) {
        memcpy(q->id_member, text.data, text.len + 1);
        memcpy(q->id_key, key, strlen(key) + 1);
    }
    aivo_buf_free(&text);
}

static void init_sync(struct aivo_queue *q)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->work, &attr);
    pthread_cond_init(&q->space, &attr);
    pthread_condattr_destroy(&attr);
}

static void destroy(struct aivo_queue *q)
{
    if (q->db)
        q->store->close(q->db);
    aivo_queue_free_list(aivo_queue_list_take(&q->untold));
    aivo_queue_free_list(aivo_queue_list_take(&q->kept));
    aivo_queue_free_list(aivo_queue_list_take(&q->trash));
    aivo_queue_free_list(aivo_queue_list_take(&q->queued));
    for (uint32_t i = 0; i < q->lane_count; i++)
        aivo_delivery_destroy(q->lanes[i].delivery, drop_held, NULL);
    while (q->stored) {
        struct job *next = q->stored->next;
        free(q->stored);
        q->stored = next;
    }
    aivo_seqmap_free(&q->gone);
    free_ops(&q->ops);
    free_ops(&q->taken);
    pthread_cond_destroy(&q->space);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

/* The application's signals are not for this thread. */
static int start_thread(struct aivo_queue *q)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&q->thread, NULL, aivo_queue_store_main, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

enum aivo_status aivo_queue_open(const struct aivo_queue_options *options, const struct aivo_store *store,
                                 void (*wake)(void *user), void *user, struct aivo_queue **out, struct aivo_error *err)
{
    struct aivo_queue *q = calloc(1, sizeof *q);
    if (!q)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    init_sync(q);
    q->options = *options;
    q->options.path = NULL; /* borrowed for this call, as the other texts */
    q->options.queues = NULL;
    q->options.message_id_key = NULL;
    set_id_key(q, options->message_id_key);
    q->store = store ? store : &aivo_store_sqlite;
    q->wake = wake;
    q->user = user;
    q->pid = getpid();
    q->jobs_tail = &q->jobs;
    q->stored_tail = &q->stored;
    struct aivo_instant at = aivo_instant_now();
    struct aivo_store_info info = {0};
    struct aivo_error notice = {.status = AIVO_OK};
    const char *path = options->memory_only ? NULL : options->path;
    enum aivo_status status = q->store->open(path, at.unix_ms, &q->db, &info, &notice, err);
    if (status == AIVO_OK)
        status = make_lanes(q, options, &info, err);
    if (status == AIVO_OK) {
        if (notice.status != AIVO_OK)
            aivo_queue_notice(q, &notice);
        q->departed = info.departed;
        q->dead = info.dead;
        q->last_seq = q->opened_seq = info.last_seq;
        q->departed_bytes_max = options->memory_only ? AIVO_QUEUE_DEPARTED_MEMORY : AIVO_QUEUE_DEPARTED_BYTES;
        aivo_queue_clock_start(&q->clock, &at, info.newest_ms, info.saved_ms, info.saved_unix_ms);
        int error = start_thread(q);
        if (error != 0)
            status = aivo_error_set(err, AIVO_E_SYSTEM, error, "cannot start the queue's thread: %s", strerror(error));
    }
    if (status != AIVO_OK) {
        destroy(q);
        return status;
    }
    *out = q;
    return AIVO_OK;
}

/* Ends the store thread; nothing is written to the file afterwards. */
void aivo_queue_stop(struct aivo_queue *q)
{
    if (q->finished || !aivo_queue_is_ours(q))
        return;
    q->finished = true;
    pthread_mutex_lock(&q->lock);
    q->refusing = true;
    /* A fate that was not told any more is kept on disk and told after the next start. */
    for (struct queue_message *m = q->untold.head; m; m = m->next) {
        if (!m->departed)
            aivo_queue_push_depart(q, m, false);
    }
    q->closing = true;
    pthread_cond_signal(&q->work);
    pthread_cond_broadcast(&q->space);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
}

void aivo_queue_close(struct aivo_queue *q)
{
    if (!q || !aivo_queue_is_ours(q)) /* in a forked child all of it stays as it was in the parent, threads waiting */
        return;
    aivo_queue_stop(q);
    destroy(q);
}

void aivo_queue_stats(struct aivo_queue *q, struct aivo_queue_stats *out)
{
    const struct aivo_instant at = aivo_instant_now();
    int64_t paused_us = 0;
    pthread_mutex_lock(&q->lock);
    *out = (struct aivo_queue_stats){.size = sizeof *out,
                                     .dead = q->dead,
                                     .untold = q->departed,
                                     .queued = q->accepted,
                                     .sent = q->attempts,
                                     .acknowledged = q->fates[AIVO_FATE_ACKNOWLEDGED],
                                     .expired = q->fates[AIVO_FATE_EXPIRED],
                                     .evicted = q->fates[AIVO_FATE_EVICTED],
                                     .died = q->fates[AIVO_FATE_DEAD],
                                     .replaced = q->fates[AIVO_FATE_REPLACED]};
    for (uint32_t i = 0; i < q->lane_count; i++) {
        struct aivo_delivery_item oldest;
        const struct lane *lane = &q->lanes[i];
        out->pending += lane->pending;
        out->bytes += lane->bytes;
        out->in_flight += aivo_delivery_in_flight(lane->delivery);
        int64_t until_us = aivo_delivery_paused_until(lane->delivery);
        paused_us = until_us > paused_us ? until_us : paused_us;
        int64_t oldest_ms = lane->pending > 0 ? lane->head_ms : 0;
        if (aivo_delivery_oldest(lane->delivery, &oldest))
            oldest_ms = ((struct queue_message *)oldest.message)->shown.created_ms;
        if (oldest_ms > 0 && (out->oldest_ms == 0 || oldest_ms < out->oldest_ms))
            out->oldest_ms = oldest_ms;
    }
    if (paused_us > at.now_us && paused_us != AIVO_NEVER)
        out->paused_until_ms = at.unix_ms + (paused_us - at.now_us) / 1000;
    pthread_mutex_unlock(&q->lock);
}

void aivo_queue_watch(struct aivo_queue *q, bool queued)
{
    pthread_mutex_lock(&q->lock);
    q->watch_queued = queued;
    pthread_mutex_unlock(&q->lock);
}

void aivo_queue_connected(struct aivo_queue *q, const struct aivo_instant *at)
{
    pthread_mutex_lock(&q->lock);
    aivo_queue_clock_advance(&q->clock, at);
    for (uint32_t i = 0; i < q->lane_count; i++)
        aivo_delivery_connected(q->lanes[i].delivery, at->now_us);
    q->blocked_until_us = 0;
    pthread_mutex_unlock(&q->lock);
}

void aivo_queue_quality(struct aivo_queue *q, enum aivo_level level)
{
    pthread_mutex_lock(&q->lock);
    for (uint32_t i = 0; i < q->lane_count; i++)
        aivo_delivery_poor(q->lanes[i].delivery, level == AIVO_LEVEL_POOR);
    pthread_mutex_unlock(&q->lock);
}

/* It is in memory and leaves the queue now; its row follows once its fate is told. Locked. */
static void leaves(struct aivo_queue *q, struct queue_message *m, enum aivo_fate fate)
{
    struct lane *lane = &q->lanes[m->lane];
    lane->pending -= lane->pending > 0;
    lane->bytes -= lane->bytes < m->bytes ? lane->bytes : m->bytes;
    lane->held_bytes -= m->bytes;
    q->held_bytes -= m->bytes;
    q->fates[fate]++;
    m->fate = fate;
    aivo_seqmap_put(&q->gone, m->seq, 0); /* without memory it may be sent once more, never lost */
}

static void set_last_error(struct queue_message *m, uint32_t attempts, const char *reason)
{
    free(m->last_error);
    m->last_error = strdup(reason);
    m->shown.last_error = m->last_error;
    m->shown.attempts = attempts;
}

/* Too many wait in memory for their next attempt: the one that waits longest does so on disk. Locked. */
static void park(struct aivo_queue *q, struct lane *lane)
{
    struct aivo_delivery_item item;
    int64_t due_us;
    uint32_t prefetch = within(lane->window, 64, 1024);
    if (!aivo_delivery_park(lane->delivery, prefetch / 2, &item, &due_us))
        return;
    struct queue_message *m = item.message;
    struct op op = aivo_queue_op_of(m);
    free(op.order_key); /* it stays the first of its key */
    op.order_key = NULL;
    op.kind = OP_FAILED;
    op.attempts = item.attempts;
    op.last_error = m->last_error ? strdup(m->last_error) : NULL;
    op.expires_ms = item.expires_ms;
    op.due_ms = aivo_queue_clock_ms(&q->clock) + (due_us - q->clock.now_us) / 1000;
    lane->held_bytes -= m->bytes;
    q->held_bytes -= m->bytes;
    aivo_seqmap_put(&q->gone, m->seq, AIVO_QUEUE_PARKED);
    aivo_queue_push_op(q, op);
    aivo_queue_message_free(m);
}

static void failed_once(struct aivo_queue *q, struct queue_message *m, uint32_t attempts)
{
    struct op op = {.kind = OP_FAILED,
                    .seq = m->seq,
                    .lane = m->lane,
                    .attempts = attempts,
                    .last_error = m->last_error ? strdup(m->last_error) : NULL};
    aivo_queue_push_op(q, op);
    park(q, &q->lanes[m->lane]);
}

/* A rate limit is the connection's: it holds for all lanes. Locked. */
static void pause_all(struct aivo_queue *q, const struct lane *met)
{
    int64_t until_us = aivo_delivery_paused_until(met->delivery);
    for (uint32_t i = 0; i < q->lane_count; i++)
        aivo_delivery_pause(q->lanes[i].delivery, until_us);
}

/* Carries out what the policy says to an answer, or to the end of a connection. Locked. */
static void settle_answer(struct aivo_queue *q, struct lane *lane, enum aivo_delivery_result result,
                          const struct aivo_delivery_item *item, const char *reason)
{
    switch (result) {
    case AIVO_DELIVERY_UNKNOWN:
        break;
    case AIVO_DELIVERY_RETRY:
        set_last_error(item->message, item->attempts, reason);
        failed_once(q, item->message, item->attempts);
        break;
    case AIVO_DELIVERY_DEAD:
        set_last_error(item->message, item->attempts, reason);
        leaves(q, item->message, AIVO_FATE_DEAD);
        aivo_queue_list_add(&q->untold, item->message);
        break;
    case AIVO_DELIVERY_GONE:
        leaves(q, item->message, AIVO_FATE_ACKNOWLEDGED);
        aivo_queue_list_add(&q->untold, item->message);
        break;
    case AIVO_DELIVERY_KEPT:
        pause_all(q, lane);
        break;
    case AIVO_DELIVERY_LATE: /* it waits on disk, if it is not gone long since */
        aivo_queue_push_op(q, (struct op){.kind = OP_LATE, .seq = item->seq, .lane = (uint32_t)(lane - q->lanes)});
        break;
    }
}

void aivo_queue_answered(struct aivo_queue *q, const struct aivo_instant *at, uint64_t ticket, enum aivo_status status,
                         const struct aivo_json *answer)
{
    struct aivo_judgement judgement = {.verdict = AIVO_VERDICT_SILENT, .reason = "no acknowledgement in time"};
    struct aivo_delivery_item item;
    uint32_t index = (uint32_t)(ticket & (AIVO_QUEUE_LANES_MAX - 1));
    ticket >>= AIVO_QUEUE_LANE_BITS;
    if (index >= q->lane_count)
        return;
    struct lane *lane = &q->lanes[index];
    if (status == AIVO_OK)
        aivo_delivery_judge(answer, &judgement);
    pthread_mutex_lock(&q->lock);
    aivo_queue_clock_advance(&q->clock, at);
    if (status != AIVO_OK && status != AIVO_E_TIMEOUT) {
        /* The connection ended: no attempt is lost. */
        aivo_delivery_unsent(lane->delivery, ticket);
        pthread_mutex_unlock(&q->lock);
        return;
    }
    enum aivo_delivery_result result = aivo_delivery_answered(lane->delivery, at, ticket, &judgement, &item);
    settle_answer(q, lane, result, &item, judgement.reason);
    struct queue_message *m = item.message;
    if ((result == AIVO_DELIVERY_GONE || result == AIVO_DELIVERY_DEAD) && answer && answer->type == AIVO_JSON_ARRAY)
        m->answer = strndup(answer->text, answer->len);
    pthread_mutex_unlock(&q->lock);
}

/* What goes on in the others of the same connection, for each lane. Locked. */
static void look_around(struct aivo_queue *q)
{
    size_t flying = 0, alone = 0;
    for (uint32_t i = 0; i < q->lane_count; i++) {
        flying += aivo_delivery_in_flight(q->lanes[i].delivery);
        alone += aivo_delivery_alone(q->lanes[i].delivery);
    }
    for (uint32_t i = 0; i < q->lane_count; i++) {
        struct aivo_delivery *d = q->lanes[i].delivery;
        aivo_delivery_elsewhere(d, flying - aivo_delivery_in_flight(d), alone > aivo_delivery_alone(d));
    }
}

void aivo_queue_disconnected(struct aivo_queue *q, const struct aivo_instant *at, bool by_peer)
{
    pthread_mutex_lock(&q->lock);
    aivo_queue_clock_advance(&q->clock, at);
    look_around(q);
    for (uint32_t i = 0; i < q->lane_count; i++) {
        struct aivo_delivery_item item;
        enum aivo_delivery_result result = aivo_delivery_disconnected(q->lanes[i].delivery, at, by_peer, &item);
        settle_answer(q, &q->lanes[i], result, &item, "the connection ended each time it was sent");
    }
    pthread_mutex_unlock(&q->lock);
}

/* Hands one message to the client. false: no more for now. Not locked: the message stays as it is while it is in flight
 * (if it is evicted meanwhile, it goes to the trash, which only this thread empties). */
static bool send_one(struct aivo_queue *q, const struct aivo_instant *at, uint64_t ticket, struct queue_message *m,
                     const struct aivo_queue_sink *sink, void *user)
{
    struct aivo_delivery *delivery = q->lanes[m->lane].delivery;
    enum aivo_status status =
        sink->send(user, ticket << AIVO_QUEUE_LANE_BITS | m->lane, &m->shown, q->options.ack_timeout_ms);
    struct aivo_delivery_item item;
    pthread_mutex_lock(&q->lock);
    if (status == AIVO_OK) {
        q->attempts++;
        pthread_mutex_unlock(&q->lock);
        return true;
    }
    if (status == AIVO_E_FULL || status == AIVO_E_NOT_CONNECTED) {
        aivo_delivery_unsent(delivery, ticket);
        q->blocked_until_us = at->now_us + (status == AIVO_E_FULL ? FULL_RETRY_US : OFFLINE_RETRY_US);
        pthread_mutex_unlock(&q->lock);
        return false;
    }
    bool dead = aivo_delivery_refused(delivery, ticket, &item);
    if (dead) {
        set_last_error(m, item.attempts, aivo_strerror(status));
        leaves(q, m, AIVO_FATE_DEAD);
    }
    pthread_mutex_unlock(&q->lock);
    if (dead)
        aivo_queue_tell(q, m, sink, user);
    return true;
}

/* What the lanes want now, each in its turn. Locked. */
static enum aivo_delivery_action next_action(struct aivo_queue *q, const struct aivo_instant *at,
                                             struct aivo_delivery_item *item, uint64_t *ticket)
{
    bool hold = aivo_queue_holds(q) || at->now_us < q->blocked_until_us;
    int64_t clock_ms = aivo_queue_clock_ms(&q->clock);
    look_around(q);
    for (uint32_t i = 0; i < q->lane_count; i++) {
        struct lane *lane = &q->lanes[q->turn++ % q->lane_count];
        enum aivo_delivery_action action = aivo_delivery_next(lane->delivery, at->now_us, clock_ms, hold, item, ticket);
        if (action == AIVO_DELIVERY_EXPIRE)
            leaves(q, item->message, AIVO_FATE_EXPIRED);
        else if (action == AIVO_DELIVERY_SEND)
            ((struct queue_message *)item->message)->flown = true;
        if (action != AIVO_DELIVERY_NOTHING)
            return action;
    }
    return AIVO_DELIVERY_NOTHING;
}

static void deliver(struct aivo_queue *q, const struct aivo_instant *at, const struct aivo_queue_sink *sink, void *user)
{
    for (bool more = true; more;) {
        struct aivo_delivery_item item;
        uint64_t ticket;
        pthread_mutex_lock(&q->lock);
        enum aivo_delivery_action action = next_action(q, at, &item, &ticket);
        pthread_mutex_unlock(&q->lock);
        if (action == AIVO_DELIVERY_NOTHING)
            return;
        if (action == AIVO_DELIVERY_EXPIRE)
            aivo_queue_tell(q, item.message, sink, user);
        else
            more = send_one(q, at, ticket, item.message, sink, user);
    }
}

void aivo_queue_step(struct aivo_queue *q, const struct aivo_instant *at, const struct aivo_queue_sink *sink,
                     void *user)
{
    pthread_mutex_lock(&q->lock);
    aivo_queue_clock_advance(&q->clock, at);
    pthread_mutex_unlock(&q->lock);
    aivo_queue_tell_all(q, sink, user);
    deliver(q, at, sink, user);
    pthread_mutex_lock(&q->lock);
    if (!q->leads && aivo_queue_store_due(q, at->now_us) == 0)
        pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

/* Locked. */
static int64_t lanes_deadline(const struct aivo_queue *q)
{
    int64_t due_us = AIVO_NEVER;
    for (uint32_t i = 0; i < q->lane_count && !aivo_queue_holds(q); i++) {
        int64_t lane_us = aivo_delivery_deadline(q->lanes[i].delivery);
        due_us = lane_us < due_us ? lane_us : due_us;
    }
    if (due_us < q->blocked_until_us)
        due_us = q->blocked_until_us;
    for (uint32_t i = 0; i < q->lane_count; i++) {
        int64_t expiry_ms = aivo_delivery_expiry(q->lanes[i].delivery);
        if (expiry_ms == AIVO_NEVER)
            continue;
        int64_t expiry_us = q->clock.now_us + expiry_ms * 1000 - q->clock.clock_us;
        due_us = expiry_us < due_us ? expiry_us : due_us;
    }
    return due_us;
}

int64_t aivo_queue_deadline(const struct aivo_queue *queue)
{
    struct aivo_queue *q = (struct aivo_queue *)queue; /* for its lock only */
    pthread_mutex_lock(&q->lock);
    bool now = q->untold.head || q->queued.head || q->stored || q->notice_count > 0 || q->trash.head;
    int64_t due_us = now ? 0 : lanes_deadline(q);
    pthread_mutex_unlock(&q->lock);
    return due_us;
}
