/*
 * A layout for exactly three children: a picture, a name, a figure. Where there is too little width for the name, first
 * the picture is left out, then the figure goes into a row of its own below the name.
 */
#ifndef AGK_HEADER_H
#define AGK_HEADER_H

#include <gtk/gtk.h>

#define AGK_TYPE_HEADER (agk_header_get_type())
G_DECLARE_FINAL_TYPE(AgkHeader, agk_header, AGK, HEADER, GtkLayoutManager)

#endif
