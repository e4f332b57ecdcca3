/*
 * The report while it is being made: results with their facts and findings. Pure: memory is all it touches. When memory
 * runs out a text is "" and a fact or finding is missing; nothing fails.
 */
#ifndef AIVO_DIAG_REPORT_H
#define AIVO_DIAG_REPORT_H

#include <aivo/diagnose.h>

#define DIAG_FINDINGS 16  /* of one stage; further ones are dropped */
#define DIAG_FACTS    512 /* of one stage; further ones are dropped */
#define DIAG_TEXT     512 /* bytes of one text; longer ones are cut */

struct diag_text; /* texts live in a list until the end */

struct diag_stage {
    struct aivo_diagnose_finding findings[DIAG_FINDINGS];
    enum aivo_diagnose_verdict verdicts[DIAG_FINDINGS]; /* what a failure means for the whole */
    size_t finding_count;
    struct aivo_diagnose_fact *facts;
    size_t fact_count, fact_room;
    const char *said; /* what to say if there is no finding */
    const char *list; /* where facts go now; NULL: to the stage itself */
    uint32_t item;
    bool ended;
};

struct diag_report {
    struct diag_text *texts;
    struct diag_stage stages[AIVO_DIAGNOSE_STAGES];
    struct diag_stage *at; /* the one being filled */
    struct aivo_diagnose_result results[AIVO_DIAGNOSE_STAGES];
    struct aivo_diagnose_report out;
};

void diag_report_init(struct diag_report *r);
void diag_report_free(struct diag_report *r);

/* Facts, findings and words after it are of this stage. */
void diag_stage_fill(struct diag_report *r, enum aivo_diagnose_stage stage);
/* Facts after it belong to a list's item; NULL: to the stage itself. list: static. */
void diag_item(struct diag_report *r, const char *list, uint32_t item);

/* key: static. A text that is NULL is not noted. Control bytes become '?', what is not UTF-8 U+FFFD. */
void diag_fact_text(struct diag_report *r, const char *key, const char *text);
void diag_fact_number(struct diag_report *r, const char *key, double number);
void diag_fact_bool(struct diag_report *r, const char *key, bool truth);

/* What the stage found out, in a few words, should nothing be wrong. */
void diag_say(struct diag_report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Something is wrong: code (static), then why, then what to do. */
struct diag_found {
    struct aivo_diagnose_finding *finding; /* NULL: no room */
};
void diag_warn(struct diag_report *r, const char *code, const char *fix, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_fail(struct diag_report *r, enum aivo_diagnose_verdict verdict, const char *code, const char *fix,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A text of the report's, for a fix that is put together. Never NULL. */
const char *diag_text(struct diag_report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The stage is over: its result is made. times: NAN if it was not begun. skip: "not-needed", ... or NULL. */
const struct aivo_diagnose_result *diag_stage_end(struct diag_report *r, enum aivo_diagnose_stage stage,
                                                  double start_ms, double time_ms, const char *skip);
/* Whether the stage has failed so far. */
bool diag_stage_failed(const struct diag_report *r, enum aivo_diagnose_stage stage);

/* All stages have ended: verdict, summary, what to do first. */
void diag_report_conclude(struct diag_report *r);

/* "0.4", "12", "1250": milliseconds as people read them, without regard to the locale. */
#define DIAG_MS_TEXT 24
const char *diag_ms(char out[DIAG_MS_TEXT], double ms);
/* "45 s", "12 min", "3 h", "5 days" */
#define DIAG_SPAN_TEXT 32
const char *diag_span(char out[DIAG_SPAN_TEXT], double seconds);

#endif
