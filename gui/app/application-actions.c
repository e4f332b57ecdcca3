/* What the application can be told, from menus, keys and notifications. */
#include "application.h"
#include "preferences.h"
#include "window.h"
#include <aivo/aivo.h>
#include <glib/gi18n.h>

static void show_window(GSimpleAction *action, GVariant *parameter, gpointer user)
{
    (void)action;
    (void)parameter;
    aivo_application_show(user, NULL);
}

static void show(GSimpleAction *action, GVariant *parameter, gpointer user)
{
    (void)action;
    aivo_application_show(user, g_variant_get_string(parameter, NULL));
}

static void compact(GSimpleAction *action, GVariant *parameter, gpointer user)
{
    (void)action;
    (void)parameter;
    aivo_application_show_compact(user);
}

static void pause_connection(GSimpleAction *action, GVariant *parameter, gpointer user)
{
    (void)action;
    AivoConnectionList *list = aivo_application_get_list(user);
    AivoConnection *connection = aivo_connection_list_find(list, g_variant_get_string(parameter, NULL));
    if (connection)
        aivo_connection_list_set_paused(list, connection, TRUE);
}

static void preferences(GSimpleAction *action, GVariant *parameter, gpointer user)
{
    (void)action;
    (void)parameter;
    GtkWindow *parent = gtk_application_get_active_window(GTK_APPLICATION(user));
    gtk_window_present(GTK_WINDOW(aivo_preferences_new(parent, aivo_application_get_settings(user))));
}

static void about(GSimpleAction *action, GVariant *parameter, gpointer user)
{
    (void)action;
    (void)parameter;
    static const char *const developers[] = {"Art Pro Media and contributors", NULL};
    adw_show_about_window(gtk_application_get_active_window(GTK_APPLICATION(user)), "application-name",
                          _("Aivo Monitor"), "application-icon", AIVO_APPLICATION_ID, "version", aivo_version(),
                          "developer-name", "Art Pro Media", "developers", developers, "license-type",
                          GTK_LICENSE_APACHE_2_0, "comments",
                          _("Watches how good connections to real-time servers are, and says why they are not better."),
                          "website", "https://github.com/artpromedia/aivo", NULL);
}

static void quit(GSimpleAction *action, GVariant *parameter, gpointer user)
{
    (void)action;
    (void)parameter;
    aivo_application_quit(user);
}

static const GActionEntry entries[] = {
    {.name = "show-window", .activate = show_window},
    {.name = "show", .activate = show, .parameter_type = "s"},
    {.name = "compact", .activate = compact},
    {.name = "pause", .activate = pause_connection, .parameter_type = "s"},
    {.name = "preferences", .activate = preferences},
    {.name = "about", .activate = about},
    {.name = "quit", .activate = quit},
};

static const struct {
    const char *action, *keys[3];
} keys[] = {
    {"app.quit", {"<Primary>q"}},
    {"app.preferences", {"<Primary>comma"}},
    {"app.compact", {"<Primary>m"}},
    {"window.close", {"<Primary>w"}},
    {"win.show-help-overlay", {"<Primary>question", "F1"}},
    {"win.add", {"<Primary>n"}},
    {"win.edit", {"<Primary>e", "F2"}},
    {"win.remove", {"<Primary>Delete"}},
    {"win.retry", {"<Primary>r", "F5"}},
    {"win.pause", {"<Primary>p"}},
    {"win.diagnose", {"<Primary>d"}},
    {"win.bundle", {"<Primary><Shift>s"}},
    {"win.next", {"<Primary>Page_Down"}},
    {"win.previous", {"<Primary>Page_Up"}},
    {"win.page('overview')", {"<Alt>1"}},
    {"win.page('events')", {"<Alt>2"}},
    {"win.page('queue')", {"<Alt>3"}},
    {"win.page('diagnosis')", {"<Alt>4"}},
    {"win.menu", {"F10"}},
    {"win.back", {"<Alt>Left", "Escape"}},
};

void aivo_application_add_actions(AivoApplication *self)
{
    g_action_map_add_action_entries(G_ACTION_MAP(self), entries, G_N_ELEMENTS(entries), self);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        gtk_application_set_accels_for_action(GTK_APPLICATION(self), keys[i].action, keys[i].keys);
}
