/* A connection in the sidebar: its name, one line about it, its badge. */
#ifndef AIVO_APP_CONNECTION_ROW_H
#define AIVO_APP_CONNECTION_ROW_H

#include "connection.h"
#include <gtk/gtk.h>

G_BEGIN_DECLS

#define AIVO_TYPE_CONNECTION_ROW (aivo_connection_row_get_type())
G_DECLARE_FINAL_TYPE(AivoConnectionRow, aivo_connection_row, AIVO, CONNECTION_ROW, GtkListBoxRow)
GtkWidget *aivo_connection_row_new(AivoConnection *connection);
AivoConnection *aivo_connection_row_get_connection(AivoConnectionRow *row); /* borrowed */

G_END_DECLS
#endif
