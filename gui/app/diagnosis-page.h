/* Runs a diagnosis of a connection and shows its stages as they end; the report can be copied. */
#ifndef AIVO_APP_DIAGNOSIS_PAGE_H
#define AIVO_APP_DIAGNOSIS_PAGE_H

#include "connection.h"
#include <adwaita.h>

G_BEGIN_DECLS

#define AIVO_TYPE_DIAGNOSIS_PAGE (aivo_diagnosis_page_get_type())
G_DECLARE_FINAL_TYPE(AivoDiagnosisPage, aivo_diagnosis_page, AIVO, DIAGNOSIS_PAGE, AdwBin)
void aivo_diagnosis_page_set_connection(AivoDiagnosisPage *page, AivoConnection *connection);
/* Begins one, unless one runs. */
void aivo_diagnosis_page_run(AivoDiagnosisPage *page);

G_END_DECLS
#endif
