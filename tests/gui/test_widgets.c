/* The widgets on a real display (an Xvfb), with GTK's own record of what is told to screen readers. */
#include "widgets_rig.h"

/* ---- types ---- */

/* A snapshot of an older library is shorter: what it does not have is unknown, not 0; one of a newer is longer. */
static void test_sizes(void **state)
{
    (void)state;
    struct {
        struct aivo_quality q;
        char more[64];
    } newer;
    memset(&newer, 0x55, sizeof(newer));
    newer.q = quality(AIVO_LEVEL_GOOD, 12);
    newer.q.size = sizeof(newer);
    newer.q.cause_count = 1000;
    struct aivo_quality *copy = aivo_quality_copy(&newer.q);
    assert_int_equal(copy->size, sizeof(*copy));
    assert_int_equal(copy->cause_count, AIVO_QUALITY_CAUSES);
    aivo_quality_free(copy);
    struct aivo_quality older = quality(AIVO_LEVEL_GOOD, 12);
    older.size = offsetof(struct aivo_quality, p50_ms);
    copy = aivo_quality_copy(&older);
    assert_true(fabs(copy->latency_ms - 12) < 1e-9);
    assert_true(isnan(copy->p50_ms) && isnan(copy->loss_pct) && isnan(copy->handler_ms));
    assert_int_equal(copy->cause_count, 0);
    aivo_quality_free(copy);
    assert_null(aivo_quality_copy(NULL));
    aivo_quality_free(NULL);
}

/* ---- badge ---- */

/* The badge through a life: nothing, connecting, measured, slow, lost. What is seen, and what is said. */
static void test_badge(void **state)
{
    (void)state;
    GtkWidget *badge = aivo_quality_badge_new();
    g_object_set(badge, "title", "api", NULL);
    GtkWidget *window = show(badge, 200, 40);
    assert_string_property(badge, "text", "No data");
    assert_said(badge, GTK_ACCESSIBLE_PROPERTY_LABEL, "api: No data");
    g_object_set(badge, "state", AIVO_LINK_CONNECTING, NULL);
    assert_string_property(badge, "text", "Connecting" AGK_ELLIPSIS);
    assert_said(badge, GTK_ACCESSIBLE_PROPERTY_LABEL, "api: Connecting");
    assert_false(gtk_widget_has_css_class(badge, "aivo-alarm"));
    struct aivo_quality q = quality(AIVO_LEVEL_POOR, 12345);
    g_object_set(badge, "state", AIVO_LINK_CONNECTED, "quality", &q, NULL);
    assert_string_property(badge, "text", "12,345" AGK_NBSP "ms");
    assert_said(badge, GTK_ACCESSIBLE_PROPERTY_LABEL, "api: Poor, 12,345 milliseconds");
    assert_non_null(strstr(gtk_widget_get_tooltip_text(badge), "Latency 12,345 milliseconds now"));
    assert_true(gtk_widget_has_css_class(badge, "aivo-poor"));
    aivo_quality_badge_set_state(AIVO_QUALITY_BADGE(badge), AIVO_LINK_RECONNECTING);
    assert_true(gtk_widget_has_css_class(badge, "aivo-alarm") && gtk_widget_has_css_class(badge, "aivo-offline"));
    assert_false(gtk_widget_has_css_class(badge, "aivo-poor"));
    aivo_quality_badge_set_quality(AIVO_QUALITY_BADGE(badge), NULL);
    aivo_quality_badge_set_state(AIVO_QUALITY_BADGE(badge), AIVO_LINK_UNKNOWN);
    assert_string_property(badge, "text", "No data");
    assert_int_equal(gtk_accessible_get_accessible_role(GTK_ACCESSIBLE(badge)), GTK_ACCESSIBLE_ROLE_IMG);
    gtk_window_destroy(GTK_WINDOW(window));
}

/* What a widget says it needs at least without a width is enough in some width: below that GTK warns when a window
 * takes its size from its content. (Without causes: GTK 4.8's own box miscounts a row of them by a pixel.) */
static void each_measured(GtkWidget *widget)
{
    int least, narrowest;
    gtk_widget_measure(widget, GTK_ORIENTATION_VERTICAL, -1, &least, NULL, NULL, NULL);
    gtk_widget_measure(widget, GTK_ORIENTATION_HORIZONTAL, -1, &narrowest, NULL, NULL, NULL);
    for (int width = narrowest; width < narrowest + 600; width += 7) {
        int height;
        gtk_widget_measure(widget, GTK_ORIENTATION_VERTICAL, width, &height, NULL, NULL, NULL);
        if (height < least) {
            fail_msg("%s %s: %d high in a width of %d, %d without one", G_OBJECT_TYPE_NAME(widget),
                     gtk_buildable_get_buildable_id(GTK_BUILDABLE(widget)), height, width, least);
        }
    }
    for (GtkWidget *child = gtk_widget_get_first_child(widget); child; child = gtk_widget_get_next_sibling(child)) {
        if (gtk_widget_should_layout(child)) {
            each_measured(child);
        }
    }
}

static void test_measures(void **state)
{
    (void)state;
    for (int compact = 0; compact < 2; compact++) {
        for (int level = AIVO_LEVEL_OFFLINE; level <= AIVO_LEVEL_EXCELLENT; level++) {
            GtkWidget *card = aivo_quality_card_new();
            struct aivo_quality q = quality(level, 284);
            g_object_set(card, "title", "learning.example.org", "compact", compact, "quality", &q, "state",
                         level ? AIVO_LINK_CONNECTED : AIVO_LINK_RECONNECTING, "reason",
                         level ? NULL : "The server cannot be reached: connection refused", NULL);
            GtkWidget *window = show(card, 360, 300);
            each_measured(card);
            gtk_window_destroy(GTK_WINDOW(window));
        }
    }
}

/* ---- card ---- */

/* The card with figures, its marks and causes; each figure's label says it in words. */
static void test_card(void **state)
{
    (void)state;
    GtkWidget *card = aivo_quality_card_new();
    g_object_set(card, "title", "api", NULL);
    struct aivo_quality q = quality(AIVO_LEVEL_FAIR, 284);
    q.time_ms -= 65000;
    q.cause_count = 2;
    q.causes[0] = (struct aivo_quality_cause){AIVO_CAUSE_UPLINK_LOSS, 14.2};
    q.causes[1] = (struct aivo_quality_cause){AIVO_CAUSE_SERVER_HANDLER, 0};
    aivo_quality_card_set_quality(AIVO_QUALITY_CARD(card), &q);
    aivo_quality_card_set_state(AIVO_QUALITY_CARD(card), AIVO_LINK_CONNECTED);
    GtkWidget *window = show(card, 360, 300);
    assert_string_property(card, "level-word", "Fair");
    assert_said(card, GTK_ACCESSIBLE_PROPERTY_LABEL, "api: Fair, 284 milliseconds");
    assert_said(find_label(card, "0" AGK_DASH "3.0" AGK_NBSP "%"), GTK_ACCESSIBLE_PROPERTY_LABEL,
                "between 0 and 3.0 percent");
    assert_said(find_label(card, "Checked 1" AGK_NBSP "min ago"), GTK_ACCESSIBLE_PROPERTY_LABEL,
                "Last checked 1 minute ago");
    assert_non_null(find_label(card, "Stable"));
    assert_non_null(find_label(card, "Why it is not better"));
    assert_non_null(find_label(card, "Packets lost on the way to the server"));
    assert_said(find_label(card, AGK_MINUS "14"), GTK_ACCESSIBLE_PROPERTY_LABEL, "costs 14 points");
    assert_said(find_label(card, "0"), GTK_ACCESSIBLE_PROPERTY_LABEL, "costs no points");
    q.suspect = true;
    q.cause_count = 0;
    q.stable_known = false;
    q.loss_pct = q.loss_low_pct = NAN;
    g_object_set(card, "quality", &q, NULL);
    run_ms(40);
    assert_non_null(find_label(card, "An answer is overdue"));
    assert_non_null(find_label(card, "Stability unknown"));
    assert_non_null(find_label(card, "Nothing takes points off"));
    assert_null(find_label(card, "Packets lost on the way to the server"));
    assert_said(find_label(card, AGK_DASH), GTK_ACCESSIBLE_PROPERTY_LABEL, "unknown"); /* never 0 */
    g_object_set(card, "state", AIVO_LINK_FAILED, "reason", "Connection refused.", NULL);
    run_ms(40);
    assert_non_null(find_label(card, "Connection refused."));
    assert_true(gtk_widget_has_css_class(card, "aivo-alarm"));
    assert_said(card, GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, "Given up. Connection refused.");
    const struct aivo_quality *kept = aivo_quality_card_get_quality(AIVO_QUALITY_CARD(card));
    assert_true(kept != &q && kept->suspect);
    gtk_window_destroy(GTK_WINDOW(window));
}

/* Offline: what is not known takes no room; what is being done about it, for how long it is down, the reason, and a
 * button of the program's beside it, which is there only then. */
static void test_offline_card(void **state)
{
    (void)state;
    GtkWidget *card = aivo_quality_card_new(), *button = gtk_button_new_with_label("Diagnose");
    g_object_set(card, "title", "api", "state", AIVO_LINK_CONNECTED, "reason-widget", button, NULL);
    GtkWidget *window = show(card, 360, 300);
    assert_false(gtk_widget_get_mapped(button));
    g_object_set(card, "state", AIVO_LINK_RECONNECTING, "since-ms", g_get_real_time() / 1000 - 125000, "reason",
                 "Connection refused.", NULL);
    run_ms(40);
    assert_string_property(card, "level-word", "Offline");
    assert_true(gtk_widget_get_mapped(button));
    assert_non_null(find_label(card, "Trying again \xc2\xb7 offline for 2" AGK_NBSP "min"));
    assert_non_null(find_label(card, "Connection refused."));
    assert_null(find_label(card, "of 100"));
    assert_null(find_label(card, "Latency now"));
    struct aivo_quality q = quality(AIVO_LEVEL_GOOD, 126);
    g_object_set(card, "state", AIVO_LINK_CONNECTED, "quality", &q, NULL);
    run_ms(40);
    assert_non_null(find_label(card, "of 100"));
    assert_non_null(find_label(card, "Latency now"));
    assert_false(gtk_widget_get_mapped(button));
    gtk_window_destroy(GTK_WINDOW(window));
}

static bool says_seconds(void *card)
{
    for (int seconds = 2; seconds < 9; seconds++) { /* the machine may be busy */
        char text[AGK_TEXT];
        g_snprintf(text, sizeof(text), "Checked %d" AGK_NBSP "s ago", seconds);
        if (find_label(card, text)) {
            return true;
        }
    }
    return false;
}

/* "Last checked" counts on without a new sample, and the card does not announce that. */
static void test_ticking(void **state)
{
    (void)state;
    GtkWidget *card = aivo_quality_card_new();
    struct aivo_quality q = quality(AIVO_LEVEL_GOOD, 126);
    q.time_ms -= 100;
    g_object_set(card, "quality", &q, NULL);
    GtkWidget *window = show(card, 360, 300);
    assert_false(says_seconds(card));
    char *before = gtk_test_accessible_check_property(GTK_ACCESSIBLE(card), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, "?");
    assert_true(run_until(says_seconds, card));
    char *after = gtk_test_accessible_check_property(GTK_ACCESSIBLE(card), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, "?");
    assert_string_equal(before, after);
    g_free(before);
    g_free(after);
    gtk_window_destroy(GTK_WINDOW(window));
}

static void not_cut_off(GtkWidget *label, void *user)
{
    PangoLayout *layout = gtk_label_get_layout(GTK_LABEL(label));
    if (pango_layout_is_ellipsized(layout)) {
        print_error("cut off in %s: %s\n", (const char *)user, gtk_label_get_text(GTK_LABEL(label)));
    }
    assert_false(pango_layout_is_ellipsized(layout));
}

/* Each level with its longest figures, detailed and compact, 330 and 160 pixels wide: no text is cut off, and the card
 * needs no more than the width that it gets. */
static void test_no_text_is_cut_off(void **state)
{
    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        int width = shape & 1 ? 160 : 330;
        for (int level = 0; level <= 4; level++) {
            GtkWidget *card = aivo_quality_card_new();
            struct aivo_quality q = quality((enum aivo_level)level, 12345);
            q.loss_pct = 12.3;
            q.loss_low_pct = 8.9;
            q.loss_high_pct = 17.2;
            q.stable = false;
            q.cause_count = AIVO_QUALITY_CAUSES;
            for (size_t i = 0; i < AIVO_QUALITY_CAUSES; i++) {
                q.causes[i] = (struct aivo_quality_cause){(enum aivo_cause)i, 100};
            }
            g_object_set(card, "quality", &q, "compact", shape >= 2, "title", "api", NULL);
            int minimum;
            gtk_widget_measure(card, GTK_ORIENTATION_HORIZONTAL, -1, &minimum, NULL, NULL, NULL);
            assert_true(minimum <= 160);
            gtk_widget_set_size_request(card, width, -1);
            gtk_widget_set_halign(card, GTK_ALIGN_START);
            GtkWidget *scrolled = gtk_scrolled_window_new();
            gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scrolled), GTK_POLICY_NEVER, GTK_POLICY_EXTERNAL);
            gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scrolled), card);
            GtkWidget *window = show(scrolled, width, 400);
            each_label(card, not_cut_off, (void *)aivo_level_name(q.level));
            gtk_window_destroy(GTK_WINDOW(window));
        }
    }
}

/* From right to left: figures without a letter keep their order, and the card still says the same. */
static void test_right_to_left(void **state)
{
    (void)state;
    gtk_widget_set_default_direction(GTK_TEXT_DIR_RTL);
    GtkWidget *card = aivo_quality_card_new();
    struct aivo_quality q = quality(AIVO_LEVEL_GOOD, 126);
    g_object_set(card, "quality", &q, NULL);
    GtkWidget *window = show(card, 360, 300);
    GtkWidget *interval = find_label(card, "\xe2\x80\x8e"
                                           "0" AGK_DASH "3.0" AGK_NBSP "%");
    assert_non_null(interval);
    assert_said(interval, GTK_ACCESSIBLE_PROPERTY_LABEL, "between 0 and 3.0 percent");
    gtk_window_destroy(GTK_WINDOW(window));
    gtk_widget_set_default_direction(GTK_TEXT_DIR_LTR);
}

/* The theme becomes dark and light again, and a program wants high contrast: the widgets follow by themselves. */
static void test_themes(void **state)
{
    (void)state;
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0), *card = aivo_quality_card_new(),
              *badge = aivo_quality_badge_new();
    gtk_box_append(GTK_BOX(box), card);
    gtk_box_append(GTK_BOX(box), badge);
    GtkWidget *window = show(box, 360, 300);
    assert_false(gtk_widget_has_css_class(card, "aivo-dark"));
    g_object_set(gtk_settings_get_default(), "gtk-application-prefer-dark-theme", TRUE, NULL);
    run_ms(60);
    assert_true(gtk_widget_has_css_class(card, "aivo-dark") && gtk_widget_has_css_class(badge, "aivo-dark"));
    g_object_set(gtk_settings_get_default(), "gtk-application-prefer-dark-theme", FALSE, NULL);
    run_ms(60);
    assert_false(gtk_widget_has_css_class(card, "aivo-dark") || gtk_widget_has_css_class(badge, "aivo-dark"));
    g_object_set(card, "high-contrast", TRUE, NULL);
    assert_true(gtk_widget_has_css_class(card, "aivo-hc"));
    gtk_window_destroy(GTK_WINDOW(window));
    g_object_set(gtk_settings_get_default(), "gtk-theme-name", "Default-hc", NULL);
    gboolean high = FALSE;
    badge = g_object_ref_sink(aivo_quality_badge_new());
    g_object_get(badge, "high-contrast", &high, NULL);
    assert_true(high);
    g_object_set(gtk_settings_get_default(), "gtk-theme-name", "Default", NULL);
    g_object_get(badge, "high-contrast", &high, NULL);
    assert_false(high);
    g_object_set(badge, "high-contrast", FALSE, NULL); /* told: from now on it is the program's */
    g_object_set(gtk_settings_get_default(), "gtk-theme-name", "Default-hc", NULL);
    g_object_get(badge, "high-contrast", &high, NULL);
    assert_false(high);
    g_object_unref(badge);
    g_object_set(gtk_settings_get_default(), "gtk-theme-name", "Default", NULL);
}

/* Where text is twice as large, what stands beside it is as well. */
static void test_large_text(void **state)
{
    (void)state;
    GtkWidget *glyph = g_object_ref_sink(g_object_new(AGK_TYPE_GLYPH, "size", 20, NULL));
    int size, larger, dpi;
    gtk_widget_measure(glyph, GTK_ORIENTATION_HORIZONTAL, -1, &size, NULL, NULL, NULL);
    assert_int_equal(size, 20);
    g_object_get(gtk_settings_get_default(), "gtk-xft-dpi", &dpi, NULL);
    g_object_set(gtk_settings_get_default(), "gtk-xft-dpi", 192 * 1024, NULL);
    g_object_unref(glyph); /* a widget in no window is not told of settings */
    glyph = g_object_ref_sink(g_object_new(AGK_TYPE_GLYPH, "size", 20, NULL));
    gtk_widget_measure(glyph, GTK_ORIENTATION_HORIZONTAL, -1, &larger, NULL, NULL, NULL);
    assert_int_equal(larger, 40);
    g_object_unref(glyph);
    g_object_set(gtk_settings_get_default(), "gtk-xft-dpi", dpi, NULL);
}

static void count_frame(GdkFrameClock *clock, int *count)
{
    (void)clock;
    (*count)++;
}

static int frames_while_connecting(void)
{
    GtkWidget *badge = aivo_quality_badge_new();
    g_object_set(badge, "state", AIVO_LINK_CONNECTING, NULL);
    GtkWidget *window = show(badge, 200, 40);
    run_ms(200);
    int count = 0;
    GdkFrameClock *clock = gtk_widget_get_frame_clock(badge);
    gulong handler = g_signal_connect(clock, "update", G_CALLBACK(count_frame), &count);
    run_ms(400);
    g_signal_handler_disconnect(clock, handler);
    gtk_window_destroy(GTK_WINDOW(window));
    return count;
}

/* What is under way turns; where animations are off nothing asks for a frame. */
static void test_animations(void **state)
{
    (void)state;
    g_object_set(gtk_settings_get_default(), "gtk-enable-animations", TRUE, NULL);
    assert_true(frames_while_connecting() >= 5);
    g_object_set(gtk_settings_get_default(), "gtk-enable-animations", FALSE, NULL);
    assert_true(frames_while_connecting() <= 2);
}

/* ---- all of them ---- */

static void weak_notify(gpointer count, GObject *where)
{
    (void)where;
    --*(int *)count;
}

/* Widgets go when their window goes, whatever they were doing: nobody else holds them. */
static void test_nothing_is_kept(void **state)
{
    (void)state;
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
    GtkWidget *widgets[] = {aivo_quality_card_new(), aivo_quality_badge_new(), chart_of(30)};
    int alive = G_N_ELEMENTS(widgets);
    for (guint i = 0; i < G_N_ELEMENTS(widgets); i++) {
        g_object_weak_ref(G_OBJECT(widgets[i]), weak_notify, &alive);
        gtk_box_append(GTK_BOX(box), widgets[i]);
    }
    struct aivo_quality q = quality(AIVO_LEVEL_GOOD, 120);
    g_object_set(widgets[0], "quality", &q, NULL);
    g_object_set(widgets[1], "state", AIVO_LINK_CONNECTING, NULL);
    GtkWidget *window = show(box, 400, 700);
    g_object_set(widgets[2], "end-ms", (gint64)0, NULL); /* its clock runs, and something waits for an idle moment */
    gtk_window_destroy(GTK_WINDOW(window));
    run_ms(60);
    assert_int_equal(alive, 0);
}

/* Every icon that the card can name is there, and those of the levels for programs. */
static void test_icons(void **state)
{
    (void)state;
    static const char *const others[] = {"stable",     "unknown",    "clock",           "level-offline",   "level-poor",
                                         "level-fair", "level-good", "level-excellent", "level-connecting"};
    GtkWidget *card = g_object_ref_sink(aivo_quality_card_new()); /* brings them along */
    GtkIconTheme *theme = gtk_icon_theme_get_for_display(gdk_display_get_default());
    char name[64];
    for (int cause = 0; cause < AIVO_QUALITY_CAUSES; cause++) {
        g_snprintf(name, sizeof(name), "aivo-%s-symbolic", aivo_cause_name((enum aivo_cause)cause));
        assert_true(gtk_icon_theme_has_icon(theme, name));
    }
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_snprintf(name, sizeof(name), "aivo-%s-symbolic", others[i]);
        assert_true(gtk_icon_theme_has_icon(theme, name));
    }
    g_object_unref(card);
}

static size_t allocated(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

/* 10,000 samples through card, badge and chart on a screen, with levels and causes that change: after the first 2,000
 * (by then the series of 500 points is full) memory stays where it is. */
static void test_memory(void **state)
{
    (void)state;
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0), *card = aivo_quality_card_new(),
              *badge = aivo_quality_badge_new(), *chart = aivo_quality_chart_new();
    AivoQualitySeries *series = g_object_new(AIVO_TYPE_QUALITY_SERIES, "capacity", 500, NULL);
    g_object_set(chart, "series", series, "end-ms", START + 20000000, "span-s", 20000, NULL);
    g_object_unref(series);
    gtk_box_append(GTK_BOX(box), card);
    gtk_box_append(GTK_BOX(box), badge);
    gtk_box_append(GTK_BOX(box), chart);
    GtkWidget *window = show(box, 400, 700);
    size_t before = 0;
    for (int i = 0; i < 10000; i++) {
        struct aivo_quality q = quality((enum aivo_level)(i / 3 % 5), 10 + i % 1000);
        q.time_ms = START + i * 2000;
        q.loss_samples = (uint64_t)i;
        q.cause_count = (size_t)(i % 4);
        for (size_t k = 0; k < q.cause_count; k++) {
            q.causes[k] = (struct aivo_quality_cause){(enum aivo_cause)((i + (int)k) % AIVO_QUALITY_CAUSES), 10};
        }
        AivoLinkState link = i % 50 < 45 ? AIVO_LINK_CONNECTED : AIVO_LINK_RECONNECTING;
        g_object_set(card, "quality", &q, "state", link, NULL);
        g_object_set(badge, "quality", &q, "state", link, NULL);
        g_object_set(chart, "quality", &q, NULL);
        if (i % 100 == 0) {
            run_ms(1);
        }
        if (i == 2000) {
            run_ms(100);
            before = allocated();
        }
    }
    run_ms(100);
    size_t after = allocated();
    print_message("memory after 2,000 samples %zu bytes, after 10,000 %zu\n", before, after);
    assert_true(after < before + 200000);
    gtk_window_destroy(GTK_WINDOW(window));
}

int main(void)
{
    if (!gtk_init_check()) {
        print_error("there is no display: run this with xvfb.sh\n");
        return 1;
    }
    g_object_set(gtk_settings_get_default(), "gtk-enable-animations", FALSE, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_badge),
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_card),
        cmocka_unit_test(test_offline_card),
        cmocka_unit_test(test_ticking),
        cmocka_unit_test(test_no_text_is_cut_off),
        cmocka_unit_test(test_right_to_left),
        cmocka_unit_test(test_themes),
        cmocka_unit_test(test_large_text),
        cmocka_unit_test(test_animations),
        cmocka_unit_test(test_nothing_is_kept),
        cmocka_unit_test(test_icons),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
