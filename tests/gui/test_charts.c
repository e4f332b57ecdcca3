/* The chart on a real display (an Xvfb): keys, pointer, what it reads out, a week of samples, shared series. */
#include "widgets_rig.h"

static gboolean press(GtkWidget *widget, guint key, GdkModifierType modifiers)
{
    gboolean handled = FALSE;
    GListModel *controllers = gtk_widget_observe_controllers(widget);
    for (guint i = 0; i < g_list_model_get_n_items(controllers); i++) {
        GObject *controller = g_list_model_get_item(controllers, i);
        if (GTK_IS_EVENT_CONTROLLER_KEY(controller)) {
            g_signal_emit_by_name(controller, "key-pressed", key, 0, modifiers, &handled);
        }
        g_object_unref(controller);
    }
    g_object_unref(controllers);
    return handled;
}

static void point_at(GtkWidget *widget, const char *signal, double x)
{
    GListModel *controllers = gtk_widget_observe_controllers(widget);
    for (guint i = 0; i < g_list_model_get_n_items(controllers); i++) {
        GObject *controller = g_list_model_get_item(controllers, i);
        if (GTK_IS_EVENT_CONTROLLER_MOTION(controller)) {
            g_signal_emit_by_name(controller, signal, x, 50.0);
        }
        g_object_unref(controller);
    }
    g_object_unref(controllers);
}

/* The property is for the eye, the description for the ear. */
static void assert_readout_has(GtkWidget *chart, int ms)
{
    char *readout = get_string(chart, "readout"), seen[32], said[32], at[16];
    assert_non_null(readout);
    g_snprintf(seen, sizeof(seen), " %d" AGK_NBSP "ms ", ms);
    g_snprintf(said, sizeof(said), "latency %d milliseconds", ms);
    if (!strstr(readout, seen)) {
        print_error("%s is not in %s\n", seen, readout);
    }
    assert_non_null(strstr(readout, seen));
    g_strlcpy(at, readout, 9); /* the time of day */
    char *whole = g_strdup_printf("%s: %s, loss 0 percent, Excellent", at, said);
    assert_said(chart, GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, whole);
    g_free(whole);
    g_free(readout);
}

/* The keys: they begin at the latest figure, go back and on, by one and by ten, to the ends; Escape takes the cursor
 * away once and is then somebody else's. At each place the description says what is there. */
static void test_chart_keys(void **state)
{
    (void)state;
    GtkWidget *chart = chart_of(30), *window = show(chart, 600, 300);
    gtk_widget_grab_focus(chart);
    assert_null(get_string(chart, "readout"));
    assert_true(press(chart, GDK_KEY_Left, 0));
    assert_readout_has(chart, 49);
    assert_true(press(chart, GDK_KEY_Left, 0));
    assert_readout_has(chart, 48);
    assert_true(press(chart, GDK_KEY_Left, GDK_CONTROL_MASK));
    assert_readout_has(chart, 38);
    assert_true(press(chart, GDK_KEY_Right, 0));
    assert_readout_has(chart, 39);
    assert_true(press(chart, GDK_KEY_Home, 0));
    assert_readout_has(chart, 20);
    assert_true(press(chart, GDK_KEY_Left, 0));
    assert_readout_has(chart, 20);
    assert_true(press(chart, GDK_KEY_End, 0));
    assert_readout_has(chart, 49);
    assert_true(press(chart, GDK_KEY_Escape, 0));
    assert_null(get_string(chart, "readout"));
    assert_false(press(chart, GDK_KEY_Escape, 0));
    assert_false(press(chart, GDK_KEY_a, 0));
    gtk_window_destroy(GTK_WINDOW(window));
}

/* The pointer takes the cursor along and away again; a cursor that keys set stays. */
static void test_chart_pointer(void **state)
{
    (void)state;
    GtkWidget *chart = chart_of(30), *window = show(chart, 600, 300);
    point_at(chart, "motion", 300);
    gint64 cursor = -1;
    g_object_get(chart, "cursor-ms", &cursor, NULL);
    assert_true(cursor > START && cursor < START + 300000);
    char *readout = get_string(chart, "readout");
    assert_non_null(readout);
    g_free(readout);
    point_at(chart, "motion", 1); /* over the labels */
    assert_null(get_string(chart, "readout"));
    press(chart, GDK_KEY_Home, 0);
    point_at(chart, "leave", 0);
    assert_readout_has(chart, 20);
    gtk_window_destroy(GTK_WINDOW(window));
}

/* Set once a sample, `quality` fills the series; a snapshot that comes twice counts once; the summary follows. */
static void test_chart_quality(void **state)
{
    (void)state;
    GtkWidget *chart = g_object_ref_sink(aivo_quality_chart_new());
    AivoQualitySeries *series = aivo_quality_chart_get_series(AIVO_QUALITY_CHART(chart));
    assert_string_property(chart, "summary", "No data");
    gint64 now = g_get_real_time() / 1000;
    for (int i = 0; i < 10; i++) {
        struct aivo_quality q = quality(AIVO_LEVEL_GOOD, 120);
        q.time_ms = now - 20000 + i * 2000;
        q.loss_samples = (uint64_t)(100 + i);
        q.lost = i >= 5 ? 3 : 2;
        g_object_set(chart, "quality", &q, NULL);
        g_object_set(chart, "quality", &q, NULL);
    }
    assert_int_equal(aivo_quality_series_get_n_points(series), 10);
    AivoQualityPoint point;
    uint64_t lost = 0;
    for (guint i = 1; i < 10; i++) {
        assert_true(aivo_quality_series_get_point(series, i, &point));
        assert_int_equal(point.observed, 1);
        lost += point.lost;
    }
    assert_int_equal(lost, 1);
    assert_false(aivo_quality_series_get_point(series, 10, &point));
    char *summary = get_string(chart, "summary");
    assert_non_null(strstr(summary, "Median 120" AGK_NBSP "ms"));
    g_free(summary);
    g_object_set(chart, "series", NULL, NULL); /* an empty one of its own */
    assert_string_property(chart, "summary", "No data");
    aivo_quality_chart_set_span(AIVO_QUALITY_CHART(chart), 1);
    guint span = 0;
    g_object_get(chart, "span-s", &span, NULL);
    assert_int_equal(span, AIVO_CHART_SPAN_MIN_S);
    g_object_unref(chart);
}

/* A week of samples, one each ten seconds: from the points to the picture it takes less than a second, by far. */
static void test_a_week(void **state)
{
    (void)state;
    AivoQualitySeries *series = g_object_new(AIVO_TYPE_QUALITY_SERIES, "capacity", 100000, NULL);
    enum { count = 7 * 8640 };
    AivoQualityPoint *points = g_new0(AivoQualityPoint, count);
    for (int i = 0; i < count; i++) {
        double ms = 20 + i * 7919 % 97;
        points[i] = (AivoQualityPoint){.time_ms = START + i * G_GINT64_CONSTANT(10000),
                                       .min_ms = ms,
                                       .p50_ms = ms,
                                       .p95_ms = ms,
                                       .max_ms = ms,
                                       .observed = 1,
                                       .samples = 1,
                                       .worst = (enum aivo_level)(i / 500 % 5)};
    }
    GtkWidget *chart = aivo_quality_chart_new(), *window = show(chart, 800, 300);
    gint64 begin = g_get_monotonic_time();
    aivo_quality_series_set_points(series, points, (gsize)count);
    g_object_set(chart, "series", series, "span-s", AIVO_CHART_SPAN_MAX_S, "end-ms",
                 START + count * G_GINT64_CONSTANT(10000), NULL);
    g_free(get_string(chart, "summary"));
    GtkSnapshot *snapshot = gtk_snapshot_new();
    GTK_WIDGET_GET_CLASS(chart)->snapshot(chart, snapshot);
    GskRenderNode *node = gtk_snapshot_free_to_node(snapshot);
    gint64 took = g_get_monotonic_time() - begin;
    print_message("a week of %d samples: %.1f ms\n", count, (double)took / 1000);
    assert_non_null(node);
    assert_true(took < G_USEC_PER_SEC);
    gsk_render_node_unref(node);
    gtk_window_destroy(GTK_WINDOW(window));
    g_object_unref(series);
    g_free(points);
}

static void count_signal(gpointer object, int *count)
{
    (void)object;
    (*count)++;
}

/* A history that is replaced at once tells so once; a series is shared by two charts and outlives them. */
static void test_series_object(void **state)
{
    (void)state;
    AivoQualitySeries *series = g_object_new(AIVO_TYPE_QUALITY_SERIES, "capacity", 64, NULL);
    int changes = 0;
    g_signal_connect(series, "changed", G_CALLBACK(count_signal), &changes);
    AivoQualityPoint points[200];
    for (int i = 0; i < 200; i++) {
        points[i] = (AivoQualityPoint){.time_ms = START + i * 1000, .min_ms = 5, .p50_ms = 5, .p95_ms = 5, .max_ms = 5};
    }
    points[7].time_ms = START; /* out of order: left out */
    aivo_quality_series_set_points(series, points, 200);
    assert_int_equal(changes, 1);
    assert_true(aivo_quality_series_get_n_points(series) <= 64);
    GtkWidget *one = g_object_ref_sink(aivo_quality_chart_new()), *other = g_object_ref_sink(aivo_quality_chart_new());
    g_object_set(one, "series", series, NULL);
    g_object_set(other, "series", series, NULL);
    g_object_unref(one);
    g_object_unref(other);
    aivo_quality_series_clear(series);
    assert_int_equal(aivo_quality_series_get_n_points(series), 0);
    assert_int_equal(changes, 2);
    assert_false(aivo_quality_series_append(series, NULL));
    struct aivo_quality q = quality(AIVO_LEVEL_GOOD, 10);
    for (int i = 0; i < 10; i++) {
        q.time_ms = START + i * 10000;
        assert_true(aivo_quality_series_append(series, &q));
    }
    q.time_ms -= 3000; /* a snapshot that comes late */
    assert_false(aivo_quality_series_append(series, &q));
    q.time_ms = START + 45000; /* the clock was set back: 50000 and later have not been yet */
    assert_true(aivo_quality_series_append(series, &q));
    assert_int_equal(aivo_quality_series_get_n_points(series), 6);
    g_object_unref(series);
}

int main(void)
{
    if (!gtk_init_check()) {
        print_error("there is no display: run this with xvfb.sh\n");
        return 1;
    }
    g_object_set(gtk_settings_get_default(), "gtk-enable-animations", FALSE, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chart_keys), cmocka_unit_test(test_chart_pointer), cmocka_unit_test(test_chart_quality),
        cmocka_unit_test(test_a_week),     cmocka_unit_test(test_series_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
