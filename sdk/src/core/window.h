/*
 * The last clean latencies. A single outlier is held back until the next sample tells what it was: with two more on
 * the same side a step, which begins the window anew; otherwise a spike. A spike enters the window like any other
 * sample, but for one that is as high as if the peer had sent its answer again: see ADR 0007. Pure.
 */
#ifndef AIVO_CORE_WINDOW_H
#define AIVO_CORE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AIVO_WINDOW_MAX     60 /* samples */
#define AIVO_WINDOW_DEFAULT 10
#define AIVO_WINDOW_TESTED  5     /* from so many samples on there are outliers */
#define AIVO_WINDOW_STEP    3     /* outliers in a row on one side are a step */
#define AIVO_WINDOW_RESENT  190.0 /* so much above the median, in ms: an answer sent again comes no earlier */
#define AIVO_WINDOW_RARE    5     /* such spikes among the last 20 samples; more are the link's jitter */

struct aivo_window {
    double values[AIVO_WINDOW_MAX]; /* oldest first */
    size_t len, size;
    double held[AIVO_WINDOW_STEP - 1];
    size_t held_len;
    bool held_above;
    size_t dropped;   /* by the last add(): spikes that did not enter */
    uint32_t history; /* one bit a resolved sample, the latest lowest: it was such a spike */
};

enum aivo_window_result {
    AIVO_WINDOW_ADDED,
    AIVO_WINDOW_HELD, /* an outlier: ask again soon */
    AIVO_WINDOW_STEPPED
};

/* size: 0 is the default; at most AIVO_WINDOW_MAX. Empty afterwards. */
void aivo_window_init(struct aivo_window *w, size_t size);
void aivo_window_clear(struct aivo_window *w);
/* With hold false nothing is an outlier. */
enum aivo_window_result aivo_window_add(struct aivo_window *w, double value, bool hold);
/* As if value were the newest sample: the oldest of a full window makes room. No test for outliers. */
void aivo_window_push(struct aivo_window *w, double value);
double aivo_window_median(const struct aivo_window *w); /* NAN: empty */

#endif
