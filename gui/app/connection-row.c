#include "connection-row.h"
#include <aivo-gtk/badge.h>
#include <glib/gi18n.h>

struct _AivoConnectionRow {
    GtkListBoxRow parent;
    AivoConnection *connection;
    GtkWidget *name, *status, *badge;
};

G_DEFINE_FINAL_TYPE(AivoConnectionRow, aivo_connection_row, GTK_TYPE_LIST_BOX_ROW)

AivoConnection *aivo_connection_row_get_connection(AivoConnectionRow *self)
{
    return self->connection;
}

static void dispose(GObject *object)
{
    g_clear_object(&AIVO_CONNECTION_ROW(object)->connection);
    G_OBJECT_CLASS(aivo_connection_row_parent_class)->dispose(object);
}

static void aivo_connection_row_class_init(AivoConnectionRowClass *class)
{
    G_OBJECT_CLASS(class)->dispose = dispose;
}

static GtkWidget *new_label(const char *class)
{
    GtkWidget *label = gtk_label_new(NULL);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_label_set_ellipsize(GTK_LABEL(label), PANGO_ELLIPSIZE_END);
    if (class)
        gtk_widget_add_css_class(label, class);
    return label;
}

static void aivo_connection_row_init(AivoConnectionRow *self)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 8);
    GtkWidget *words = gtk_box_new(GTK_ORIENTATION_VERTICAL, 2);
    self->name = new_label("name");
    gtk_label_set_wrap(GTK_LABEL(self->name), TRUE);
    gtk_label_set_wrap_mode(GTK_LABEL(self->name), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_lines(GTK_LABEL(self->name), 2);
    self->status = new_label("dim-label");
    gtk_widget_add_css_class(self->status, "caption");
    self->badge = aivo_quality_badge_new();
    gtk_widget_set_valign(self->badge, GTK_ALIGN_CENTER);
    gtk_widget_set_hexpand(words, TRUE);
    gtk_box_append(GTK_BOX(words), self->name);
    gtk_box_append(GTK_BOX(words), self->status);
    gtk_box_append(GTK_BOX(box), words);
    gtk_box_append(GTK_BOX(box), self->badge);
    gtk_widget_add_css_class(box, "connection-row");
    gtk_list_box_row_set_child(GTK_LIST_BOX_ROW(self), box);
}

static void say(AivoConnectionRow *self)
{
    g_autofree char *status = aivo_connection_dup_status(self->connection);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                   aivo_connection_get_name(self->connection), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                   status, -1);
}

GtkWidget *aivo_connection_row_new(AivoConnection *connection)
{
    AivoConnectionRow *self = g_object_new(AIVO_TYPE_CONNECTION_ROW, NULL);
    self->connection = g_object_ref(connection);
    g_object_bind_property(connection, "name", self->name, "label", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "status", self->status, "label", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "name", self->badge, "title", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "state", self->badge, "state", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "quality", self->badge, "quality", G_BINDING_SYNC_CREATE);
    g_signal_connect_object(connection, "notify::status", G_CALLBACK(say), self, G_CONNECT_SWAPPED);
    say(self);
    return GTK_WIDGET(self);
}
