#include "glyph.h"
#include "style.h"
#include <math.h>

/*
 * Marks: excellent a disc, good a disc with a quarter open, fair a triangle, poor a diamond, offline a cross, busy a
 * ring with an opening (that turns, where animations are wanted), unknown a dashed ring. No two differ by colour alone.
 */
struct _AgkGlyph {
    GtkWidget parent_instance;
    gboolean bars;
    int size;
    enum agk_kind kind;
    bool suspect;
    struct agk_scheme scheme;
    guint tick;    /* 0: nothing turns */
    double turned; /* 0..1 of a turn */
};

enum { PROP_BARS = 1, PROP_SIZE, N_PROPS };
static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE(AgkGlyph, agk_glyph, GTK_TYPE_WIDGET)

#define TURN_US 1200000 /* one turn */

static gboolean turn(GtkWidget *widget, GdkFrameClock *clock, gpointer user)
{
    (void)user;
    AgkGlyph *self = AGK_GLYPH(widget);
    self->turned = (double)(gdk_frame_clock_get_frame_time(clock) % TURN_US) / TURN_US;
    gtk_widget_queue_draw(widget);
    return G_SOURCE_CONTINUE;
}

/* Something turns only while it is seen, while something is under way, and where it is wanted. */
static void update_tick(AgkGlyph *self)
{
    GtkWidget *widget = GTK_WIDGET(self);
    bool wanted = self->kind == AGK_BUSY && gtk_widget_get_mapped(widget) && agk_style_animates(widget);
    if (wanted && !self->tick) {
        self->tick = gtk_widget_add_tick_callback(widget, turn, NULL, NULL);
    } else if (!wanted && self->tick) {
        gtk_widget_remove_tick_callback(widget, self->tick);
        self->tick = 0;
        self->turned = 0;
    }
}

static void map(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(agk_glyph_parent_class)->map(widget);
    update_tick(AGK_GLYPH(widget));
}

static void unmap(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(agk_glyph_parent_class)->unmap(widget);
    update_tick(AGK_GLYPH(widget));
}

static void animations_changed(AgkGlyph *self)
{
    update_tick(self);
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

static void rounded(cairo_t *cr, double x, double y, double w, double h, double r)
{
    r = fmin(r, fmin(w, h) / 2);
    cairo_new_sub_path(cr);
    cairo_arc(cr, x + w - r, y + r, r, -M_PI / 2, 0);
    cairo_arc(cr, x + w - r, y + h - r, r, 0, M_PI / 2);
    cairo_arc(cr, x + r, y + h - r, r, M_PI / 2, M_PI);
    cairo_arc(cr, x + r, y + r, r, M_PI, 3 * M_PI / 2);
    cairo_close_path(cr);
}

static void set_colour(cairo_t *cr, struct agk_colour colour, double alpha)
{
    cairo_set_source_rgba(cr, colour.red, colour.green, colour.blue, alpha);
}

/* Four bars in a square of side 1; filled as many as the level. */
static void draw_bars(AgkGlyph *self, cairo_t *cr, struct agk_colour colour, bool mirrored)
{
    int filled = self->kind <= AGK_EXCELLENT ? (int)self->kind : 0;
    int lit = self->kind == AGK_BUSY && self->tick ? (int)(self->turned * 4) : -1;
    double line = fmax(0.035, 1.2 / self->size);
    for (int i = 0; i < 4; i++) {
        double w = 0.19, h = 0.28 + 0.24 * i;
        double x = (mirrored ? 3 - i : i) * 0.27, y = 1 - h;
        if (i < filled || i == lit) {
            rounded(cr, x, y, w, h, 0.05);
            set_colour(cr, colour, 1);
            cairo_fill(cr);
        } else {
            rounded(cr, x + line / 2, y + line / 2, w - line, h - line, 0.05);
            set_colour(cr, colour, self->scheme.high_contrast ? 1 : 0.75);
            cairo_set_line_width(cr, line);
            cairo_stroke(cr);
        }
    }
    if (self->kind == AGK_OFFLINE) { /* a cross where the highest bars are not */
        double x = mirrored ? 0.98 : 0.02;
        double step = mirrored ? -0.36 : 0.36;
        cairo_set_line_width(cr, 0.09);
        cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
        set_colour(cr, colour, 1);
        cairo_move_to(cr, x + step * 0.12, 0.06);
        cairo_line_to(cr, x + step, 0.06 + 0.32);
        cairo_move_to(cr, x + step, 0.06);
        cairo_line_to(cr, x + step * 0.12, 0.06 + 0.32);
        cairo_stroke(cr);
    }
}

static void draw_ring(AgkGlyph *self, cairo_t *cr, double from, double to)
{
    cairo_set_line_width(cr, fmax(0.16, 1.5 / self->size));
    cairo_arc(cr, 0.5, 0.5, 0.38, from, to);
    cairo_stroke(cr);
}

/* Fills the path; while an answer is overdue it is only an outline. */
static void body(AgkGlyph *self, cairo_t *cr)
{
    if (!self->suspect) {
        cairo_fill(cr);
        return;
    }
    cairo_clip_preserve(cr); /* so that the line stays inside */
    cairo_set_line_width(cr, fmax(0.28, 3.0 / self->size));
    cairo_stroke(cr);
    cairo_reset_clip(cr);
}

/* A mark in a square of side 1. */
static void draw_mark(AgkGlyph *self, cairo_t *cr, struct agk_colour colour)
{
    set_colour(cr, colour, 1);
    switch (self->kind) {
    case AGK_EXCELLENT:
        cairo_arc(cr, 0.5, 0.5, 0.46, 0, 2 * M_PI);
        body(self, cr);
        break;
    case AGK_GOOD: /* three quarters; the open one has an outline, so that the disc is seen */
        cairo_move_to(cr, 0.5, 0.5);
        cairo_arc(cr, 0.5, 0.5, 0.46, 0, 3 * M_PI / 2);
        cairo_close_path(cr);
        body(self, cr);
        cairo_set_line_width(cr, 0.09);
        cairo_arc(cr, 0.5, 0.5, 0.415, -M_PI / 2, 0);
        cairo_stroke(cr);
        break;
    case AGK_FAIR:
        cairo_move_to(cr, 0.5, 0.04);
        cairo_line_to(cr, 0.99, 0.92);
        cairo_line_to(cr, 0.01, 0.92);
        cairo_close_path(cr);
        body(self, cr);
        break;
    case AGK_POOR:
        cairo_move_to(cr, 0.5, 0);
        cairo_line_to(cr, 1, 0.5);
        cairo_line_to(cr, 0.5, 1);
        cairo_line_to(cr, 0, 0.5);
        cairo_close_path(cr);
        body(self, cr);
        break;
    case AGK_OFFLINE:
        cairo_set_line_width(cr, 0.2);
        cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
        cairo_move_to(cr, 0.14, 0.14);
        cairo_line_to(cr, 0.86, 0.86);
        cairo_move_to(cr, 0.86, 0.14);
        cairo_line_to(cr, 0.14, 0.86);
        cairo_stroke(cr);
        break;
    case AGK_BUSY:
        draw_ring(self, cr, (self->turned * 2 - 0.5) * M_PI, (self->turned * 2 + 0.95) * M_PI);
        break;
    case AGK_UNKNOWN:
        cairo_set_dash(cr, (const double[]){0.25, 0.15}, 2, 0);
        draw_ring(self, cr, 0, 2 * M_PI);
        break;
    }
}

/* As large as asked for, and with the text. */
static int pixels(AgkGlyph *self)
{
    return (int)lround(self->size * agk_style_text_scale(GTK_WIDGET(self)));
}

static void system_setting_changed(GtkWidget *widget, GtkSystemSetting setting)
{
    GTK_WIDGET_CLASS(agk_glyph_parent_class)->system_setting_changed(widget, setting);
    gtk_widget_queue_resize(widget);
}

static void snapshot(GtkWidget *widget, GtkSnapshot *snap)
{
    AgkGlyph *self = AGK_GLYPH(widget);
    int width = gtk_widget_get_width(widget), height = gtk_widget_get_height(widget);
    double side = fmin(fmin(width, height), pixels(self));
    if (side < 1) {
        return;
    }
    cairo_t *cr = gtk_snapshot_append_cairo(snap, &GRAPHENE_RECT_INIT(0, 0, (float)width, (float)height));
    cairo_translate(cr, (width - side) / 2, (height - side) / 2);
    cairo_scale(cr, side, side);
    struct agk_colour colour = agk_palette(self->kind, self->scheme);
    if (self->bars) {
        draw_bars(self, cr, colour, gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL);
    } else {
        draw_mark(self, cr, colour);
    }
    cairo_destroy(cr);
}

static void measure(GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural,
                    int *minimum_baseline, int *natural_baseline)
{
    (void)orientation;
    (void)for_size;
    *minimum = *natural = pixels(AGK_GLYPH(widget));
    *minimum_baseline = *natural_baseline = -1;
}

void agk_glyph_set(AgkGlyph *self, enum agk_kind kind, bool suspect, struct agk_scheme scheme)
{
    if (self->kind == kind && self->suspect == suspect && self->scheme.dark == scheme.dark &&
        self->scheme.high_contrast == scheme.high_contrast) {
        return;
    }
    self->kind = kind;
    self->suspect = suspect;
    self->scheme = scheme;
    update_tick(self);
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    AgkGlyph *self = AGK_GLYPH(object);
    if (id == PROP_BARS) {
        self->bars = g_value_get_boolean(value);
        gtk_widget_queue_draw(GTK_WIDGET(self));
    } else if (id == PROP_SIZE) {
        self->size = g_value_get_int(value);
        gtk_widget_queue_resize(GTK_WIDGET(self));
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    AgkGlyph *self = AGK_GLYPH(object);
    if (id == PROP_BARS) {
        g_value_set_boolean(value, self->bars);
    } else if (id == PROP_SIZE) {
        g_value_set_int(value, self->size);
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void agk_glyph_class_init(AgkGlyphClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->set_property = set_property;
    G_OBJECT_CLASS(class)->get_property = get_property;
    widget->snapshot = snapshot;
    widget->measure = measure;
    widget->system_setting_changed = system_setting_changed;
    widget->map = map;
    widget->unmap = unmap;
    props[PROP_BARS] = g_param_spec_boolean("bars", NULL, NULL, FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
    props[PROP_SIZE] = g_param_spec_int("size", NULL, NULL, 8, 256, 14, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(G_OBJECT_CLASS(class), N_PROPS, props);
    gtk_widget_class_set_css_name(widget, "aivo-glyph");
    gtk_widget_class_set_accessible_role(widget, GTK_ACCESSIBLE_ROLE_PRESENTATION);
}

static void agk_glyph_init(AgkGlyph *self)
{
    self->size = 14;
    self->kind = AGK_UNKNOWN;
    g_signal_connect_object(gtk_widget_get_settings(GTK_WIDGET(self)), "notify::gtk-enable-animations",
                            G_CALLBACK(animations_changed), self, G_CONNECT_SWAPPED);
}
