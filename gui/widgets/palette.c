#include "palette.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>

struct agk_colour agk_palette(enum agk_kind kind, struct agk_scheme scheme)
{
    /* offline, poor, fair, good, excellent, busy, unknown */
    static const uint32_t colours[2][2][AGK_KINDS] = {
        {{0x5e5c64, 0xb81a26, 0x8a5200, 0x446a0a, 0x166c36, 0x1a5fb4, 0x5e5c64},
         {0x3d3846, 0x8f0d18, 0x5c3600, 0x2f4c00, 0x0a4a20, 0x123f7a, 0x3d3846}},
        {{0xc0bfbc, 0xff8f87, 0xf8c14a, 0xbcd85a, 0x57e389, 0x99c1f1, 0xc0bfbc},
         {0xf6f5f4, 0xffb3ae, 0xffd97a, 0xd8f07e, 0x8ff0a4, 0xc5dcfa, 0xf6f5f4}}};
    uint32_t rgb = colours[scheme.dark][scheme.high_contrast][(unsigned)kind < AGK_KINDS ? kind : AGK_UNKNOWN];
    return (struct agk_colour){(rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0};
}

static double linear(double channel)
{
    return channel <= 0.04045 ? channel / 12.92 : pow((channel + 0.055) / 1.055, 2.4);
}

double agk_luminance(struct agk_colour colour)
{
    return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
}

double agk_contrast(struct agk_colour a, struct agk_colour b)
{
    double one = agk_luminance(a), other = agk_luminance(b);
    return (fmax(one, other) + 0.05) / (fmin(one, other) + 0.05);
}

struct agk_colour agk_blend(struct agk_colour over, struct agk_colour under, double share)
{
    return (struct agk_colour){over.red * share + under.red * (1 - share),
                               over.green * share + under.green * (1 - share),
                               over.blue * share + under.blue * (1 - share)};
}

void agk_colour_text(struct agk_colour colour, char out[8])
{
    snprintf(out, 8, "#%02x%02x%02x", (unsigned)lround(fmin(fmax(colour.red, 0), 1) * 255),
             (unsigned)lround(fmin(fmax(colour.green, 0), 1) * 255),
             (unsigned)lround(fmin(fmax(colour.blue, 0), 1) * 255));
}
