#include "queue-file.h"
#include <aivo/outbox.h>
#include <string.h>

G_DEFINE_FINAL_TYPE(AivoQueueMessage, aivo_queue_message, G_TYPE_OBJECT)

static void finalize(GObject *object)
{
    AivoQueueMessage *self = AIVO_QUEUE_MESSAGE(object);
    g_free(self->id);
    g_free(self->event);
    g_free(self->args);
    g_free(self->last_error);
    G_OBJECT_CLASS(aivo_queue_message_parent_class)->finalize(object);
}

static void aivo_queue_message_class_init(AivoQueueMessageClass *class)
{
    G_OBJECT_CLASS(class)->finalize = finalize;
}

static void aivo_queue_message_init(AivoQueueMessage *self)
{
    self->state = "";
}

void aivo_queue_content_free(AivoQueueContent *content)
{
    if (!content)
        return;
    g_ptr_array_unref(content->messages);
    g_free(content);
}

/* -------------------------------------------------------------------- read */

static bool add_message(void *user, const struct aivo_queued *queued)
{
    AivoQueueContent *content = user;
    AivoQueueMessage *message = g_object_new(AIVO_TYPE_QUEUE_MESSAGE, NULL);
    message->id = g_strdup(queued->id.text);
    message->event = g_utf8_make_valid(queued->event, -1);
    message->args = g_utf8_make_valid(queued->args, -1);
    message->last_error = queued->last_error ? g_utf8_make_valid(queued->last_error, -1) : NULL;
    message->state = aivo_queued_state_name(queued->state);
    message->created_ms = queued->created_ms;
    message->attempts = queued->attempts;
    message->dead = queued->state == AIVO_QUEUED_DEAD;
    g_ptr_array_add(content->messages, message);
    return true;
}

static void read_thread(GTask *task, gpointer source, gpointer path, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    struct aivo_error error = {0};
    struct aivo_outbox *outbox = NULL;
    struct aivo_queue_stats stats = {.size = sizeof stats};
    g_autoptr(AivoQueueContent) content = g_new0(AivoQueueContent, 1);
    content->messages = g_ptr_array_new_with_free_func(g_object_unref);
    enum aivo_status status = aivo_outbox_open(path, false, &outbox, &error);
    if (status == AIVO_E_NOT_FOUND) {
        g_task_return_pointer(task, g_steal_pointer(&content), (GDestroyNotify)aivo_queue_content_free);
        return;
    }
    if (status == AIVO_OK)
        status = aivo_outbox_stats(outbox, NULL, &stats, &error);
    if (status == AIVO_OK)
        status = aivo_outbox_list(outbox, AIVO_OUTBOX_DEAD, NULL, NULL, AIVO_QUEUE_FILE_LIST_MAX, add_message, content,
                                  &error);
    if (status == AIVO_OK)
        status = aivo_outbox_list(outbox, AIVO_OUTBOX_PENDING, NULL, NULL, AIVO_QUEUE_FILE_LIST_MAX, add_message,
                                  content, &error);
    aivo_outbox_close(outbox);
    if (status != AIVO_OK) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
                                *error.message ? error.message : aivo_strerror(status));
        return;
    }
    content->figures.known = TRUE;
    content->figures.pending = stats.pending;
    content->figures.dead = stats.dead;
    content->figures.bytes = stats.bytes;
    content->figures.oldest_ms = stats.oldest_ms;
    content->more = stats.pending + stats.dead > content->messages->len;
    g_task_return_pointer(task, g_steal_pointer(&content), (GDestroyNotify)aivo_queue_content_free);
}

void aivo_queue_file_read_async(const char *path, GAsyncReadyCallback done, gpointer user)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, user);
    g_task_set_task_data(task, g_strdup(path), g_free);
    g_task_run_in_thread(task, read_thread);
}

AivoQueueContent *aivo_queue_file_read_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* ------------------------------------------------------------------ change */

struct change {
    char *path, *id;
    AivoQueueAct act;
    gint64 not_after_ms;
};

static void change_free(struct change *change)
{
    g_free(change->path);
    g_free(change->id);
    g_free(change);
}

static enum aivo_status change_file(struct aivo_outbox *outbox, const struct change *change, uint64_t *count,
                                    struct aivo_error *error)
{
    struct aivo_outbox_filter filter;
    switch (change->act) {
    case AIVO_QUEUE_RETRY_DEAD:
        return aivo_outbox_retry(outbox, change->id, count, error);
    case AIVO_QUEUE_PURGE_DEAD:
        return aivo_outbox_purge(outbox, AIVO_OUTBOX_DEAD, NULL, change->id, count, error);
    case AIVO_QUEUE_PURGE_WAITING:
        break;
    }
    aivo_outbox_filter_init(&filter);
    filter.not_after = change->not_after_ms;
    return aivo_outbox_purge_where(outbox, AIVO_OUTBOX_PENDING, &filter, count, error);
}

static void change_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    struct change *change = data;
    struct aivo_error error = {0};
    struct aivo_outbox *outbox = NULL;
    uint64_t count = 0;
    enum aivo_status status = aivo_outbox_open(change->path, true, &outbox, &error);
    if (status == AIVO_OK)
        status = change_file(outbox, change, &count, &error);
    aivo_outbox_close(outbox);
    if (status == AIVO_OK)
        g_task_return_int(task, (gssize)count);
    else
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
                                *error.message ? error.message : aivo_strerror(status));
}

void aivo_queue_file_change_async(const char *path, AivoQueueAct act, const char *id, gint64 not_after_ms,
                                  GAsyncReadyCallback done, gpointer user)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, user);
    struct change *change = g_new0(struct change, 1);
    change->path = g_strdup(path);
    change->id = g_strdup(id);
    change->act = act;
    change->not_after_ms = not_after_ms;
    g_task_set_task_data(task, change, (GDestroyNotify)change_free);
    g_task_run_in_thread(task, change_thread);
}

gssize aivo_queue_file_change_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_int(G_TASK(result), error);
}
