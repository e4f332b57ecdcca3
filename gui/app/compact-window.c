#include "compact-window.h"
#include <aivo-gtk/card.h>
#include <glib/gi18n.h>

#define FIT_AGAIN_MS 50 /* the list has no width yet: a window that is being shown */

struct _AivoCompactWindow {
    AdwApplicationWindow parent;
    GtkWidget *list, *scrolled;
    GtkSortListModel *sorted;
    guint fit_source;
    int fitted; /* the height of the list that the window was last made for */
};

G_DEFINE_FINAL_TYPE(AivoCompactWindow, aivo_compact_window, ADW_TYPE_APPLICATION_WINDOW)

/* ------------------------------------------------------------------- order */

/* What needs somebody comes first; all else stays in its place, so that nothing moves without a reason. */
static int rank(AivoConnection *connection)
{
    switch (aivo_connection_get_state(connection)) {
    case AIVO_LINK_RECONNECTING:
    case AIVO_LINK_FAILED:
        return 0;
    case AIVO_LINK_CONNECTED:
        return aivo_connection_get_quality(connection) && aivo_connection_get_level(connection) <= AIVO_LEVEL_POOR ? 1
                                                                                                                   : 2;
    case AIVO_LINK_UNKNOWN:
    case AIVO_LINK_DISCONNECTED:
    case AIVO_LINK_CONNECTING:
    case AIVO_LINK_CLOSING:
        break;
    }
    return 2;
}

static int compare(gconstpointer a, gconstpointer b, gpointer user)
{
    (void)user;
    return rank((AivoConnection *)a) - rank((AivoConnection *)b);
}

/* -------------------------------------------------------------------- size */

static int natural_height(GtkWidget *widget, int width)
{
    int natural = 0;
    gtk_widget_measure(widget, GTK_ORIENTATION_VERTICAL, width, NULL, &natural, NULL, NULL);
    return natural;
}

/* A whole card is seen at least. The window grows with what is in it; it shrinks only where people make it smaller, or
 * when a connection has gone. */
static gboolean fit(gpointer user)
{
    AivoCompactWindow *self = user;
    int width = gtk_widget_get_width(self->list), set_width = 0, set_height = 0;
    self->fit_source = width > 0 ? 0 : g_timeout_add(FIT_AGAIN_MS, fit, self);
    gtk_sorter_changed(gtk_sort_list_model_get_sorter(self->sorted), GTK_SORTER_CHANGE_DIFFERENT);
    GtkListBoxRow *first = gtk_list_box_get_row_at_index(GTK_LIST_BOX(self->list), 0);
    gtk_window_get_default_size(GTK_WINDOW(self), &set_width, &set_height); /* GTK 4.8 writes both */
    if (width <= 0)
        width = set_width;
    if (first)
        gtk_scrolled_window_set_min_content_height(
            GTK_SCROLLED_WINDOW(self->scrolled),
            MIN(natural_height(GTK_WIDGET(first), width),
                gtk_scrolled_window_get_max_content_height(GTK_SCROLLED_WINDOW(self->scrolled))));
    int height = natural_height(self->list, width);
    if (height <= self->fitted)
        return G_SOURCE_REMOVE;
    self->fitted = height;
    /* Said in so many words: by itself a scrolled window asks for the height of lines that are not broken. */
    GtkWidget *header = gtk_widget_get_first_child(adw_application_window_get_content(ADW_APPLICATION_WINDOW(self)));
    int most = gtk_scrolled_window_get_max_content_height(GTK_SCROLLED_WINDOW(self->scrolled));
    gtk_window_set_default_size(GTK_WINDOW(self), set_width, natural_height(header, -1) + MIN(height, most));
    return G_SOURCE_REMOVE;
}

/* Not at once: the rows have not been told yet, or are being made. Before the next frame, after everything else. */
static void fit_soon(AivoCompactWindow *self)
{
    if (!self->fit_source)
        self->fit_source = g_idle_add(fit, self);
}

static void items_changed(GListModel *model, guint position, guint removed, guint added, AivoCompactWindow *self)
{
    (void)model;
    (void)position;
    if (removed > added)
        self->fitted = 0;
    fit_soon(self);
}

/* -------------------------------------------------------------------- rows */

static GtkWidget *new_row(gpointer item, gpointer user)
{
    AivoConnection *connection = item;
    GtkWidget *card = aivo_quality_card_new(), *row = gtk_list_box_row_new();
    aivo_quality_card_set_compact(AIVO_QUALITY_CARD(card), TRUE);
    g_object_bind_property(connection, "name", card, "title", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "state", card, "state", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "since-ms", card, "since-ms", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "reason", card, "reason", G_BINDING_SYNC_CREATE);
    g_object_bind_property(connection, "quality", card, "quality", G_BINDING_SYNC_CREATE);
    gtk_list_box_row_set_child(GTK_LIST_BOX_ROW(row), card);
    gtk_widget_set_tooltip_text(row, _("Open in the main window"));
    g_object_bind_property(connection, "name", row, "name", G_BINDING_SYNC_CREATE);
    g_object_set_data_full(G_OBJECT(row), "id", g_strdup(aivo_connection_get_id(connection)), g_free);
    gtk_accessible_update_property(GTK_ACCESSIBLE(row), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                   aivo_connection_get_name(connection), -1);
    g_signal_connect_object(card, "notify::level-word", G_CALLBACK(fit_soon), user, G_CONNECT_SWAPPED);
    g_signal_connect_object(card, "notify::quality", G_CALLBACK(fit_soon), user, G_CONNECT_SWAPPED);
    g_signal_connect_object(card, "notify::reason", G_CALLBACK(fit_soon), user, G_CONNECT_SWAPPED);
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

/* -------------------------------------------------------------------- life */

static gboolean close_request(GtkWindow *window)
{
    aivo_application_window_closing(aivo_application_get());
    return GTK_WINDOW_CLASS(aivo_compact_window_parent_class)->close_request(window);
}

static void dispose(GObject *object)
{
    AivoCompactWindow *self = AIVO_COMPACT_WINDOW(object);
    g_clear_handle_id(&self->fit_source, g_source_remove);
    if (self->list)
        gtk_list_box_bind_model(GTK_LIST_BOX(self->list), NULL, NULL, NULL, NULL);
    self->list = NULL;
    g_clear_object(&self->sorted);
    G_OBJECT_CLASS(aivo_compact_window_parent_class)->dispose(object);
}

static void aivo_compact_window_class_init(AivoCompactWindowClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    GTK_WINDOW_CLASS(class)->close_request = close_request;
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/compact-window.ui");
    gtk_widget_class_bind_template_child(widget_class, AivoCompactWindow, list);
    gtk_widget_class_bind_template_child(widget_class, AivoCompactWindow, scrolled);
    gtk_widget_class_bind_template_callback(widget_class, row_activated);
    gtk_widget_class_bind_template_callback(widget_class, grow);
}

static void aivo_compact_window_init(AivoCompactWindow *self)
{
    GListModel *model = aivo_connection_list_get_model(aivo_application_get_list(aivo_application_get()));
    gtk_widget_init_template(GTK_WIDGET(self));
    self->sorted = gtk_sort_list_model_new(g_object_ref(model), GTK_SORTER(gtk_custom_sorter_new(compare, NULL, NULL)));
    gtk_list_box_bind_model(GTK_LIST_BOX(self->list), G_LIST_MODEL(self->sorted), new_row, self, NULL);
    g_signal_connect_object(model, "items-changed", G_CALLBACK(items_changed), self, G_CONNECT_AFTER);
    fit_soon(self);
}

GtkWidget *aivo_compact_window_new(AivoApplication *app)
{
    return g_object_new(AIVO_TYPE_COMPACT_WINDOW, "application", app, NULL);
}
