#include "series_internal.h"
#include "style.h"
#include <aivo-gtk/chart.h>

struct _AivoQualityChart {
    GtkWidget parent_instance;
    AivoQualitySeries *series;
    struct aivo_quality *quality;
    guint span_s;
    gint64 end_ms, cursor_ms;
    gboolean show_loss, show_levels, high_contrast;
    double thresholds[3];
    char *readout, *summary;
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

static void series_changed(AivoQualityChart *self)
{
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

static void take_series(AivoQualityChart *self, AivoQualitySeries *series)
{
    if (self->series) {
        g_signal_handlers_disconnect_by_data(self->series, self);
        g_object_unref(self->series);
    }
    self->series = series;
    if (series) {
        g_signal_connect_swapped(series, "changed", G_CALLBACK(series_changed), self);
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
        g_value_set_string(value, self->readout);
        break;
    case PROP_SUMMARY:
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
        self->cursor_ms = g_value_get_int64(value);
        break;
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
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
        return;
    }
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

static void dispose(GObject *object)
{
    take_series(AIVO_QUALITY_CHART(object), NULL);
    G_OBJECT_CLASS(aivo_quality_chart_parent_class)->dispose(object);
}

static void finalize(GObject *object)
{
    AivoQualityChart *self = AIVO_QUALITY_CHART(object);
    aivo_quality_free(self->quality);
    g_free(self->readout);
    g_free(self->summary);
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
    install_properties(object);
    gtk_widget_class_set_css_name(widget, "aivo-quality-chart");
    gtk_widget_class_set_accessible_role(widget, GTK_ACCESSIBLE_ROLE_IMG);
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
    gtk_widget_set_focusable(GTK_WIDGET(self), TRUE);
    take_series(self, aivo_quality_series_new());
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
