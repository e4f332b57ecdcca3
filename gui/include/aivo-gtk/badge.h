/** @file badge.h  The badge: a mark and milliseconds, for a row of a list or a header bar. */
#ifndef AIVO_GTK_BADGE_H
#define AIVO_GTK_BADGE_H

#include <aivo-gtk/types.h>
#include <gtk/gtk.h>

G_BEGIN_DECLS

/** The GType of the badge. */
#define AIVO_TYPE_QUALITY_BADGE (aivo_quality_badge_get_type())
/** AivoQualityBadge, a final GtkWidget. CSS node: aivo-quality-badge. Accessible role: img; its label is what it shows,
 *  in words ("Good, 120 milliseconds"); its tooltip, and so its description, all figures. */
AIVO_GTK_API G_DECLARE_FINAL_TYPE(AivoQualityBadge, aivo_quality_badge, AIVO, QUALITY_BADGE, GtkWidget)

/**
 * A badge that knows nothing yet (floating). The milliseconds are the mean that the level is made of, or the latest
 * sample as long as there is no mean. Each level has a mark of its own shape. Its properties:
 *
 * | property        | type           | default | meaning |
 * |-----------------|----------------|---------|---------|
 * | quality         | AivoQuality    | NULL    | the last snapshot; set it once a sample |
 * | state           | AivoLinkState  | UNKNOWN | where the connection stands |
 * | title           | string         | NULL    | what the connection is called; for screen readers only
 * | | high-contrast   | boolean        | by the theme's name | stronger colours | | text            | string, read   |
 * | what stands beside the mark: "120 ms", "Offline", "Connecting…" |
 */
AIVO_GTK_API GtkWidget *aivo_quality_badge_new(void);

/** The same as the property `quality`; copies. */
AIVO_GTK_API void aivo_quality_badge_set_quality(AivoQualityBadge *badge, const struct aivo_quality *quality);
/** The same as the property `state`. */
AIVO_GTK_API void aivo_quality_badge_set_state(AivoQualityBadge *badge, AivoLinkState state);

G_END_DECLS
#endif
