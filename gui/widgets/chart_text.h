/* What a chart says in words. Pure: the time of day comes in as text. */
#ifndef AGK_CHART_TEXT_H
#define AGK_CHART_TEXT_H

#include "bins.h"
#include "format.h"

/* For the eye: "14:03:20 · 23 ms (20–31 ms) · loss 0 % · Excellent". */
void agk_readout_text(const struct agk_bin *bin, const char *when, char out[AGK_SPEECH]);
/* For the ear: "14:03:20: median 23 milliseconds, ..." */
void agk_readout_speech(const struct agk_bin *bin, const char *when, char out[AGK_SPEECH]);
/* For the eye: "Median 23 ms · 95 % within 31 ms · at most 80 ms · loss 0.4 % · worst Fair · 2 gaps". */
void agk_summary_text(const struct agk_total *total, char out[AGK_SPEECH]);
/* For the ear: "Median 23 milliseconds, 95 of 100 below 31, at most 80. Loss 0.4 percent. Worst level Fair. 2 gaps." */
void agk_summary_speech(const struct agk_total *total, char out[AGK_SPEECH]);

#endif
