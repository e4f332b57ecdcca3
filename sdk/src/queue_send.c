/* The queue's callers: they hand jobs to the store thread and wait for them or not, or do one themselves. */
#include "queue_internal.h"

#include "error_internal.h"
#include "io/clock.h"
#include "io/random.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_ARGS 2048 /* arguments up to here get their id on the sender's stack */

/* The arguments with their id in them. */
struct message_text {
    struct aivo_msgid_place place;
    const char *args;
    size_t args_len;
    char *id_at; /* where the 36 characters of the id go; NULL: nowhere */
    char *heap;
    char small[SMALL_ARGS];
};

static bool make_text(const struct aivo_queue *q, const char *args, struct message_text *t)
{
    t->args = args;
    t->args_len = strlen(args);
    t->id_at = NULL;
    t->heap = NULL;
    t->place.kind = AIVO_MSGID_NONE;
    if (!q->id_member[0])
        return true;
    struct aivo_json json = aivo_json_parse(args, t->args_len, NULL);
    aivo_msgid_find(&json, q->id_key, &t->place);
    if (t->place.kind != AIVO_MSGID_INSERT)
        return true;
    size_t member = strlen(q->id_member);
    size_t more = member + AIVO_MSGID_TEXT - 1 + 1 + t->place.comma;
    char *out = t->small;
    if (json.len + more + 1 > sizeof t->small && !(out = t->heap = malloc(json.len + more + 1)))
        return false;
    char *p = out;
    memcpy(p, json.text, t->place.at);
    memcpy(p += t->place.at, q->id_member, member);
    t->id_at = p += member;
    memset(p, '0', AIVO_MSGID_TEXT - 1);
    p += AIVO_MSGID_TEXT - 1;
    *p++ = '"';
    if (t->place.comma)
        *p++ = ',';
    memcpy(p, json.text + t->place.at, json.len - t->place.at);
    t->args = out;
    t->args_len = json.len + more;
    out[t->args_len] = '\0';
    return true;
}

size_t aivo_queue_id_bytes(const struct aivo_queue *q)
{
    return q->id_member[0] ? strlen(q->id_member) + AIVO_MSGID_TEXT + 1 : 0; /* with quote and comma */
}

int aivo_queue_lane(const struct aivo_queue *q, const char *name)
{
    for (uint32_t i = 0; i < q->lane_count; i++) {
        if (strcmp(q->lanes[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static enum aivo_status find_lane(const struct aivo_queue *q, const struct aivo_send *how, struct job *job,
                                  struct aivo_error *err)
{
    job->ttl_s = AIVO_TTL_OF_QUEUE;
    if (!how)
        return AIVO_OK;
    job->ttl_s = how->ttl_s;
    job->priority = how->priority;
    job->order_key = how->order_key;
    job->collapse_key = how->collapse_key;
    const char *name = how->queue ? how->queue : "";
    int lane = aivo_queue_lane(q, name);
    if (lane < 0)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "there is no queue '%.64s'", name);
    job->lane = (uint32_t)lane;
    return AIVO_OK;
}

static enum aivo_status refuse_in_child(const struct aivo_queue *q, struct aivo_error *err)
{
    return aivo_queue_is_ours(q)
               ? AIVO_OK
               : aivo_error_set(err, AIVO_E_STATE, 0,
                                "the queue belongs to process %ld: a forked child needs a client of its own",
                                (long)q->pid);
}

static enum aivo_status check_size(const struct message_text *t, struct aivo_error *err)
{
    return t->args_len <= AIVO_STORE_ARGS_MAX
               ? AIVO_OK
               : aivo_error_set(err, AIVO_E_TOO_LARGE, 0, "the message's arguments are longer than %u bytes",
                                AIVO_STORE_ARGS_MAX);
}

/* Locked: ids are in the order of the jobs. */
static void give_id(struct aivo_queue *q, struct job *job, const struct message_text *t, char *id_at, int64_t unix_ms,
                    const uint64_t random[2])
{
    uint8_t uuid[AIVO_UUID_BYTES];
    if (t->place.kind == AIVO_MSGID_OWN) {
        memcpy(job->id.text, t->place.own, sizeof job->id.text);
        return;
    }
    aivo_uuid_next(&q->uuids, unix_ms, random, uuid);
    aivo_uuid_format(uuid, job->id.text);
    if (id_at)
        memcpy(id_at, job->id.text, AIVO_MSGID_TEXT - 1);
}

/* Locked. */
static enum aivo_status refuse_if_untold(const struct aivo_queue *q, struct aivo_error *err)
{
    if (q->refusing)
        return aivo_error_set(err, AIVO_E_STATE, 0, "the client is being destroyed");
    if (q->departed < AIVO_QUEUE_DEPARTED_MAX && q->departed_bytes < q->departed_bytes_max)
        return AIVO_OK;
    return aivo_error_set(err, AIVO_E_FULL, 0,
                          "the fates of %" PRIu64 " messages wait to be told: the client was not started, its callbacks"
                          " are not dispatched, or messages leave the queue faster than that",
                          q->departed);
}

/* Locked. */
static void append(struct aivo_queue *q, struct job *job)
{
    *q->jobs_tail = job;
    q->jobs_tail = &job->next;
}

/* Locked. A sender that has the file wakes the store thread when it gives it back. */
static void call_store_thread(struct aivo_queue *q, const struct job *job)
{
    q->first_waits &= !job->async;
    bool first = job->async ? q->async_count == 1 || q->job_count == 0 : q->job_count == 1;
    if (!q->leads && (first || q->untidy || q->job_count == q->awaited))
        pthread_cond_signal(&q->work);
}

/* The first of a batch waits a moment for the others, and does them all if they do not come (true; else done_sem is to
 * be waited for). Locked on entry, not on return. */
static bool wait_a_moment(struct aivo_queue *q, struct job *job)
{
    int64_t until_us = aivo_clock_us() + aivo_queue_patience(q);
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000};
    q->first_waits = true;
    pthread_mutex_unlock(&q->lock);
    if (sem_clockwait(&job->done_sem, CLOCK_MONOTONIC, &until) == 0) {
        sem_post(&job->done_sem); /* waited for again, as by everybody: ThreadSanitizer does not know sem_clockwait() */
        return false;
    }
    pthread_mutex_lock(&q->lock);
    q->first_waits = false; /* from here on the store thread minds what is left */
    bool done = aivo_queue_lead(q, job, true);
    if (!done && !q->taken_up)
        pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
    return done;
}

/* Locked on entry, not on return. */
static void do_or_wait_for(struct aivo_queue *q, struct job *job)
{
    q->job_count++;
    append(q, job);
    if (aivo_queue_lead(q, job, false)) {
        pthread_mutex_unlock(&q->lock);
        return;
    }
    if (!q->taken_up && !q->untidy && q->async_count == 0 && q->job_count == 1 && q->expected > 1) {
        if (wait_a_moment(q, job))
            return;
    } else {
        call_store_thread(q, job);
        pthread_mutex_unlock(&q->lock);
    }
    /* Each has a semaphore of its own: woken together they would all ask for the lock. */
    while (sem_wait(&job->done_sem) != 0)
        ; /* EINTR */
    aivo_queue_release(job->next);
}

static enum aivo_status result_of(struct job *job, struct aivo_error *err)
{
    /* Found out only now: to the sender it is one more reason why it cannot be stored. */
    if (job->status == AIVO_E_CORRUPT)
        job->status = job->err.status = AIVO_E_STORE;
    if (job->status != AIVO_OK && err)
        *err = job->err;
    return job->status;
}

enum aivo_status aivo_queue_send_ex(struct aivo_queue *q, const char *event, const char *args,
                                    const struct aivo_send *how, struct aivo_message_id *out_id, struct aivo_error *err)
{
    struct message_text text;
    struct job job = {.kind = JOB_SEND, .event = event, .event_len = strlen(event)};
    enum aivo_status status = refuse_in_child(q, err);
    if (status == AIVO_OK)
        status = find_lane(q, how, &job, err);
    if (status != AIVO_OK)
        return status;
    if (!make_text(q, args ? args : "[]", &text))
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a message");
    job.args = text.args;
    job.args_len = text.args_len;
    uint64_t random[2];
    aivo_random_bytes(random, sizeof random);
    const int64_t unix_ms = aivo_clock_unix_ms();
    sem_init(&job.done_sem, 0, 0);
    status = check_size(&text, err);
    if (status == AIVO_OK) {
        pthread_mutex_lock(&q->lock);
        status = refuse_if_untold(q, err);
        while (status == AIVO_OK && q->job_count >= AIVO_QUEUE_JOBS_MAX) {
            pthread_cond_wait(&q->space, &q->lock);
            status = refuse_if_untold(q, err);
        }
        if (status == AIVO_OK) {
            give_id(q, &job, &text, text.id_at, unix_ms, random);
            do_or_wait_for(q, &job);
        } else {
            pthread_mutex_unlock(&q->lock);
        }
    }
    free(text.heap);
    if (status != AIVO_OK)
        return status;
    if (result_of(&job, err) == AIVO_OK && out_id)
        *out_id = job.id;
    return job.status;
}

enum aivo_status aivo_queue_send(struct aivo_queue *q, const char *event, const char *args,
                                 struct aivo_message_id *out_id, struct aivo_error *err)
{
    return aivo_queue_send_ex(q, event, args, NULL, out_id, err);
}

static char *keep(char **at, const char *text, size_t len)
{
    char *start = *at;
    memcpy(start, text, len);
    start[len] = '\0';
    *at = start + len + 1;
    return start;
}

/* A job with texts of its own. *id_at is moved to them. */
static struct job *copy_job(const struct job *like, const struct message_text *text, char **id_at)
{
    size_t order_len = like->order_key ? strlen(like->order_key) : 0;
    size_t collapse_len = like->collapse_key ? strlen(like->collapse_key) : 0;
    struct job *job = malloc(sizeof *job + like->event_len + text->args_len + order_len + collapse_len + 4);
    if (!job)
        return NULL;
    *job = *like;
    char *at = (char *)(job + 1);
    job->event = keep(&at, like->event, like->event_len);
    char *args = keep(&at, text->args, text->args_len);
    job->args = args;
    job->args_len = text->args_len;
    *id_at = text->id_at ? args + (text->id_at - text->args) : NULL;
    if (like->order_key)
        job->order_key = keep(&at, like->order_key, order_len);
    if (like->collapse_key)
        job->collapse_key = keep(&at, like->collapse_key, collapse_len);
    return job;
}

enum aivo_status aivo_queue_send_async(struct aivo_queue *q, const char *event, const char *args,
                                       const struct aivo_send *how, void (*fn)(void), void *fn_user,
                                       struct aivo_message_id *out_id, struct aivo_error *err)
{
    struct message_text text;
    struct job like = {.kind = JOB_SEND, .event = event, .event_len = strlen(event), .async = true};
    enum aivo_status status = refuse_in_child(q, err);
    if (status == AIVO_OK)
        status = find_lane(q, how, &like, err);
    if (status != AIVO_OK)
        return status;
    if (!make_text(q, args ? args : "[]", &text))
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a message");
    like.fn = fn;
    like.fn_user = fn_user;
    char *id_at = NULL;
    status = check_size(&text, err);
    struct job *job = status == AIVO_OK ? copy_job(&like, &text, &id_at) : NULL;
    free(text.heap);
    if (status != AIVO_OK)
        return status;
    if (!job)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a message");
    uint64_t random[2];
    aivo_random_bytes(random, sizeof random);
    const int64_t unix_ms = aivo_clock_unix_ms();
    const uint64_t bytes = job->event_len + job->args_len;
    pthread_mutex_lock(&q->lock);
    status = refuse_if_untold(q, err);
    if (status == AIVO_OK && (q->async_count >= AIVO_QUEUE_ASYNC_MAX ||
                              (q->async_count > 0 && q->async_bytes + bytes > AIVO_QUEUE_ASYNC_BYTES)))
        status = aivo_error_set(err, AIVO_E_FULL, 0, "too many messages are on their way to the disk");
    if (status == AIVO_OK) {
        give_id(q, job, &text, id_at, unix_ms, random);
        if (out_id)
            *out_id = job->id;
        q->async_count++;
        q->async_bytes += bytes;
        append(q, job);
        call_store_thread(q, job);
    }
    pthread_mutex_unlock(&q->lock);
    if (status != AIVO_OK)
        free(job);
    return status;
}

static enum aivo_status ask(struct aivo_queue *q, struct job *job, uint64_t *count, struct aivo_error *err)
{
    enum aivo_status status = refuse_in_child(q, err);
    if (status != AIVO_OK)
        return status;
    sem_init(&job->done_sem, 0, 0);
    pthread_mutex_lock(&q->lock);
    if (q->refusing) {
        pthread_mutex_unlock(&q->lock);
        return aivo_error_set(err, AIVO_E_STATE, 0, "the client is being destroyed");
    }
    do_or_wait_for(q, job);
    if (job->status == AIVO_OK && job->where.id && job->count == 0)
        return aivo_error_set(err, AIVO_E_NOT_FOUND, 0, "no such message has the id %.40s", job->where.id);
    if (result_of(job, err) == AIVO_OK && count)
        *count = job->count;
    return job->status;
}

enum aivo_status aivo_queue_retry_where(struct aivo_queue *q, const struct aivo_queue_where *where, uint64_t *count,
                                        struct aivo_error *err)
{
    struct job job = {.kind = JOB_RETRY, .where = *where};
    return ask(q, &job, count, err);
}

enum aivo_status aivo_queue_retry(struct aivo_queue *q, const char *id, uint64_t *count, struct aivo_error *err)
{
    const struct aivo_queue_where where = {.id = id, .lane = -1};
    return aivo_queue_retry_where(q, &where, count, err);
}

enum aivo_status aivo_queue_purge_where(struct aivo_queue *q, bool pending, const struct aivo_queue_where *where,
                                        uint64_t *count, struct aivo_error *err)
{
    struct job job = {.kind = pending ? JOB_PURGE_PENDING : JOB_PURGE, .where = *where};
    return ask(q, &job, count, err);
}

enum aivo_status aivo_queue_purge_lane(struct aivo_queue *q, bool pending, int lane, const char *id, uint64_t *count,
                                       struct aivo_error *err)
{
    const struct aivo_queue_where where = {.id = id, .lane = lane};
    return aivo_queue_purge_where(q, pending, &where, count, err);
}

enum aivo_status aivo_queue_purge(struct aivo_queue *q, const char *id, uint64_t *count, struct aivo_error *err)
{
    return aivo_queue_purge_lane(q, false, -1, id, count, err);
}
