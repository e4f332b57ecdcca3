/* Tells when the computer goes to sleep and wakes up (logind's PrepareForSleep). Where there is no logind, it is
 * silent. */
#ifndef AIVO_APP_SLEEP_WATCH_H
#define AIVO_APP_SLEEP_WATCH_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* Signal slept(boolean): TRUE: about to sleep; FALSE: awake again. */
#define AIVO_TYPE_SLEEP_WATCH (aivo_sleep_watch_get_type())
G_DECLARE_FINAL_TYPE(AivoSleepWatch, aivo_sleep_watch, AIVO, SLEEP_WATCH, GObject)
AivoSleepWatch *aivo_sleep_watch_new(void);

G_END_DECLS
#endif
