/* The preferences, each bound to its setting. */
#ifndef AIVO_APP_PREFERENCES_H
#define AIVO_APP_PREFERENCES_H

#include <adwaita.h>

G_BEGIN_DECLS

#define AIVO_TYPE_PREFERENCES (aivo_preferences_get_type())
G_DECLARE_FINAL_TYPE(AivoPreferences, aivo_preferences, AIVO, PREFERENCES, AdwPreferencesWindow)
/* parent may be NULL. */
GtkWidget *aivo_preferences_new(GtkWindow *parent, GSettings *settings);

G_END_DECLS
#endif
