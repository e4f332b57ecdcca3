#include "overview-page.h"
#include "application.h"
#include "event-row.h"
#include "layer-bar.h"
#include <aivo-gtk/aivo-gtk.h>
#include <glib/gi18n.h>

#define RECENT 3 /* events shown here */

struct _AivoOverviewPage {
    AdwBin parent;
    AivoConnection *connection;
    GBindingGroup *bindings;
    GtkWidget *card, *chart, *layers, *recent, *spans, *readout;
    GtkSliceListModel *recent_model;
};

G_DEFINE_FINAL_TYPE(AivoOverviewPage, aivo_overview_page, ADW_TYPE_BIN)

static const struct {
    guint span_s;
    const char *label, *words;
} spans[] = {
    {60, N_("1 min"), N_("The last minute")},    {900, N_("15 min"), N_("The last quarter of an hour")},
    {3600, N_("1 h"), N_("The last hour")},      {86400, N_("24 h"), N_("The last day")},
    {604800, N_("7 days"), N_("The last week")},
};

/* ------------------------------------------------------------------- chart */

static void span_toggled(GtkToggleButton *button, AivoOverviewPage *self)
{
    if (!gtk_toggle_button_get_active(button))
        return;
    guint span_s = GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(button), "span-s"));
    aivo_quality_chart_set_span(AIVO_QUALITY_CHART(self->chart), span_s);
    g_settings_set_uint(aivo_application_get_settings(aivo_application_get()), "chart-span", span_s);
}

static void add_spans(AivoOverviewPage *self)
{
    GtkWidget *first = NULL;
    guint chosen = g_settings_get_uint(aivo_application_get_settings(aivo_application_get()), "chart-span");
    for (size_t i = 0; i < G_N_ELEMENTS(spans); i++) {
        GtkWidget *button = gtk_toggle_button_new_with_label(_(spans[i].label));
        gtk_widget_set_tooltip_text(button, _(spans[i].words));
        gtk_accessible_update_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_LABEL, _(spans[i].words), -1);
        g_object_set_data(G_OBJECT(button), "span-s", GUINT_TO_POINTER(spans[i].span_s));
        if (first)
            gtk_toggle_button_set_group(GTK_TOGGLE_BUTTON(button), GTK_TOGGLE_BUTTON(first));
        else
            first = button;
        g_signal_connect(button, "toggled", G_CALLBACK(span_toggled), self);
        gtk_box_append(GTK_BOX(self->spans), button);
        if (spans[i].span_s == chosen || (i == 1 && !chosen))
            gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(button), TRUE);
    }
}

/* What is under the cursor the chart says itself. */
static void summary_changed(AivoOverviewPage *self)
{
    g_autofree char *summary = NULL;
    g_object_get(self->chart, "summary", &summary, NULL);
    gtk_label_set_text(GTK_LABEL(self->readout), summary ? summary : "");
}

static void add_chart(AivoOverviewPage *self, GtkBox *box)
{
    GSettings *settings = aivo_application_get_settings(aivo_application_get());
    self->chart = aivo_quality_chart_new();
    gtk_widget_set_size_request(self->chart, -1, 240);
    g_settings_bind(settings, "excellent-ms", self->chart, "excellent-ms", G_SETTINGS_BIND_GET);
    g_settings_bind(settings, "good-ms", self->chart, "good-ms", G_SETTINGS_BIND_GET);
    g_settings_bind(settings, "fair-ms", self->chart, "fair-ms", G_SETTINGS_BIND_GET);
    g_signal_connect_swapped(self->chart, "notify::summary", G_CALLBACK(summary_changed), self);
    gtk_box_insert_child_after(box, self->chart, gtk_widget_get_first_child(GTK_WIDGET(box)));
}

GdkTexture *aivo_overview_page_render_chart(AivoOverviewPage *self)
{
    int width = gtk_widget_get_width(self->chart), height = gtk_widget_get_height(self->chart);
    GtkNative *native = gtk_widget_get_native(self->chart);
    if (width <= 0 || height <= 0 || !native)
        return NULL;
    g_autoptr(GdkPaintable) paintable = gtk_widget_paintable_new(self->chart);
    GtkSnapshot *snapshot = gtk_snapshot_new();
    GdkRGBA white = {1, 1, 1, 1}, dark = {0.14f, 0.14f, 0.14f, 1};
    gtk_snapshot_append_color(snapshot, adw_style_manager_get_dark(adw_style_manager_get_default()) ? &dark : &white,
                              &GRAPHENE_RECT_INIT(0, 0, (float)width, (float)height));
    gdk_paintable_snapshot(paintable, snapshot, width, height);
    GskRenderNode *node = gtk_snapshot_free_to_node(snapshot);
    if (!node)
        return NULL;
    GdkTexture *texture = gsk_renderer_render_texture(gtk_native_get_renderer(native), node,
                                                      &GRAPHENE_RECT_INIT(0, 0, (float)width, (float)height));
    gsk_render_node_unref(node);
    return texture;
}

/* ------------------------------------------------------------------ recent */

static GtkWidget *new_recent(gpointer item, gpointer user)
{
    (void)user;
    GtkWidget *line = aivo_event_row_new();
    aivo_event_row_set_event(AIVO_EVENT_ROW(line), item);
    GtkWidget *row = gtk_list_box_row_new();
    gtk_list_box_row_set_activatable(GTK_LIST_BOX_ROW(row), FALSE);
    gtk_list_box_row_set_child(GTK_LIST_BOX_ROW(row), line);
    return row;
}

/* -------------------------------------------------------------------- life */

void aivo_overview_page_set_connection(AivoOverviewPage *self, AivoConnection *connection)
{
    if (!g_set_object(&self->connection, connection))
        return;
    g_binding_group_set_source(self->bindings, connection);
    gtk_slice_list_model_set_model(self->recent_model,
                                   connection ? G_LIST_MODEL(aivo_connection_get_log(connection)) : NULL);
    aivo_quality_chart_set_series(AIVO_QUALITY_CHART(self->chart),
                                  connection ? aivo_connection_get_series(connection) : NULL);
    g_object_set(self->chart, "cursor-ms", (gint64)-1, NULL);
}

static void dispose(GObject *object)
{
    AivoOverviewPage *self = AIVO_OVERVIEW_PAGE(object);
    g_clear_object(&self->bindings);
    g_clear_object(&self->connection);
    g_clear_object(&self->recent_model);
    G_OBJECT_CLASS(aivo_overview_page_parent_class)->dispose(object);
}

static void aivo_overview_page_class_init(AivoOverviewPageClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    g_type_ensure(AIVO_TYPE_QUALITY_CARD);
    g_type_ensure(AIVO_TYPE_LAYER_BAR);
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/overview-page.ui");
    gtk_widget_class_bind_template_child(widget_class, AivoOverviewPage, card);
    gtk_widget_class_bind_template_child(widget_class, AivoOverviewPage, layers);
    gtk_widget_class_bind_template_child(widget_class, AivoOverviewPage, recent);
    gtk_widget_class_bind_template_child(widget_class, AivoOverviewPage, spans);
    gtk_widget_class_bind_template_child(widget_class, AivoOverviewPage, readout);
}

static void aivo_overview_page_init(AivoOverviewPage *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    add_chart(self, GTK_BOX(gtk_widget_get_parent(self->readout)));
    add_spans(self);
    self->bindings = g_binding_group_new();
    g_binding_group_bind(self->bindings, "name", self->card, "title", G_BINDING_SYNC_CREATE);
    g_binding_group_bind(self->bindings, "state", self->card, "state", G_BINDING_SYNC_CREATE);
    g_binding_group_bind(self->bindings, "reason", self->card, "reason", G_BINDING_SYNC_CREATE);
    g_binding_group_bind(self->bindings, "since-ms", self->card, "since-ms", G_BINDING_SYNC_CREATE);
    g_binding_group_bind(self->bindings, "quality", self->card, "quality", G_BINDING_SYNC_CREATE);
    g_binding_group_bind(self->bindings, "quality", self->layers, "quality", G_BINDING_SYNC_CREATE);
    self->recent_model = gtk_slice_list_model_new(NULL, 0, RECENT);
    gtk_list_box_bind_model(GTK_LIST_BOX(self->recent), G_LIST_MODEL(self->recent_model), new_recent, NULL, NULL);
}
