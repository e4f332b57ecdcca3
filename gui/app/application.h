/* The application: one process, its models, its windows, what the command line says, and staying in the background. */
#ifndef AIVO_APP_APPLICATION_H
#define AIVO_APP_APPLICATION_H

#include "connection-list.h"
#include "monitor.h"
#include "secrets.h"
#include <adwaita.h>

G_BEGIN_DECLS

#define AIVO_APPLICATION_ID "io.github.artpromedia.AivoMonitor"
#define AIVO_RESOURCES      "/io/github/artpromedia/AivoMonitor"

#define AIVO_TYPE_APPLICATION (aivo_application_get_type())
G_DECLARE_FINAL_TYPE(AivoApplication, aivo_application, AIVO, APPLICATION, AdwApplication)

AivoApplication *aivo_application_new(GSettings *settings);
/* The one of this process; everything it gives is borrowed. */
AivoApplication *aivo_application_get(void);
GSettings *aivo_application_get_settings(AivoApplication *app);
AivoSecrets *aivo_application_get_secrets(AivoApplication *app);
AivoMonitor *aivo_application_get_monitor(AivoApplication *app);
AivoConnectionList *aivo_application_get_list(AivoApplication *app);

/* 0, or what the program ends with after it has said what is wrong with its options. */
int aivo_application_check_usage(int argc, char **argv);
/* Opens the window, or brings it to the front; with the connection of this id if there is one (may be NULL). */
void aivo_application_show(AivoApplication *app, const char *id);
/* Instead of it the small one. */
void aivo_application_show_compact(AivoApplication *app);
/* A window is about to close: if it is the last, does the application go on without one? */
void aivo_application_window_closing(AivoApplication *app);
/* Disconnects everything, then ends. */
void aivo_application_quit(AivoApplication *app);

/* application-actions.c */
void aivo_application_add_actions(AivoApplication *app);

G_END_DECLS
#endif
