/* Adds a connection or changes one: says what is wrong while it is typed, and tries it out. */
#ifndef AIVO_APP_CONNECTION_DIALOG_H
#define AIVO_APP_CONNECTION_DIALOG_H

#include "connection.h"
#include <adwaita.h>

G_BEGIN_DECLS

#define AIVO_TYPE_CONNECTION_DIALOG (aivo_connection_dialog_get_type())
G_DECLARE_FINAL_TYPE(AivoConnectionDialog, aivo_connection_dialog, AIVO, CONNECTION_DIALOG, AdwWindow)
/* connection NULL: a new one. */
GtkWidget *aivo_connection_dialog_new(GtkWindow *parent, AivoConnection *connection);

G_END_DECLS
#endif
