/* Going on without a window, and starting with the session: through the portal where there is one. */
#ifndef AIVO_APP_BACKGROUND_H
#define AIVO_APP_BACKGROUND_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* Asks the portal for leave to go on (where it refuses, the desktop ends us and says so itself). Returns at once. */
void aivo_background_enter(GSettings *settings);
/* Starts with the session, or does not any more: the portal's word, or without a portal an autostart file. */
void aivo_background_set_autostart(gboolean yes);

G_END_DECLS
#endif
