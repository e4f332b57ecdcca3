/* A layout: children in as many columns of one width as there is room for, at least one; rows as high as needed. */
#ifndef AGK_TILES_H
#define AGK_TILES_H

#include <gtk/gtk.h>

#define AGK_TYPE_TILES (agk_tiles_get_type())
G_DECLARE_FINAL_TYPE(AgkTiles, agk_tiles, AGK, TILES, GtkLayoutManager)

/* Property `spacing`: pixels between columns and rows. */

#endif
