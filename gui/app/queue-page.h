/* The offline queue of a connection: figures, messages, dead letters; retry, purge, send. */
#ifndef AIVO_APP_QUEUE_PAGE_H
#define AIVO_APP_QUEUE_PAGE_H

#include "connection.h"
#include <adwaita.h>

G_BEGIN_DECLS

#define AIVO_TYPE_QUEUE_PAGE (aivo_queue_page_get_type())
G_DECLARE_FINAL_TYPE(AivoQueuePage, aivo_queue_page, AIVO, QUEUE_PAGE, AdwBin)
void aivo_queue_page_set_connection(AivoQueuePage *page, AivoConnection *connection);

G_END_DECLS
#endif
