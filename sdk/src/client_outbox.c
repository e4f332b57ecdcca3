/* Durable messages: the client's side of the offline queue. */
#include "client_internal.h"

#include "error_internal.h"
#include "sized.h"
#include <string.h>

static enum aivo_status no_queue(const struct aivo_client *c, struct aivo_error *err)
{
    return c ? aivo_error_set(err, AIVO_E_STATE, 0, "no offline queue: set the option queue.path")
             : aivo_error_set(err, AIVO_E_INVALID, 0, "client is NULL");
}

static bool key_usable(const char *key)
{
    if (!key)
        return true;
    size_t len = strnlen(key, AIVO_MESSAGE_KEY_MAX + 1);
    return len > 0 && len <= AIVO_MESSAGE_KEY_MAX && aivo_utf8_valid(key, len);
}

/* full: what is asked for, with the defaults of what the caller does not know of. */
static enum aivo_status take_how(const struct aivo_send *given, struct aivo_send *full, struct aivo_error *err)
{
    const struct aivo_send *how = full;
    aivo_send_init(full);
    if (given &&
        !aivo_sized_in(full, sizeof *full, given, given->size, AIVO_SIZE_THROUGH(struct aivo_send, collapse_key)))
        return aivo_error_set(err, AIVO_E_INVALID, 0, "struct aivo_send was not filled with aivo_send_init()");
    if (how->priority < -AIVO_PRIORITY_MAX || how->priority > AIVO_PRIORITY_MAX)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "priority is %d: it must be %d..%d", (int)how->priority,
                              -AIVO_PRIORITY_MAX, AIVO_PRIORITY_MAX);
    if (!key_usable(how->order_key) || !key_usable(how->collapse_key))
        return aivo_error_set(err, AIVO_E_INVALID, 0, "%s must be 1..%d bytes of UTF-8",
                              key_usable(how->order_key) ? "collapse_key" : "order_key", AIVO_MESSAGE_KEY_MAX);
    return AIVO_OK;
}

static enum aivo_status check_send(const struct aivo_client *c, const char *event, const char *args,
                                   const struct aivo_send *given, struct aivo_send *how, struct aivo_error *err)
{
    if (!c || !c->queue)
        return no_queue(c, err);
    if (!aivo_client_event_usable(event))
        return aivo_error_set(err, AIVO_E_INVALID, 0,
                              "the event's name must be 1..256 bytes of UTF-8 and none that Socket.IO reserves");
    size_t at = 0;
    struct aivo_json json = aivo_json_parse(args ? args : "[]", args ? strlen(args) : 2, &at);
    if (json.type == AIVO_JSON_NONE)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "the arguments are no valid JSON (at byte %zu)", at);
    if (json.type != AIVO_JSON_ARRAY)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "the arguments must be a JSON array");
    size_t most = aivo_client_durable_most(c, event), id = aivo_queue_id_bytes(c->queue);
    if ((args ? strlen(args) : json.len) + id > most)
        return aivo_error_set(err, AIVO_E_TOO_LARGE, 0,
                              "the arguments are longer than %zu bytes, which is what the send buffer holds of them"
                              " (option max_send_buffer_bytes)",
                              most > id ? most - id : 0);
    return take_how(given, how, err);
}

enum aivo_status aivo_client_send_ex(struct aivo_client *c, const char *event, const char *args,
                                     const struct aivo_send *how, struct aivo_message_id *out_id,
                                     struct aivo_error *err)
{
    struct aivo_send full;
    enum aivo_status status = check_send(c, event, args, how, &full, err);
    return status == AIVO_OK ? aivo_queue_send_ex(c->queue, event, args, &full, out_id, err) : status;
}

enum aivo_status aivo_client_send(struct aivo_client *c, const char *event, const char *args,
                                  struct aivo_message_id *out_id, struct aivo_error *err)
{
    return aivo_client_send_ex(c, event, args, NULL, out_id, err);
}

enum aivo_status aivo_client_send_async(struct aivo_client *c, const char *event, const char *args,
                                        const struct aivo_send *how, aivo_stored_fn stored, void *user,
                                        struct aivo_message_id *out_id, struct aivo_error *err)
{
    struct aivo_send full;
    enum aivo_status status = check_send(c, event, args, how, &full, err);
    if (status != AIVO_OK)
        return status;
    return aivo_queue_send_async(c->queue, event, args, &full, (void (*)(void))stored, user, out_id, err);
}

enum aivo_status aivo_client_queue_stats_sized(struct aivo_client *c, struct aivo_queue_stats *out, size_t size)
{
    struct aivo_queue_stats stats;
    if (!c || !c->queue)
        return no_queue(c, NULL);
    aivo_queue_stats(c->queue, &stats);
    aivo_sized_out(out, size, &stats, sizeof stats);
    return AIVO_OK;
}

enum aivo_status aivo_client_on_queue(struct aivo_client *c, const struct aivo_queue_callbacks *callbacks)
{
    struct aivo_queue_callbacks full = {.size = sizeof full};
    if (!c)
        return AIVO_E_INVALID;
    if (callbacks && !aivo_sized_in(&full, sizeof full, callbacks, callbacks->size,
                                    AIVO_SIZE_THROUGH(struct aivo_queue_callbacks, user)))
        return AIVO_E_INVALID;
    pthread_mutex_lock(&c->lock);
    c->callbacks.queue = full;
    pthread_mutex_unlock(&c->lock);
    if (c->queue)
        aivo_queue_watch(c->queue, full.queued);
    return AIVO_OK;
}

enum aivo_status aivo_client_queue_retry(struct aivo_client *c, const char *id, uint64_t *count, struct aivo_error *err)
{
    return c && c->queue ? aivo_queue_retry(c->queue, id, count, err) : no_queue(c, err);
}

enum aivo_status aivo_client_queue_purge(struct aivo_client *c, const char *id, uint64_t *count, struct aivo_error *err)
{
    return c && c->queue ? aivo_queue_purge(c->queue, id, count, err) : no_queue(c, err);
}

static enum aivo_status take_filter(struct aivo_client *c, const struct aivo_outbox_filter *filter,
                                    struct aivo_queue_where *where, struct aivo_error *err)
{
    const char *queue;
    if (!c || !c->queue)
        return no_queue(c, err);
    enum aivo_status status = aivo_outbox_take_filter(filter, where, &queue, err);
    if (status == AIVO_OK && queue && (where->lane = aivo_queue_lane(c->queue, queue)) < 0)
        return aivo_error_set(err, AIVO_E_NOT_FOUND, 0, "there is no queue '%.64s'", queue);
    return status;
}

enum aivo_status aivo_client_queue_retry_where(struct aivo_client *c, const struct aivo_outbox_filter *filter,
                                               uint64_t *count, struct aivo_error *err)
{
    struct aivo_queue_where where;
    enum aivo_status status = take_filter(c, filter, &where, err);
    return status == AIVO_OK ? aivo_queue_retry_where(c->queue, &where, count, err) : status;
}

enum aivo_status aivo_client_queue_purge_where(struct aivo_client *c, enum aivo_outbox_kind kind,
                                               const struct aivo_outbox_filter *filter, uint64_t *count,
                                               struct aivo_error *err)
{
    struct aivo_queue_where where;
    enum aivo_status status = take_filter(c, filter, &where, err);
    return status == AIVO_OK ? aivo_queue_purge_where(c->queue, kind == AIVO_OUTBOX_PENDING, &where, count, err)
                             : status;
}
