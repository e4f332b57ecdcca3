#include "secrets.h"
#include <glib/gi18n.h>
#include <libsecret/secret.h>
#include <string.h>

struct _AivoSecrets {
    GObject parent;
    GHashTable *session; /* id -> secret: what was said in this session, whether or not a service took it */
    char *problem;
};

enum { PROP_PERSISTENT = 1, PROP_COUNT };

static GParamSpec *props[PROP_COUNT];

G_DEFINE_FINAL_TYPE(AivoSecrets, aivo_secrets, G_TYPE_OBJECT)

static const SecretSchema schema = {
    .name = "io.github.artpromedia.AivoMonitor.Connection",
    .flags = SECRET_SCHEMA_NONE,
    .attributes = {{"connection", SECRET_SCHEMA_ATTRIBUTE_STRING}, {NULL, 0}},
};

void aivo_secret_free(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    if (id == PROP_PERSISTENT)
        g_value_set_boolean(value, aivo_secrets_is_persistent(AIVO_SECRETS(object)));
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void finalize(GObject *object)
{
    AivoSecrets *self = AIVO_SECRETS(object);
    g_hash_table_unref(self->session);
    g_free(self->problem);
    G_OBJECT_CLASS(aivo_secrets_parent_class)->finalize(object);
}

static void aivo_secrets_class_init(AivoSecretsClass *class)
{
    G_OBJECT_CLASS(class)->get_property = get_property;
    G_OBJECT_CLASS(class)->finalize = finalize;
    props[PROP_PERSISTENT] =
        g_param_spec_boolean("persistent", NULL, NULL, TRUE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(G_OBJECT_CLASS(class), PROP_COUNT, props);
}

static void aivo_secrets_init(AivoSecrets *self)
{
    self->session = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)aivo_secret_free);
}

AivoSecrets *aivo_secrets_new(void)
{
    return g_object_new(AIVO_TYPE_SECRETS, NULL);
}

gboolean aivo_secrets_is_persistent(AivoSecrets *self)
{
    return !self->problem;
}

const char *aivo_secrets_get_problem(AivoSecrets *self)
{
    return self->problem;
}

static void set_problem(AivoSecrets *self, const GError *error)
{
    const char *text = error ? error->message : NULL;
    if (g_strcmp0(text, self->problem) == 0)
        return;
    g_free(self->problem);
    self->problem = g_strdup(text);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_PERSISTENT]);
}

/* ----------------------------------------------------------------- lookup */

static void looked_up(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(GTask) task = user;
    g_autoptr(GError) error = NULL;
    AivoSecrets *self = g_task_get_source_object(task);
    char *secret = secret_password_lookup_finish(result, &error);
    set_problem(self, error);
    const char *newer = g_hash_table_lookup(self->session, g_task_get_task_data(task));
    char *copy = newer ? g_strdup(newer) : secret ? g_strdup(secret) : NULL;
    if (secret)
        secret_password_free(secret);
    g_task_return_pointer(task, copy, (GDestroyNotify)aivo_secret_free);
}

void aivo_secrets_lookup_async(AivoSecrets *self, const char *id, GAsyncReadyCallback done, gpointer user)
{
    GTask *task = g_task_new(self, NULL, done, user);
    g_task_set_task_data(task, g_strdup(id), g_free);
    const char *known = g_hash_table_lookup(self->session, id);
    if (known) {
        g_task_return_pointer(task, g_strdup(known), (GDestroyNotify)aivo_secret_free);
        g_object_unref(task);
        return;
    }
    secret_password_lookup(&schema, NULL, looked_up, task, "connection", id, NULL);
}

char *aivo_secrets_lookup_finish(AivoSecrets *self, GAsyncResult *result)
{
    g_return_val_if_fail(g_task_is_valid(result, self), NULL);
    return g_task_propagate_pointer(G_TASK(result), NULL);
}

/* ------------------------------------------------------------------ store */

static void stored(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(GTask) task = user;
    g_autoptr(GError) error = NULL;
    gboolean ok = secret_password_store_finish(result, &error);
    set_problem(g_task_get_source_object(task), error);
    g_task_return_boolean(task, ok);
}

static void cleared(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(GTask) task = user;
    g_autoptr(GError) error = NULL;
    secret_password_clear_finish(result, &error); /* FALSE without an error: there was none to remove */
    g_task_return_boolean(task, !error);
}

void aivo_secrets_store_async(AivoSecrets *self, const char *id, const char *name, const char *secret,
                              GAsyncReadyCallback done, gpointer user)
{
    GTask *task = g_task_new(self, NULL, done, user);
    if (!secret || !*secret) {
        g_hash_table_remove(self->session, id);
        secret_password_clear(&schema, NULL, cleared, task, "connection", id, NULL);
        return;
    }
    g_hash_table_replace(self->session, g_strdup(id), g_strdup(secret));
    /* Translators: what a password manager calls the entry; %s is the connection's name. */
    g_autofree char *label = g_strdup_printf(_("Aivo Monitor: %s"), name);
    secret_password_store(&schema, SECRET_COLLECTION_DEFAULT, label, secret, NULL, stored, task, "connection", id,
                          NULL);
}

gboolean aivo_secrets_store_finish(AivoSecrets *self, GAsyncResult *result)
{
    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    return g_task_propagate_boolean(G_TASK(result), NULL);
}
