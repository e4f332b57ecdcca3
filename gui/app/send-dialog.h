/* Queues one message for durable delivery: an event and its arguments. */
#ifndef AIVO_APP_SEND_DIALOG_H
#define AIVO_APP_SEND_DIALOG_H

#include "connection.h"
#include <adwaita.h>

G_BEGIN_DECLS

#define AIVO_TYPE_SEND_DIALOG (aivo_send_dialog_get_type())
G_DECLARE_FINAL_TYPE(AivoSendDialog, aivo_send_dialog, AIVO, SEND_DIALOG, AdwWindow)
GtkWidget *aivo_send_dialog_new(GtkWindow *parent, AivoConnection *connection);

G_END_DECLS
#endif
