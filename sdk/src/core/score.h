/* From figures to a score of 1..100, its level, and what took the points off. Pure. */
#ifndef AIVO_CORE_SCORE_H
#define AIVO_CORE_SCORE_H

#include <aivo/quality.h>

/* What a score is made of. */
struct aivo_score_input {
    double mean_ms, stddev_ms; /* of the window */
    double loss_bound_pct;     /* what was lost at least: aivo_loss_bound() */
};

/* Smoothed over the evaluations; one a sample. */
struct aivo_score {
    bool begun;
    double smoothed; /* 1..100 */
    enum aivo_level level;
    unsigned far; /* evaluations in a row on the far side of the level's boundary */
};

/* 100 at 0 ms; 80, 60 and 40 where the next worse level begins; 20 at twice and 5 from six times the last. */
double aivo_score_rtt(double mean_ms, const struct aivo_quality_thresholds *t);
double aivo_score_loss_points(double loss_bound_pct);                                              /* 0..40 */
double aivo_score_jitter_points(double mean_ms, double stddev_ms);                                 /* 0..15 */
double aivo_score_raw(const struct aivo_score_input *in, const struct aivo_quality_thresholds *t); /* 1..100 */
enum aivo_level aivo_score_level(double score); /* > 80 Excellent, > 60 Good, > 40 Fair, else Poor */
/* By the mean alone: a bound belongs to the worse side. */
enum aivo_level aivo_score_classic_level(double mean_ms, const struct aivo_quality_thresholds *t);

/* One evaluation; anew: after a step, without regard to what was. */
void aivo_score_update(struct aivo_score *s, double raw, bool anew);

/* How a round trip and the losses divide; NAN is unknown. */
struct aivo_score_shares {
    double edge_ms;          /* of the mean: the server's side of it */
    double up_pct, down_pct; /* loss by direction */
    double handler_ms;       /* beyond the round trip, so it costs no points */
    bool stalled;            /* samples were thrown away because this process was late */
};
/* Writes what made the score, in order of points, at most AIVO_QUALITY_CAUSES; returns how many. The points add up to
 * 100 - score. A slow handler and local stalls are named with 0 points. */
size_t aivo_score_causes(const struct aivo_score_input *in, const struct aivo_quality_thresholds *t, double score,
                         const struct aivo_score_shares *shares, struct aivo_quality_cause *out);

#endif
