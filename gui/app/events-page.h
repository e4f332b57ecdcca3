/* The whole event log of a connection, with a filter. */
#ifndef AIVO_APP_EVENTS_PAGE_H
#define AIVO_APP_EVENTS_PAGE_H

#include "connection.h"
#include <adwaita.h>

G_BEGIN_DECLS

#define AIVO_TYPE_EVENTS_PAGE (aivo_events_page_get_type())
G_DECLARE_FINAL_TYPE(AivoEventsPage, aivo_events_page, AIVO, EVENTS_PAGE, AdwBin)
void aivo_events_page_set_connection(AivoEventsPage *page, AivoConnection *connection);

G_END_DECLS
#endif
