/* What a window can be told: about the connection that is selected, and about itself. */
#include "bundle.h"
#include "connection-dialog.h"
#include "spoken-names.h"
#include "window.h"
#include <glib/gi18n.h>

static void add(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    gtk_window_present(GTK_WINDOW(aivo_connection_dialog_new(GTK_WINDOW(widget), NULL)));
}

static void edit(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    AivoConnection *connection = aivo_window_get_selected(AIVO_WINDOW(widget));
    gtk_window_present(GTK_WINDOW(aivo_connection_dialog_new(GTK_WINDOW(widget), connection)));
}

static void pause_or_resume(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    AivoConnection *connection = aivo_window_get_selected(AIVO_WINDOW(widget));
    aivo_connection_list_set_paused(aivo_application_get_list(aivo_application_get()), connection,
                                    !aivo_connection_get_profile(connection)->paused);
}

static void retry(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    AivoConnection *connection = aivo_window_get_selected(AIVO_WINDOW(widget));
    if (aivo_connection_get_profile(connection)->paused)
        return;
    if (aivo_connection_get_state(connection) == AIVO_LINK_CONNECTED)
        aivo_window_toast(AIVO_WINDOW(widget), _("It is connected"));
    aivo_monitor_retry_now(aivo_application_get_monitor(aivo_application_get()), connection);
}

static void diagnose(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    aivo_window_diagnose(AIVO_WINDOW(widget));
}

/* ------------------------------------------------------------------ remove */

static void remove_answered(AdwMessageDialog *dialog, const char *response, AivoConnection *connection)
{
    (void)dialog;
    if (g_str_equal(response, "remove"))
        aivo_connection_list_remove(aivo_application_get_list(aivo_application_get()), connection);
}

static void connection_unref(gpointer connection, GClosure *closure)
{
    (void)closure;
    g_object_unref(connection);
}

static void ask_remove(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    AivoConnection *connection = aivo_window_get_selected(AIVO_WINDOW(widget));
    guint64 waiting = aivo_connection_get_queue(connection)->pending;
    g_autofree char *heading = g_strdup_printf(_("Remove “%s”?"), aivo_connection_get_name(connection));
    g_autofree char *lost =
        aivo_connection_owns_queue(connection) && waiting
            ? g_strdup_printf(_(" %" G_GUINT64_FORMAT " messages that wait in its queue are lost."), waiting)
            : g_strdup("");
    g_autofree char *body = g_strconcat(_("Its history and its token are deleted as well."), lost, NULL);
    GtkWidget *dialog = adw_message_dialog_new(GTK_WINDOW(widget), heading, body);
    adw_message_dialog_add_responses(ADW_MESSAGE_DIALOG(dialog), "cancel", _("_Cancel"), "remove", _("_Remove"), NULL);
    adw_message_dialog_set_response_appearance(ADW_MESSAGE_DIALOG(dialog), "remove", ADW_RESPONSE_DESTRUCTIVE);
    adw_message_dialog_set_default_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    adw_message_dialog_set_close_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    g_signal_connect_data(dialog, "response", G_CALLBACK(remove_answered), g_object_ref(connection), connection_unref,
                          0);
    aivo_speak_window(GTK_WINDOW(dialog));
    gtk_window_present(GTK_WINDOW(dialog));
}

/* ------------------------------------------------------------------ bundle */

static void bundled(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(AivoWindow) window = user;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    if (aivo_bundle_save_finish(result, &error))
        text = g_strdup(_("The support bundle was saved. It holds no tokens."));
    else
        text = g_strdup_printf(_("The support bundle could not be saved: %s"), error->message);
    aivo_window_toast(window, text);
}

static void bundle_chosen(GtkNativeDialog *dialog, int response, AivoWindow *window)
{
    AivoConnection *connection = aivo_window_get_selected(window);
    g_autoptr(GFile) file = gtk_file_chooser_get_file(GTK_FILE_CHOOSER(dialog));
    if (response == GTK_RESPONSE_ACCEPT && file && connection) {
        g_autoptr(GdkTexture) chart = aivo_window_render_chart(window);
        aivo_bundle_save_async(connection, chart, file, bundled, g_object_ref(window));
    }
    g_object_unref(dialog);
}

static void save_bundle(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    g_autofree char *file = aivo_bundle_dup_file_name();
    GtkFileChooserNative *dialog = gtk_file_chooser_native_new(_("Save Support Bundle"), GTK_WINDOW(widget),
                                                               GTK_FILE_CHOOSER_ACTION_SAVE, _("_Save"), _("_Cancel"));
    gtk_native_dialog_set_modal(GTK_NATIVE_DIALOG(dialog), TRUE);
    gtk_file_chooser_set_current_name(GTK_FILE_CHOOSER(dialog), file);
    g_signal_connect_object(dialog, "response", G_CALLBACK(bundle_chosen), widget, 0);
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(dialog));
}

/* -------------------------------------------------------------- navigation */

static void next(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)parameter;
    aivo_window_step(AIVO_WINDOW(widget), g_str_equal(name, "win.next") ? 1 : -1);
}

static void show_page(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    aivo_window_show_page(AIVO_WINDOW(widget), g_variant_get_string(parameter, NULL));
}

static void back(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    aivo_window_go_back(AIVO_WINDOW(widget));
}

static void menu(GtkWidget *widget, const char *name, GVariant *parameter)
{
    (void)name;
    (void)parameter;
    aivo_window_open_menu(AIVO_WINDOW(widget));
}

/* ------------------------------------------------------------------ table */

static const struct {
    const char *name;
    void (*run)(GtkWidget *widget, const char *name, GVariant *parameter);
    const char *parameter;
    gboolean needs_connection;
} actions[] = {
    {"add", add, NULL, FALSE},           {"edit", edit, NULL, TRUE},         {"pause", pause_or_resume, NULL, TRUE},
    {"retry", retry, NULL, TRUE},        {"diagnose", diagnose, NULL, TRUE}, {"remove", ask_remove, NULL, TRUE},
    {"bundle", save_bundle, NULL, TRUE}, {"next", next, NULL, TRUE},         {"previous", next, NULL, TRUE},
    {"page", show_page, "s", TRUE},      {"back", back, NULL, FALSE},        {"menu", menu, NULL, FALSE},
};

static void activated(GSimpleAction *action, GVariant *parameter, gpointer user)
{
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (!g_str_equal(actions[i].name, g_action_get_name(G_ACTION(action))))
            continue;
        g_autofree char *name = g_strconcat("win.", actions[i].name, NULL);
        actions[i].run(user, name, parameter);
        return;
    }
}

void aivo_window_add_actions(AivoWindow *self)
{
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        g_autoptr(GSimpleAction) action =
            g_simple_action_new(actions[i].name, actions[i].parameter ? G_VARIANT_TYPE(actions[i].parameter) : NULL);
        g_signal_connect(action, "activate", G_CALLBACK(activated), self);
        g_action_map_add_action(G_ACTION_MAP(self), G_ACTION(action));
    }
}

void aivo_window_update_actions(AivoWindow *self)
{
    gboolean has = aivo_window_get_selected(self) != NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        GAction *action = g_action_map_lookup_action(G_ACTION_MAP(self), actions[i].name);
        g_simple_action_set_enabled(G_SIMPLE_ACTION(action), has || !actions[i].needs_connection);
    }
}
