#include "header.h"

#define SPACING 12
#define COMFORT 0.75 /* of the name's natural width is enough: its word is drawn smaller then */

struct _AgkHeader {
    GtkLayoutManager parent_instance;
};

G_DEFINE_FINAL_TYPE(AgkHeader, agk_header, GTK_TYPE_LAYOUT_MANAGER)

struct parts {
    GtkWidget *picture, *name, *figure;
    int picture_width, name_minimum, name_natural, figure_width;
};

static struct parts parts_of(GtkWidget *widget)
{
    struct parts p = {.picture = gtk_widget_get_first_child(widget)};
    p.name = gtk_widget_get_next_sibling(p.picture);
    p.figure = gtk_widget_get_next_sibling(p.name);
    gtk_widget_measure(p.picture, GTK_ORIENTATION_HORIZONTAL, -1, &p.picture_width, NULL, NULL, NULL);
    gtk_widget_measure(p.name, GTK_ORIENTATION_HORIZONTAL, -1, &p.name_minimum, &p.name_natural, NULL, NULL);
    gtk_widget_measure(p.figure, GTK_ORIENTATION_HORIZONTAL, -1, NULL, &p.figure_width, NULL, NULL);
    return p;
}

enum shape { ALL, NO_PICTURE, STACKED };

static enum shape shape_in(const struct parts *p, int width)
{
    int name = MAX(p->name_minimum, (int)(p->name_natural * COMFORT)), figure = SPACING + p->figure_width;
    if (width >= p->picture_width + SPACING + name + figure) {
        return ALL;
    }
    return width >= name + figure ? NO_PICTURE : STACKED;
}

static int height_of(GtkWidget *child, int width)
{
    int natural;
    gtk_widget_measure(child, GTK_ORIENTATION_VERTICAL, width, NULL, &natural, NULL, NULL);
    return natural;
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
    (void)manager;
    struct parts p = parts_of(widget);
    *minimum_baseline = *natural_baseline = -1;
    if (orientation == GTK_ORIENTATION_HORIZONTAL) {
        *minimum = MAX(p.name_minimum, p.figure_width);
        *natural = MAX(*minimum, p.picture_width + p.name_natural + p.figure_width + 2 * SPACING);
        return;
    }
    enum shape shape = for_size < 0 ? ALL : shape_in(&p, for_size);
    int name = height_of(p.name, -1), figure = height_of(p.figure, -1), picture = height_of(p.picture, -1);
    /* As high without the picture as with it: a narrower header must not be lower, or GTK's sums do not come out. */
    *minimum = MAX(shape == STACKED ? name + SPACING / 2 + figure : MAX(name, figure), picture);
    *natural = *minimum;
}

/* Mirrors where the text runs from right to left. */
static void place(GtkWidget *widget, GtkWidget *child, int total, int x, int y, int width, int height)
{
    int left = gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL ? total - x - width : x;
    gtk_widget_size_allocate(child, &(GtkAllocation){left, y, width, height}, -1);
}

static void allocate(GtkLayoutManager *manager, GtkWidget *widget, int width, int height, int baseline)
{
    (void)manager;
    (void)baseline;
    struct parts p = parts_of(widget);
    enum shape shape = shape_in(&p, width);
    gtk_widget_set_child_visible(p.picture, shape == ALL);
    int left = 0;
    if (shape == ALL) {
        place(widget, p.picture, width, 0, 0, p.picture_width, height);
        left = p.picture_width + SPACING;
    }
    if (shape == STACKED) {
        int name = height_of(p.name, -1), figure = height_of(p.figure, -1);
        place(widget, p.name, width, 0, 0, MAX(width, p.name_minimum), name);
        place(widget, p.figure, width, 0, name + SPACING / 2, MIN(p.figure_width, width), figure);
        return;
    }
    place(widget, p.name, width, left, 0, width - left - SPACING - p.figure_width, height);
    place(widget, p.figure, width, width - p.figure_width, 0, p.figure_width, height);
}

static void agk_header_class_init(AgkHeaderClass *class)
{
    GtkLayoutManagerClass *manager = GTK_LAYOUT_MANAGER_CLASS(class);
    manager->get_request_mode = request_mode;
    manager->measure = measure;
    manager->allocate = allocate;
}

static void agk_header_init(AgkHeader *self)
{
    (void)self;
}
