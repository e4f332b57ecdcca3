/*
 * The layers of a chart. Each only scales what is there and draws it; what is shown was decided before (bins.h), and
 * nothing is kept from one frame to the next.
 */
#ifndef AGK_CHART_DRAW_H
#define AGK_CHART_DRAW_H

#include "bins.h"
#include "palette.h"
#include <gtk/gtk.h>

struct agk_area {
    double x, y, width, height; /* height 0: not shown */
};

struct agk_chart_frame {
    /* what comes in */
    double width, height;
    const struct agk_bins *bins;
    int64_t from_ms, to_ms;
    double top_ms;
    double thresholds[3];
    bool show_loss, show_levels, live;
    bool rtl;           /* what is above the plot begins at the right; time does not run backwards */
    long cursor;        /* a column; -1: none */
    const char *header; /* what is under the cursor; NULL: the legend */
    const char *empty;  /* written where there is no data */
    struct agk_scheme scheme;
    struct agk_colour text;
    PangoLayout *layout; /* of the widget; its font is that of labels */
    /* what agk_chart_lay_out() makes of it */
    struct agk_area head, plot, loss, levels;
    double labels_width, names_width, line_height;
    struct agk_scale time, latency;
};

/* Where everything goes. Lanes go first where there is little height, captions where there is little width. */
void agk_chart_lay_out(struct agk_chart_frame *frame);
void agk_chart_draw(const struct agk_chart_frame *frame, cairo_t *cr);

/* The local clock's distance from UTC, for agk_time_ticks(). */
int64_t agk_chart_zone(int64_t time_ms, void *user);
/* A local time as a format of g_date_time_format() has it; the caller frees it. */
char *agk_chart_clock(int64_t time_ms, const char *format);

#endif
