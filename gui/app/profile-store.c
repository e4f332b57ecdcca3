#include "profile-store.h"
#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>

#define FILE_MAX_BYTES (1024 * 1024)

void aivo_profile_store_content_free(AivoProfileStoreContent *content)
{
    if (!content)
        return;
    g_ptr_array_unref(content->profiles);
    g_ptr_array_unref(content->notices);
    g_free(content);
}

char *aivo_profile_store_path(void)
{
    return g_build_filename(g_get_user_config_dir(), "aivo-monitor", "connections.conf", NULL);
}

char *aivo_put_aside(const char *path)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *stamp = g_date_time_format(now, "%Y%m%d-%H%M%S");
    for (int i = 0; i < 100; i++) {
        g_autofree char *name =
            i ? g_strdup_printf("%s.damaged-%s-%d", path, stamp, i) : g_strdup_printf("%s.damaged-%s", path, stamp);
        if (g_file_test(name, G_FILE_TEST_EXISTS))
            continue;
        return g_rename(path, name) == 0 ? g_steal_pointer(&name) : NULL;
    }
    return NULL;
}

/* What could be read goes on, without the rest: that would be complained of at every start. It is kept beside. */
static void write_anew(const char *path, AivoProfileStoreContent *content)
{
    g_autofree char *name = aivo_put_aside(path);
    if (!name)
        return;
    if (aivo_profile_store_write(path, content->profiles, NULL))
        g_ptr_array_add(content->notices, g_strdup_printf(_("The file as it was is kept as %s."), name));
    else
        g_rename(name, path); /* as it was, for a better time */
}

static void read_groups(GKeyFile *file, AivoProfileStoreContent *content)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (char **group = groups; *group; group++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(AivoProfile) profile = aivo_profile_load(file, *group, &error);
        if (!profile)
            g_ptr_array_add(content->notices, g_strdup_printf(_("Left out: %s."), error->message));
        else if (content->profiles->len == AIVO_CONNECTIONS_MAX)
            g_ptr_array_add(content->notices, g_strdup_printf(_("Left out: “%s”, beyond %d connections."),
                                                              profile->name, AIVO_CONNECTIONS_MAX));
        else if (g_hash_table_add(seen, profile->id))
            g_ptr_array_add(content->profiles, g_steal_pointer(&profile));
    }
}

AivoProfileStoreContent *aivo_profile_store_read(const char *path)
{
    AivoProfileStoreContent *content = g_new(AivoProfileStoreContent, 1);
    content->profiles = g_ptr_array_new_with_free_func((GDestroyNotify)aivo_profile_free);
    content->notices = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize len = 0;
    if (!g_file_get_contents(path, &text, &len, &error)) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            g_ptr_array_add(content->notices, g_strdup_printf(_("The connections cannot be read: %s"), error->message));
        return content;
    }
    g_autoptr(GKeyFile) file = g_key_file_new();
    /* g_key_file_load_from_data() ends at a NUL, and what follows would be lost at the next write. */
    if (len > FILE_MAX_BYTES || !g_utf8_validate(text, (gssize)len, NULL) ||
        !g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, &error)) {
        g_autofree char *name = aivo_put_aside(path);
        g_ptr_array_add(content->notices,
                        g_strdup_printf(_("The file of connections is damaged (%s). It was put aside as %s."),
                                        error ? error->message : _("this is no text"), name ? name : path));
        return content;
    }
    read_groups(file, content);
    if (content->notices->len)
        write_anew(path, content);
    return content;
}

gboolean aivo_profile_store_write(const char *path, GPtrArray *profiles, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    for (guint i = 0; i < profiles->len; i++)
        aivo_profile_save(g_ptr_array_index(profiles, i), file);
    gsize len = 0;
    g_autofree char *text = g_key_file_to_data(file, &len, NULL);
    g_autofree char *dir = g_path_get_dirname(path);
    if (g_mkdir_with_parents(dir, 0700) != 0) {
        int code = errno;
        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(code), "%s: %s", dir, g_strerror(code));
        return FALSE;
    }
    return g_file_set_contents_full(path, text, (gssize)len,
                                    G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
}

/* --------------------------------------------------------------- workers */

static void read_thread(GTask *task, gpointer source, gpointer path, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    g_task_return_pointer(task, aivo_profile_store_read(path), (GDestroyNotify)aivo_profile_store_content_free);
}

void aivo_profile_store_read_async(const char *path, GAsyncReadyCallback done, gpointer user)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, user);
    g_task_set_task_data(task, g_strdup(path), g_free);
    g_task_run_in_thread(task, read_thread);
}

AivoProfileStoreContent *aivo_profile_store_read_finish(GAsyncResult *result)
{
    return g_task_propagate_pointer(G_TASK(result), NULL);
}

struct write {
    char *path;
    GPtrArray *profiles;
    guint64 turn;
};

static GMutex write_lock;
static guint64 write_asked, write_done; /* under write_lock: a later one is never overtaken by an earlier */

static void write_free(struct write *write)
{
    g_free(write->path);
    g_ptr_array_unref(write->profiles);
    g_free(write);
}

static void write_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    struct write *write = data;
    g_autoptr(GError) error = NULL;
    gboolean ok = TRUE;
    g_mutex_lock(&write_lock);
    if (write->turn > write_done) {
        write_done = write->turn;
        ok = aivo_profile_store_write(write->path, write->profiles, &error);
    }
    g_mutex_unlock(&write_lock);
    if (ok)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, g_steal_pointer(&error));
}

void aivo_profile_store_write_async(const char *path, GPtrArray *profiles, GAsyncReadyCallback done, gpointer user)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, user);
    struct write *write = g_new(struct write, 1);
    *write = (struct write){.path = g_strdup(path),
                            .profiles = g_ptr_array_new_with_free_func((GDestroyNotify)aivo_profile_free),
                            .turn = ++write_asked};
    for (guint i = 0; i < profiles->len; i++)
        g_ptr_array_add(write->profiles, aivo_profile_copy(g_ptr_array_index(profiles, i)));
    g_task_set_task_data(task, write, (GDestroyNotify)write_free);
    g_task_run_in_thread(task, write_thread);
}

gboolean aivo_profile_store_write_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
