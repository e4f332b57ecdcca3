#include "tiles.h"

struct _AgkTiles {
    GtkLayoutManager parent_instance;
    int spacing;
};

enum { PROP_SPACING = 1 };

G_DEFINE_FINAL_TYPE(AgkTiles, agk_tiles, GTK_TYPE_LAYOUT_MANAGER)

struct tiles {
    int count;            /* visible children */
    int minimum, natural; /* the widest child */
};

static struct tiles widths(GtkWidget *widget)
{
    struct tiles tiles = {0};
    for (GtkWidget *child = gtk_widget_get_first_child(widget); child; child = gtk_widget_get_next_sibling(child)) {
        if (gtk_widget_should_layout(child)) {
            int minimum, natural;
            gtk_widget_measure(child, GTK_ORIENTATION_HORIZONTAL, -1, &minimum, &natural, NULL, NULL);
            tiles.minimum = MAX(tiles.minimum, minimum);
            tiles.natural = MAX(tiles.natural, natural);
            tiles.count++;
        }
    }
    return tiles;
}

static int columns_in(const AgkTiles *self, const struct tiles *tiles, int width)
{
    int fit = (width + self->spacing) / MAX(1, tiles->natural + self->spacing);
    fit = CLAMP(fit, 1, MAX(1, tiles->count));
    /* Four in three columns is a row with a hole and one that is full: two and two look better. */
    int rows = (tiles->count + fit - 1) / fit;
    return rows > 0 ? (tiles->count + rows - 1) / rows : 1;
}

/* Lays out in a width; with allocate FALSE it only adds up. Returns the height. */
static int lay_out(const AgkTiles *self, GtkWidget *widget, int width, gboolean allocate)
{
    struct tiles tiles = widths(widget);
    if (tiles.count == 0) {
        return 0;
    }
    int columns = columns_in(self, &tiles, width);
    int column_width = MAX(tiles.minimum, (width - (columns - 1) * self->spacing) / columns);
    gboolean mirrored = gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL;
    int top = 0;
    GtkWidget *child = gtk_widget_get_first_child(widget);
    while (child) {
        GtkWidget *first = child;
        int row_height = 0, in_row = 0;
        for (; child && in_row < columns; child = gtk_widget_get_next_sibling(child)) {
            if (gtk_widget_should_layout(child)) {
                int natural;
                gtk_widget_measure(child, GTK_ORIENTATION_VERTICAL, column_width, NULL, &natural, NULL, NULL);
                row_height = MAX(row_height, natural);
                in_row++;
            }
        }
        int at = 0;
        for (GtkWidget *each = first; allocate && each != child; each = gtk_widget_get_next_sibling(each)) {
            if (gtk_widget_should_layout(each)) {
                int place = mirrored ? columns - 1 - at : at;
                gtk_widget_size_allocate(
                    each, &(GtkAllocation){place * (column_width + self->spacing), top, column_width, row_height}, -1);
                at++;
            }
        }
        if (in_row > 0) {
            top += row_height + self->spacing;
        }
    }
    return MAX(0, top - self->spacing);
}

static GtkSizeRequestMode request_mode(GtkLayoutManager *manager, GtkWidget *widget)
{
    (void)manager;
    (void)widget;
    return GTK_SIZE_REQUEST_HEIGHT_FOR_WIDTH;
}

static void measure(GtkLayoutManager *manager, GtkWidget *widget, GtkOrientation orientation, int for_size,
                    int *minimum, int *natural, int *minimum_baseline, int *natural_baseline)
{
    const AgkTiles *self = AGK_TILES(manager);
    struct tiles tiles = widths(widget);
    *minimum_baseline = *natural_baseline = -1;
    int one_row = MAX(0, tiles.count * (tiles.natural + self->spacing) - self->spacing);
    if (orientation == GTK_ORIENTATION_HORIZONTAL) {
        *minimum = tiles.minimum;
        *natural = one_row;
    } else {
        /* Without a width GTK asks for what is enough in any: no width needs less than one that has a row for all. */
        *minimum = *natural = lay_out(self, widget, for_size < 0 ? one_row : for_size, FALSE);
    }
}

static void allocate(GtkLayoutManager *manager, GtkWidget *widget, int width, int height, int baseline)
{
    (void)height;
    (void)baseline;
    lay_out(AGK_TILES(manager), widget, width, TRUE);
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    if (id == PROP_SPACING) {
        AGK_TILES(object)->spacing = g_value_get_int(value);
        gtk_layout_manager_layout_changed(GTK_LAYOUT_MANAGER(object));
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void agk_tiles_class_init(AgkTilesClass *class)
{
    GtkLayoutManagerClass *manager = GTK_LAYOUT_MANAGER_CLASS(class);
    G_OBJECT_CLASS(class)->set_property = set_property;
    manager->get_request_mode = request_mode;
    manager->measure = measure;
    manager->allocate = allocate;
    g_object_class_install_property(
        G_OBJECT_CLASS(class), PROP_SPACING,
        g_param_spec_int("spacing", NULL, NULL, 0, 1000, 0, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS));
}

static void agk_tiles_init(AgkTiles *self)
{
    (void)self;
}
