#include "events-page.h"
#include "application.h"
#include "event-row.h"
#include <glib/gi18n.h>

struct _AivoEventsPage {
    AdwBin parent;
    AivoConnection *connection;
    GtkWidget *stack, *list, *filter, *clear;
    GtkCustomFilter *custom;
    GtkFilterListModel *filtered;
};

G_DEFINE_FINAL_TYPE(AivoEventsPage, aivo_events_page, ADW_TYPE_BIN)

enum { SHOW_ALL, SHOW_DROPS, SHOW_LEVELS, SHOW_QUEUE };

static gboolean matches(gpointer item, gpointer user)
{
    AivoEventsPage *self = user;
    AivoEventKind kind = aivo_event_get_kind(item);
    switch (gtk_drop_down_get_selected(GTK_DROP_DOWN(self->filter))) {
    case SHOW_DROPS:
        return kind == AIVO_EVENT_DROP || kind == AIVO_EVENT_STATE;
    case SHOW_LEVELS:
        return kind == AIVO_EVENT_LEVEL;
    case SHOW_QUEUE:
        return kind == AIVO_EVENT_QUEUE;
    default:
        return TRUE;
    }
}

static void filter_changed(AivoEventsPage *self)
{
    gtk_filter_changed(GTK_FILTER(self->custom), GTK_FILTER_CHANGE_DIFFERENT);
}

static void show_stack(AivoEventsPage *self)
{
    guint n = g_list_model_get_n_items(G_LIST_MODEL(self->filtered));
    gtk_stack_set_visible_child_name(GTK_STACK(self->stack), n ? "list" : "empty");
}

static void clear_clicked(AivoEventsPage *self)
{
    if (self->connection)
        aivo_event_log_clear(aivo_connection_get_log(self->connection));
}

static void setup(GtkSignalListItemFactory *factory, GtkListItem *item)
{
    (void)factory;
    gtk_list_item_set_child(item, aivo_event_row_new());
    gtk_list_item_set_activatable(item, FALSE);
}

static void bind(GtkSignalListItemFactory *factory, GtkListItem *item)
{
    (void)factory;
    aivo_event_row_set_event(AIVO_EVENT_ROW(gtk_list_item_get_child(item)), gtk_list_item_get_item(item));
}

static void unbind(GtkSignalListItemFactory *factory, GtkListItem *item)
{
    (void)factory;
    aivo_event_row_set_event(AIVO_EVENT_ROW(gtk_list_item_get_child(item)), NULL);
}

void aivo_events_page_set_connection(AivoEventsPage *self, AivoConnection *connection)
{
    if (!g_set_object(&self->connection, connection))
        return;
    gtk_filter_list_model_set_model(self->filtered,
                                    connection ? G_LIST_MODEL(aivo_connection_get_log(connection)) : NULL);
}

static void dispose(GObject *object)
{
    AivoEventsPage *self = AIVO_EVENTS_PAGE(object);
    g_clear_object(&self->connection);
    if (self->filtered)
        g_signal_handlers_disconnect_by_data(self->filtered, self);
    g_clear_object(&self->filtered);
    g_clear_object(&self->custom);
    G_OBJECT_CLASS(aivo_events_page_parent_class)->dispose(object);
}

static void aivo_events_page_class_init(AivoEventsPageClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/events-page.ui");
    gtk_widget_class_bind_template_child(widget_class, AivoEventsPage, stack);
    gtk_widget_class_bind_template_child(widget_class, AivoEventsPage, list);
    gtk_widget_class_bind_template_child(widget_class, AivoEventsPage, filter);
    gtk_widget_class_bind_template_callback(widget_class, filter_changed);
    gtk_widget_class_bind_template_callback(widget_class, clear_clicked);
}

static void aivo_events_page_init(AivoEventsPage *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    self->custom = gtk_custom_filter_new(matches, self, NULL);
    self->filtered = gtk_filter_list_model_new(NULL, g_object_ref(GTK_FILTER(self->custom)));
    g_signal_connect_swapped(self->filtered, "items-changed", G_CALLBACK(show_stack), self);
    GtkListItemFactory *factory = gtk_signal_list_item_factory_new();
    g_signal_connect(factory, "setup", G_CALLBACK(setup), NULL);
    g_signal_connect(factory, "bind", G_CALLBACK(bind), NULL);
    g_signal_connect(factory, "unbind", G_CALLBACK(unbind), NULL);
    g_autoptr(GtkNoSelection) selection = gtk_no_selection_new(g_object_ref(G_LIST_MODEL(self->filtered)));
    gtk_list_view_set_factory(GTK_LIST_VIEW(self->list), factory);
    gtk_list_view_set_model(GTK_LIST_VIEW(self->list), GTK_SELECTION_MODEL(selection));
    g_object_unref(factory);
    show_stack(self);
}
