/*
 * The colours of levels, for light and dark backgrounds, ordinary and high contrast. Pure. Each reaches 4.5:1 (WCAG AA
 * for text) on every background that GTK's and libadwaita's themes have behind a widget, 7:1 in high contrast.
 */
#ifndef AGK_PALETTE_H
#define AGK_PALETTE_H

#include "view.h"

struct agk_colour {
    double red, green, blue; /* sRGB, 0..1 */
};

/* How a widget is to look. */
struct agk_scheme {
    bool dark; /* light text on a dark background */
    bool high_contrast;
};

struct agk_colour agk_palette(enum agk_kind kind, struct agk_scheme scheme);
/* Relative luminance as in WCAG 2. */
double agk_luminance(struct agk_colour colour);
/* The contrast ratio of two colours, 1..21. */
double agk_contrast(struct agk_colour a, struct agk_colour b);
/* share of over laid upon under. */
struct agk_colour agk_blend(struct agk_colour over, struct agk_colour under, double share);
/* "#1a7f37" */
void agk_colour_text(struct agk_colour colour, char out[8]);

#endif
