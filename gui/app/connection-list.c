#include "connection-list.h"
#include "profile-store.h"
#include <glib/gi18n.h>

struct _AivoConnectionList {
    GObject parent;
    AivoMonitor *monitor;
    AivoSecrets *secrets;
    GListStore *store;
    char *path;
    GHashTable *troubles; /* titles of those that were told */
    gboolean loaded;
};

enum { PROP_LOADED = 1, PROP_COUNT };

static GParamSpec *props[PROP_COUNT];
static guint notice_signal;

G_DEFINE_FINAL_TYPE(AivoConnectionList, aivo_connection_list, G_TYPE_OBJECT)

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    if (id == PROP_LOADED)
        g_value_set_boolean(value, AIVO_CONNECTION_LIST(object)->loaded);
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void finalize(GObject *object)
{
    AivoConnectionList *self = AIVO_CONNECTION_LIST(object);
    g_clear_object(&self->monitor);
    g_clear_object(&self->secrets);
    g_object_unref(self->store);
    g_free(self->path);
    g_hash_table_unref(self->troubles);
    G_OBJECT_CLASS(aivo_connection_list_parent_class)->finalize(object);
}

static void aivo_connection_list_class_init(AivoConnectionListClass *class)
{
    G_OBJECT_CLASS(class)->get_property = get_property;
    G_OBJECT_CLASS(class)->finalize = finalize;
    props[PROP_LOADED] = g_param_spec_boolean("loaded", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(G_OBJECT_CLASS(class), PROP_COUNT, props);
    notice_signal = g_signal_new("notice", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void aivo_connection_list_init(AivoConnectionList *self)
{
    self->store = g_list_store_new(AIVO_TYPE_CONNECTION);
    self->path = aivo_profile_store_path();
    self->troubles = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

AivoConnectionList *aivo_connection_list_new(AivoMonitor *monitor, AivoSecrets *secrets)
{
    AivoConnectionList *self = g_object_new(AIVO_TYPE_CONNECTION_LIST, NULL);
    self->monitor = g_object_ref(monitor);
    self->secrets = g_object_ref(secrets);
    return self;
}

GListModel *aivo_connection_list_get_model(AivoConnectionList *self)
{
    return G_LIST_MODEL(self->store);
}

gboolean aivo_connection_list_is_loaded(AivoConnectionList *self)
{
    return self->loaded;
}

static void say(AivoConnectionList *self, const char *text)
{
    g_signal_emit(self, notice_signal, 0, text);
}

/* A full disk troubles every connection: once of each kind is enough until the program ends; the logs have them all. */
static void trouble(AivoConnection *connection, const char *title, const char *detail, AivoConnectionList *self)
{
    (void)connection;
    if (!g_hash_table_add(self->troubles, g_strdup(title)))
        return;
    g_autofree char *text = g_strdup_printf("%s: %s", title, detail);
    say(self, text);
}

/* ------------------------------------------------------------------- file */

static void written(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(AivoConnectionList) self = user;
    g_autoptr(GError) error = NULL;
    if (!aivo_profile_store_write_finish(result, &error)) {
        g_autofree char *text = g_strdup_printf(_("The connections cannot be saved: %s"), error->message);
        say(self, text);
    }
}

static void save(AivoConnectionList *self)
{
    g_autoptr(GPtrArray) profiles = g_ptr_array_new();
    guint n = g_list_model_get_n_items(G_LIST_MODEL(self->store));
    for (guint i = 0; i < n; i++) {
        g_autoptr(AivoConnection) connection = g_list_model_get_item(G_LIST_MODEL(self->store), i);
        g_ptr_array_add(profiles, (gpointer)aivo_connection_get_profile(connection));
    }
    aivo_profile_store_write_async(self->path, profiles, written, g_object_ref(self));
}

static AivoConnection *append(AivoConnectionList *self, const AivoProfile *profile)
{
    g_autoptr(AivoConnection) connection = aivo_connection_new(profile);
    g_signal_connect_object(connection, "trouble", G_CALLBACK(trouble), self, 0);
    g_list_store_append(self->store, connection);
    return connection; /* the store has it */
}

static void was_read(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(AivoConnectionList) self = user;
    g_autoptr(AivoProfileStoreContent) content = aivo_profile_store_read_finish(result);
    for (guint i = 0; i < content->profiles->len; i++) {
        AivoConnection *connection = append(self, g_ptr_array_index(content->profiles, i));
        aivo_monitor_start(self->monitor, connection);
    }
    self->loaded = TRUE;
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_LOADED]);
    for (guint i = 0; i < content->notices->len; i++)
        say(self, g_ptr_array_index(content->notices, i));
}

void aivo_connection_list_load(AivoConnectionList *self)
{
    aivo_profile_store_read_async(self->path, was_read, g_object_ref(self));
}

/* ----------------------------------------------------------------- search */

AivoConnection *aivo_connection_list_find(AivoConnectionList *self, const char *id)
{
    guint n = g_list_model_get_n_items(G_LIST_MODEL(self->store));
    for (guint i = 0; i < n; i++) {
        g_autoptr(AivoConnection) connection = g_list_model_get_item(G_LIST_MODEL(self->store), i);
        if (g_str_equal(aivo_connection_get_id(connection), id))
            return connection;
    }
    return NULL;
}

AivoConnection *aivo_connection_list_find_url(AivoConnectionList *self, const char *url)
{
    guint n = g_list_model_get_n_items(G_LIST_MODEL(self->store));
    for (guint i = 0; i < n; i++) {
        g_autoptr(AivoConnection) connection = g_list_model_get_item(G_LIST_MODEL(self->store), i);
        if (g_str_equal(aivo_connection_get_profile(connection)->url, url))
            return connection;
    }
    return NULL;
}

/* ---------------------------------------------------------------- changes */

/* The monitor asks for the secret when it starts: it finds what was just stored, whether or not a service is there. */
static void store_secret(AivoConnectionList *self, const AivoProfile *profile, const char *secret)
{
    if (secret)
        aivo_secrets_store_async(self->secrets, profile->id, profile->name, secret, NULL, NULL);
}

AivoConnection *aivo_connection_list_add(AivoConnectionList *self, const AivoProfile *profile, const char *secret)
{
    if (g_list_model_get_n_items(G_LIST_MODEL(self->store)) >= AIVO_CONNECTIONS_MAX) {
        say(self, _("There are too many connections already."));
        return NULL;
    }
    AivoConnection *connection = append(self, profile);
    store_secret(self, profile, secret);
    aivo_monitor_start(self->monitor, connection);
    save(self);
    return connection;
}

void aivo_connection_list_change(AivoConnectionList *self, AivoConnection *connection, const AivoProfile *profile,
                                 const char *secret)
{
    const AivoProfile *before = aivo_connection_get_profile(connection);
    gboolean again = !aivo_profile_same_link(before, profile) || before->paused != profile->paused || secret;
    store_secret(self, profile, secret);
    aivo_connection_set_profile(connection, profile);
    if (again)
        aivo_monitor_start(self->monitor, connection);
    save(self);
}

void aivo_connection_list_set_paused(AivoConnectionList *self, AivoConnection *connection, gboolean paused)
{
    g_autoptr(AivoProfile) profile = aivo_profile_copy(aivo_connection_get_profile(connection));
    if (!profile->paused == !paused)
        return;
    profile->paused = paused;
    aivo_connection_log(connection, AIVO_EVENT_STATE, AIVO_TONE_NEUTRAL, paused ? _("Paused") : _("Resumed"), NULL);
    aivo_connection_list_change(self, connection, profile, NULL);
}

void aivo_connection_list_remove(AivoConnectionList *self, AivoConnection *connection)
{
    guint position = 0;
    if (!g_list_store_find(self->store, connection, &position))
        return;
    g_autoptr(AivoConnection) keep = g_object_ref(connection);
    g_list_store_remove(self->store, position);
    aivo_secrets_store_async(self->secrets, aivo_connection_get_id(keep), NULL, NULL, NULL, NULL);
    aivo_monitor_forget(self->monitor, keep);
    save(self);
}
