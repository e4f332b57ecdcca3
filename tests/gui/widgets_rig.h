/* A window on a display, snapshots, and what a widget says to eye and ear: for test_widgets.c and test_charts.c. */
#ifndef AIVO_TEST_WIDGETS_RIG_H
#define AIVO_TEST_WIDGETS_RIG_H

#include "glyph.h"
#include "view.h"
#include "word.h"
#include <aivo-gtk/aivo-gtk.h>
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void); /* its header comes with Clang only */
#endif

static __attribute__((unused)) gboolean quit(gpointer done)
{
    *(bool *)done = true;
    return G_SOURCE_REMOVE;
}

/* Runs the main loop for a while: a frame or two. */
static __attribute__((unused)) void run_ms(guint ms)
{
    bool done = false;
    g_timeout_add(ms, quit, &done);
    while (!done) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* Until something is so, ten seconds at most. */
static __attribute__((unused)) bool run_until(bool (*is_so)(void *), void *user)
{
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    while (!is_so(user) && g_get_monotonic_time() < end) {
        run_ms(10);
    }
    return is_so(user);
}

static __attribute__((unused)) bool is_mapped(void *widget)
{
    return gtk_widget_get_mapped(widget) && gtk_widget_get_width(widget) > 0;
}

static __attribute__((unused)) GtkWidget *show(GtkWidget *child, int width, int height)
{
    GtkWidget *window = gtk_window_new();
    gtk_window_set_default_size(GTK_WINDOW(window), width, height);
    gtk_window_set_child(GTK_WINDOW(window), child);
    gtk_window_present(GTK_WINDOW(window));
    assert_true(run_until(is_mapped, child));
    run_ms(40);
    return window;
}

static __attribute__((unused)) struct aivo_quality quality(enum aivo_level level, double ms)
{
    struct aivo_quality q = {.size = sizeof(q),
                             .time_ms = g_get_real_time() / 1000,
                             .level = level,
                             .score = 70,
                             .latency_ms = ms,
                             .avg_latency_ms = ms,
                             .loss_pct = 0,
                             .loss_low_pct = 0,
                             .loss_high_pct = 3,
                             .stable_known = true,
                             .stable = true,
                             .samples = 10,
                             .loss_samples = 10};
    return q;
}

static __attribute__((unused)) char *get_string(gpointer object, const char *name)
{
    char *text = NULL;
    g_object_get(object, name, &text, NULL);
    return text;
}

static __attribute__((unused)) void assert_string_property(gpointer object, const char *name, const char *expected)
{
    char *text = get_string(object, name);
    assert_non_null(text);
    assert_string_equal(text, expected);
    g_free(text);
}

static __attribute__((unused)) void assert_said(gpointer widget, GtkAccessibleProperty property, const char *expected)
{
    char *difference = gtk_test_accessible_check_property(GTK_ACCESSIBLE(widget), property, expected);
    if (difference) {
        print_error("%s\n", difference);
    }
    assert_null(difference);
}

/* Every label below a widget that is on the screen. */
static __attribute__((unused)) void each_label(GtkWidget *widget, void (*fn)(GtkWidget *, void *), void *user)
{
    if (GTK_IS_LABEL(widget) && gtk_widget_get_mapped(widget)) {
        fn(widget, user);
    }
    for (GtkWidget *child = gtk_widget_get_first_child(widget); child; child = gtk_widget_get_next_sibling(child)) {
        each_label(child, fn, user);
    }
}

struct search {
    const char *text;
    GtkWidget *found;
};

static __attribute__((unused)) void match(GtkWidget *label, void *user)
{
    struct search *search = user;
    if (strcmp(gtk_label_get_text(GTK_LABEL(label)), search->text) == 0) {
        search->found = label;
    }
}

static __attribute__((unused)) GtkWidget *find_label(GtkWidget *root, const char *text)
{
    struct search search = {text, NULL};
    each_label(root, match, &search);
    return search.found;
}

/* A chart of so many figures, ten seconds and one ms apart. */
#define START G_GINT64_CONSTANT(1767225600000)

static __attribute__((unused)) GtkWidget *chart_of(int count)
{
    GtkWidget *chart = aivo_quality_chart_new();
    AivoQualitySeries *series = aivo_quality_chart_get_series(AIVO_QUALITY_CHART(chart));
    for (int i = 0; i < count; i++) {
        AivoQualityPoint point = {.time_ms = START + i * 10000,
                                  .min_ms = 20 + i,
                                  .p50_ms = 20 + i,
                                  .p95_ms = 20 + i,
                                  .max_ms = 20 + i,
                                  .observed = 1,
                                  .samples = 1,
                                  .worst = AIVO_LEVEL_EXCELLENT};
        assert_true(aivo_quality_series_append_point(series, &point));
    }
    g_object_set(chart, "span-s", 300, "end-ms", START + 300000, NULL);
    return chart;
}

#endif
