/* What a screen reader calls buttons, where GTK has no good name for them by itself. */
#ifndef AIVO_APP_SPOKEN_NAMES_H
#define AIVO_APP_SPOKEN_NAMES_H

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Names every button in the window, once it is mapped: those with an icon only by their tooltip, and those with a
 * mnemonic without its underline, which GTK 4.8 reads out beside the label. */
void aivo_speak_window(GtkWindow *window);

G_END_DECLS
#endif
