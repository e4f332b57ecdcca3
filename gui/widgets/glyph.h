/* Draws a level: as four bars, or as a mark of its own shape. Presentational: who shows it says it in words. */
#ifndef AGK_GLYPH_H
#define AGK_GLYPH_H

#include "palette.h"
#include <gtk/gtk.h>

#define AGK_TYPE_GLYPH (agk_glyph_get_type())
G_DECLARE_FINAL_TYPE(AgkGlyph, agk_glyph, AGK, GLYPH, GtkWidget)

/* Property `bars`: TRUE draws bars, FALSE (default) a mark. Property `size`: pixels, 8..256. */

/* suspect: a mark that an answer is overdue. */
void agk_glyph_set(AgkGlyph *glyph, enum agk_kind kind, bool suspect, struct agk_scheme scheme);

#endif
