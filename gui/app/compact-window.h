/* The small window: every connection as a compact card, one under the other, to be left in a corner all day. */
#ifndef AIVO_APP_COMPACT_WINDOW_H
#define AIVO_APP_COMPACT_WINDOW_H

#include "application.h"

G_BEGIN_DECLS

#define AIVO_TYPE_COMPACT_WINDOW (aivo_compact_window_get_type())
G_DECLARE_FINAL_TYPE(AivoCompactWindow, aivo_compact_window, AIVO, COMPACT_WINDOW, AdwApplicationWindow)
GtkWidget *aivo_compact_window_new(AivoApplication *app);

G_END_DECLS
#endif
