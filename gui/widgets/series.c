#include "series_internal.h"

/* So far back is a clock that was set back, not a snapshot that came twice. */
#define SET_BACK_MS 5000

struct _AivoQualitySeries {
    GObject parent_instance;
    struct agk_points points;
    guint capacity;
    /* Counters of the last snapshot: a point's losses are what they grew by. */
    bool counted;
    guint64 lost, observed;
};

enum { PROP_CAPACITY = 1, PROP_N_POINTS, N_PROPS };
static GParamSpec *props[N_PROPS];
static guint changed_signal;

G_DEFINE_FINAL_TYPE(AivoQualitySeries, aivo_quality_series, G_TYPE_OBJECT)

static void tell(AivoQualitySeries *self)
{
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_N_POINTS]);
    g_signal_emit(self, changed_signal, 0);
}

const struct agk_points *agk_series_points(AivoQualitySeries *self)
{
    return &self->points;
}

gboolean aivo_quality_series_append(AivoQualitySeries *self, const struct aivo_quality *q)
{
    g_return_val_if_fail(AIVO_IS_QUALITY_SERIES(self), FALSE);
    if (!q) {
        return FALSE;
    }
    double latency = q->level == AIVO_LEVEL_OFFLINE ? (double)NAN : q->latency_ms;
    AivoQualityPoint point = {.time_ms = q->time_ms,
                              .min_ms = latency,
                              .p50_ms = latency,
                              .p95_ms = latency,
                              .max_ms = latency,
                              .samples = 1,
                              .worst = q->level};
    /* A counter that fell is that of a new client: it counts from 0. */
    if (self->counted && q->loss_samples >= self->observed && q->lost >= self->lost) {
        point.lost = q->lost - self->lost;
        point.observed = q->loss_samples - self->observed;
    } else {
        point.lost = q->lost;
        point.observed = q->loss_samples;
    }
    size_t count = self->points.count;
    if (count > 0 && self->points.data[count - 1].time_ms - q->time_ms > SET_BACK_MS && q->time_ms > 0) {
        agk_points_cut(&self->points, q->time_ms);
    }
    if (!agk_points_add(&self->points, &point)) {
        return FALSE;
    }
    self->counted = true;
    self->lost = q->lost;
    self->observed = q->loss_samples;
    tell(self);
    return TRUE;
}

gboolean aivo_quality_series_append_point(AivoQualitySeries *self, const AivoQualityPoint *point)
{
    g_return_val_if_fail(AIVO_IS_QUALITY_SERIES(self) && point, FALSE);
    if (!agk_points_add(&self->points, point)) {
        return FALSE;
    }
    tell(self);
    return TRUE;
}

void aivo_quality_series_set_points(AivoQualitySeries *self, const AivoQualityPoint *points, gsize count)
{
    g_return_if_fail(AIVO_IS_QUALITY_SERIES(self) && (points || count == 0));
    agk_points_clear(&self->points);
    for (gsize i = 0; i < count; i++) {
        agk_points_add(&self->points, &points[i]);
    }
    tell(self);
}

void aivo_quality_series_clear(AivoQualitySeries *self)
{
    g_return_if_fail(AIVO_IS_QUALITY_SERIES(self));
    aivo_quality_series_set_points(self, NULL, 0);
}

guint aivo_quality_series_get_n_points(AivoQualitySeries *self)
{
    g_return_val_if_fail(AIVO_IS_QUALITY_SERIES(self), 0);
    return (guint)self->points.count;
}

gboolean aivo_quality_series_get_point(AivoQualitySeries *self, guint index, AivoQualityPoint *out)
{
    g_return_val_if_fail(AIVO_IS_QUALITY_SERIES(self) && out, FALSE);
    if (index >= self->points.count) {
        return FALSE;
    }
    *out = self->points.data[index];
    return TRUE;
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    AivoQualitySeries *self = AIVO_QUALITY_SERIES(object);
    if (id == PROP_CAPACITY) {
        g_value_set_uint(value, self->capacity);
    } else if (id == PROP_N_POINTS) {
        g_value_set_uint(value, (guint)self->points.count);
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    AivoQualitySeries *self = AIVO_QUALITY_SERIES(object);
    if (id == PROP_CAPACITY) {
        self->capacity = g_value_get_uint(value);
        agk_points_init(&self->points, self->capacity);
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void finalize(GObject *object)
{
    agk_points_free(&AIVO_QUALITY_SERIES(object)->points);
    G_OBJECT_CLASS(aivo_quality_series_parent_class)->finalize(object);
}

static void aivo_quality_series_class_init(AivoQualitySeriesClass *class)
{
    GObjectClass *object = G_OBJECT_CLASS(class);
    object->get_property = get_property;
    object->set_property = set_property;
    object->finalize = finalize;
    props[PROP_CAPACITY] = g_param_spec_uint("capacity", NULL, NULL, AGK_POINTS_MIN, AGK_POINTS_MAX, AGK_POINTS_DEFAULT,
                                             G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
    props[PROP_N_POINTS] =
        g_param_spec_uint("n-points", NULL, NULL, 0, AGK_POINTS_MAX, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object, N_PROPS, props);
    changed_signal =
        g_signal_new("changed", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void aivo_quality_series_init(AivoQualitySeries *self)
{
    (void)self;
}

AivoQualitySeries *aivo_quality_series_new(void)
{
    return g_object_new(AIVO_TYPE_QUALITY_SERIES, NULL);
}
