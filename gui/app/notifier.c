#include "notifier.h"
#include "alert-policy.h"
#include "describe.h"
#include <glib/gi18n.h>

struct _AivoNotifier {
    GObject parent;
    GApplication *app;
    GSettings *settings;
    AivoConnectionList *list;
    GHashTable *watches; /* AivoConnection -> struct watch */
};

struct watch {
    AivoNotifier *notifier;
    AivoConnection *connection;
    AivoAlert alert;
    gulong state_handler, quality_handler;
    guint source;
};

G_DEFINE_FINAL_TYPE(AivoNotifier, aivo_notifier, G_TYPE_OBJECT)

static void get_rules(GSettings *settings, AivoAlertRules *rules)
{
    *rules = (AivoAlertRules){.enabled = g_settings_get_boolean(settings, "notify"),
                              .level = (enum aivo_level)g_settings_get_enum(settings, "notify-level"),
                              .dwell_ms = (gint64)g_settings_get_uint(settings, "notify-dwell") * 1000,
                              .quiet = g_settings_get_boolean(settings, "quiet-hours"),
                              .quiet_from = (int)g_settings_get_uint(settings, "quiet-from"),
                              .quiet_to = (int)g_settings_get_uint(settings, "quiet-to")};
}

static int minute_of_day(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    return g_date_time_get_hour(now) * 60 + g_date_time_get_minute(now);
}

static void raise_alert(struct watch *watch)
{
    AivoConnection *connection = watch->connection;
    enum aivo_level level = aivo_connection_get_level(connection);
    const char *name = aivo_connection_get_name(connection), *reason = aivo_connection_get_reason(connection);
    g_autofree char *title = NULL, *body = NULL;
    if (level == AIVO_LEVEL_OFFLINE) {
        title = g_strdup_printf(_("%s is offline"), name);
        body = g_strdup(reason ? reason : _("There is no connection."));
    } else {
        const struct aivo_quality *quality = aivo_connection_get_quality(connection);
        g_autofree char *latency = aivo_describe_ms(quality->avg_latency_ms);
        g_autofree char *causes = aivo_describe_causes(quality);
        title = g_strdup_printf(_("%s is %s"), name, aivo_describe_level(level));
        body = causes ? g_strdup_printf(_("%s on average; because of %s"), latency, causes)
                      : g_strdup_printf(_("%s on average"), latency);
    }
    g_autoptr(GNotification) notification = g_notification_new(title);
    g_notification_set_body(notification, body);
    g_notification_set_priority(notification, level == AIVO_LEVEL_OFFLINE ? G_NOTIFICATION_PRIORITY_URGENT
                                                                          : G_NOTIFICATION_PRIORITY_HIGH);
    const char *id = aivo_connection_get_id(connection);
    g_notification_set_default_action_and_target(notification, "app.show", "s", id);
    g_notification_add_button_with_target(notification, _("Pause"), "app.pause", "s", id);
    g_application_send_notification(watch->notifier->app, id, notification);
}

static void step(struct watch *watch);

static gboolean due(gpointer user)
{
    struct watch *watch = user;
    watch->source = 0;
    step(watch);
    return G_SOURCE_REMOVE;
}

/* What is being connected for the first time is neither good nor bad yet; a first attempt that failed is bad. */
static gboolean is_watched(AivoConnection *connection)
{
    const struct aivo_quality *quality = aivo_connection_get_quality(connection);
    switch (aivo_connection_get_state(connection)) {
    case AIVO_LINK_CONNECTED:
        return quality && quality->level != AIVO_LEVEL_OFFLINE;
    case AIVO_LINK_RECONNECTING:
    case AIVO_LINK_FAILED:
        return TRUE;
    case AIVO_LINK_UNKNOWN:
    case AIVO_LINK_DISCONNECTED:
    case AIVO_LINK_CONNECTING:
    case AIVO_LINK_CLOSING:
        break;
    }
    return FALSE;
}

static void step(struct watch *watch)
{
    AivoAlertRules rules;
    gint64 next_ms = -1;
    get_rules(watch->notifier->settings, &rules);
    AivoAlertAction action = aivo_alert_step(&watch->alert, &rules, is_watched(watch->connection),
                                             aivo_connection_get_level(watch->connection),
                                             g_get_monotonic_time() / 1000, minute_of_day(), &next_ms);
    if (action == AIVO_ALERT_RAISE)
        raise_alert(watch);
    else if (action == AIVO_ALERT_WITHDRAW)
        g_application_withdraw_notification(watch->notifier->app, aivo_connection_get_id(watch->connection));
    g_clear_handle_id(&watch->source, g_source_remove);
    if (next_ms >= 0)
        watch->source = g_timeout_add((guint)MIN(next_ms + 5, G_MAXINT), due, watch);
}

static void watch_free(struct watch *watch)
{
    g_clear_handle_id(&watch->source, g_source_remove);
    g_clear_signal_handler(&watch->state_handler, watch->connection);
    g_clear_signal_handler(&watch->quality_handler, watch->connection);
    if (watch->alert.raised)
        g_application_withdraw_notification(watch->notifier->app, aivo_connection_get_id(watch->connection));
    g_object_unref(watch->connection);
    g_free(watch);
}

static void add_watch(AivoNotifier *self, AivoConnection *connection)
{
    struct watch *watch = g_new0(struct watch, 1);
    watch->notifier = self;
    watch->connection = g_object_ref(connection);
    watch->state_handler = g_signal_connect_swapped(connection, "notify::state", G_CALLBACK(step), watch);
    watch->quality_handler = g_signal_connect_swapped(connection, "notify::quality", G_CALLBACK(step), watch);
    g_hash_table_insert(self->watches, connection, watch);
    step(watch);
}

static void items_changed(GListModel *model, guint position, guint removed, guint added, AivoNotifier *self)
{
    (void)position;
    (void)removed;
    (void)added;
    g_autoptr(GHashTable) there = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < g_list_model_get_n_items(model); i++) {
        g_autoptr(AivoConnection) connection = g_list_model_get_item(model, i);
        g_hash_table_add(there, connection);
        if (!g_hash_table_contains(self->watches, connection))
            add_watch(self, connection);
    }
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, self->watches);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (!g_hash_table_contains(there, key))
            g_hash_table_iter_remove(&iter);
}

static void settings_changed(GSettings *settings, const char *key, AivoNotifier *self)
{
    (void)settings;
    if (!g_str_has_prefix(key, "notify") && !g_str_has_prefix(key, "quiet"))
        return;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, self->watches);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        step(value);
}

void aivo_notifier_tell_background(AivoNotifier *self)
{
    g_autoptr(GNotification) notification = g_notification_new(_("Aivo Monitor goes on without a window"));
    g_notification_set_body(notification, _("It tells you when a connection turns bad. Start it again to see it."));
    g_notification_set_priority(notification, G_NOTIFICATION_PRIORITY_LOW);
    g_notification_set_default_action(notification, "app.show-window");
    g_notification_add_button(notification, _("Quit"), "app.quit");
    g_application_send_notification(self->app, "background", notification);
}

void aivo_notifier_withdraw_all(AivoNotifier *self)
{
    g_hash_table_remove_all(self->watches);
    g_application_withdraw_notification(self->app, "background");
}

static void dispose(GObject *object)
{
    AivoNotifier *self = AIVO_NOTIFIER(object);
    g_clear_pointer(&self->watches, g_hash_table_unref);
    g_clear_object(&self->list);
    g_clear_object(&self->settings);
    G_OBJECT_CLASS(aivo_notifier_parent_class)->dispose(object);
}

static void aivo_notifier_class_init(AivoNotifierClass *class)
{
    G_OBJECT_CLASS(class)->dispose = dispose;
}

static void aivo_notifier_init(AivoNotifier *self)
{
    self->watches = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)watch_free);
}

AivoNotifier *aivo_notifier_new(GApplication *app, GSettings *settings, AivoConnectionList *list)
{
    AivoNotifier *self = g_object_new(AIVO_TYPE_NOTIFIER, NULL);
    self->app = app;
    self->settings = g_object_ref(settings);
    self->list = g_object_ref(list);
    g_signal_connect_object(aivo_connection_list_get_model(list), "items-changed", G_CALLBACK(items_changed), self, 0);
    g_signal_connect_object(settings, "changed", G_CALLBACK(settings_changed), self, 0);
    return self;
}
