/* What an operator sees first: the card, the chart, where the time goes, what happened last. */
#ifndef AIVO_APP_OVERVIEW_PAGE_H
#define AIVO_APP_OVERVIEW_PAGE_H

#include "connection.h"
#include <adwaita.h>

G_BEGIN_DECLS

/* Property connection (AivoConnection, may be NULL). */
#define AIVO_TYPE_OVERVIEW_PAGE (aivo_overview_page_get_type())
G_DECLARE_FINAL_TYPE(AivoOverviewPage, aivo_overview_page, AIVO, OVERVIEW_PAGE, AdwBin)
void aivo_overview_page_set_connection(AivoOverviewPage *page, AivoConnection *connection);
/* The chart as it is on the screen, for a support bundle; NULL: it is not on a screen. The caller owns it. */
GdkTexture *aivo_overview_page_render_chart(AivoOverviewPage *page);

G_END_DECLS
#endif
