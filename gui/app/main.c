/* aivo-monitor: the desktop application; with --diagnose it is `aivo diagnose`, and needs no display. */
#include "application.h"
#include "settings.h"
#ifdef AIVO_MONITOR_HAS_CLI
#include "entry.h"
#endif
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#ifdef AIVO_MONITOR_HAS_CLI
/* "aivo-monitor --diagnose URL …" becomes "aivo diagnose URL …". */
static int diagnose(int argc, char **argv)
{
    g_autofree char **words = g_new0(char *, (gsize)argc + 1);
    words[0] = argv[0];
    words[1] = (char *)"diagnose";
    for (int i = 2; i < argc; i++)
        words[i] = argv[i];
    if (!cli_begin())
        return EXIT_FAILURE;
    return cli_end(cli_dispatch(argc, words));
}
#endif

static gboolean terminated(gpointer user)
{
    aivo_application_quit(user);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
#ifdef AIVO_MONITOR_HAS_CLI
    if (argc > 1 && strcmp(argv[1], "--diagnose") == 0)
        return diagnose(argc, argv);
#endif
    setlocale(LC_ALL, "");
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
