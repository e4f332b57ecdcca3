#include "compact-window.h"
#include <aivo-gtk/card.h>
#include <glib/gi18n.h>

struct _AivoCompactWindow {
    AdwApplicationWindow parent;
    GtkWidget *list;
};

G_DEFINE_FINAL_TYPE(AivoCompactWindow, aivo_compact_window, ADW_TYPE_APPLICATION_WINDOW)

static GtkWidget *new_row(gpointer item, gpointer user)
{
    (void)user;
    AivoConnection *connection = item;
    GtkWidget *card = aivo_quality_card_new(), *row = gtk_list_box_row_new();
    aivo_quality_card_set_compact(AIVO_QUALITY_CARD(card), TRUE);
    g_object_bind_property(connection, "name", card, "title", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "state", card, "state", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "reason", card, "reason", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "quality", card, "quality", G_BINDING_SYNC_CREATE);
    gtk_list_box_row_set_child(GTK_LIST_BOX_ROW(row), card);
    gtk_widget_set_tooltip_text(row, _("Open in the main window"));
    g_object_bind_property(connection, "name", row, "name", G_BINDING_SYNC_CREATE);
    g_object_set_data_full(G_OBJECT(row), "id", g_strdup(aivo_connection_get_id(connection)), g_free);
    gtk_accessible_update_property(GTK_ACCESSIBLE(row), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                   aivo_connection_get_name(connection), -1);
    return row;
}

static void row_activated(GtkListBox *list, GtkListBoxRow *row, AivoCompactWindow *self)
{
    (void)list;
    (void)self;
    aivo_application_show(aivo_application_get(), g_object_get_data(G_OBJECT(row), "id"));
}

static void grow(AivoCompactWindow *self)
{
    (void)self;
    aivo_application_show(aivo_application_get(), NULL);
}

static gboolean close_request(GtkWindow *window)
{
    aivo_application_window_closing(aivo_application_get());
    return GTK_WINDOW_CLASS(aivo_compact_window_parent_class)->close_request(window);
}

static void aivo_compact_window_class_init(AivoCompactWindowClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    GTK_WINDOW_CLASS(class)->close_request = close_request;
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/compact-window.ui");
    gtk_widget_class_bind_template_child(widget_class, AivoCompactWindow, list);
    gtk_widget_class_bind_template_callback(widget_class, row_activated);
    gtk_widget_class_bind_template_callback(widget_class, grow);
}

static void aivo_compact_window_init(AivoCompactWindow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    gtk_list_box_bind_model(GTK_LIST_BOX(self->list),
                            aivo_connection_list_get_model(aivo_application_get_list(aivo_application_get())), new_row,
                            NULL, NULL);
}

GtkWidget *aivo_compact_window_new(AivoApplication *app)
{
    return g_object_new(AIVO_TYPE_COMPACT_WINDOW, "application", app, NULL);
}
