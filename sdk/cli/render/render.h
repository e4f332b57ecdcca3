/*
 * A diagnosis as text, Markdown, JSON, Nagios' line or Prometheus' text format: plain functions of the report.
 *
 * Shared by the command line and the desktop app. A report's texts may come from a peer: none of these lets it break a
 * line, a table or a format, and none prints a credential (aivo_render_clean()).
 */
#ifndef AIVO_RENDER_H
#define AIVO_RENDER_H

#include <aivo/diagnose.h>
#include <stdio.h>

#define AIVO_RENDER_JSON_VERSION 1 /* of the JSON: docs/diagnose.schema.json */

/* ---- figures and texts (figure.c, clean.c) ---- */

/* "2026-01-31T12:00:00.123Z" */
#define AIVO_RENDER_TIME_MAX 32
void aivo_render_time(int64_t unix_ms, char out[AIVO_RENDER_TIME_MAX]);
/* A figure as JSON has it in every locale: three decimals at most, null when it is not known. Returns out, or a static
 * text. */
#define AIVO_RENDER_FIGURE_MAX 48
const char *aivo_render_json_figure(double value, char out[AIVO_RENDER_FIGURE_MAX]);
/* A figure for people, with as many digits as it deserves; "-" when it is not known. */
const char *aivo_render_figure(double value, char out[AIVO_RENDER_FIGURE_MAX]);
/* The text on one line and without credentials: what looks like a token (JWT), user info in a URL, the value behind
 * token=, password=, Bearer and the like becomes "[removed]". Cut to size - 1 bytes, whole characters. Returns out. */
#define AIVO_RENDER_TEXT_MAX 2048
char *aivo_render_clean(const char *text, char *out, size_t size);
/* Does this fact say who somebody is or which session it was? Such are left out of what is pasted elsewhere. */
bool aivo_render_is_personal(const char *key);

/* ---- text (text.c) ---- */

struct aivo_render_look {
    size_t columns; /* of the terminal: longer texts are broken there; 0: never */
    bool colour, unicode;
    bool explain; /* every figure, and how it came about */
};

/* One stage that ended: its line, reason and fix. */
void aivo_render_text_stage(FILE *out, const struct aivo_diagnose_result *result, const struct aivo_render_look *look);
/* What follows the stages: quality, verdict, what to do first. */
void aivo_render_text_end(FILE *out, const struct aivo_diagnose_report *report, const struct aivo_render_look *look);
/* The whole. */
void aivo_render_text(FILE *out, const struct aivo_diagnose_report *report, const struct aivo_render_look *look);

/* ---- to paste into an issue or a chat (markdown.c) ---- */

void aivo_render_markdown(FILE *out, const struct aivo_diagnose_report *report);

/* ---- for programs (json.c, nagios.c, prometheus.c) ---- */

/* One object on one line, without a line break. */
void aivo_render_json(FILE *out, const struct aivo_diagnose_report *report);

/* Thresholds of Nagios; NAN: none. */
struct aivo_render_limits {
    double rtt_ms, p95_ms, jitter_ms, loss_pct, score, cert_days; /* score and days: reached from above */
};
/* No thresholds. */
void aivo_render_limits_init(struct aivo_render_limits *limits);
/* "100", "100,5%", "rtt=100,p95=250,jitter=20,loss=5,score=60,cert=21": a bare number is rtt, one with % is loss.
 * False: it is none, and error (static) says what is wrong; limits is then undefined. */
bool aivo_render_limits_parse(const char *text, struct aivo_render_limits *limits, const char **error);
/* One line, line break included; performance data after the bar. Returns Nagios' code: 0, 1 or 2. */
int aivo_render_nagios(FILE *out, const struct aivo_diagnose_report *report, const struct aivo_render_limits *warn,
                       const struct aivo_render_limits *crit);

/* Text format 0.0.4 of several reports, each with the label target; NULL among them is a target without one. */
void aivo_render_prometheus(FILE *out, const struct aivo_diagnose_report *const *reports, const char *const *targets,
                            size_t count);

/* The figures of the quality in the order in which all formats have them. */
struct aivo_render_measure {
    const char *name;  /* in JSON */
    const char *title; /* for people */
    const char *unit;  /* "ms", "%", "" */
    double value;
};
#define AIVO_RENDER_MEASURES 24
size_t aivo_render_measures(const struct aivo_quality *quality, struct aivo_render_measure out[AIVO_RENDER_MEASURES]);

#endif
