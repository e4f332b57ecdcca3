/* Tells the desktop of connections that are bad for longer than they may, and takes it back when they recover. */
#ifndef AIVO_APP_NOTIFIER_H
#define AIVO_APP_NOTIFIER_H

#include "connection-list.h"

G_BEGIN_DECLS

#define AIVO_TYPE_NOTIFIER (aivo_notifier_get_type())
G_DECLARE_FINAL_TYPE(AivoNotifier, aivo_notifier, AIVO, NOTIFIER, GObject)

/* app is borrowed and must live longer. */
AivoNotifier *aivo_notifier_new(GApplication *app, GSettings *settings, AivoConnectionList *list);
/* Once: that the application goes on without a window. */
void aivo_notifier_tell_background(AivoNotifier *notifier);
void aivo_notifier_withdraw_all(AivoNotifier *notifier);

G_END_DECLS
#endif
