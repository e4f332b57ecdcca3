/* The preferences (GSettings): where their schema is found, and what they amount to. */
#ifndef AIVO_APP_SETTINGS_H
#define AIVO_APP_SETTINGS_H

#include "monitor.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define AIVO_SETTINGS_SCHEMA "io.github.artpromedia.AivoMonitor"

/* The schema of the system, or the one that lies beside the program. NULL: neither is there. */
GSettings *aivo_settings_open(void);
/* Thresholds that do not rise are brought in order. */
void aivo_settings_tuning(GSettings *settings, AivoTuning *out);

G_END_DECLS
#endif
