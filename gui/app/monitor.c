#include "monitor.h"
#include "describe.h"
#include "keeper.h"
#include "link-options.h"
#include "narrator.h"
#include <aivo/client.h>
#include <aivo/loop.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

#define TOKEN_TTL_S    3600
#define PRUNE_CHECK_S  3600 /* is a day over? A timer of a day would be late by the time that the computer slept */
#define DAY_US         (24 * G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)
#define STATS_DELAY_MS 100 /* the queue's figures are read at most so often, however many messages move */

/* A client with what it needs to live. Workers that wait for its disk hold a reference, so that none works on a client
 * that is gone; the last one ends it. */
struct handle {
    gatomicrefcount refs;
    struct aivo_client *client;
    AivoRecorder *recorder;
};

/* A connection that is being measured. Only the main thread touches it. */
struct link {
    AivoMonitor *monitor;       /* a reference, while a worker may come back to it */
    AivoConnection *connection; /* a reference */
    struct handle *handle;      /* NULL until the worker has made it */
    AivoEventFile *events;      /* a reference; NULL: they are not kept */
    AivoProfile *profile;       /* as it was when this began */
    char *secret;
    guint source, stats_source;
    gboolean opening, waiting, dispatching, ended, forget;
    enum aivo_level level; /* the latest that was told */
};

struct _AivoMonitor {
    GObject parent;
    AivoSecrets *secrets;
    AivoTuning tuning;
    struct aivo_loop *loop;
    GHashTable *links; /* AivoConnection -> struct link: those that have not ended */
    AivoKeeper *keeper;
    GHashTable *loaded; /* ids whose history and events have been read */
    GPtrArray *ending;  /* struct link: those on their way out */
    GTask *shutdown;
    guint prune_source;
    gint64 pruned_us; /* when the histories were, last */
};

G_DEFINE_FINAL_TYPE(AivoMonitor, aivo_monitor, G_TYPE_OBJECT)

static void link_ready(struct link *link);

/* ----------------------------------------------------------------- handle */

static struct handle *handle_ref(struct handle *handle)
{
    g_atomic_ref_count_inc(&handle->refs);
    return handle;
}

/* Blocks when it is the last: never on the main thread. */
static void handle_unref(struct handle *handle)
{
    if (!handle || !g_atomic_ref_count_dec(&handle->refs))
        return;
    aivo_client_destroy(handle->client);
    aivo_recorder_unref_in_worker(handle->recorder);
    g_free(handle);
}

/* ------------------------------------------------------------ end of links */

static void remove_dir(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_rmdir(path);
}

static void bury_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    struct link *link = data;
    handle_unref(link->handle);
    link->handle = NULL;
    if (link->events && link->forget)
        aivo_event_file_delete(link->events);
    else if (link->events)
        aivo_event_file_flush(link->events);
    if (link->forget) {
        g_autofree char *dir = aivo_connection_dup_dir(link->connection);
        remove_dir(dir);
    }
    g_task_return_boolean(task, TRUE);
}

static void shutdown_check(AivoMonitor *self)
{
    if (!self->shutdown || self->ending->len || g_hash_table_size(self->links))
        return;
    GTask *task = g_steal_pointer(&self->shutdown);
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static void buried(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    (void)result;
    struct link *link = user;
    AivoMonitor *self = link->monitor;
    struct link *next = g_hash_table_lookup(self->links, link->connection);
    g_ptr_array_remove_fast(self->ending, link);
    if (next && next->waiting)
        link_ready(next);
    g_object_unref(link->connection);
    aivo_event_file_unref(link->events);
    aivo_profile_free(link->profile);
    aivo_secret_free(link->secret);
    g_free(link);
    shutdown_check(self);
    g_object_unref(self);
}

static void link_bury(struct link *link)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, buried, link);
    g_task_set_task_data(task, link, NULL);
    g_task_run_in_thread(task, bury_thread);
}

/* From here on no callback does anything. The client goes when it is in no callback and no worker makes it. */
static void link_end(struct link *link)
{
    gboolean waiting = link->waiting;
    link->ended = TRUE;
    link->waiting = FALSE;
    g_clear_handle_id(&link->source, g_source_remove);
    g_clear_handle_id(&link->stats_source, g_source_remove);
    g_ptr_array_add(link->monitor->ending, link);
    if (waiting || (!link->opening && !link->dispatching))
        link_bury(link);
}

/* -------------------------------------------------------------- callbacks */

static void read_stats(struct link *link)
{
    struct aivo_queue_stats stats;
    if (!aivo_connection_owns_queue(link->connection) ||
        aivo_client_queue_stats(link->handle->client, &stats) != AIVO_OK)
        return;
    AivoQueueFigures figures;
    memset(&figures, 0, sizeof figures); /* compared as bytes */
    figures.known = TRUE;
    figures.pending = stats.pending;
    figures.in_flight = stats.in_flight;
    figures.dead = stats.dead;
    figures.bytes = stats.bytes;
    figures.oldest_ms = stats.oldest_ms;
    figures.sent = stats.sent;
    figures.acknowledged = stats.acknowledged;
    figures.expired = stats.expired;
    figures.evicted = stats.evicted;
    aivo_connection_set_queue(link->connection, &figures);
}

static gboolean stats_due(gpointer user)
{
    struct link *link = user;
    link->stats_source = 0;
    read_stats(link);
    return G_SOURCE_REMOVE;
}

static void stats_soon(struct link *link)
{
    if (!link->stats_source && !link->ended)
        link->stats_source = g_timeout_add(STATS_DELAY_MS, stats_due, link);
}

static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                     const struct aivo_error *error, void *user)
{
    struct link *link = user;
    if (link->ended)
        return;
    g_autofree char *reason = error && error->status != AIVO_OK ? aivo_describe_sentence(error->message) : NULL;
    aivo_narrate_state(link->connection, (AivoLinkState)from, (AivoLinkState)to, reason,
                       aivo_connection_get_since(link->connection));
    char sid[128] = "";
    if (to == AIVO_STATE_CONNECTED)
        aivo_client_sid(client, sid, sizeof sid);
    else
        link->level = AIVO_LEVEL_OFFLINE;
    aivo_connection_set_sid(link->connection, sid);
    const char *keep = to == AIVO_STATE_CONNECTING ? NULL : reason;
    aivo_connection_set_failure(link->connection, error ? error->status : AIVO_OK);
    aivo_connection_set_state(link->connection, (AivoLinkState)to, keep);
    stats_soon(link);
}

static void on_sample(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client;
    struct link *link = user;
    if (link->ended)
        return;
    aivo_connection_set_quality(link->connection, quality);
    stats_soon(link);
}

static void on_level(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client;
    struct link *link = user;
    if (link->ended)
        return;
    enum aivo_level before = link->level;
    link->level = quality->level;
    if (aivo_connection_get_state(link->connection) == AIVO_LINK_CONNECTED)
        aivo_narrate_level(link->connection, before, quality);
}

static void on_notice(struct aivo_client *client, const struct aivo_error *error, void *user)
{
    (void)client;
    struct link *link = user;
    if (!link->ended)
        aivo_narrate_notice(link->connection, error->status, error->message);
}

static void on_moved(struct aivo_client *client, const struct aivo_queued *message, const char *answer, void *user)
{
    (void)client;
    (void)message;
    (void)answer;
    stats_soon(user);
}

static void on_dead(struct aivo_client *client, const struct aivo_queued *message, const char *answer, void *user)
{
    struct link *link = user;
    if (!link->ended)
        aivo_narrate_message(link->connection, AIVO_LOSS_OF_DEAD, message->event, message->last_error);
    on_moved(client, message, answer, user);
}

static void on_expired(struct aivo_client *client, const struct aivo_queued *message, const char *answer, void *user)
{
    struct link *link = user;
    if (!link->ended)
        aivo_narrate_message(link->connection, AIVO_LOSS_OF_EXPIRED, message->event, NULL);
    on_moved(client, message, answer, user);
}

static void on_evicted(struct aivo_client *client, const struct aivo_queued *message, const char *answer, void *user)
{
    struct link *link = user;
    if (!link->ended)
        aivo_narrate_message(link->connection, AIVO_LOSS_OF_EVICTED, message->event, NULL);
    on_moved(client, message, answer, user);
}

/* Runs inside dispatch, on the main thread. A token of the user's own that was refused will be refused again. */
static void on_auth(struct aivo_client *client, enum aivo_auth_reason reason, void *user)
{
    struct link *link = user;
    if (reason == AIVO_AUTH_REFUSED && link->profile->auth != AIVO_AUTH_SIGNED) {
        aivo_client_auth(client, NULL);
        return;
    }
    char *payload = aivo_link_auth_payload(link->profile, link->secret, TOKEN_TTL_S);
    aivo_client_auth(client, payload ? payload : "{}");
    aivo_secret_free(payload);
}

static gboolean dispatch(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    struct link *link = user;
    link->dispatching = TRUE;
    aivo_client_dispatch(link->handle->client);
    link->dispatching = FALSE;
    if (!link->ended)
        return G_SOURCE_CONTINUE;
    link_bury(link); /* it ended inside one of its own callbacks */
    return G_SOURCE_REMOVE;
}

/* ---------------------------------------------------------------- opening */

struct opening {
    struct link *link;
    AivoTuning tuning;
    struct aivo_loop *loop;
    AivoRecorder *recorder; /* a reference; NULL: none */
    gboolean load;          /* read the history and the events too */
    char *queue_path;       /* NULL: no queue of its own */
    /* what comes of it */
    struct handle *handle;
    GArray *points;
    GPtrArray *events;
    GPtrArray *notices;
    char *problem; /* why there is no client */
};

static void opening_free(struct opening *opening)
{
    aivo_recorder_unref(opening->recorder);
    g_free(opening->queue_path);
    g_clear_pointer(&opening->points, g_array_unref);
    g_clear_pointer(&opening->events, g_ptr_array_unref);
    g_ptr_array_unref(opening->notices);
    g_free(opening->problem);
    g_free(opening);
}

static void set_callbacks(struct aivo_client *client, struct link *link)
{
    const struct aivo_queue_callbacks queue = {.size = sizeof queue,
                                               .queued = on_moved,
                                               .sent = on_moved,
                                               .acknowledged = on_moved,
                                               .expired = on_expired,
                                               .evicted = on_evicted,
                                               .replaced = on_moved,
                                               .dead = on_dead,
                                               .user = link};
    aivo_client_on_state(client, on_state, link);
    aivo_client_on_quality(client, on_sample, on_level, link);
    aivo_client_on_notice(client, on_notice, link);
    aivo_client_on_queue(client, &queue);
}

/* In the worker: opening files waits for the disk. */
static void make_client(struct opening *opening, struct aivo_history *history)
{
    struct aivo_options options;
    struct aivo_error error = {0};
    struct aivo_client *client = NULL;
    aivo_link_options(opening->link->profile, &opening->tuning, &options);
    options.loop = opening->loop;
    options.callbacks = AIVO_CALLBACKS_DISPATCH;
    options.auth_fn = on_auth;
    options.auth_user = opening->link;
    if (opening->queue_path) {
        g_autofree char *dir = g_path_get_dirname(opening->queue_path);
        g_mkdir_with_parents(dir, 0700);
        options.queue.path = opening->queue_path;
    }
    enum aivo_status status = aivo_client_create(&options, &client, &error);
    if (opening->queue_path && (status == AIVO_E_LOCKED || status == AIVO_E_STORE || status == AIVO_E_CORRUPT)) {
        g_ptr_array_add(opening->notices, g_strdup_printf(_("There is no offline queue: %s"), error.message));
        options.queue.path = NULL;
        status = aivo_client_create(&options, &client, &error);
    }
    if (status != AIVO_OK) {
        opening->problem = aivo_describe_sentence(error.message);
        return;
    }
    if (history)
        aivo_client_record(client, history);
    set_callbacks(client, opening->link);
    opening->handle = g_new0(struct handle, 1);
    g_atomic_ref_count_init(&opening->handle->refs);
    opening->handle->client = client;
    opening->handle->recorder = opening->recorder ? aivo_recorder_ref(opening->recorder) : NULL;
}

static void open_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    struct opening *opening = data;
    struct aivo_history *history = NULL;
    char *notice = NULL;
    if (opening->link->events)
        opening->events = aivo_event_file_read(opening->link->events, opening->tuning.history_days, &notice);
    if (notice)
        g_ptr_array_add(opening->notices, g_steal_pointer(&notice));
    if (opening->recorder) {
        history = aivo_recorder_open(opening->recorder, &notice);
        if (notice)
            g_ptr_array_add(opening->notices, notice);
        if (opening->load)
            opening->points =
                aivo_recorder_read_week(opening->recorder, opening->tuning.history_days, g_get_real_time() / 1000);
    }
    if (!opening->link->profile->paused)
        make_client(opening, history);
    g_task_return_boolean(task, TRUE);
}

/* ---------------------------------------------------------------- history */

static void prune_all(AivoMonitor *self)
{
    g_autoptr(GList) running = g_hash_table_get_keys(self->links);
    for (GList *item = running; item; item = item->next)
        aivo_keeper_prune(self->keeper, item->data);
    self->pruned_us = g_get_real_time();
}

static gboolean prune_due(gpointer user)
{
    AivoMonitor *self = user;
    gint64 since = g_get_real_time() - self->pruned_us;
    if (since >= DAY_US || since < 0)
        prune_all(self);
    return G_SOURCE_CONTINUE;
}

static void take_history(AivoConnection *connection, GArray *points)
{
    if (points->len)
        aivo_quality_series_set_points(aivo_connection_get_series(connection), (AivoQualityPoint *)(void *)points->data,
                                       points->len);
}

static void take_events(AivoConnection *connection, GPtrArray *events)
{
    if (!events->len)
        return;
    aivo_connection_log(connection, AIVO_EVENT_NOTICE, AIVO_TONE_NEUTRAL, _("Aivo Monitor was started"), NULL);
    aivo_event_log_add_old(aivo_connection_get_log(connection), events);
}

static void opened(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    struct link *link = user;
    struct opening *opening = g_task_get_task_data(G_TASK(result));
    link->opening = FALSE;
    link->handle = opening->handle;
    if (link->ended) {
        link_bury(link);
        return;
    }
    if (opening->load)
        g_hash_table_add(link->monitor->loaded, g_strdup(link->profile->id));
    if (opening->events && opening->load)
        take_events(link->connection, opening->events);
    for (guint i = 0; i < opening->notices->len; i++)
        aivo_narrate_trouble(link->connection, g_ptr_array_index(opening->notices, i));
    if (opening->points)
        take_history(link->connection, opening->points);
    aivo_keeper_prune(link->monitor->keeper, link->connection);
    if (opening->problem) {
        aivo_connection_set_failure(link->connection, AIVO_E_INVALID);
        aivo_connection_set_state(link->connection, AIVO_LINK_FAILED, opening->problem);
        aivo_connection_log(link->connection, AIVO_EVENT_DROP, AIVO_TONE_BAD, _("Given up"), opening->problem);
    }
    if (!link->handle)
        return;
    link->source = g_unix_fd_add(aivo_client_fd(link->handle->client), G_IO_IN, dispatch, link);
    read_stats(link);
    aivo_client_start(link->handle->client);
}

static void link_begin(struct link *link)
{
    AivoMonitor *self = link->monitor;
    if (!self->loop && aivo_loop_create(&self->loop, NULL) != AIVO_OK) {
        link->opening = FALSE;
        aivo_connection_set_state(link->connection, AIVO_LINK_FAILED, _("The system refused a thread"));
        return;
    }
    struct opening *opening = g_new0(struct opening, 1);
    AivoRecorder *recorder = aivo_keeper_recorder(self->keeper, link->connection);
    AivoEventFile *events = aivo_keeper_events(self->keeper, link->connection);
    link->events = events ? aivo_event_file_ref(events) : NULL;
    opening->link = link;
    opening->tuning = self->tuning;
    opening->loop = self->loop;
    opening->recorder = recorder ? aivo_recorder_ref(recorder) : NULL;
    opening->load = !g_hash_table_contains(self->loaded, link->profile->id);
    opening->queue_path =
        aivo_connection_owns_queue(link->connection) ? aivo_connection_dup_queue_path(link->connection) : NULL;
    opening->notices = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GTask) task = g_task_new(NULL, NULL, opened, link);
    g_task_set_task_data(task, opening, (GDestroyNotify)opening_free);
    g_task_run_in_thread(task, open_thread);
}

/* Not before the one before it has let go of the connection's files. */
static void link_ready(struct link *link)
{
    link->waiting = FALSE;
    for (guint i = 0; i < link->monitor->ending->len; i++) {
        struct link *other = g_ptr_array_index(link->monitor->ending, i);
        link->waiting |= other->connection == link->connection;
    }
    if (link->ended) {
        link->opening = FALSE;
        link_bury(link);
    } else if (!link->waiting) {
        link_begin(link);
    }
}

static void got_secret(GObject *source, GAsyncResult *result, gpointer user)
{
    struct link *link = user;
    link->secret = aivo_secrets_lookup_finish(AIVO_SECRETS(source), result);
    link_ready(link);
}

/* -------------------------------------------------------------- interface */

void aivo_monitor_start(AivoMonitor *self, AivoConnection *connection)
{
    struct link *before = g_hash_table_lookup(self->links, connection);
    if (self->shutdown)
        return;
    if (before) {
        g_hash_table_remove(self->links, connection);
        link_end(before);
    }
    const AivoProfile *profile = aivo_connection_get_profile(connection);
    struct link *link = g_new0(struct link, 1);
    link->monitor = g_object_ref(self);
    link->connection = g_object_ref(connection);
    link->profile = aivo_profile_copy(profile);
    link->opening = TRUE;
    g_hash_table_insert(self->links, connection, link);
    if (profile->paused)
        aivo_connection_set_state(connection, AIVO_LINK_DISCONNECTED, NULL);
    else
        aivo_connection_set_state(connection, AIVO_LINK_CONNECTING, NULL);
    if (profile->auth != AIVO_AUTH_NONE && !profile->paused)
        aivo_secrets_lookup_async(self->secrets, profile->id, got_secret, link);
    else
        link_ready(link);
}

static void stop(AivoMonitor *self, AivoConnection *connection, gboolean forget)
{
    struct link *link = g_hash_table_lookup(self->links, connection);
    if (!link && !forget)
        return;
    if (!link) { /* nothing runs, but there are files */
        link = g_new0(struct link, 1);
        link->monitor = g_object_ref(self);
        link->connection = g_object_ref(connection);
    }
    g_hash_table_remove(self->links, connection);
    if (forget) {
        aivo_keeper_forget(self->keeper, connection);
        g_hash_table_remove(self->loaded, aivo_connection_get_id(connection));
    }
    link->forget = forget;
    link_end(link);
    aivo_connection_set_sid(connection, "");
    aivo_connection_set_state(connection, AIVO_LINK_DISCONNECTED, NULL);
}

void aivo_monitor_stop(AivoMonitor *self, AivoConnection *connection)
{
    stop(self, connection, FALSE);
}

void aivo_monitor_forget(AivoMonitor *self, AivoConnection *connection)
{
    stop(self, connection, TRUE);
}

gboolean aivo_monitor_is_running(AivoMonitor *self, AivoConnection *connection)
{
    struct link *link = g_hash_table_lookup(self->links, connection);
    return link && link->handle;
}

static void retry_link(struct link *link)
{
    if (!link->handle)
        return;
    if (aivo_connection_get_state(link->connection) == AIVO_LINK_FAILED)
        aivo_client_start(link->handle->client);
    else
        aivo_client_retry_now(link->handle->client);
}

void aivo_monitor_retry_now(AivoMonitor *self, AivoConnection *connection)
{
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, self->links);
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (!connection || key == connection)
            retry_link(value);
}

/* Is it measured as before? */
static gboolean same_measuring(const AivoTuning *a, const AivoTuning *b)
{
    return a->interval_ms == b->interval_ms && a->excellent_ms == b->excellent_ms && a->good_ms == b->good_ms &&
           a->fair_ms == b->fair_ms && a->classic == b->classic && !a->history_days == !b->history_days;
}

void aivo_monitor_set_tuning(AivoMonitor *self, const AivoTuning *tuning)
{
    const AivoTuning before = self->tuning;
    self->tuning = *tuning;
    aivo_keeper_set_days(self->keeper, tuning->history_days);
    if (same_measuring(&before, tuning)) {
        if (before.history_days != tuning->history_days)
            prune_all(self);
        return;
    }
    g_autoptr(GList) running = g_hash_table_get_keys(self->links);
    for (GList *item = running; item; item = item->next) {
        AivoConnection *connection = item->data;
        if (!aivo_connection_get_profile(connection)->paused)
            aivo_connection_log(connection, AIVO_EVENT_NOTICE, AIVO_TONE_NEUTRAL, _("The preferences changed"),
                                _("Measuring begins anew"));
        aivo_monitor_start(self, connection); /* which prunes, too */
    }
}

/* So that one sees later from when on nobody looked. */
static void end_events(AivoMonitor *self)
{
    g_autoptr(GList) running = g_hash_table_get_keys(self->links);
    for (GList *item = running; item; item = item->next)
        if (!aivo_connection_get_profile(item->data)->paused)
            aivo_connection_log(item->data, AIVO_EVENT_NOTICE, AIVO_TONE_NEUTRAL, _("Aivo Monitor was ended"), NULL);
}

void aivo_monitor_shutdown_async(AivoMonitor *self, GAsyncReadyCallback done, gpointer user)
{
    self->shutdown = g_task_new(self, NULL, done, user);
    g_clear_handle_id(&self->prune_source, g_source_remove);
    end_events(self);
    aivo_keeper_close(self->keeper); /* so that the workers below are the last to hold them, and close them */
    g_autoptr(GList) running = g_hash_table_get_keys(self->links);
    for (GList *item = running; item; item = item->next)
        stop(self, item->data, FALSE);
    shutdown_check(self);
}

/* ------------------------------------------------------------------ queue */

struct queue_job {
    AivoConnection *connection; /* a reference */
    struct handle *handle;
    char *event, *args; /* to send; NULL: act */
    AivoQueueAct act;
    char *id;
    gint64 not_after_ms;
};

static void queue_job_free(struct queue_job *job)
{
    g_object_unref(job->connection);
    g_free(job->id);
    g_free(job->event);
    g_free(job->args);
    g_free(job);
}

static enum aivo_status queue_act(const struct queue_job *job, uint64_t *count, struct aivo_error *error)
{
    struct aivo_client *client = job->handle->client;
    struct aivo_outbox_filter filter;
    if (job->event)
        return aivo_client_send(client, job->event, job->args, NULL, error);
    if (job->act == AIVO_QUEUE_RETRY_DEAD)
        return aivo_client_queue_retry(client, job->id, count, error);
    if (job->act == AIVO_QUEUE_PURGE_DEAD)
        return aivo_client_queue_purge(client, job->id, count, error);
    aivo_outbox_filter_init(&filter);
    filter.not_after = job->not_after_ms;
    return aivo_client_queue_purge_where(client, AIVO_OUTBOX_PENDING, &filter, count, error);
}

static void queue_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    struct queue_job *job = data;
    struct aivo_error error = {0};
    uint64_t count = 1;
    enum aivo_status status = queue_act(job, &count, &error);
    handle_unref(g_steal_pointer(&job->handle));
    if (status == AIVO_OK)
        g_task_return_int(task, (gssize)count);
    else
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
                                *error.message ? error.message : aivo_strerror(status));
}

static void queue_async(AivoMonitor *self, AivoConnection *connection, const struct queue_job *what,
                        GAsyncReadyCallback done, gpointer user)
{
    g_autoptr(GTask) task = g_task_new(self, NULL, done, user);
    struct link *link = g_hash_table_lookup(self->links, connection);
    if (!link || !link->handle) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CLOSED, _("The connection is paused"));
        return;
    }
    struct queue_job *job = g_new(struct queue_job, 1);
    *job = *what;
    job->connection = g_object_ref(connection);
    job->handle = handle_ref(link->handle);
    job->id = g_strdup(what->id);
    job->event = g_strdup(what->event);
    job->args = g_strdup(what->args);
    g_task_set_task_data(task, job, (GDestroyNotify)queue_job_free);
    g_task_run_in_thread(task, queue_thread);
}

void aivo_monitor_send_async(AivoMonitor *self, AivoConnection *connection, const char *event, const char *args,
                             GAsyncReadyCallback done, gpointer user)
{
    const struct queue_job job = {.event = (char *)event, .args = (char *)args};
    queue_async(self, connection, &job, done, user);
}

void aivo_monitor_change_queue_async(AivoMonitor *self, AivoConnection *connection, AivoQueueAct act, const char *id,
                                     gint64 not_after_ms, GAsyncReadyCallback done, gpointer user)
{
    const struct queue_job job = {.act = act, .id = (char *)id, .not_after_ms = not_after_ms};
    queue_async(self, connection, &job, done, user);
}

gssize aivo_monitor_queue_finish(AivoMonitor *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), -1);
    const struct queue_job *job = g_task_get_task_data(G_TASK(result));
    struct link *link = job ? g_hash_table_lookup(self->links, job->connection) : NULL;
    if (link && link->handle) /* what is deleted, no callback tells of */
        stats_soon(link);
    return g_task_propagate_int(G_TASK(result), error);
}

/* ------------------------------------------------------------------- life */

static void finalize(GObject *object)
{
    AivoMonitor *self = AIVO_MONITOR(object);
    g_clear_handle_id(&self->prune_source, g_source_remove);
    g_hash_table_unref(self->links);
    g_ptr_array_unref(self->ending);
    aivo_keeper_free(self->keeper);
    g_hash_table_unref(self->loaded);
    aivo_loop_destroy(self->loop);
    g_clear_object(&self->secrets);
    G_OBJECT_CLASS(aivo_monitor_parent_class)->finalize(object);
}

static void aivo_monitor_class_init(AivoMonitorClass *class)
{
    G_OBJECT_CLASS(class)->finalize = finalize;
}

static void aivo_monitor_init(AivoMonitor *self)
{
    self->tuning = (AivoTuning){.interval_ms = 10000,
                                .excellent_ms = 100,
                                .good_ms = 250,
                                .fair_ms = 500,
                                .classic = FALSE,
                                .history_days = 30};
    self->links = g_hash_table_new(NULL, NULL);
    self->ending = g_ptr_array_new();
    self->keeper = aivo_keeper_new();
    self->loaded = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->prune_source = g_timeout_add_seconds(PRUNE_CHECK_S, prune_due, self);
    self->pruned_us = g_get_real_time(); /* each connection's is, when it is opened */
}

AivoMonitor *aivo_monitor_new(AivoSecrets *secrets)
{
    AivoMonitor *self = g_object_new(AIVO_TYPE_MONITOR, NULL);
    self->secrets = g_object_ref(secrets);
    return self;
}
