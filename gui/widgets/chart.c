#include "chart_draw.h"
#include "chart_text.h"
#include "series_internal.h"
#include "style.h"
#include <aivo-gtk/chart.h>

#define WIDTH_UNTIL_ALLOCATED 480
#define PIXELS_A_COLUMN       3
#define FLOOR_MS              10 /* a local link's tenths of a millisecond are no mountains */

struct _AivoQualityChart {
    GtkWidget parent_instance;
    AivoQualitySeries *series;
    struct aivo_quality *quality;
    guint span_s;
    gint64 end_ms, cursor_ms;
    gboolean show_loss, show_levels, high_contrast;
    bool contrast_told; /* by the program: the theme's name does not count any more */
    double thresholds[3];
    char *readout, *summary;               /* for the eye */
    char *readout_spoken, *summary_spoken; /* for the ear */
    char *empty;
    /* what is drawn, made of the series by refresh() */
    struct agk_bins bins;
    gint64 from_ms, to_ms;
    double top_ms;
    long cursor;
    bool hovered;         /* the cursor is the pointer's: it goes with it */
    guint refresh_source; /* something changed; 0: nothing did */
    guint clock_source;   /* moves the right edge; 0: nobody looks, or it stands still */
};

enum {
    PROP_SERIES = 1,
    PROP_QUALITY,
    PROP_SPAN,
    PROP_END,
    PROP_CURSOR,
    PROP_READOUT,
    PROP_SUMMARY,
    PROP_SHOW_LOSS,
    PROP_SHOW_LEVELS,
    PROP_EXCELLENT,
    PROP_GOOD,
    PROP_FAIR,
    PROP_HIGH_CONTRAST,
    N_PROPS
};
static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE(AivoQualityChart, aivo_quality_chart, GTK_TYPE_WIDGET)

/* ---- what is shown ---- */

static void replace(AivoQualityChart *self, char **text, const char *with, int property)
{
    if (g_strcmp0(*text, with) != 0) {
        g_free(*text);
        *text = g_strdup(with);
        if (property) {
            g_object_notify_by_pspec(G_OBJECT(self), props[property]);
        }
    }
}

/* When a column was: a time, or from when to when. */
static char *when_text(const AivoQualityChart *self, const struct agk_bin *bin)
{
    int64_t step = self->bins.bin_ms;
    const char *format = step < 60000 ? (self->span_s > 43200 ? "%a %H:%M:%S" : "%H:%M:%S")
                                      : (self->span_s > 43200 ? "%a %H:%M" : "%H:%M");
    char *from = agk_chart_clock(bin->time_ms, format);
    if (step < 60000) {
        return from;
    }
    char *to = agk_chart_clock(bin->time_ms + step, "%H:%M");
    char *text = g_strdup_printf("%s" AGK_DASH "%s", from, to);
    g_free(from);
    g_free(to);
    return text;
}

static void update_readout(AivoQualityChart *self)
{
    char shown[AGK_SPEECH], spoken[AGK_SPEECH];
    bool inside = self->cursor_ms >= self->from_ms && self->cursor_ms <= self->to_ms;
    self->cursor = self->cursor_ms >= 0 && inside ? agk_bins_near(&self->bins, self->cursor_ms) : -1;
    if (self->cursor < 0) {
        replace(self, &self->readout_spoken, NULL, 0);
        replace(self, &self->readout, NULL, PROP_READOUT);
        return;
    }
    const struct agk_bin *bin = &self->bins.bin[self->cursor];
    char *when = when_text(self, bin);
    agk_readout_text(bin, when, shown);
    agk_readout_speech(bin, when, spoken);
    g_free(when);
    replace(self, &self->readout_spoken, spoken, 0);
    replace(self, &self->readout, shown, PROP_READOUT);
}

/* While somebody listens at the chart, a new sample does not talk into it; the cursor's place does. */
static void update_accessible(AivoQualityChart *self, bool cursor_moved)
{
    if (gtk_widget_has_focus(GTK_WIDGET(self)) && !cursor_moved) {
        return;
    }
    char span[AGK_TEXT], label[2 * AGK_TEXT];
    agk_format_span(self->span_s, span);
    g_snprintf(label, sizeof(label), "Latency, loss and level over %s", span);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, label,
                                   GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                   self->readout_spoken ? self->readout_spoken : self->summary_spoken, -1);
}

static int64_t now_ms(void)
{
    return g_get_real_time() / 1000;
}

static void refresh(AivoQualityChart *self)
{
    char text[AGK_SPEECH], span[AGK_TEXT];
    g_clear_handle_id(&self->refresh_source, g_source_remove);
    int width = gtk_widget_get_width(GTK_WIDGET(self));
    int64_t span_ms = (int64_t)self->span_s * 1000;
    size_t columns = (size_t)MAX((width > 0 ? width : WIDTH_UNTIL_ALLOCATED) / PIXELS_A_COLUMN, 1);
    int64_t bin_ms = agk_bin_ms(span_ms, columns);
    int64_t end = self->end_ms > 0 ? self->end_ms : now_ms();
    self->to_ms = (end + bin_ms - 1) / bin_ms * bin_ms; /* the right edge is that of a column */
    self->from_ms = self->to_ms - span_ms;
    agk_bins_make(&self->bins, agk_series_points(self->series), self->from_ms, self->to_ms - 1, bin_ms);
    self->top_ms = agk_bins_top(&self->bins, FLOOR_MS);
    struct agk_total total = agk_bins_total(&self->bins);
    agk_summary_text(&total, text);
    replace(self, &self->summary, text, PROP_SUMMARY);
    agk_summary_speech(&total, text);
    replace(self, &self->summary_spoken, text, 0);
    agk_format_span(self->span_s, span);
    if (self->end_ms > 0) {
        g_strlcpy(text, "No data", sizeof(text));
    } else { /* "the last hour", "the last 2 hours" */
        g_snprintf(text, sizeof(text), "No data in the last %s", span + (g_str_has_prefix(span, "1 ") ? 2 : 0));
    }
    replace(self, &self->empty, text, 0);
    update_readout(self);
    update_accessible(self, false);
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

static gboolean refresh_now(gpointer user)
{
    AivoQualityChart *self = user;
    self->refresh_source = 0; /* removed by what this returns */
    refresh(self);
    return G_SOURCE_REMOVE;
}

/* However much changes between two frames, it is added up once, and before the next is drawn. */
static void changed(AivoQualityChart *self)
{
    if (!self->refresh_source) {
        self->refresh_source = g_idle_add_full(G_PRIORITY_HIGH_IDLE, refresh_now, self, NULL);
    }
}

static void up_to_date(AivoQualityChart *self)
{
    if (self->refresh_source) {
        refresh(self);
    }
}

/* ---- the moving edge ---- */

static gboolean edge_moved(gpointer user)
{
    refresh(user);
    return G_SOURCE_CONTINUE;
}

static void restart_clock(AivoQualityChart *self)
{
    g_clear_handle_id(&self->clock_source, g_source_remove);
    if (self->end_ms == 0 && gtk_widget_get_mapped(GTK_WIDGET(self))) {
        int64_t step = agk_bin_ms((int64_t)self->span_s * 1000,
                                  (size_t)MAX(gtk_widget_get_width(GTK_WIDGET(self)) / PIXELS_A_COLUMN, 1));
        self->clock_source = g_timeout_add_seconds((guint)CLAMP(step / 1000, 1, 60), edge_moved, self);
    }
}

static void map(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(aivo_quality_chart_parent_class)->map(widget);
    restart_clock(AIVO_QUALITY_CHART(widget));
    changed(AIVO_QUALITY_CHART(widget));
}

static void unmap(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(aivo_quality_chart_parent_class)->unmap(widget);
    g_clear_handle_id(&AIVO_QUALITY_CHART(widget)->clock_source, g_source_remove);
}

static void size_allocate(GtkWidget *widget, int width, int height, int baseline)
{
    GTK_WIDGET_CLASS(aivo_quality_chart_parent_class)->size_allocate(widget, width, height, baseline);
    restart_clock(AIVO_QUALITY_CHART(widget));
    changed(AIVO_QUALITY_CHART(widget));
}

/* ---- drawing ---- */

static void fill_frame(AivoQualityChart *self, struct agk_chart_frame *frame)
{
    GtkWidget *widget = GTK_WIDGET(self);
    GdkRGBA text = agk_style_text_colour(widget);
    *frame = (struct agk_chart_frame){.width = gtk_widget_get_width(widget),
                                      .height = gtk_widget_get_height(widget),
                                      .bins = &self->bins,
                                      .from_ms = self->from_ms,
                                      .to_ms = self->to_ms,
                                      .top_ms = self->top_ms,
                                      .thresholds = {self->thresholds[0], self->thresholds[1], self->thresholds[2]},
                                      .show_loss = self->show_loss,
                                      .show_levels = self->show_levels,
                                      .live = self->end_ms == 0,
                                      .cursor = self->cursor,
                                      .rtl = gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL,
                                      .header = self->readout,
                                      .empty = self->empty,
                                      .scheme = agk_style_scheme(widget, self->high_contrast),
                                      .text = {text.red, text.green, text.blue}};
    /* All of a chart is written from left to right, as its time runs: "5 %" would become "% 5". */
    PangoContext *context = gtk_widget_create_pango_context(widget);
    pango_context_set_base_dir(context, PANGO_DIRECTION_LTR);
    frame->layout = pango_layout_new(context);
    pango_layout_set_auto_dir(frame->layout, FALSE);
    g_object_unref(context);
    agk_chart_lay_out(frame);
}

static void snapshot(GtkWidget *widget, GtkSnapshot *snap)
{
    AivoQualityChart *self = AIVO_QUALITY_CHART(widget);
    int width = gtk_widget_get_width(widget), height = gtk_widget_get_height(widget);
    if (width < 2 || height < 2 || self->to_ms == 0) {
        return;
    }
    struct agk_chart_frame frame;
    fill_frame(self, &frame);
    cairo_t *cr = gtk_snapshot_append_cairo(snap, &GRAPHENE_RECT_INIT(0, 0, (float)width, (float)height));
    agk_chart_draw(&frame, cr);
    cairo_destroy(cr);
    g_object_unref(frame.layout);
}

static void measure(GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural,
                    int *minimum_baseline, int *natural_baseline)
{
    (void)widget;
    (void)for_size;
    bool across = orientation == GTK_ORIENTATION_HORIZONTAL;
    *minimum = across ? 140 : 80;
    *natural = across ? 480 : 260;
    *minimum_baseline = *natural_baseline = -1;
}

static void css_changed(GtkWidget *widget, GtkCssStyleChange *change)
{
    GTK_WIDGET_CLASS(aivo_quality_chart_parent_class)->css_changed(widget, change);
    gtk_widget_queue_draw(widget);
}

/* ---- the cursor ---- */

static void set_cursor(AivoQualityChart *self, gint64 time_ms, bool hovered)
{
    self->hovered = hovered && time_ms >= 0;
    if (self->cursor_ms == time_ms) {
        return;
    }
    self->cursor_ms = time_ms;
    update_readout(self);
    update_accessible(self, true);
    gtk_widget_queue_draw(GTK_WIDGET(self));
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_CURSOR]);
}

static void cursor_to(AivoQualityChart *self, long column, bool hovered)
{
    if (column >= 0) {
        set_cursor(self, self->bins.bin[column].time_ms + self->bins.bin_ms / 2, hovered);
    }
}

static void pointer_moved(AivoQualityChart *self, double x)
{
    up_to_date(self);
    struct agk_chart_frame frame;
    fill_frame(self, &frame);
    g_object_unref(frame.layout);
    double left = frame.plot.x, right = left + frame.plot.width;
    if (x < left - 4 || x > right + 4) {
        if (self->hovered) {
            set_cursor(self, -1, false);
        }
        return;
    }
    cursor_to(self, agk_bins_near(&self->bins, (int64_t)agk_scale_value(&frame.time, x)), true);
}

static void pointer_left(AivoQualityChart *self)
{
    if (self->hovered) {
        set_cursor(self, -1, false);
    }
}

static void clicked(AivoQualityChart *self, int count, double x)
{
    (void)count;
    gtk_widget_grab_focus(GTK_WIDGET(self));
    pointer_moved(self, x);
    self->hovered = false; /* stays when the pointer goes */
}

#if GTK_CHECK_VERSION(4, 14, 0)
/* The context that GTK has for tests (GTK_A11Y=test) cannot announce, and does not say so: it crashes. */
static bool can_announce(AivoQualityChart *self)
{
    GtkATContext *context = gtk_accessible_get_at_context(GTK_ACCESSIBLE(self));
    bool can = context && strcmp(G_OBJECT_TYPE_NAME(context), "GtkTestATContext") != 0;
    g_clear_object(&context);
    return can;
}
#endif

static void announce(AivoQualityChart *self)
{
#if GTK_CHECK_VERSION(4, 14, 0)
    if (self->readout_spoken && can_announce(self)) {
        gtk_accessible_announce(GTK_ACCESSIBLE(self), self->readout_spoken,
                                GTK_ACCESSIBLE_ANNOUNCEMENT_PRIORITY_MEDIUM);
    }
#else
    (void)self; /* the description that changed is what a screen reader says */
#endif
}

static gboolean key_pressed(AivoQualityChart *self, guint key, guint code, GdkModifierType state)
{
    (void)code;
    long by = state & GDK_CONTROL_MASK ? 10 : 1, to;
    up_to_date(self);
    switch (key) {
    case GDK_KEY_Left:
    case GDK_KEY_KP_Left:
        to = agk_bins_step(&self->bins, self->cursor, -by);
        break;
    case GDK_KEY_Right:
    case GDK_KEY_KP_Right:
        /* Without a cursor either key begins at the latest. */
        to = agk_bins_step(&self->bins, self->cursor, self->cursor < 0 ? -1 : by);
        break;
    case GDK_KEY_Home:
    case GDK_KEY_KP_Home:
        to = agk_bins_step(&self->bins, -1, 1);
        break;
    case GDK_KEY_End:
    case GDK_KEY_KP_End:
        to = agk_bins_step(&self->bins, -1, -1);
        break;
    case GDK_KEY_Escape:
        if (self->cursor_ms < 0) {
            return GDK_EVENT_PROPAGATE; /* a dialog may want it */
        }
        set_cursor(self, -1, false);
        return GDK_EVENT_STOP;
    default:
        return GDK_EVENT_PROPAGATE;
    }
    cursor_to(self, to, false);
    announce(self);
    return GDK_EVENT_STOP;
}

static void focus_changed(AivoQualityChart *self)
{
    update_accessible(self, true);
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

/* ---- GObject ---- */

static void take_series(AivoQualityChart *self, AivoQualitySeries *series)
{
    if (self->series) {
        g_signal_handlers_disconnect_by_data(self->series, self);
        g_object_unref(self->series);
    }
    self->series = series;
    if (series) {
        g_signal_connect_swapped(series, "changed", G_CALLBACK(changed), self);
    }
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    AivoQualityChart *self = AIVO_QUALITY_CHART(object);
    switch (id) {
    case PROP_SERIES:
        g_value_set_object(value, self->series);
        break;
    case PROP_QUALITY:
        g_value_set_boxed(value, self->quality);
        break;
    case PROP_SPAN:
        g_value_set_uint(value, self->span_s);
        break;
    case PROP_END:
        g_value_set_int64(value, self->end_ms);
        break;
    case PROP_CURSOR:
        g_value_set_int64(value, self->cursor_ms);
        break;
    case PROP_READOUT:
        up_to_date(self);
        g_value_set_string(value, self->readout);
        break;
    case PROP_SUMMARY:
        up_to_date(self);
        g_value_set_string(value, self->summary);
        break;
    case PROP_SHOW_LOSS:
        g_value_set_boolean(value, self->show_loss);
        break;
    case PROP_SHOW_LEVELS:
        g_value_set_boolean(value, self->show_levels);
        break;
    case PROP_EXCELLENT:
    case PROP_GOOD:
    case PROP_FAIR:
        g_value_set_double(value, self->thresholds[id - PROP_EXCELLENT]);
        break;
    case PROP_HIGH_CONTRAST:
        g_value_set_boolean(value, self->high_contrast);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    AivoQualityChart *self = AIVO_QUALITY_CHART(object);
    switch (id) {
    case PROP_SERIES:
        take_series(self, g_value_get_object(value) ? g_value_dup_object(value) : aivo_quality_series_new());
        break;
    case PROP_QUALITY:
        aivo_quality_free(self->quality);
        self->quality = g_value_dup_boxed(value);
        aivo_quality_series_append(self->series, self->quality);
        break;
    case PROP_SPAN:
        self->span_s = g_value_get_uint(value);
        break;
    case PROP_END:
        self->end_ms = g_value_get_int64(value);
        break;
    case PROP_CURSOR:
        up_to_date(self);
        set_cursor(self, g_value_get_int64(value), false);
        return;
    case PROP_SHOW_LOSS:
        self->show_loss = g_value_get_boolean(value);
        break;
    case PROP_SHOW_LEVELS:
        self->show_levels = g_value_get_boolean(value);
        break;
    case PROP_EXCELLENT:
    case PROP_GOOD:
    case PROP_FAIR:
        self->thresholds[id - PROP_EXCELLENT] = g_value_get_double(value);
        break;
    case PROP_HIGH_CONTRAST:
        self->high_contrast = g_value_get_boolean(value);
        self->contrast_told = true;
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
        return;
    }
    restart_clock(self);
    changed(self);
}

static void dispose(GObject *object)
{
    AivoQualityChart *self = AIVO_QUALITY_CHART(object);
    take_series(self, NULL);
    g_clear_handle_id(&self->refresh_source, g_source_remove);
    g_clear_handle_id(&self->clock_source, g_source_remove);
    G_OBJECT_CLASS(aivo_quality_chart_parent_class)->dispose(object);
}

static void finalize(GObject *object)
{
    AivoQualityChart *self = AIVO_QUALITY_CHART(object);
    aivo_quality_free(self->quality);
    g_free(self->readout);
    g_free(self->readout_spoken);
    g_free(self->summary);
    g_free(self->summary_spoken);
    g_free(self->empty);
    agk_bins_free(&self->bins);
    G_OBJECT_CLASS(aivo_quality_chart_parent_class)->finalize(object);
}

static void install_properties(GObjectClass *object)
{
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    const GParamFlags readable = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
    props[PROP_SERIES] = g_param_spec_object("series", NULL, NULL, AIVO_TYPE_QUALITY_SERIES, flags);
    props[PROP_QUALITY] = g_param_spec_boxed("quality", NULL, NULL, AIVO_TYPE_QUALITY, flags);
    props[PROP_SPAN] =
        g_param_spec_uint("span-s", NULL, NULL, AIVO_CHART_SPAN_MIN_S, AIVO_CHART_SPAN_MAX_S, 300, flags);
    props[PROP_END] = g_param_spec_int64("end-ms", NULL, NULL, 0, G_MAXINT64 / 4, 0, flags);
    props[PROP_CURSOR] = g_param_spec_int64("cursor-ms", NULL, NULL, -1, G_MAXINT64 / 4, -1, flags);
    props[PROP_READOUT] = g_param_spec_string("readout", NULL, NULL, NULL, readable);
    props[PROP_SUMMARY] = g_param_spec_string("summary", NULL, NULL, NULL, readable);
    props[PROP_SHOW_LOSS] = g_param_spec_boolean("show-loss", NULL, NULL, TRUE, flags);
    props[PROP_SHOW_LEVELS] = g_param_spec_boolean("show-levels", NULL, NULL, TRUE, flags);
    props[PROP_EXCELLENT] = g_param_spec_double("excellent-ms", NULL, NULL, 0, 1e6, 100, flags);
    props[PROP_GOOD] = g_param_spec_double("good-ms", NULL, NULL, 0, 1e6, 250, flags);
    props[PROP_FAIR] = g_param_spec_double("fair-ms", NULL, NULL, 0, 1e6, 500, flags);
    props[PROP_HIGH_CONTRAST] = g_param_spec_boolean("high-contrast", NULL, NULL, FALSE, flags);
    g_object_class_install_properties(object, N_PROPS, props);
}

static void aivo_quality_chart_class_init(AivoQualityChartClass *class)
{
    GObjectClass *object = G_OBJECT_CLASS(class);
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);
    object->get_property = get_property;
    object->set_property = set_property;
    object->dispose = dispose;
    object->finalize = finalize;
    widget->map = map;
    widget->unmap = unmap;
    widget->size_allocate = size_allocate;
    widget->snapshot = snapshot;
    widget->measure = measure;
    widget->css_changed = css_changed;
    install_properties(object);
    gtk_widget_class_set_css_name(widget, "aivo-quality-chart");
    gtk_widget_class_set_accessible_role(widget, GTK_ACCESSIBLE_ROLE_IMG);
}

static void add_controllers(AivoQualityChart *self)
{
    GtkGesture *click = gtk_gesture_click_new(); /* a finger too: the keys go on from there */
    g_signal_connect_swapped(click, "pressed", G_CALLBACK(clicked), self);
    gtk_widget_add_controller(GTK_WIDGET(self), GTK_EVENT_CONTROLLER(click));
    GtkEventController *pointer = gtk_event_controller_motion_new(), *keys = gtk_event_controller_key_new(),
                       *focus = gtk_event_controller_focus_new();
    g_signal_connect_swapped(pointer, "enter", G_CALLBACK(pointer_moved), self);
    g_signal_connect_swapped(pointer, "motion", G_CALLBACK(pointer_moved), self);
    g_signal_connect_swapped(pointer, "leave", G_CALLBACK(pointer_left), self);
    g_signal_connect_swapped(keys, "key-pressed", G_CALLBACK(key_pressed), self);
    g_signal_connect_swapped(focus, "enter", G_CALLBACK(focus_changed), self);
    g_signal_connect_swapped(focus, "leave", G_CALLBACK(focus_changed), self);
    gtk_widget_add_controller(GTK_WIDGET(self), pointer);
    gtk_widget_add_controller(GTK_WIDGET(self), keys);
    gtk_widget_add_controller(GTK_WIDGET(self), focus);
}

static void theme_changed(gpointer widget)
{
    AivoQualityChart *self = AIVO_QUALITY_CHART(widget);
    if (!self->contrast_told) {
        self->high_contrast = agk_style_theme_is_hc(widget);
        g_object_notify_by_pspec(widget, props[PROP_HIGH_CONTRAST]);
        gtk_widget_queue_draw(GTK_WIDGET(self));
    }
}

static void aivo_quality_chart_init(AivoQualityChart *self)
{
    agk_style_ensure(GTK_WIDGET(self));
    self->span_s = 300;
    self->cursor_ms = -1;
    self->show_loss = self->show_levels = TRUE;
    self->thresholds[0] = 100;
    self->thresholds[1] = 250;
    self->thresholds[2] = 500;
    self->high_contrast = agk_style_theme_is_hc(GTK_WIDGET(self));
    agk_style_watch_theme(GTK_WIDGET(self), theme_changed);
    self->cursor = -1;
    gtk_widget_set_focusable(GTK_WIDGET(self), TRUE);
    add_controllers(self);
    take_series(self, aivo_quality_series_new());
    changed(self);
}

GtkWidget *aivo_quality_chart_new(void)
{
    return g_object_new(AIVO_TYPE_QUALITY_CHART, NULL);
}

void aivo_quality_chart_set_series(AivoQualityChart *chart, AivoQualitySeries *series)
{
    g_return_if_fail(AIVO_IS_QUALITY_CHART(chart));
    g_object_set(chart, "series", series, NULL);
}

AivoQualitySeries *aivo_quality_chart_get_series(AivoQualityChart *chart)
{
    g_return_val_if_fail(AIVO_IS_QUALITY_CHART(chart), NULL);
    return chart->series;
}

void aivo_quality_chart_set_span(AivoQualityChart *chart, guint span_s)
{
    g_return_if_fail(AIVO_IS_QUALITY_CHART(chart));
    g_object_set(chart, "span-s", CLAMP(span_s, AIVO_CHART_SPAN_MIN_S, AIVO_CHART_SPAN_MAX_S), NULL);
}
