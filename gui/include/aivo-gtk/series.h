/** @file series.h  What a chart shows: a history of bounded size. */
#ifndef AIVO_GTK_SERIES_H
#define AIVO_GTK_SERIES_H

#include <aivo-gtk/types.h>

G_BEGIN_DECLS

/** A sample, or what a span of time amounts to. Latencies in ms, NAN where there was none. */
typedef struct {
    gint64 time_ms;        /**< its begin: Unix time, ms */
    gint64 span_ms;        /**< how long it stands for; 0: a single sample */
    double min_ms;         /**< the least */
    double p50_ms;         /**< the median */
    double p95_ms;         /**< the 95th percentile */
    double max_ms;         /**< the most */
    guint64 lost;          /**< round trips that lost a packet */
    guint64 observed;      /**< of how many; 0: not known */
    guint32 samples;       /**< how many samples it is made of; at least 1 */
    enum aivo_level worst; /**< the worst level in it */
} AivoQualityPoint;

/** The GType of the series. */
#define AIVO_TYPE_QUALITY_SERIES (aivo_quality_series_get_type())
/**
 * AivoQualitySeries, a final GObject. The signal `changed` comes after points were added or replaced. Properties:
 *
 * | property  | type                        | default | meaning |
 * |-----------|-----------------------------|---------|---------|
 * | capacity  | uint, at construction only  | 16384   | points that are kept, 64..1048576; 72 bytes each |
 * | n-points  | uint, read                  | 0       | points that there are |
 *
 * When it is full the older half is merged two into one: the span grows, the detail of what is long ago shrinks, memory
 * stays. Merged percentiles are weighted means (p50) and the greater (p95); min, max, losses and levels stay exact.
 */
AIVO_GTK_API G_DECLARE_FINAL_TYPE(AivoQualitySeries, aivo_quality_series, AIVO, QUALITY_SERIES, GObject)

/** An empty one with the default capacity; the caller owns the reference. */
AIVO_GTK_API AivoQualitySeries *aivo_quality_series_new(void);

/** Adds a snapshot. Its losses are what its counters grew by since the one before. A time that is not after the last
 *  point's is left out (FALSE), and so is a snapshot that is none (no time). Where the time lies more than 5 s back the
 * clock was set back: what was recorded for later than that goes. */
AIVO_GTK_API gboolean aivo_quality_series_append(AivoQualitySeries *series, const struct aivo_quality *quality);
/** Adds a point, e.g. a row of a history; times must rise (else FALSE). */
AIVO_GTK_API gboolean aivo_quality_series_append_point(AivoQualitySeries *series, const AivoQualityPoint *point);
/** Replaces everything with count points whose times rise (those that do not are left out); `changed` comes once. */
AIVO_GTK_API void aivo_quality_series_set_points(AivoQualitySeries *series, const AivoQualityPoint *points,
                                                 gsize count);
/** Empties it. */
AIVO_GTK_API void aivo_quality_series_clear(AivoQualitySeries *series);
/** How many points there are. */
AIVO_GTK_API guint aivo_quality_series_get_n_points(AivoQualitySeries *series);
/** The point at index, oldest first; FALSE and untouched where there is none. */
AIVO_GTK_API gboolean aivo_quality_series_get_point(AivoQualitySeries *series, guint index, AivoQualityPoint *out);

G_END_DECLS
#endif
