#include "application.h"
#include "background.h"
#include "compact-window.h"
#include "notifier.h"
#include "settings.h"
#include "sleep-watch.h"
#include "spoken-names.h"
#include "window.h"
#include <aivo/aivo.h>
#include <glib/gi18n.h>

#define USAGE           64  /* the exit status, as in sysexits.h */
#define TUNING_DELAY_MS 800 /* a slider that is dragged begins everything anew once, not at every step */

struct _AivoApplication {
    AdwApplication parent;
    GSettings *settings;
    AivoSecrets *secrets;
    AivoMonitor *monitor;
    AivoConnectionList *list;
    AivoNotifier *notifier;
    AivoSleepWatch *sleep_watch;
    guint tuning_source;
    gboolean holding, quitting, started;
};

G_DEFINE_FINAL_TYPE(AivoApplication, aivo_application, ADW_TYPE_APPLICATION)

AivoApplication *aivo_application_get(void)
{
    return AIVO_APPLICATION(g_application_get_default());
}

GSettings *aivo_application_get_settings(AivoApplication *self)
{
    return self->settings;
}

AivoSecrets *aivo_application_get_secrets(AivoApplication *self)
{
    return self->secrets;
}

AivoMonitor *aivo_application_get_monitor(AivoApplication *self)
{
    return self->monitor;
}

AivoConnectionList *aivo_application_get_list(AivoApplication *self)
{
    return self->list;
}

/* ---------------------------------------------------------------- windows */

static GtkWindow *find_window(AivoApplication *self, GType type)
{
    for (GList *item = gtk_application_get_windows(GTK_APPLICATION(self)); item; item = item->next)
        if (G_TYPE_CHECK_INSTANCE_TYPE(item->data, type))
            return item->data;
    return NULL;
}

void aivo_application_show(AivoApplication *self, const char *id)
{
    GtkWindow *compact = find_window(self, AIVO_TYPE_COMPACT_WINDOW);
    GtkWindow *window = find_window(self, AIVO_TYPE_WINDOW);
    if (!window)
        window = GTK_WINDOW(aivo_window_new(self));
    if (id)
        aivo_window_select(AIVO_WINDOW(window), id);
    gtk_window_present(window);
    if (compact)
        gtk_window_destroy(compact);
}

void aivo_application_show_compact(AivoApplication *self)
{
    GtkWindow *window = find_window(self, AIVO_TYPE_WINDOW);
    GtkWindow *compact = find_window(self, AIVO_TYPE_COMPACT_WINDOW);
    if (!compact)
        compact = GTK_WINDOW(aivo_compact_window_new(self));
    if (aivo_connection_list_is_loaded(self->list))
        gtk_window_present(compact);
    else /* its first size is that of what is in it */
        g_signal_connect_object(self->list, "notify::loaded", G_CALLBACK(gtk_window_present), compact,
                                G_CONNECT_SWAPPED);
    if (window)
        gtk_window_destroy(window);
}

/* Without a window the application lives by a hold of its own. */
static void hold(AivoApplication *self, gboolean yes)
{
    if (self->holding == yes)
        return;
    self->holding = yes;
    if (yes)
        g_application_hold(G_APPLICATION(self));
    else
        g_application_release(G_APPLICATION(self));
}

void aivo_application_window_closing(AivoApplication *self)
{
    GList *windows = gtk_application_get_windows(GTK_APPLICATION(self));
    guint n = g_list_model_get_n_items(aivo_connection_list_get_model(self->list));
    if (self->quitting || (windows && windows->next))
        return;
    if (!g_settings_get_boolean(self->settings, "background") || n == 0) {
        aivo_application_quit(self);
        return;
    }
    hold(self, TRUE);
    aivo_background_enter(self->settings);
    if (!g_settings_get_boolean(self->settings, "background-told")) {
        g_settings_set_boolean(self->settings, "background-told", TRUE);
        aivo_notifier_tell_background(self->notifier);
    }
}

static void shut_down(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    (void)result;
    g_autoptr(AivoApplication) self = user;
    g_application_quit(G_APPLICATION(self));
}

void aivo_application_quit(AivoApplication *self)
{
    if (self->quitting)
        return;
    self->quitting = TRUE;
    hold(self, TRUE); /* until everything is closed */
    for (GList *item = gtk_application_get_windows(GTK_APPLICATION(self)); item; item = item->next)
        gtk_widget_set_visible(item->data, FALSE);
    aivo_notifier_withdraw_all(self->notifier);
    aivo_monitor_shutdown_async(self->monitor, shut_down, g_object_ref(self));
}

/* --------------------------------------------------------------- settings */

static gboolean apply_tuning(gpointer user)
{
    AivoApplication *self = user;
    AivoTuning tuning;
    self->tuning_source = 0;
    aivo_settings_tuning(self->settings, &tuning);
    aivo_monitor_set_tuning(self->monitor, &tuning);
    return G_SOURCE_REMOVE;
}

static void settings_changed(GSettings *settings, const char *key, AivoApplication *self)
{
    (void)settings;
    if (g_str_has_prefix(key, "window") || g_str_has_prefix(key, "quiet") || g_str_has_prefix(key, "notify"))
        return;
    g_clear_handle_id(&self->tuning_source, g_source_remove);
    self->tuning_source = g_timeout_add(TUNING_DELAY_MS, apply_tuning, self);
}

static void autostart_changed(GSettings *settings, const char *key, AivoApplication *self)
{
    (void)key;
    (void)self;
    aivo_background_set_autostart(g_settings_get_boolean(settings, "autostart"));
}

static void slept(AivoSleepWatch *watch, gboolean asleep, AivoApplication *self)
{
    (void)watch;
    GListModel *model = aivo_connection_list_get_model(self->list);
    for (guint i = 0; i < g_list_model_get_n_items(model); i++) {
        g_autoptr(AivoConnection) connection = g_list_model_get_item(model, i);
        if (!aivo_connection_get_profile(connection)->paused)
            aivo_connection_log(connection, AIVO_EVENT_NOTICE, AIVO_TONE_NEUTRAL,
                                asleep ? _("The computer goes to sleep") : _("The computer woke up"), NULL);
    }
    if (!asleep)
        aivo_monitor_retry_now(self->monitor, NULL);
}

/* ------------------------------------------------------------------- life */

static void startup(GApplication *application)
{
    AivoApplication *self = AIVO_APPLICATION(application);
    if (!gtk_init_check()) { /* GTK's own complaint names no way out */
        g_printerr(
            _("aivo-monitor: there is no display to open a window on. aivo-monitor --diagnose URL needs none.\n"));
        exit(EXIT_FAILURE);
    }
    G_APPLICATION_CLASS(aivo_application_parent_class)->startup(application);
    gtk_window_set_default_icon_name(AIVO_APPLICATION_ID);
    self->secrets = aivo_secrets_new();
    self->monitor = aivo_monitor_new(self->secrets);
    self->list = aivo_connection_list_new(self->monitor, self->secrets);
    self->notifier = aivo_notifier_new(G_APPLICATION(self), self->settings, self->list);
    self->sleep_watch = aivo_sleep_watch_new();
    g_signal_connect_object(self->sleep_watch, "slept", G_CALLBACK(slept), self, 0);
    apply_tuning(self);
    g_signal_connect_object(self->settings, "changed", G_CALLBACK(settings_changed), self, 0);
    g_signal_connect_object(self->settings, "changed::autostart", G_CALLBACK(autostart_changed), self, 0);
    aivo_application_add_actions(self);
    aivo_connection_list_load(self->list);
}

static void shutdown_app(GApplication *application)
{
    AivoApplication *self = AIVO_APPLICATION(application);
    g_clear_handle_id(&self->tuning_source, g_source_remove);
    g_clear_object(&self->sleep_watch);
    g_clear_object(&self->notifier);
    G_APPLICATION_CLASS(aivo_application_parent_class)->shutdown(application);
    g_clear_object(&self->list);
    g_clear_object(&self->monitor);
    g_clear_object(&self->secrets);
}

static void window_added(GtkApplication *application, GtkWindow *window)
{
    GTK_APPLICATION_CLASS(aivo_application_parent_class)->window_added(application, window);
    aivo_speak_window(window);
}

static void activate(GApplication *application)
{
    aivo_application_show(AIVO_APPLICATION(application), NULL);
}

static void finalize(GObject *object)
{
    g_clear_object(&AIVO_APPLICATION(object)->settings);
    G_OBJECT_CLASS(aivo_application_parent_class)->finalize(object);
}

/* ----------------------------------------------------------- command line */

static const GOptionEntry entries[] = {
    {"url", 0, 0, G_OPTION_ARG_STRING, NULL, N_("Open the connection to this server; add it if there is none"), "URL"},
    {"new-window", 'n', 0, G_OPTION_ARG_NONE, NULL, N_("Open the window of an application that runs already"), NULL},
    {"background", 'b', 0, G_OPTION_ARG_NONE, NULL, N_("Measure without a window"), NULL},
    {"compact", 'c', 0, G_OPTION_ARG_NONE, NULL, N_("Open the small window"), NULL},
    {"quit", 'q', 0, G_OPTION_ARG_NONE, NULL, N_("End an application that runs already"), NULL},
    {"version", 'v', 0, G_OPTION_ARG_NONE, NULL, N_("Print the version and exit"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

/* As GOption takes them, but with the exit status and the name that the other programs have. */
int aivo_application_check_usage(int argc, char **argv)
{
    gboolean yes;
    g_autofree char *text = NULL;
    GOptionEntry own[G_N_ELEMENTS(entries) + 4] = {
        {"help", 'h', 0, G_OPTION_ARG_NONE, &yes, NULL, NULL},
        {"help-all", 0, 0, G_OPTION_ARG_NONE, &yes, NULL, NULL},
        {"help-gapplication", 0, 0, G_OPTION_ARG_NONE, &yes, NULL, NULL},
        {"gapplication-service", 0, 0, G_OPTION_ARG_NONE, &yes, NULL, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
        own[4 + i] = entries[i];
        own[4 + i].arg_data = entries[i].arg == G_OPTION_ARG_NONE ? (gpointer)&yes : (gpointer)&text;
    }
    for (int i = 2; i < argc; i++)
        if (g_str_equal(argv[i], "--diagnose")) {
            g_printerr("aivo-monitor: --diagnose must come first: aivo-monitor --diagnose URL …\n");
            return USAGE;
        }
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    GStrv args = g_new0(char *, (gsize)argc + 1);
    for (int i = 0; i < argc; i++)
        args[i] = g_strdup(argv[i]);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_add_main_entries(context, own, NULL);
    gboolean fine = g_option_context_parse_strv(context, &args, &error);
    if (!fine)
        g_printerr("aivo-monitor: %s\n", error->message);
    else if (args[0] && args[1])
        g_printerr("aivo-monitor: “%s” is no option; an address goes after --url\n", args[1]);
    fine = fine && !(args[0] && args[1]);
    g_strfreev(args);
    return fine ? 0 : USAGE;
}

static gint handle_local_options(GApplication *application, GVariantDict *options)
{
    (void)application;
    const char *url = NULL;
    if (g_variant_dict_contains(options, "version")) {
        g_print("aivo-monitor %s\n", aivo_version());
        return 0;
    }
    if (g_variant_dict_lookup(options, "url", "&s", &url)) {
        g_autoptr(AivoProfile) profile = aivo_profile_new();
        aivo_profile_set(&profile->url, url);
        g_autofree char *problem = aivo_profile_problem(profile, AIVO_FIELD_URL);
        if (problem) {
            g_printerr("aivo-monitor: --url: %s\n", problem);
            return USAGE;
        }
    }
    return -1;
}

/* The connection to a URL, made if there is none. */
static AivoConnection *connection_to(AivoApplication *self, const char *url)
{
    AivoConnection *connection = aivo_connection_list_find_url(self->list, url);
    if (connection)
        return connection;
    g_autoptr(AivoProfile) profile = aivo_profile_new_for(url);
    return aivo_connection_list_add(self->list, profile, NULL);
}

static void open_url(AivoApplication *self, const char *url)
{
    AivoConnection *connection = connection_to(self, url);
    aivo_application_show(self, connection ? aivo_connection_get_id(connection) : NULL);
}

/* Loaded once, so it comes once. */
static void open_url_when_loaded(AivoConnectionList *list, GParamSpec *pspec, char *url)
{
    (void)list;
    (void)pspec;
    open_url(aivo_application_get(), url);
}

static void url_free(gpointer url, GClosure *closure)
{
    (void)closure;
    g_free(url);
}

static int command_line(GApplication *application, GApplicationCommandLine *line)
{
    AivoApplication *self = AIVO_APPLICATION(application);
    GVariantDict *options = g_application_command_line_get_options_dict(line);
    gboolean first = !self->started;
    const char *url = NULL;
    self->started = TRUE;
    if (g_variant_dict_contains(options, "quit"))
        aivo_application_quit(self);
    else if (g_variant_dict_contains(options, "background")) {
        if (first)
            hold(self, TRUE);
    } else if (g_variant_dict_contains(options, "compact"))
        aivo_application_show_compact(self);
    else if (!g_variant_dict_lookup(options, "url", "&s", &url))
        aivo_application_show(self, NULL);
    else if (aivo_connection_list_is_loaded(self->list))
        open_url(self, url);
    else {
        aivo_application_show(self, NULL);
        g_signal_connect_data(self->list, "notify::loaded", G_CALLBACK(open_url_when_loaded), g_strdup(url), url_free,
                              0);
    }
    return 0;
}

static void aivo_application_class_init(AivoApplicationClass *class)
{
    GApplicationClass *application_class = G_APPLICATION_CLASS(class);
    G_OBJECT_CLASS(class)->finalize = finalize;
    application_class->startup = startup;
    application_class->shutdown = shutdown_app;
    application_class->activate = activate;
    application_class->command_line = command_line;
    application_class->handle_local_options = handle_local_options;
    GTK_APPLICATION_CLASS(class)->window_added = window_added;
}

static void aivo_application_init(AivoApplication *self)
{
    g_application_add_main_option_entries(G_APPLICATION(self), entries);
    g_application_set_option_context_parameter_string(G_APPLICATION(self), NULL);
    g_application_set_option_context_summary(
        G_APPLICATION(self),
        _("Watches how good connections to real-time servers are.\n\n"
          "aivo-monitor --diagnose URL … is the same as aivo diagnose URL …, and needs no display."));
}

AivoApplication *aivo_application_new(GSettings *settings)
{
    AivoApplication *self =
        g_object_new(AIVO_TYPE_APPLICATION, "application-id", AIVO_APPLICATION_ID, "flags",
                     G_APPLICATION_HANDLES_COMMAND_LINE, "resource-base-path", AIVO_RESOURCES, NULL);
    self->settings = g_object_ref(settings);
    return self;
}
