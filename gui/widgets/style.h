/* What all widgets share: the style sheet, the icons, and how the theme at hand looks. */
#ifndef AGK_STYLE_H
#define AGK_STYLE_H

#include "palette.h"
#include <gtk/gtk.h>

/* The share of a level's colour that tints a card. */
#define AGK_TINT 0.08

/* Makes what is compiled in available; from a class's init. */
void agk_style_resources(void);
/* Style sheet and icons for the widget's display, once each; from an instance's init. */
void agk_style_ensure(GtkWidget *widget);
/* How the widget's theme looks: dark by the colour of its text. high_contrast is what the program said. */
struct agk_scheme agk_style_scheme(GtkWidget *widget, bool high_contrast);
/* Calls back with the widget when the theme at hand is another, as long as the widget lives. */
void agk_style_watch_theme(GtkWidget *widget, void (*changed)(gpointer widget));
/* Is the theme one of the high contrast ones, by its name? */
bool agk_style_theme_is_hc(GtkWidget *widget);
/* The background of an alarm, in every theme; what is on it is drawn as on dark in high contrast. */
#define AGK_ALARM                                                                                                      \
    {                                                                                                                  \
        0xa5 / 255.0, 0x1d / 255.0, 0x2d / 255.0                                                                       \
    }
/* Puts the classes aivo-dark, aivo-hc, aivo-alarm and the level's onto the widget, and takes the others away. Returns
 * the scheme that a mark on it is to have. */
struct agk_scheme agk_style_apply(GtkWidget *widget, const struct agk_view *view, bool high_contrast);
/* Does the user want animations? */
bool agk_style_animates(GtkWidget *widget);
/* How much larger than usual text is: 1 at 96 dots an inch. What stands beside text grows with it. */
double agk_style_text_scale(GtkWidget *widget);
/* The widget's own text colour. */
GdkRGBA agk_style_text_colour(GtkWidget *widget);

#endif
