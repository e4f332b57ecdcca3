#include "chart_draw.h"
#include "format.h"
#include <math.h>
#include <string.h>

#define PAD           6.0
#define LOSS_HEIGHT   30.0
#define LEVELS_HEIGHT 26.0
#define NARROW        420.0 /* below this there are no captions beside the plot */
#define LOW           12.0  /* below this height, in lines of text, the lane of loss goes, */
#define LOWEST        7.5   /* and below this the strip of levels */
#define LOSS_FLOOR    5.0

/* ---- small ones ---- */

static void ink(cairo_t *cr, struct agk_colour colour, double alpha)
{
    cairo_set_source_rgba(cr, colour.red, colour.green, colour.blue, alpha);
}

static void text_size(const struct agk_chart_frame *f, const char *text, double *width, double *height)
{
    int w, h;
    pango_layout_set_text(f->layout, text, -1);
    pango_layout_set_width(f->layout, -1);
    pango_layout_get_pixel_size(f->layout, &w, &h);
    *width = w;
    *height = h;
}

/* Writes at x; align 0 begins there, 1 ends there, 0.5 is centred. y is the upper edge. */
static void write_at(const struct agk_chart_frame *f, cairo_t *cr, const char *text, double x, double y, double align)
{
    double width, height;
    text_size(f, text, &width, &height);
    cairo_move_to(cr, round(x - width * align), round(y));
    pango_cairo_show_layout(cr, f->layout);
}

/* A line through the middle of pixels is sharp. */
static double crisp(double place)
{
    return floor(place) + 0.5;
}

static double bin_x(const struct agk_chart_frame *f, const struct agk_bin *bin)
{
    return agk_scale_place(&f->time, (double)(bin->time_ms + f->bins->bin_ms / 2));
}

static double latency_y(const struct agk_chart_frame *f, double ms)
{
    return fmax(agk_scale_place(&f->latency, ms), f->plot.y);
}

static bool has_latency(const struct agk_bin *bin)
{
    return bin->samples > 0 && !isnan(bin->p50_ms);
}

int64_t agk_chart_zone(int64_t time_ms, void *user)
{
    (void)user;
    GDateTime *utc = g_date_time_new_from_unix_local(time_ms / 1000);
    int64_t ahead = utc ? g_date_time_get_utc_offset(utc) / 1000 : 0;
    g_clear_pointer(&utc, g_date_time_unref);
    return ahead;
}

char *agk_chart_clock(int64_t time_ms, const char *format)
{
    GDateTime *local = g_date_time_new_from_unix_local(time_ms / 1000);
    char *text = local ? g_date_time_format(local, format) : NULL;
    g_clear_pointer(&local, g_date_time_unref);
    return text ? text : g_strdup("");
}

/* ---- where ---- */

static size_t value_ticks(const struct agk_chart_frame *f, double ticks[AGK_TICKS_MAX])
{
    return agk_value_ticks(f->top_ms, (size_t)CLAMP(f->plot.height / (f->line_height * 1.8), 2, 7), ticks);
}

static double widest_tick(const struct agk_chart_frame *f)
{
    double ticks[AGK_TICKS_MAX], widest = 0, width;
    size_t count = value_ticks(f, ticks);
    for (size_t i = 0; i < count; i++) {
        char label[AGK_TEXT];
        agk_format_tick(ticks[i], AGK_NBSP "ms", label);
        text_size(f, label, &width, &(double){0});
        widest = fmax(widest, width);
    }
    return widest;
}

void agk_chart_lay_out(struct agk_chart_frame *f)
{
    double name;
    text_size(f, "Excellent", &name, &f->line_height);
    bool wide = f->width >= NARROW;
    double caption = 0;
    if (wide) {
        text_size(f, "Level", &caption, &f->line_height);
    }
    f->plot.height =
        f->height; /* until it is known: more ticks than there will be, so the widest label is among them */
    f->labels_width = fmax(widest_tick(f), caption) + PAD;
    f->names_width = wide ? name + PAD : PAD;
    double left = f->labels_width, width = fmax(f->width - left - f->names_width, 1);
    double bottom = f->height - f->line_height - 2;
    bool levels = f->show_levels && f->height >= LOWEST * f->line_height,
         loss = f->show_loss && f->height >= LOW * f->line_height;
    f->levels = (struct agk_area){left, bottom - (levels ? LEVELS_HEIGHT : 0), width, levels ? LEVELS_HEIGHT : 0};
    bottom = f->levels.y - (levels ? PAD : 0);
    f->loss = (struct agk_area){left, bottom - (loss ? LOSS_HEIGHT : 0), width, loss ? LOSS_HEIGHT : 0};
    bottom = f->loss.y - (loss ? PAD : 0);
    f->head = (struct agk_area){0, 0, f->width, f->line_height + PAD};
    double begin = f->head.height + f->line_height / 2;
    f->plot = (struct agk_area){left, begin, width, fmax(bottom - begin - 2, 1)};
    f->time = (struct agk_scale){(double)f->from_ms, (double)f->to_ms, left, width};
    f->latency = (struct agk_scale){0, f->top_ms, f->plot.y + f->plot.height, -f->plot.height};
}

/* ---- layers ---- */

static void draw_value_axis(const struct agk_chart_frame *f, cairo_t *cr)
{
    double ticks[AGK_TICKS_MAX];
    size_t count = value_ticks(f, ticks);
    cairo_set_line_width(cr, 1);
    for (size_t i = 0; i < count; i++) {
        double y = crisp(latency_y(f, ticks[i]));
        char label[AGK_TEXT];
        ink(cr, f->text, f->scheme.high_contrast ? 0.5 : 0.15);
        cairo_move_to(cr, f->plot.x, y);
        cairo_line_to(cr, f->plot.x + f->plot.width, y);
        cairo_stroke(cr);
        agk_format_tick(ticks[i], AGK_NBSP "ms", label);
        ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.8);
        write_at(f, cr, label, f->plot.x - PAD, y - f->line_height / 2, 1);
    }
}

static const char *time_format(int64_t step_ms)
{
    return step_ms < 60000 ? "%H:%M:%S" : step_ms < 86400000 ? "%H:%M" : "%a %-d";
}

/* Without lines there are labels only. */
static void draw_time_axis(const struct agk_chart_frame *f, cairo_t *cr, bool lines)
{
    int64_t ticks[AGK_TICKS_MAX], span = f->to_ms - f->from_ms;
    double sample;
    text_size(f, span < 3600000 ? "00:00:00" : "Wed 00", &sample, &(double){0});
    int64_t step = agk_time_step(span, (size_t)CLAMP(f->plot.width / (sample + 24), 2, 12));
    size_t count = agk_time_ticks(f->from_ms, f->to_ms, step, agk_chart_zone, NULL, ticks);
    double lowest = f->height - f->line_height, taken = -1e9;
    double bottom = f->levels.y + f->levels.height;
    for (size_t i = 0; i < count; i++) {
        double x = agk_scale_place(&f->time, (double)ticks[i]), width;
        bool midnight = (ticks[i] + agk_chart_zone(ticks[i], NULL)) % 86400000 == 0;
        char *label = agk_chart_clock(ticks[i], midnight && step >= 3600000 ? "%a %-d" : time_format(step));
        cairo_set_line_width(cr, 1);
        ink(cr, f->text, f->scheme.high_contrast ? 0.5 : midnight && step < 86400000 ? 0.3 : 0.12);
        cairo_move_to(cr, crisp(x), f->plot.y);
        cairo_line_to(cr, crisp(x), bottom);
        if (lines) {
            cairo_stroke(cr);
        }
        cairo_new_path(cr);
        text_size(f, label, &width, &(double){0});
        double left = CLAMP(x - width / 2, 0, f->width - width);
        if (left >= taken + 8) { /* no label touches another */
            ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.8);
            write_at(f, cr, label, left, lowest, 0);
            taken = left + width;
        }
        g_free(label);
    }
}

/* Where the next worse level begins, and the names of the zones between. */
static void draw_thresholds(const struct agk_chart_frame *f, cairo_t *cr)
{
    double below = 0, free_y = f->plot.y + f->plot.height + f->line_height / 2; /* what is above it is not taken yet */
    for (int i = 0; i <= 3; i++) {
        double above = i < 3 ? fmin(f->thresholds[i], f->top_ms) : f->top_ms;
        double upper = latency_y(f, above), lower = latency_y(f, below);
        enum aivo_level level = (enum aivo_level)(AIVO_LEVEL_EXCELLENT - i);
        /* A low zone still has its name, as long as that touches no other. */
        double name_y = fmin((upper + lower - f->line_height) / 2, free_y - f->line_height);
        if (lower - upper >= f->line_height / 2 && name_y + f->line_height / 2 > upper - 2 && f->names_width > PAD) {
            ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.75);
            write_at(f, cr, aivo_level_name(level), f->width, name_y, 1);
            free_y = name_y;
        }
        if (i < 3 && f->thresholds[i] < f->top_ms && f->thresholds[i] > 0) {
            cairo_save(cr);
            cairo_set_line_width(cr, f->scheme.high_contrast ? 2 : 1);
            cairo_set_dash(cr, (const double[]){5, 4}, 2, 0);
            ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.45);
            cairo_move_to(cr, f->plot.x, crisp(upper));
            cairo_line_to(cr, f->plot.x + f->plot.width, crisp(upper));
            cairo_stroke(cr);
            cairo_restore(cr);
        }
        below = fmax(above, below);
    }
}

static void shade(const struct agk_chart_frame *f, cairo_t *cr, double from, double to)
{
    if (to - from < 2) {
        return;
    }
    double bottom = f->levels.y + f->levels.height;
    cairo_save(cr);
    cairo_rectangle(cr, from, f->plot.y, to - from, bottom - f->plot.y);
    cairo_clip(cr);
    ink(cr, f->text, 0.05);
    cairo_paint(cr);
    ink(cr, f->text, f->scheme.high_contrast ? 0.5 : 0.14);
    cairo_set_line_width(cr, 1);
    for (double x = from - fmod(from, 8) - (bottom - f->plot.y); x < to; x += 8) {
        cairo_move_to(cr, x, bottom);
        cairo_line_to(cr, x + bottom - f->plot.y, f->plot.y);
    }
    cairo_stroke(cr);
    cairo_restore(cr);
    double width, height;
    text_size(f, "no data", &width, &height);
    if (to - from > width + 12) {
        ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.75);
        write_at(f, cr, "no data", (from + to) / 2, f->plot.y + 4, 0.5);
    }
}

/* Nothing was measured: hatched, never drawn over by a line. */
static void draw_gaps(const struct agk_chart_frame *f, cairo_t *cr)
{
    const struct agk_bin *before = NULL;
    double half = fabs(f->time.length) * (double)f->bins->bin_ms / (f->time.to - f->time.from) / 2;
    for (size_t i = 0; i < f->bins->count; i++) {
        const struct agk_bin *bin = &f->bins->bin[i];
        if (bin->samples == 0) {
            continue;
        }
        if (before && !bin->joined) {
            shade(f, cr, fmax(bin_x(f, before) + half, f->plot.x), bin_x(f, bin) - half);
        }
        before = bin;
    }
    if (before && f->live && f->to_ms - before->time_ms > f->bins->gap_ms) { /* it has stopped */
        shade(f, cr, fmax(bin_x(f, before) + half, f->plot.x), f->plot.x + f->plot.width);
    }
}

/* One unbroken stretch: columns first..last of which each has a latency or nothing. */
static void draw_stretch(const struct agk_chart_frame *f, cairo_t *cr, size_t first, size_t last,
                         struct agk_colour colour)
{
    const struct agk_bin *bin = f->bins->bin;
    double step = f->plot.width * (double)f->bins->bin_ms / (double)(f->to_ms - f->from_ms);
    cairo_new_path(cr);
    for (size_t i = first; i <= last; i++) {
        if (has_latency(&bin[i])) {
            cairo_line_to(cr, bin_x(f, &bin[i]), latency_y(f, bin[i].p95_ms));
        }
    }
    for (size_t i = last + 1; i-- > first;) {
        if (has_latency(&bin[i])) {
            cairo_line_to(cr, bin_x(f, &bin[i]), latency_y(f, bin[i].min_ms));
        }
    }
    cairo_close_path(cr);
    ink(cr, colour, f->scheme.high_contrast ? 0.4 : 0.25);
    cairo_fill_preserve(cr);
    cairo_set_line_width(cr, 1);
    ink(cr, colour, f->scheme.high_contrast ? 1 : 0.35);
    cairo_stroke(cr);
    for (size_t i = first; i <= last; i++) {
        if (has_latency(&bin[i])) {
            cairo_line_to(cr, bin_x(f, &bin[i]), latency_y(f, bin[i].p50_ms));
        }
    }
    cairo_set_line_width(cr, f->scheme.high_contrast ? 3 : 2);
    ink(cr, colour, 1);
    cairo_stroke(cr);
    /* Single figures are seen as such, and so is what is too short to be a line. */
    bool speck = bin_x(f, &bin[last]) - bin_x(f, &bin[first]) < 6;
    for (size_t i = first; i <= last; i++) {
        if (has_latency(&bin[i]) && (step >= 6 || (speck && i == first + (last - first) / 2))) {
            cairo_arc(cr, bin_x(f, &bin[i]), latency_y(f, bin[i].p50_ms), speck ? 3 : 2.5, 0, 2 * M_PI);
            cairo_fill(cr);
        }
    }
}

/* What is above the top has a mark there. */
static void draw_cut_off(const struct agk_chart_frame *f, cairo_t *cr, struct agk_colour colour)
{
    double taken = -1e9;
    for (size_t i = 0; i < f->bins->count; i++) {
        double x = bin_x(f, &f->bins->bin[i]);
        if (has_latency(&f->bins->bin[i]) && f->bins->bin[i].p95_ms > f->top_ms && x > taken + 10) {
            cairo_move_to(cr, x, f->plot.y - 7);
            cairo_line_to(cr, x + 4, f->plot.y);
            cairo_line_to(cr, x - 4, f->plot.y);
            cairo_close_path(cr);
            ink(cr, colour, 1);
            cairo_fill(cr);
            taken = x;
        }
    }
}

static void draw_latency(const struct agk_chart_frame *f, cairo_t *cr)
{
    struct agk_colour colour = agk_palette(AGK_BUSY, f->scheme);
    cairo_save(cr);
    cairo_rectangle(cr, f->plot.x, f->plot.y - 2, f->plot.width + 4, f->plot.height + 4); /* a last dot is whole */
    cairo_clip(cr);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    long first = -1, last = -1;
    for (size_t i = 0; i < f->bins->count; i++) {
        const struct agk_bin *bin = &f->bins->bin[i];
        if (bin->samples == 0) {
            continue;
        }
        if (first >= 0 && (!bin->joined || !has_latency(bin))) {
            draw_stretch(f, cr, (size_t)first, (size_t)last, colour);
            first = -1;
        }
        if (has_latency(bin)) {
            first = first < 0 ? (long)i : first;
            last = (long)i;
        }
    }
    if (first >= 0) {
        draw_stretch(f, cr, (size_t)first, (size_t)last, colour);
    }
    cairo_restore(cr);
    draw_cut_off(f, cr, colour);
}

static void caption(const struct agk_chart_frame *f, cairo_t *cr, const struct agk_area *area, const char *text)
{
    if (f->names_width > PAD) {
        ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.8);
        write_at(f, cr, text, area->x - PAD, area->y + (area->height - f->line_height) / 2, 1);
    }
}

static double bin_loss(const struct agk_bin *bin)
{
    return bin->observed > 0 ? 100.0 * (double)bin->lost / (double)bin->observed : 0;
}

static void draw_loss(const struct agk_chart_frame *f, cairo_t *cr)
{
    const struct agk_area *a = &f->loss;
    if (a->height <= 0) {
        return;
    }
    double top = LOSS_FLOOR, own = f->plot.width * (double)f->bins->bin_ms / (double)(f->to_ms - f->from_ms);
    for (size_t i = 0; i < f->bins->count; i++) {
        top = fmax(top, bin_loss(&f->bins->bin[i]));
    }
    top = fmin(agk_nice_above(top), 100);
    cairo_set_line_width(cr, 1);
    ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.35);
    cairo_move_to(cr, a->x, crisp(a->y + a->height));
    cairo_line_to(cr, a->x + a->width, crisp(a->y + a->height));
    cairo_stroke(cr);
    ink(cr, agk_palette(AGK_POOR, f->scheme), 1);
    for (size_t i = 0; i < f->bins->count; i++) {
        double loss = bin_loss(&f->bins->bin[i]);
        if (loss > 0) {
            double height = fmax(loss / top * a->height, 3), width = fmax(own - 1, 2);
            cairo_rectangle(cr, fmax(bin_x(f, &f->bins->bin[i]) - width / 2, a->x), a->y + a->height - height, width,
                            height);
        }
    }
    cairo_fill(cr);
    char most[AGK_TEXT];
    agk_format_tick(top, AGK_NBSP "%", most);
    caption(f, cr, a, "Loss");
    if (f->names_width > PAD) {
        ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.75);
        write_at(f, cr, most, f->width, a->y - 2, 1);
    }
}

/* The colour of an alarm, and lines across it in that of the background. */
static void hatched(cairo_t *cr, const struct agk_area *a, struct agk_colour colour, bool dark)
{
    cairo_save(cr);
    cairo_rectangle(cr, a->x, a->y, a->width, a->height);
    cairo_clip(cr);
    ink(cr, colour, 1);
    cairo_paint(cr);
    ink(cr, dark ? (struct agk_colour){0, 0, 0} : (struct agk_colour){1, 1, 1}, 0.85);
    cairo_set_line_width(cr, 2);
    for (double x = floor(a->x / 8) * 8 - a->height; x < a->x + a->width; x += 8) {
        cairo_move_to(cr, x, a->y + a->height);
        cairo_line_to(cr, x + a->height, a->y);
    }
    cairo_stroke(cr);
    cairo_restore(cr);
}

/* Columns `first` to `last` have one level: one block, so that no seam is seen between them. */
static void draw_level_block(const struct agk_chart_frame *f, cairo_t *cr, size_t first, size_t last, double right)
{
    const struct agk_area *a = &f->levels;
    double own = f->plot.width * (double)f->bins->bin_ms / (double)(f->to_ms - f->from_ms);
    double x = round(fmax(bin_x(f, &f->bins->bin[first]) - own / 2, a->x));
    double end = right > 0 ? right : bin_x(f, &f->bins->bin[last]) + own / 2;
    double width = fmax(round(fmin(end, a->x + a->width)) - x, 3); /* to be seen as a colour */
    x = fmin(x, a->x + a->width - width);
    enum aivo_level level = f->bins->bin[first].worst;
    if (level == AIVO_LEVEL_OFFLINE) {
        hatched(cr, &(struct agk_area){x, a->y, width, a->height}, agk_palette(AGK_POOR, f->scheme), f->scheme.dark);
        ink(cr, f->text, 0.1); /* up through the plot: nothing came through all that time */
        cairo_rectangle(cr, x, f->plot.y, width, a->y - f->plot.y);
        cairo_fill(cr);
        double word, height;
        text_size(f, "Offline", &word, &height);
        if (width > word + 8) {
            ink(cr, f->text, 1);
            write_at(f, cr, "Offline", x + width / 2, f->plot.y + 4, 0.5);
        }
        return;
    }
    double height = round(a->height * (double)level / 4);
    ink(cr, agk_palette((enum agk_kind)level, f->scheme), 1);
    cairo_rectangle(cr, x, a->y + a->height - height, width, height);
    cairo_fill(cr);
}

/* A level is a height as well as a colour; offline is the whole height, hatched, and shades the plot. */
static void draw_levels(const struct agk_chart_frame *f, cairo_t *cr)
{
    const struct agk_area *a = &f->levels;
    if (a->height <= 0) {
        return;
    }
    double own = f->plot.width * (double)f->bins->bin_ms / (double)(f->to_ms - f->from_ms);
    long first = -1, last = -1;
    for (size_t i = 0; i < f->bins->count; i++) {
        const struct agk_bin *bin = &f->bins->bin[i];
        if (bin->samples == 0) {
            continue;
        }
        if (first >= 0 && (!bin->joined || bin->worst != f->bins->bin[first].worst)) {
            draw_level_block(f, cr, (size_t)first, (size_t)last, bin->joined ? bin_x(f, bin) - own / 2 : 0);
            first = -1;
        }
        first = first < 0 ? (long)i : first;
        last = (long)i;
    }
    if (first >= 0) {
        draw_level_block(f, cr, (size_t)first, (size_t)last, 0);
    }
    ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.35);
    cairo_set_line_width(cr, 1);
    cairo_move_to(cr, a->x, crisp(a->y + a->height - 1));
    cairo_line_to(cr, a->x + a->width, crisp(a->y + a->height - 1));
    cairo_stroke(cr);
    caption(f, cr, a, "Level");
}

static void draw_cursor(const struct agk_chart_frame *f, cairo_t *cr)
{
    if (f->cursor < 0 || f->cursor >= (long)f->bins->count) {
        return;
    }
    const struct agk_bin *bin = &f->bins->bin[f->cursor];
    double x = crisp(bin_x(f, bin));
    ink(cr, f->text, 0.9);
    cairo_set_line_width(cr, f->scheme.high_contrast ? 2 : 1);
    cairo_move_to(cr, x, f->plot.y);
    cairo_line_to(cr, x, f->levels.y + f->levels.height);
    cairo_stroke(cr);
    if (has_latency(bin)) {
        cairo_arc(cr, x, latency_y(f, bin->p50_ms), 4.5, 0, 2 * M_PI);
        cairo_fill(cr);
    }
}

static double legend_key(const struct agk_chart_frame *f, cairo_t *cr, double x, bool band, const char *text)
{
    struct agk_colour colour = agk_palette(AGK_BUSY, f->scheme);
    double middle = f->line_height / 2, width;
    text_size(f, text, &width, &(double){0});
    ink(cr, colour, band ? 0.4 : 1);
    cairo_rectangle(cr, f->rtl ? f->width - x - 16 : x, middle - (band ? 5 : 1), 16, band ? 10 : 2.5);
    cairo_fill(cr);
    ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.8);
    write_at(f, cr, text, f->rtl ? f->width - x - 22 : x + 22, 0, f->rtl ? 1 : 0);
    return x + 22 + width + 18;
}

static void draw_header(const struct agk_chart_frame *f, cairo_t *cr)
{
    if (f->header) {
        ink(cr, f->text, 1);
        pango_layout_set_text(f->layout, f->header, -1);
        pango_layout_set_width(f->layout, (int)f->width * PANGO_SCALE);
        pango_layout_set_ellipsize(f->layout, PANGO_ELLIPSIZE_END);
        pango_layout_set_alignment(f->layout, f->rtl ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
        cairo_move_to(cr, 0, 0);
        pango_cairo_show_layout(cr, f->layout);
        pango_layout_set_width(f->layout, -1);
        pango_layout_set_ellipsize(f->layout, PANGO_ELLIPSIZE_NONE);
        return;
    }
    static const char *const names[] = {"Least to 95th percentile", "Range"}; /* what there is room for */
    double x = legend_key(f, cr, 0, false, "Median"), width;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        text_size(f, names[i], &width, &(double){0});
        if (x + 22 + width <= f->width) {
            legend_key(f, cr, x, true, names[i]);
            break;
        }
    }
}

static void draw_empty(const struct agk_chart_frame *f, cairo_t *cr)
{
    ink(cr, f->text, f->scheme.high_contrast ? 1 : 0.85);
    pango_layout_set_alignment(f->layout, PANGO_ALIGN_CENTER);
    pango_layout_set_text(f->layout, f->empty, -1);
    pango_layout_set_width(f->layout, (int)f->width * PANGO_SCALE);
    cairo_move_to(cr, 0, f->height / 2 - f->line_height);
    pango_cairo_show_layout(cr, f->layout);
}

void agk_chart_draw(const struct agk_chart_frame *f, cairo_t *cr)
{
    if (agk_bins_near(f->bins, f->to_ms) < 0) {
        draw_time_axis(f, cr, false);
        draw_empty(f, cr);
        return;
    }
    draw_value_axis(f, cr);
    draw_time_axis(f, cr, true);
    draw_gaps(f, cr);
    draw_thresholds(f, cr);
    draw_levels(f, cr);
    draw_latency(f, cr);
    draw_loss(f, cr);
    draw_cursor(f, cr);
    draw_header(f, cr);
}
