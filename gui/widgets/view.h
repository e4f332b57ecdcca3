/*
 * What card and badge show, made of a snapshot and a state. Pure: every text of every state is tested without a
 * display.
 */
#ifndef AGK_VIEW_H
#define AGK_VIEW_H

#include "format.h"
#include <aivo/quality.h>
#include <stdbool.h>

/* What is drawn: a level, or why there is none. The first five are enum aivo_level. */
enum agk_kind {
    AGK_OFFLINE = 0,
    AGK_POOR = 1,
    AGK_FAIR = 2,
    AGK_GOOD = 3,
    AGK_EXCELLENT = 4,
    AGK_BUSY = 5,   /* connecting for the first time, or connected without a sample */
    AGK_UNKNOWN = 6 /* nothing was told */
};
#define AGK_KINDS 7

/* "excellent", "busy": names of icons and style classes; static. */
const char *agk_kind_name(enum agk_kind kind);

/* enum values of AivoLinkState, without GLib. */
enum agk_link {
    AGK_LINK_UNKNOWN = -1,
    AGK_LINK_DOWN,
    AGK_LINK_CONNECTING,
    AGK_LINK_UP,
    AGK_LINK_RECONNECTING,
    AGK_LINK_CLOSING,
    AGK_LINK_FAILED
};

struct agk_view {
    enum agk_kind kind;
    bool connected;       /* the figures are of now */
    bool suspect;         /* an answer is overdue */
    bool alarm;           /* what ought to be connected is not: to be seen first */
    const char *word;     /* "Good", "Connecting…"; static */
    char text[AGK_TEXT];  /* beside the badge's mark */
    char score[AGK_TEXT]; /* "97" */
    char now[AGK_TEXT], average[AGK_TEXT], loss[AGK_TEXT], interval[AGK_TEXT];
    char spoken_now[AGK_TEXT], spoken_average[AGK_TEXT], spoken_loss[AGK_TEXT], spoken_interval[AGK_TEXT];
    const char *status;       /* what is being done about it: "Trying again"; static; NULL: nothing to say */
    char stability[AGK_TEXT]; /* "Stable", "Unstable, ± 0.6 ms", "Stability unknown" */
    char spoken_stability[2 * AGK_TEXT];
    int stable;                   /* 1, 0, or -1: not known */
    char label[AGK_SPEECH];       /* what it is, in words: "Good, 120 milliseconds" */
    char description[AGK_SPEECH]; /* the figures in words */
};

/* quality may be NULL. title and reason may be NULL. */
void agk_view_make(struct agk_view *view, const struct aivo_quality *quality, enum agk_link link, const char *title,
                   const char *reason);

#endif
