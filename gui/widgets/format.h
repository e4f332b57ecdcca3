/*
 * Figures as people read them, and as a screen reader says them. Pure: no GTK, no clock.
 *
 * What is not known is an en dash, and "unknown" where it is spoken; never 0. Between a figure and its unit stands a
 * space that does not break.
 */
#ifndef AGK_FORMAT_H
#define AGK_FORMAT_H

#include <aivo/quality.h>
#include <stdbool.h>

#define AGK_TEXT   48  /* bytes of a formatted figure, NUL included */
#define AGK_SPEECH 512 /* bytes of a sentence */

#define AGK_DASH     "\xe2\x80\x93" /* en dash */
#define AGK_NBSP     "\xc2\xa0"
#define AGK_ELLIPSIS "\xe2\x80\xa6"
#define AGK_MINUS    "\xe2\x88\x92"

/* "12,345": the locale's separator, or a comma where it has none. */
void agk_format_count(double value, char out[AGK_TEXT]);
/* "0.4 ms", "23 ms", "12,345 ms": one decimal below 10 ms. */
void agk_format_ms(double ms, char out[AGK_TEXT]);
/* A tick's figure, without decimals that say nothing: "0", "0.5 ms", "200 ms"; unit with its space. */
void agk_format_tick(double value, const char *unit, char out[AGK_TEXT]);
/* "23 milliseconds", "unknown". */
void agk_speak_ms(double ms, char out[AGK_TEXT]);
/* "0 %", "0.4 %", "12 %": one decimal below 10. What is above 0 is not written as 0: "<0.1 %". */
void agk_format_percent(double percent, char out[AGK_TEXT]);
void agk_speak_percent(double percent, char out[AGK_TEXT]);
/* "0–28 %", a dash where either end is unknown. */
void agk_format_interval(double low, double high, char out[AGK_TEXT]);
void agk_speak_interval(double low, double high, char out[AGK_TEXT]);
/* How long ago: "now", "3 s ago", "5 min ago", "2 h ago", "3 d ago"; "–" for a negative number. */
void agk_format_ago(int64_t seconds, char out[AGK_TEXT]);
void agk_speak_ago(int64_t seconds, char out[AGK_TEXT]);
/* For how long: "0 s", "22 s", "5 min", "2 h". */
void agk_format_lasting(int64_t seconds, char out[AGK_TEXT]);
/* In how many seconds they give another text. At least 1. */
unsigned agk_ago_next(int64_t seconds);
/* A span of time: "1 minute", "7 days", "90 seconds". */
void agk_format_span(int64_t seconds, char out[AGK_TEXT]);
/* A cause as a line of the card: "Packets lost on the way to the server"; static. */
const char *agk_cause_words(enum aivo_cause cause);
/* Is a cause worth a line? What takes less than half a point off is not, but for what never takes any. */
bool agk_cause_counts(const struct aivo_quality_cause *cause);
/* What it cost: "−12"; "0" where it costs none. */
void agk_format_points(double points, char out[AGK_TEXT]);

#endif
