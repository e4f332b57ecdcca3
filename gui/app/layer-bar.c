#include "layer-bar.h"
#include "describe.h"
#include <glib/gi18n.h>
#include <math.h>

#define LAYERS     3
#define BAR_HEIGHT 22
#define PART_MIN   6 /* px: a part that is there is seen */

struct _AivoLayerBar {
    GtkWidget parent;
    GtkWidget *parts[LAYERS], *track, *legend, *values[LAYERS];
    double ms[LAYERS]; /* NAN: not known */
};

enum { PROP_QUALITY = 1, PROP_COUNT };

static GParamSpec *props[PROP_COUNT];

G_DEFINE_FINAL_TYPE(AivoLayerBar, aivo_layer_bar, GTK_TYPE_WIDGET)

static const struct {
    const char *name, *what, *class;
} layers[LAYERS] = {
    {N_("Network"), N_("the way to the server"), "network"},
    {N_("Edge"), N_("proxies, the server’s event loop"), "edge"},
    {N_("Handler"), N_("the server’s application"), "handler"},
};

static double known(double ms)
{
    return isfinite(ms) && ms > 0 ? ms : 0;
}

static void measure(GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural,
                    int *minimum_baseline, int *natural_baseline)
{
    AivoLayerBar *self = AIVO_LAYER_BAR(widget);
    gtk_widget_measure(self->legend, orientation, for_size, minimum, natural, NULL, NULL);
    if (orientation == GTK_ORIENTATION_VERTICAL) {
        *minimum += BAR_HEIGHT + 10;
        *natural += BAR_HEIGHT + 10;
    }
    *minimum_baseline = *natural_baseline = -1;
    int unused = 0;
    gtk_widget_measure(self->track, orientation, -1, &unused, NULL, NULL, NULL);
    for (int i = 0; i < LAYERS; i++)
        gtk_widget_measure(self->parts[i], orientation, -1, &unused, NULL, NULL, NULL);
}

static GtkSizeRequestMode get_request_mode(GtkWidget *widget)
{
    return gtk_widget_get_request_mode(AIVO_LAYER_BAR(widget)->legend);
}

static void size_allocate(GtkWidget *widget, int width, int height, int baseline)
{
    (void)baseline;
    AivoLayerBar *self = AIVO_LAYER_BAR(widget);
    gboolean rtl = gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL;
    double total = 0;
    for (int i = 0; i < LAYERS; i++)
        total += known(self->ms[i]);
    gtk_widget_size_allocate(self->track, &(GtkAllocation){0, 0, width, BAR_HEIGHT}, -1);
    int x = 0;
    for (int i = 0; i < LAYERS; i++) {
        double share = total > 0 ? known(self->ms[i]) / total : 0;
        int part = share > 0 ? MAX((int)(share * width), PART_MIN) : 0;
        part = MIN(part, width - x);
        gtk_widget_set_child_visible(self->parts[i], part > 0);
        int inner = MAX(part - 2, 1);
        if (part > 0)
            gtk_widget_size_allocate(self->parts[i],
                                     &(GtkAllocation){rtl ? width - x - inner : x, 0, inner, BAR_HEIGHT}, -1);
        x += part;
    }
    gtk_widget_size_allocate(self->legend,
                             &(GtkAllocation){0, BAR_HEIGHT + 10, width, MAX(height - BAR_HEIGHT - 10, 1)}, -1);
}

static void say(AivoLayerBar *self)
{
    g_autoptr(GString) words = g_string_new(NULL);
    for (int i = 0; i < LAYERS; i++) {
        g_autofree char *ms = isfinite(self->ms[i]) ? aivo_describe_ms(self->ms[i]) : g_strdup(_("not measured"));
        gtk_label_set_text(GTK_LABEL(self->values[i]), ms);
        g_string_append_printf(words, "%s%s: %s", i ? ", " : "", _(layers[i].name), ms);
    }
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Where the time goes"),
                                   GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, words->str, -1);
}

void aivo_layer_bar_set_quality(AivoLayerBar *self, const struct aivo_quality *quality)
{
    self->ms[0] = quality ? quality->network_ms : NAN;
    self->ms[1] = quality ? quality->edge_ms : NAN;
    self->ms[2] = quality ? quality->handler_ms : NAN;
    say(self);
    gtk_widget_queue_allocate(GTK_WIDGET(self));
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_QUALITY]);
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
    if (id == PROP_QUALITY)
        aivo_layer_bar_set_quality(AIVO_LAYER_BAR(object), g_value_get_boxed(value));
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void dispose(GObject *object)
{
    for (GtkWidget *child = gtk_widget_get_first_child(GTK_WIDGET(object)); child;
         child = gtk_widget_get_first_child(GTK_WIDGET(object)))
        gtk_widget_unparent(child);
    G_OBJECT_CLASS(aivo_layer_bar_parent_class)->dispose(object);
}

static void aivo_layer_bar_class_init(AivoLayerBarClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->set_property = set_property;
    G_OBJECT_CLASS(class)->dispose = dispose;
    widget_class->measure = measure;
    widget_class->get_request_mode = get_request_mode;
    widget_class->size_allocate = size_allocate;
    gtk_widget_class_set_css_name(widget_class, "layer-bar");
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_IMG);
    props[PROP_QUALITY] =
        g_param_spec_boxed("quality", NULL, NULL, AIVO_TYPE_QUALITY, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(G_OBJECT_CLASS(class), PROP_COUNT, props);
}

static GtkWidget *new_part(const char *class)
{
    GtkWidget *part = g_object_new(GTK_TYPE_BOX, "accessible-role", GTK_ACCESSIBLE_ROLE_PRESENTATION, NULL);
    gtk_widget_add_css_class(part, "part");
    gtk_widget_add_css_class(part, class);
    return part;
}

static GtkWidget *new_entry(AivoLayerBar *self, int i)
{
    GtkWidget *grid = gtk_grid_new();
    GtkWidget *swatch = new_part(layers[i].class);
    GtkWidget *name = gtk_label_new(_(layers[i].name));
    GtkWidget *what = gtk_label_new(_(layers[i].what));
    self->values[i] = gtk_label_new(NULL);
    gtk_widget_add_css_class(swatch, "swatch");
    gtk_widget_set_valign(swatch, GTK_ALIGN_CENTER);
    gtk_widget_add_css_class(name, "heading");
    gtk_widget_add_css_class(what, "dim-label");
    gtk_widget_add_css_class(what, "caption");
    gtk_widget_add_css_class(self->values[i], "value");
    gtk_widget_add_css_class(self->values[i], "numeric");
    gtk_label_set_xalign(GTK_LABEL(name), 0);
    gtk_label_set_xalign(GTK_LABEL(what), 0);
    gtk_label_set_xalign(GTK_LABEL(self->values[i]), 0);
    gtk_label_set_wrap(GTK_LABEL(what), TRUE);
    gtk_label_set_width_chars(GTK_LABEL(what), 12);
    gtk_grid_set_column_spacing(GTK_GRID(grid), 8);
    gtk_grid_attach(GTK_GRID(grid), swatch, 0, 0, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), name, 1, 0, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), self->values[i], 1, 1, 1, 1);
    gtk_grid_attach(GTK_GRID(grid), what, 1, 2, 1, 1);
    gtk_widget_set_hexpand(grid, TRUE);
    return grid;
}

static void aivo_layer_bar_init(AivoLayerBar *self)
{
    self->track = new_part("track");
    gtk_widget_set_parent(self->track, GTK_WIDGET(self));
    self->legend = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);
    gtk_box_set_homogeneous(GTK_BOX(self->legend), TRUE);
    for (int i = 0; i < LAYERS; i++) {
        self->parts[i] = new_part(layers[i].class);
        gtk_widget_set_parent(self->parts[i], GTK_WIDGET(self));
        gtk_box_append(GTK_BOX(self->legend), new_entry(self, i));
    }
    gtk_widget_set_parent(self->legend, GTK_WIDGET(self));
    aivo_layer_bar_set_quality(self, NULL);
}

GtkWidget *aivo_layer_bar_new(void)
{
    return g_object_new(AIVO_TYPE_LAYER_BAR, NULL);
}
