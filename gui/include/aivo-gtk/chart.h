/** @file chart.h  The chart: latency, loss and level over a minute to a week. */
#ifndef AIVO_GTK_CHART_H
#define AIVO_GTK_CHART_H

#include <aivo-gtk/series.h>
#include <aivo-gtk/types.h>
#include <gtk/gtk.h>

G_BEGIN_DECLS

#define AIVO_CHART_SPAN_MIN_S 60          /**< a minute */
#define AIVO_CHART_SPAN_MAX_S (7 * 86400) /**< a week */

/** The GType of the chart. */
#define AIVO_TYPE_QUALITY_CHART (aivo_quality_chart_get_type())
/**
 * AivoQualityChart, a final GtkWidget. CSS node: aivo-quality-chart. Accessible role: img; its label says what it
 * shows and over which time, its description what is under the cursor or else the summary, in words. Keys, while it has
 * the focus: Left and Right move the cursor, with Control ten times as far, Home and End to the first and last figure,
 * Escape takes it away. Time runs from left to right in every language.
 */
AIVO_GTK_API G_DECLARE_FINAL_TYPE(AivoQualityChart, aivo_quality_chart, AIVO, QUALITY_CHART, GtkWidget)

/**
 * An empty chart of the last five minutes (floating). Its properties:
 *
 * | property      | type              | default | meaning |
 * |---------------|-------------------|---------|---------|
 * | series        | AivoQualitySeries | one of its own | what is shown; never NULL |
 * | quality       | AivoQuality       | NULL    | setting it appends it to the series: once a sample |
 * | span-s        | uint              | 300     | how much time is shown, 60..604800 s |
 * | end-ms        | int64             | 0       | Unix time of the right edge; 0: now, moving on |
 * | cursor-ms     | int64             | -1      | Unix time of the cursor; -1: none |
 * | readout       | string, read      | NULL    | what is under the cursor, for the eye |
 * | summary       | string, read      |         | what the time shown amounts to, for the eye |
 * | show-loss     | boolean           | TRUE    | a lane of loss |
 * | show-levels   | boolean           | TRUE    | a strip of levels |
 * | excellent-ms  | double            | 100     | where the next worse level begins: a line |
 * | good-ms       | double            | 250     | |
 * | fair-ms       | double            | 500     | |
 * | high-contrast | boolean           | by the theme's name | stronger lines and colours |
 */
AIVO_GTK_API GtkWidget *aivo_quality_chart_new(void);

/** The same as the property `series`; takes a reference. NULL: an empty one of its own. */
AIVO_GTK_API void aivo_quality_chart_set_series(AivoQualityChart *chart, AivoQualitySeries *series);
/** Borrowed; never NULL. */
AIVO_GTK_API AivoQualitySeries *aivo_quality_chart_get_series(AivoQualityChart *chart);
/** The same as the property `span-s`; what is out of range is brought into it. */
AIVO_GTK_API void aivo_quality_chart_set_span(AivoQualityChart *chart, guint span_s);

G_END_DECLS
#endif
