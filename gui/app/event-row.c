#include "event-row.h"
#include "describe.h"
#include <glib/gi18n.h>

struct _AivoEventRow {
    GtkWidget parent;
    GtkWidget *icon, *title, *detail, *time;
    AivoEvent *event;
    gulong handler;
};

G_DEFINE_FINAL_TYPE(AivoEventRow, aivo_event_row, GTK_TYPE_WIDGET)

static const char *const tone_classes[] = {"neutral", "success", "warning", "error"};

static void forget(AivoEventRow *self)
{
    if (self->event)
        g_clear_signal_handler(&self->handler, self->event);
    g_clear_object(&self->event);
}

static void dispose(GObject *object)
{
    forget(AIVO_EVENT_ROW(object));
    for (GtkWidget *child = gtk_widget_get_first_child(GTK_WIDGET(object)); child;
         child = gtk_widget_get_first_child(GTK_WIDGET(object)))
        gtk_widget_unparent(child);
    G_OBJECT_CLASS(aivo_event_row_parent_class)->dispose(object);
}

static void aivo_event_row_class_init(AivoEventRowClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    gtk_widget_class_set_template_from_resource(widget_class, "/io/github/artpromedia/AivoMonitor/event-row.ui");
    gtk_widget_class_set_layout_manager_type(widget_class, GTK_TYPE_BOX_LAYOUT);
    gtk_widget_class_set_css_name(widget_class, "event-row");
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
    gtk_widget_class_bind_template_child(widget_class, AivoEventRow, icon);
    gtk_widget_class_bind_template_child(widget_class, AivoEventRow, title);
    gtk_widget_class_bind_template_child(widget_class, AivoEventRow, detail);
    gtk_widget_class_bind_template_child(widget_class, AivoEventRow, time);
}

static void aivo_event_row_init(AivoEventRow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}

GtkWidget *aivo_event_row_new(void)
{
    return g_object_new(AIVO_TYPE_EVENT_ROW, NULL);
}

static void show(AivoEventRow *self)
{
    AivoEvent *event = self->event;
    for (size_t i = 0; i < G_N_ELEMENTS(tone_classes); i++)
        gtk_widget_remove_css_class(self->icon, tone_classes[i]);
    gtk_widget_add_css_class(self->icon, tone_classes[aivo_event_get_tone(event)]);
    gtk_image_set_from_icon_name(GTK_IMAGE(self->icon), aivo_event_kind_icon(event));
    guint count = aivo_event_get_count(event);
    /* Translators: what happened, and how often in a row. */
    g_autofree char *repeated =
        count > 1 ? g_strdup_printf(_("%s (%u times)"), aivo_event_get_title(event), count) : NULL;
    const char *title = repeated ? repeated : aivo_event_get_title(event), *detail = aivo_event_get_detail(event);
    g_autofree char *time = aivo_describe_time(aivo_event_get_time(event));
    gtk_label_set_text(GTK_LABEL(self->title), title);
    gtk_label_set_text(GTK_LABEL(self->detail), detail);
    gtk_widget_set_visible(self->detail, *detail != '\0');
    gtk_label_set_text(GTK_LABEL(self->time), time);
    g_autofree char *words =
        *detail ? g_strdup_printf("%s, %s, %s", time, title, detail) : g_strdup_printf("%s, %s", time, title);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, words, -1);
}

void aivo_event_row_set_event(AivoEventRow *self, AivoEvent *event)
{
    forget(self);
    if (!event)
        return;
    self->event = g_object_ref(event);
    self->handler = g_signal_connect_swapped(event, "notify::count", G_CALLBACK(show), self);
    show(self);
}
