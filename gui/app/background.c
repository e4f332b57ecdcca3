#include "background.h"
#include <glib/gi18n.h>
#include <glib/gstdio.h>

#define PORTAL_NAME "org.freedesktop.portal.Desktop"

/* Outside a sandbox a program needs nobody's leave, so no portal is no error. */
static void asked(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)user;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (!reply)
        g_debug("the portal for background programs: %s", error->message);
}

static void ask_portal(gboolean autostart)
{
    g_autoptr(GDBusConnection) bus = NULL;
    GApplication *app = g_application_get_default();
    if (app && g_application_get_dbus_connection(app))
        bus = g_object_ref(g_application_get_dbus_connection(app));
    if (!bus)
        return;
    GVariantBuilder options;
    const char *const line[] = {"aivo-monitor", "--background", NULL};
    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", "reason", g_variant_new_string(_("Watching your connections")));
    g_variant_builder_add(&options, "{sv}", "autostart", g_variant_new_boolean(autostart));
    g_variant_builder_add(&options, "{sv}", "commandline", g_variant_new_strv(line, -1));
    g_dbus_connection_call(bus, PORTAL_NAME, "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Background",
                           "RequestBackground", g_variant_new("(sa{sv})", "", &options), NULL,
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, 5000, NULL, asked, NULL);
}

void aivo_background_enter(GSettings *settings)
{
    ask_portal(g_settings_get_boolean(settings, "autostart"));
}

/* ------------------------------------------------------------- autostart */

static void file_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    static const char text[] = "[Desktop Entry]\nType=Application\nName=Aivo Monitor\n"
                               "Exec=aivo-monitor --background\nIcon=io.github.artpromedia.AivoMonitor\n";
    g_autofree char *dir = g_build_filename(g_get_user_config_dir(), "autostart", NULL);
    g_autofree char *path = g_build_filename(dir, "io.github.artpromedia.AivoMonitor.desktop", NULL);
    if (GPOINTER_TO_INT(data)) {
        g_mkdir_with_parents(dir, 0700);
        g_file_set_contents(path, text, -1, NULL);
    } else {
        g_unlink(path);
    }
    g_task_return_boolean(task, TRUE);
}

void aivo_background_set_autostart(gboolean yes)
{
    ask_portal(yes);
    if (g_file_test("/.flatpak-info", G_FILE_TEST_EXISTS)) /* the portal writes the file, outside */
        return;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);
    g_task_set_task_data(task, GINT_TO_POINTER(yes), NULL);
    g_task_run_in_thread(task, file_thread);
}
