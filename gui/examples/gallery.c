/*
 * Every state of the card, the badge and the chart, to look at.
 *
 *   gallery                      a window; "Next look" goes through light, dark, high contrast and right-to-left
 *   gallery --screenshot DIR     a PNG of each scene in each look, then ends: 0, or 1 if one could not be written
 *   gallery --look NAME          begins with that look: light, dark, hc, hc-dark, rtl, large
 *   gallery --scene NAME         only that scene
 */
#include <aivo-gtk/aivo-gtk.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the states ---- */

struct scene_state {
    const char *name, *reason;
    AivoLinkState link;
    int level, score; /* level below 0: no snapshot */
    double latency_ms, average_ms, loss_pct, low_pct, high_pct;
    int stable; /* -1: not known */
    int age_s;
    bool suspect;
    struct aivo_quality_cause causes[4]; /* ends with 0 points and cause 0 */
};

static const struct scene_state states[] = {
    {"excellent", NULL, AIVO_LINK_CONNECTED, 4, 100, 0.38, 0.44, 0, 0, 1.2, 1, 3, false, {{0, 0}}},
    {"good",
     NULL,
     AIVO_LINK_CONNECTED,
     3,
     74,
     131,
     126,
     0.04,
     0,
     0.4,
     1,
     12,
     false,
     {{AIVO_CAUSE_NETWORK_LATENCY, 19.4}, {AIVO_CAUSE_EDGE, 6.6}}},
    {"fair",
     NULL,
     AIVO_LINK_CONNECTED,
     2,
     47,
     284,
     311,
     2.4,
     1.1,
     4.9,
     0,
     1,
     false,
     {{AIVO_CAUSE_NETWORK_LATENCY, 31},
      {AIVO_CAUSE_UPLINK_LOSS, 14.2},
      {AIVO_CAUSE_JITTER, 8},
      {AIVO_CAUSE_SERVER_HANDLER, 0.1}}},
    {"poor",
     NULL,
     AIVO_LINK_CONNECTED,
     1,
     9,
     12345,
     9876.5,
     12.3,
     8.9,
     17,
     0,
     0,
     true,
     {{AIVO_CAUSE_NETWORK_LATENCY, 60}, {AIVO_CAUSE_DOWNLINK_LOSS, 31}}},
    {"offline",
     "Connection refused. Is the server running on port 4003?",
     AIVO_LINK_FAILED,
     0,
     0,
     NAN,
     NAN,
     0.7,
     0.2,
     2,
     -1,
     190,
     false,
     {{AIVO_CAUSE_DEAD, 100}}},
    {"connecting", NULL, AIVO_LINK_CONNECTING, -1, 0, NAN, NAN, NAN, NAN, NAN, -1, 0, false, {{0, 0}}},
    {"reconnecting",
     "The network went away. Next attempt in 5 s.",
     AIVO_LINK_RECONNECTING,
     0,
     0,
     NAN,
     NAN,
     0,
     0,
     3,
     -1,
     45,
     false,
     {{0, 0}}},
    {"measuring", NULL, AIVO_LINK_CONNECTED, -1, 0, NAN, NAN, NAN, NAN, NAN, -1, 0, false, {{0, 0}}},
    {"nothing", NULL, AIVO_LINK_UNKNOWN, -1, 0, NAN, NAN, NAN, NAN, NAN, -1, 0, false, {{0, 0}}},
};

static void fill(struct aivo_quality *q, const struct scene_state *state)
{
    memset(q, 0, sizeof(*q));
    q->size = sizeof(*q);
    q->time_ms = g_get_real_time() / 1000 - state->age_s * 1000 - 400;
    q->level = (enum aivo_level)state->level;
    q->score = state->score;
    q->latency_ms = state->latency_ms;
    q->avg_latency_ms = state->average_ms;
    q->jitter_ms = state->stable > 0 ? state->average_ms / 20 : state->average_ms / 2;
    q->loss_pct = state->loss_pct;
    q->loss_low_pct = state->low_pct;
    q->loss_high_pct = state->high_pct;
    q->stable_known = state->stable >= 0;
    q->stable = state->stable > 0;
    q->samples = q->loss_samples = 300;
    q->suspect = state->suspect;
    while (q->cause_count < G_N_ELEMENTS(state->causes) &&
           (state->causes[q->cause_count].cause || state->causes[q->cause_count].points > 0)) {
        q->causes[q->cause_count] = state->causes[q->cause_count];
        q->cause_count++;
    }
}

/* Any widget that has these properties. */
static void set_state(GtkWidget *widget, const struct scene_state *state)
{
    struct aivo_quality quality;
    if (state->level >= 0) {
        fill(&quality, state);
        g_object_set(widget, "quality", &quality, NULL);
    }
    g_object_set(widget, "state", state->link, "title", "learning.example.org", NULL);
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(widget), "reason")) {
        g_object_set(widget, "reason", state->reason, "since-ms",
                     state->reason ? g_get_real_time() / 1000 - state->age_s * 1000 : (gint64)0, NULL);
    }
}

/* ---- scenes ---- */

/* Three in a row. Rows, not a grid: GTK 4.18's says it needs the height of its narrowest form, and a window warns. */
static GtkWidget *cards(bool compact, int width)
{
    GtkWidget *rows = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12), *row = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        GtkWidget *card = aivo_quality_card_new();
        set_state(card, &states[i]);
        g_object_set(card, "compact", compact, "width-request", width, "valign", GTK_ALIGN_START, NULL);
        if (i % 3 == 0) {
            row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);
            gtk_box_set_homogeneous(GTK_BOX(row), TRUE);
            gtk_box_append(GTK_BOX(rows), row);
        }
        gtk_box_append(GTK_BOX(row), card);
    }
    return rows;
}

static GtkWidget *scene_cards(void)
{
    return cards(false, 330);
}

static GtkWidget *scene_compact(void)
{
    return cards(true, 270);
}

/* A box that is as wide as it was told, whatever its child would like, and as high as the child is then. */
static void measure_exactly(GtkWidget *box, GtkOrientation orientation, int for_size, int *minimum, int *natural,
                            int *minimum_baseline, int *natural_baseline)
{
    int width = GPOINTER_TO_INT(g_object_get_data(G_OBJECT(box), "width"));
    (void)for_size;
    *minimum = width;
    if (orientation == GTK_ORIENTATION_VERTICAL) {
        gtk_widget_measure(gtk_widget_get_first_child(box), orientation, width, minimum, NULL, NULL, NULL);
    }
    *natural = *minimum;
    *minimum_baseline = *natural_baseline = -1;
}

static void allocate_exactly(GtkWidget *box, int width, int height, int baseline)
{
    gtk_widget_size_allocate(gtk_widget_get_first_child(box), &(GtkAllocation){0, 0, width, height}, baseline);
}

static GtkWidget *exactly(GtkWidget *child, int width)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
    g_object_set_data(G_OBJECT(box), "width", GINT_TO_POINTER(width));
    gtk_widget_set_layout_manager(box, gtk_custom_layout_new(NULL, measure_exactly, allocate_exactly));
    gtk_widget_set_halign(box, GTK_ALIGN_START);
    gtk_widget_set_valign(box, GTK_ALIGN_START);
    gtk_box_append(GTK_BOX(box), child);
    return box;
}

static GtkWidget *scene_narrow(void)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 8);
    for (guint i = 0; i < 7; i++) {
        GtkWidget *column = gtk_box_new(GTK_ORIENTATION_VERTICAL, 8);
        for (int compact = 0; compact < 2; compact++) {
            GtkWidget *card = aivo_quality_card_new();
            set_state(card, &states[i]);
            g_object_set(card, "compact", compact, NULL);
            gtk_box_append(GTK_BOX(column), exactly(card, 160));
        }
        gtk_box_append(GTK_BOX(box), column);
    }
    return box;
}

static GtkWidget *scene_badges(void)
{
    GtkWidget *list = gtk_list_box_new();
    gtk_widget_set_size_request(list, 300, -1);
    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);
        GtkWidget *name = gtk_label_new(states[i].name);
        GtkWidget *badge = aivo_quality_badge_new();
        set_state(badge, &states[i]);
        gtk_widget_set_hexpand(name, TRUE);
        gtk_label_set_xalign(GTK_LABEL(name), 0);
        gtk_box_append(GTK_BOX(row), name);
        gtk_box_append(GTK_BOX(row), badge);
        g_object_set(row, "margin-top", 8, "margin-bottom", 8, "margin-start", 10, "margin-end", 10, NULL);
        gtk_list_box_append(GTK_LIST_BOX(list), row);
    }
    return list;
}

/* A day that has everything: a slow hour, loss, a spike, an outage, and a gap. The same each time. */
static AivoQualitySeries *story(gint64 end_ms, gint64 span_s, gint64 step_s)
{
    AivoQualitySeries *series = aivo_quality_series_new();
    guint32 seed = 7;
    for (gint64 at = -span_s; at < 0; at += step_s) {
        double part = 1 + (double)at / (double)span_s; /* 0..1 */
        seed = seed * 1664525 + 1013904223;
        double noise = (double)(seed >> 16) / 65536, latency = 24 + 12 * noise * noise;
        AivoQualityPoint point = {.time_ms = end_ms + at * 1000, .samples = 1, .observed = 1, .worst = 4};
        if (part > 0.30 && part < 0.42) {
            latency = 130 + 160 * noise;
            point.worst = noise > 0.9 ? 2 : 3;
        } else if (part > 0.50 && part < 0.56) {
            point.lost = noise > 0.8;
            point.worst = 2;
            latency *= 3;
        } else if (part > 0.64 && part < 0.70) {
            continue; /* the program did not run */
        } else if (part > 0.76 && part < 0.80) {
            point.worst = 0;
            latency = NAN;
        } else if (part > 0.90 && part < 0.903) {
            latency = 12345;
            point.worst = 1;
        }
        point.min_ms = point.p50_ms = point.p95_ms = point.max_ms = latency;
        aivo_quality_series_append_point(series, &point);
    }
    return series;
}

static GtkWidget *chart_of(gint64 span_s, gint64 step_s, int width, int height, gint64 cursor_at_s)
{
    const gint64 end = G_GINT64_CONSTANT(1767225600000); /* midnight, UTC */
    GtkWidget *chart = aivo_quality_chart_new();
    AivoQualitySeries *series = step_s > 0 ? story(end, span_s, step_s) : aivo_quality_series_new();
    g_object_set(chart, "series", series, "span-s", (guint)span_s, "end-ms", end, "width-request", width,
                 "height-request", height, "cursor-ms", cursor_at_s > 0 ? end - cursor_at_s * 1000 : (gint64)-1, NULL);
    g_object_unref(series);
    return chart;
}

static GtkWidget *scene_charts(void)
{
    GtkWidget *grid = gtk_grid_new();
    gtk_grid_set_row_spacing(GTK_GRID(grid), 20);
    gtk_grid_set_column_spacing(GTK_GRID(grid), 24);
    gtk_grid_attach(GTK_GRID(grid), chart_of(300, 2, 560, 260, 0), 0, 0, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), chart_of(60, 2, 560, 260, 41), 1, 0, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), chart_of(86400, 10, 560, 260, 50000), 0, 1, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), chart_of(7 * 86400, 60, 560, 260, 0), 1, 1, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), chart_of(3600, 0, 560, 160, 0), 0, 2, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), chart_of(3600, 10, 560, 160, 0), 1, 2, 1, 1);
    GtkWidget *small = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 24);
    const int widths[] = {160, 160, 300};
    for (guint i = 0; i < G_N_ELEMENTS(widths); i++) {
        GtkWidget *chart = chart_of(i == 2 ? 60 : 3600, i == 1 ? 0 : 10, widths[i], i == 2 ? 100 : 200, i ? 1000 : 0);
        gtk_box_append(GTK_BOX(small), exactly(chart, widths[i]));
    }
    gtk_grid_attach(GTK_GRID(grid), small, 0, 3, 2, 1);
    return grid;
}

struct scene {
    const char *name;
    GtkWidget *(*make)(void);
};

static const struct scene scenes[] = {{"cards", scene_cards},
                                      {"compact", scene_compact},
                                      {"narrow", scene_narrow},
                                      {"badges", scene_badges},
                                      {"charts", scene_charts}};

/* ---- looks ---- */

struct look {
    const char *name, *theme;
    bool dark, rtl;
    int percent; /* the size of text */
};

static const struct look looks[] = {
    {"light", "Default", false, false, 100}, {"dark", "Default", true, false, 100},
    {"hc", "Default-hc", false, false, 100}, {"hc-dark", "Default-hc", true, false, 100},
    {"rtl", "Default", false, true, 100},    {"large", "Default", false, false, 150}};

static void wear(const struct look *look)
{
    g_object_set(gtk_settings_get_default(), "gtk-theme-name", look->theme, "gtk-application-prefer-dark-theme",
                 look->dark, "gtk-xft-dpi", 96 * 1024 * look->percent / 100, NULL);
    gtk_widget_set_default_direction(look->rtl ? GTK_TEXT_DIR_RTL : GTK_TEXT_DIR_LTR);
}

static GtkWidget *padded(GtkWidget *child)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
    gtk_widget_add_css_class(box, "background");
    g_object_set(child, "margin-top", 16, "margin-bottom", 16, "margin-start", 16, "margin-end", 16, NULL);
    gtk_box_append(GTK_BOX(box), child);
    return box;
}

/* ---- to files ---- */

static gboolean time_is_up(gpointer done)
{
    *(bool *)done = true;
    return G_SOURCE_REMOVE;
}

/* Until everything has been laid out and drawn: a few frames. */
static void settle(void)
{
    bool done = false;
    g_timeout_add(60, time_is_up, &done);
    while (!done) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* What the content looks like; NULL while it has not been drawn yet. */
static GskRenderNode *picture(GtkWidget *content)
{
    GdkPaintable *paintable = gtk_widget_paintable_new(content);
    GtkSnapshot *snapshot = gtk_snapshot_new();
    gdk_paintable_snapshot(paintable, snapshot, gdk_paintable_get_intrinsic_width(paintable),
                           gdk_paintable_get_intrinsic_height(paintable));
    g_object_unref(paintable);
    return gtk_snapshot_free_to_node(snapshot);
}

static bool write_png(GtkWidget *window, GtkWidget *content, const char *path)
{
    GskRenderNode *node = NULL;
    for (int tries = 0; tries < 50 && !node; tries++) { /* on a busy machine it takes longer */
        settle();
        node = picture(content);
    }
    if (!node) {
        return false;
    }
    GdkTexture *texture = gsk_renderer_render_texture(gtk_native_get_renderer(GTK_NATIVE(window)), node, NULL);
    bool written = gdk_texture_save_to_png(texture, path);
    g_object_unref(texture);
    gsk_render_node_unref(node);
    return written;
}

static int screenshots(const char *folder, const char *only_scene, const char *only_look)
{
    int failed = 0;
    g_mkdir_with_parents(folder, 0755);
    g_object_set(gtk_settings_get_default(), "gtk-enable-animations", FALSE, NULL);
    for (guint l = 0; l < G_N_ELEMENTS(looks); l++) {
        for (guint s = 0; s < G_N_ELEMENTS(scenes); s++) {
            if ((only_scene && strcmp(only_scene, scenes[s].name) != 0) ||
                (only_look && strcmp(only_look, looks[l].name) != 0)) {
                continue;
            }
            wear(&looks[l]);
            GtkWidget *window = gtk_window_new(), *content = padded(scenes[s].make());
            gtk_window_set_child(GTK_WINDOW(window), content);
            gtk_window_present(GTK_WINDOW(window));
            char *path = g_strdup_printf("%s/%s-%s.png", folder, scenes[s].name, looks[l].name);
            bool ok = write_png(window, content, path);
            g_print("%s%s\n", ok ? "" : "FAILED ", path);
            failed += !ok;
            g_free(path);
            gtk_window_destroy(GTK_WINDOW(window));
        }
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- to look at ---- */

struct gallery {
    GtkWidget *window;
    GMainLoop *loop;
    guint look;
    const char *only_scene;
};

static void show_all(struct gallery *gallery)
{
    wear(&looks[gallery->look]);
    GtkWidget *pages = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
    for (guint s = 0; s < G_N_ELEMENTS(scenes); s++) {
        if (!gallery->only_scene || strcmp(gallery->only_scene, scenes[s].name) == 0) {
            gtk_box_append(GTK_BOX(pages), padded(scenes[s].make()));
        }
    }
    GtkWidget *scrolled = gtk_scrolled_window_new();
    gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scrolled), pages);
    gtk_window_set_child(GTK_WINDOW(gallery->window), scrolled);
}

static void next_look(struct gallery *gallery)
{
    gallery->look = (gallery->look + 1) % G_N_ELEMENTS(looks);
    show_all(gallery);
}

static int run(const char *only_scene, guint look)
{
    struct gallery gallery = {.loop = g_main_loop_new(NULL, FALSE), .look = look, .only_scene = only_scene};
    gallery.window = gtk_window_new();
    gtk_window_set_default_size(GTK_WINDOW(gallery.window), 1120, 800);
    GtkWidget *bar = gtk_header_bar_new(), *button = gtk_button_new_with_mnemonic("_Next look");
    gtk_header_bar_pack_start(GTK_HEADER_BAR(bar), button);
    gtk_window_set_titlebar(GTK_WINDOW(gallery.window), bar);
    g_signal_connect_swapped(button, "clicked", G_CALLBACK(next_look), &gallery);
    g_signal_connect_swapped(gallery.window, "destroy", G_CALLBACK(g_main_loop_quit), gallery.loop);
    show_all(&gallery);
    gtk_window_present(GTK_WINDOW(gallery.window));
    g_main_loop_run(gallery.loop);
    g_main_loop_unref(gallery.loop);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    char *folder = NULL, *scene = NULL, *look = NULL;
    const GOptionEntry entries[] = {
        {"screenshot", 0, 0, G_OPTION_ARG_FILENAME, &folder, "Write a PNG of each scene in each look", "DIR"},
        {"scene", 0, 0, G_OPTION_ARG_STRING, &scene, "Only this scene", "NAME"},
        {"look", 0, 0, G_OPTION_ARG_STRING, &look, "light, dark, hc, hc-dark, rtl or large", "NAME"},
        G_OPTION_ENTRY_NULL};
    GOptionContext *context = g_option_context_new("- connection quality widgets in every state");
    GError *error = NULL;
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("gallery: %s\n", error->message);
        return 64;
    }
    g_option_context_free(context);
    if (!gtk_init_check()) {
        g_printerr("gallery: there is no display\n");
        return EXIT_FAILURE;
    }
    guint first = 0;
    for (guint l = 0; look && l < G_N_ELEMENTS(looks); l++) {
        first = strcmp(look, looks[l].name) == 0 ? l : first;
    }
    int status = folder ? screenshots(folder, scene, look) : run(scene, first);
    g_free(folder);
    g_free(scene);
    g_free(look);
    return status;
}
