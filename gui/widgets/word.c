#include "word.h"

#include "style.h"
#include <math.h>

#define SMALLEST 0.25

struct _AgkWord {
    GtkWidget parent_instance;
    PangoLayout *layout; /* NULL until it is needed, and after a change of the style */
    char *text;
};

G_DEFINE_FINAL_TYPE(AgkWord, agk_word, GTK_TYPE_WIDGET)

static void size(AgkWord *self, int *width, int *height)
{
    if (!self->layout) {
        self->layout = gtk_widget_create_pango_layout(GTK_WIDGET(self), self->text);
        pango_layout_set_single_paragraph_mode(self->layout, TRUE);
    }
    pango_layout_get_pixel_size(self->layout, width, height);
}

static void measure(GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural,
                    int *minimum_baseline, int *natural_baseline)
{
    (void)for_size;
    int width, height;
    size(AGK_WORD(widget), &width, &height);
    bool across = orientation == GTK_ORIENTATION_HORIZONTAL;
    *natural = across ? width : height;
    *minimum = across ? (int)ceil(width * SMALLEST) : height;
    *minimum_baseline = *natural_baseline = -1;
}

static void snapshot(GtkWidget *widget, GtkSnapshot *snap)
{
    AgkWord *self = AGK_WORD(widget);
    int width, height;
    size(self, &width, &height);
    float room = (float)gtk_widget_get_width(widget), tall = (float)gtk_widget_get_height(widget);
    if (width < 1 || room < 1) {
        return;
    }
    float factor = fminf(1, room / (float)width);
    bool rtl = gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL;
    GdkRGBA colour = agk_style_text_colour(widget);
    gtk_snapshot_save(snap);
    gtk_snapshot_translate(
        snap, &GRAPHENE_POINT_INIT(rtl ? room - (float)width * factor : 0, (tall - (float)height * factor) / 2));
    gtk_snapshot_scale(snap, factor, factor);
    gtk_snapshot_append_layout(snap, self->layout, &colour);
    gtk_snapshot_restore(snap);
}

static void forget(AgkWord *self)
{
    g_clear_object(&self->layout);
    gtk_widget_queue_resize(GTK_WIDGET(self));
}

static void css_changed(GtkWidget *widget, GtkCssStyleChange *change)
{
    GTK_WIDGET_CLASS(agk_word_parent_class)->css_changed(widget, change);
    forget(AGK_WORD(widget));
}

static void system_setting_changed(GtkWidget *widget, GtkSystemSetting setting)
{
    GTK_WIDGET_CLASS(agk_word_parent_class)->system_setting_changed(widget, setting);
    forget(AGK_WORD(widget)); /* fonts and their resolution */
}

static void direction_changed(GtkWidget *widget, GtkTextDirection old)
{
    GTK_WIDGET_CLASS(agk_word_parent_class)->direction_changed(widget, old);
    forget(AGK_WORD(widget));
}

void agk_word_set_text(AgkWord *self, const char *text)
{
    if (g_strcmp0(self->text, text) != 0) {
        g_free(self->text);
        self->text = g_strdup(text);
        gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, self->text, -1);
        forget(self);
    }
}

const char *agk_word_get_text(AgkWord *self)
{
    return self->text;
}

static void finalize(GObject *object)
{
    g_clear_object(&AGK_WORD(object)->layout);
    g_free(AGK_WORD(object)->text);
    G_OBJECT_CLASS(agk_word_parent_class)->finalize(object);
}

static void agk_word_class_init(AgkWordClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->finalize = finalize;
    widget->measure = measure;
    widget->snapshot = snapshot;
    widget->css_changed = css_changed;
    widget->system_setting_changed = system_setting_changed;
    widget->direction_changed = direction_changed;
    gtk_widget_class_set_css_name(widget, "label");
    gtk_widget_class_set_accessible_role(widget, GTK_ACCESSIBLE_ROLE_LABEL);
}

static void agk_word_init(AgkWord *self)
{
    (void)self;
}
