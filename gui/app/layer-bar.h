/* Where a round trip's time goes: network, edge, handler, as parts of one bar with a legend in words and numbers. */
#ifndef AIVO_APP_LAYER_BAR_H
#define AIVO_APP_LAYER_BAR_H

#include <aivo-gtk/types.h>
#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Property quality (AivoQuality): the snapshot shown; NULL: none. */
#define AIVO_TYPE_LAYER_BAR (aivo_layer_bar_get_type())
G_DECLARE_FINAL_TYPE(AivoLayerBar, aivo_layer_bar, AIVO, LAYER_BAR, GtkWidget)
GtkWidget *aivo_layer_bar_new(void);
void aivo_layer_bar_set_quality(AivoLayerBar *bar, const struct aivo_quality *quality);

G_END_DECLS
#endif
