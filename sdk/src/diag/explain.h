/* What every fact is called, and how it came about. Pure. */
#ifndef AIVO_DIAG_EXPLAIN_H
#define AIVO_DIAG_EXPLAIN_H

#include <aivo/diagnose.h>

struct diag_explanation {
    enum aivo_diagnose_stage stage;
    const char *list; /* NULL: of the stage itself */
    const char *key, *title, *text;
};

extern const struct diag_explanation diag_explanations[];
extern const size_t diag_explanation_count;

#endif
