#include "sleep-watch.h"

struct _AivoSleepWatch {
    GObject parent;
    GCancellable *cancellable;
    GDBusConnection *bus;
    guint subscription;
};

static guint slept_signal;

G_DEFINE_FINAL_TYPE(AivoSleepWatch, aivo_sleep_watch, G_TYPE_OBJECT)

static void on_signal(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *parameters, gpointer user)
{
    (void)bus, (void)sender, (void)path, (void)interface, (void)signal;
    gboolean asleep = FALSE;
    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(b)")))
        return;
    g_variant_get(parameters, "(b)", &asleep);
    g_signal_emit(user, slept_signal, 0, asleep);
}

static void got_bus(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus = g_bus_get_finish(result, &error);
    if (!bus) /* no system bus, or the watch is gone */
        return;
    AivoSleepWatch *self = user;
    self->bus = bus;
    self->subscription = g_dbus_connection_signal_subscribe(
        bus, "org.freedesktop.login1", "org.freedesktop.login1.Manager", "PrepareForSleep", "/org/freedesktop/login1",
        NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
}

static void dispose(GObject *object)
{
    AivoSleepWatch *self = AIVO_SLEEP_WATCH(object);
    g_cancellable_cancel(self->cancellable);
    if (self->subscription)
        g_dbus_connection_signal_unsubscribe(self->bus, self->subscription);
    self->subscription = 0;
    g_clear_object(&self->bus);
    g_clear_object(&self->cancellable);
    G_OBJECT_CLASS(aivo_sleep_watch_parent_class)->dispose(object);
}

static void aivo_sleep_watch_class_init(AivoSleepWatchClass *class)
{
    G_OBJECT_CLASS(class)->dispose = dispose;
    slept_signal = g_signal_new("slept", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                1, G_TYPE_BOOLEAN);
}

static void aivo_sleep_watch_init(AivoSleepWatch *self)
{
    self->cancellable = g_cancellable_new();
    g_bus_get(G_BUS_TYPE_SYSTEM, self->cancellable, got_bus, self);
}

AivoSleepWatch *aivo_sleep_watch_new(void)
{
    return g_object_new(AIVO_TYPE_SLEEP_WATCH, NULL);
}
