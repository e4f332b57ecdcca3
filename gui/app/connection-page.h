/* Everything about one connection: its pages behind a switcher, and what can be done to it. */
#ifndef AIVO_APP_CONNECTION_PAGE_H
#define AIVO_APP_CONNECTION_PAGE_H

#include "connection.h"
#include "diagnosis-page.h"
#include "overview-page.h"
#include <adwaita.h>

G_BEGIN_DECLS

/* Property folded (boolean): show a way back to the sidebar. */
#define AIVO_TYPE_CONNECTION_PAGE (aivo_connection_page_get_type())
G_DECLARE_FINAL_TYPE(AivoConnectionPage, aivo_connection_page, AIVO, CONNECTION_PAGE, AdwBin)
void aivo_connection_page_set_connection(AivoConnectionPage *page, AivoConnection *connection);
/* "overview", "events", "queue" or "diagnosis". */
void aivo_connection_page_show(AivoConnectionPage *page, const char *name);
AivoOverviewPage *aivo_connection_page_get_overview(AivoConnectionPage *page);
AivoDiagnosisPage *aivo_connection_page_get_diagnosis(AivoConnectionPage *page);

G_END_DECLS
#endif
