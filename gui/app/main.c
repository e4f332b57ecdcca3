/* aivo-monitor: the desktop application; with --diagnose it is `aivo diagnose`, and needs no display. */
#include "application.h"
#include "entry.h"
#include "settings.h"
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

static gboolean terminated(gpointer user)
{
    aivo_application_quit(user);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--diagnose") == 0)
        return cli_diagnose_main(argc - 2, argv + 2);
    setlocale(LC_ALL, "");
    int usage = aivo_application_check_usage(argc, argv);
    if (usage)
        return usage;
    g_set_application_name("Aivo Monitor");
    g_autoptr(GSettings) settings = aivo_settings_open();
    if (!settings) {
        g_printerr("aivo-monitor: its settings' schema (%s.gschema.xml) is not installed\n", AIVO_SETTINGS_SCHEMA);
        return EXIT_FAILURE;
    }
    g_autoptr(AivoApplication) app = aivo_application_new(settings);
    g_unix_signal_add(SIGTERM, terminated, app);
    g_unix_signal_add(SIGINT, terminated, app);
    return g_application_run(G_APPLICATION(app), argc, argv);
}
