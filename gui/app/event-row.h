/* A line of the event log. */
#ifndef AIVO_APP_EVENT_ROW_H
#define AIVO_APP_EVENT_ROW_H

#include "event-log.h"
#include <gtk/gtk.h>

G_BEGIN_DECLS

#define AIVO_TYPE_EVENT_ROW (aivo_event_row_get_type())
G_DECLARE_FINAL_TYPE(AivoEventRow, aivo_event_row, AIVO, EVENT_ROW, GtkWidget)
GtkWidget *aivo_event_row_new(void);
/* Shows it; NULL: nothing. */
void aivo_event_row_set_event(AivoEventRow *row, AivoEvent *event);

G_END_DECLS
#endif
