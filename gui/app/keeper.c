#include "keeper.h"
#include <glib/gi18n.h>

struct _AivoKeeper {
    guint days;
    GHashTable *recorders; /* id -> AivoRecorder */
    GHashTable *events;    /* id -> AivoEventFile */
};

static void let_go(gpointer file)
{
    aivo_event_file_detach(file);
    aivo_event_file_unref(file);
}

AivoKeeper *aivo_keeper_new(void)
{
    AivoKeeper *self = g_new0(AivoKeeper, 1);
    self->days = 30;
    self->recorders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)aivo_recorder_unref);
    self->events = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, let_go);
    return self;
}

void aivo_keeper_free(AivoKeeper *self)
{
    g_hash_table_unref(self->recorders);
    g_hash_table_unref(self->events);
    g_free(self);
}

void aivo_keeper_set_days(AivoKeeper *self, guint days)
{
    self->days = days;
    if (!days)
        aivo_keeper_close(self);
}

static char *events_path(AivoConnection *connection)
{
    g_autofree char *dir = aivo_connection_dup_dir(connection);
    return g_build_filename(dir, "events.log", NULL);
}

AivoRecorder *aivo_keeper_recorder(AivoKeeper *self, AivoConnection *connection)
{
    if (!self->days)
        return NULL;
    const char *id = aivo_connection_get_id(connection);
    AivoRecorder *recorder = g_hash_table_lookup(self->recorders, id);
    if (!recorder) {
        g_autofree char *path = aivo_connection_dup_history_path(connection);
        recorder = aivo_recorder_new(path);
        g_hash_table_insert(self->recorders, g_strdup(id), recorder);
    }
    return recorder;
}

AivoEventFile *aivo_keeper_events(AivoKeeper *self, AivoConnection *connection)
{
    if (!self->days)
        return NULL;
    const char *id = aivo_connection_get_id(connection);
    AivoEventFile *file = g_hash_table_lookup(self->events, id);
    if (!file) {
        g_autofree char *path = events_path(connection);
        file = aivo_event_file_new(path, aivo_connection_get_log(connection));
        g_hash_table_insert(self->events, g_strdup(id), file);
    }
    return file;
}

/* ---------------------------------------------------------------- pruning */

struct pruning {
    AivoEventFile *file; /* a reference */
    guint days;
};

static void prune_events_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    const struct pruning *pruning = data;
    if (pruning->days)
        aivo_event_file_prune(pruning->file, pruning->days);
    else
        aivo_event_file_delete(pruning->file);
    g_task_return_boolean(task, TRUE);
}

static void pruning_free(struct pruning *pruning)
{
    aivo_event_file_unref(pruning->file);
    g_free(pruning);
}

static void prune_events(AivoKeeper *self, AivoConnection *connection)
{
    struct pruning *pruning = g_new0(struct pruning, 1);
    g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);
    AivoEventFile *kept = aivo_keeper_events(self, connection);
    pruning->days = self->days;
    if (kept) {
        pruning->file = aivo_event_file_ref(kept);
    } else {
        g_autofree char *path = events_path(connection);
        pruning->file = aivo_event_file_new(path, NULL);
    }
    g_task_set_task_data(task, pruning, (GDestroyNotify)pruning_free);
    g_task_run_in_thread(task, prune_events_thread);
}

static void pruned(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(AivoConnection) connection = user;
    g_autoptr(GError) error = NULL;
    if (!aivo_recorder_prune_finish(result, &error))
        aivo_connection_trouble(connection, _("Old history could not be deleted"), error->message);
}

/* Where nothing is kept, nobody has the files, and what they still hold goes. */
void aivo_keeper_prune(AivoKeeper *self, AivoConnection *connection)
{
    g_autofree char *path = aivo_connection_dup_history_path(connection);
    AivoRecorder *kept = aivo_keeper_recorder(self, connection), *recorder = kept ? kept : aivo_recorder_new(path);
    aivo_recorder_prune_async(recorder, self->days, pruned, g_object_ref(connection));
    if (!kept)
        aivo_recorder_unref(recorder);
    prune_events(self, connection);
}

void aivo_keeper_forget(AivoKeeper *self, AivoConnection *connection)
{
    g_hash_table_remove(self->recorders, aivo_connection_get_id(connection));
    g_hash_table_remove(self->events, aivo_connection_get_id(connection));
}

void aivo_keeper_close(AivoKeeper *self)
{
    g_hash_table_remove_all(self->recorders);
    g_hash_table_remove_all(self->events);
}
