/** @file card.h  The card: how good the connection is, and why it is not better. */
#ifndef AIVO_GTK_CARD_H
#define AIVO_GTK_CARD_H

#include <aivo-gtk/types.h>
#include <gtk/gtk.h>

G_BEGIN_DECLS

/** The GType of the card. */
#define AIVO_TYPE_QUALITY_CARD (aivo_quality_card_get_type())
/** AivoQualityCard, a final GtkWidget. CSS node: aivo-quality-card. Accessible role: group; its label is the connection
 *  and its level, its description the figures in words. */
AIVO_GTK_API G_DECLARE_FINAL_TYPE(AivoQualityCard, aivo_quality_card, AIVO, QUALITY_CARD, GtkWidget)

/**
 * A card that knows nothing yet (floating, as widgets are). Its properties:
 *
 * | property        | type           | default | meaning |
 * |-----------------|----------------|---------|---------|
 * | quality         | AivoQuality    | NULL    | the last snapshot; set it once a sample |
 * | state           | AivoLinkState  | UNKNOWN | where the connection stands |
 * | title           | string         | NULL    | what the connection is called |
 * | reason          | string         | NULL    | why there is none, in words; shown while not connected |
 * | reason-widget   | GtkWidget      | NULL    | beside the reason, in an alarm: a button that does something about it
 * | | since-ms        | int64          | 0       | when the state began (Unix time, ms), for "offline for 5 min"; 0:
 * not told | | compact         | boolean        | FALSE   | two lines instead of everything | | high-contrast   |
 * boolean        | by the theme's name | stronger lines and colours | | level-word      | string, read   |         |
 * what is written largest: "Good", "Offline", "Connecting…" |
 *
 * "Last checked" and "offline for" count on by themselves while the card is on a screen.
 */
AIVO_GTK_API GtkWidget *aivo_quality_card_new(void);

/** The same as the property `quality`; copies. */
AIVO_GTK_API void aivo_quality_card_set_quality(AivoQualityCard *card, const struct aivo_quality *quality);
/** Borrowed until the next one is set; NULL: none. */
AIVO_GTK_API const struct aivo_quality *aivo_quality_card_get_quality(AivoQualityCard *card);
/** The same as the property `state`. */
AIVO_GTK_API void aivo_quality_card_set_state(AivoQualityCard *card, AivoLinkState state);
/** The same as the property `compact`. */
AIVO_GTK_API void aivo_quality_card_set_compact(AivoQualityCard *card, gboolean compact);

G_END_DECLS
#endif
