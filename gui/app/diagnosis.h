/*
 * A staged diagnosis of a profile, run in a thread of its own and told on the main thread: stages as they begin and
 * end, a verdict, and the whole as text to copy.
 */
#ifndef AIVO_APP_DIAGNOSIS_H
#define AIVO_APP_DIAGNOSIS_H

#include "profile.h"

G_BEGIN_DECLS

typedef enum { AIVO_VERDICT_GOOD, AIVO_VERDICT_DEGRADED, AIVO_VERDICT_BAD } AivoVerdict;
typedef enum { AIVO_STAGE_OK, AIVO_STAGE_WARN, AIVO_STAGE_FAIL, AIVO_STAGE_SKIP, AIVO_STAGE_RUNNING } AivoStageStatus;
typedef enum { AIVO_DIAGNOSIS_FULL, AIVO_DIAGNOSIS_QUICK } AivoDiagnosisDepth;

typedef struct {
    int stage; /* its number, in order */
    const char *title;
    AivoStageStatus status;
    double time_ms;           /* NAN: it was not begun */
    const char *reason, *fix; /* "" where there is none */
} AivoStageResult;

/* Signals: stage(pointer to AivoStageResult, borrowed): a stage began (AIVO_STAGE_RUNNING) or ended; ended. */
#define AIVO_TYPE_DIAGNOSIS (aivo_diagnosis_get_type())
G_DECLARE_FINAL_TYPE(AivoDiagnosis, aivo_diagnosis, AIVO, DIAGNOSIS, GObject)

/* profile and secret are copied. */
AivoDiagnosis *aivo_diagnosis_new(const AivoProfile *profile, const char *secret, AivoDiagnosisDepth depth);
/* Once. It keeps itself alive until it has ended. */
void aivo_diagnosis_run(AivoDiagnosis *diagnosis);
/* It ends soon, with what is known; "ended" comes as ever. */
void aivo_diagnosis_cancel(AivoDiagnosis *diagnosis);

/* Once it has ended; borrowed, never NULL. */
AivoVerdict aivo_diagnosis_get_verdict(AivoDiagnosis *diagnosis);
const char *aivo_diagnosis_get_summary(AivoDiagnosis *diagnosis);
const char *aivo_diagnosis_get_fix(AivoDiagnosis *diagnosis); /* "": nothing to do */
const char *aivo_diagnosis_get_text(AivoDiagnosis *diagnosis);

G_END_DECLS
#endif
