#include "connection-page.h"
#include "application.h"
#include "events-page.h"
#include "queue-page.h"
#include <glib/gi18n.h>

struct _AivoConnectionPage {
    AdwBin parent;
    AivoConnection *connection;
    GSignalGroup *signals;
    GtkWidget *back, *title, *stack, *overview, *events, *queue, *diagnosis, *banner, *banner_label, *banner_button;
    AdwViewStackPage *queue_tab;
    gboolean folded;
};

enum { PROP_FOLDED = 1, PROP_COUNT };

static GParamSpec *props[PROP_COUNT];

G_DEFINE_FINAL_TYPE(AivoConnectionPage, aivo_connection_page, ADW_TYPE_BIN)

static const char *what_to_do(AivoConnection *connection)
{
    switch (aivo_connection_get_failure(connection)) {
    case AIVO_E_AUTH:
        switch (aivo_connection_get_profile(connection)->auth) {
        case AIVO_AUTH_TOKEN:
            return _("Given up. Give it another token.");
        case AIVO_AUTH_SIGNED:
            return _("Given up. Give it the server’s secret, or a token.");
        case AIVO_AUTH_NONE:
            break;
        }
        return _("Given up. This server wants a token.");
    case AIVO_E_NAMESPACE:
        return _("Given up. Correct the namespace, under Advanced.");
    default:
        return _("Given up. Correct its address or its options.");
    }
}

/* One line above everything when there is something to do: edit refused credentials, resume. */
static void update_banner(AivoConnectionPage *self)
{
    AivoLinkState state = self->connection ? aivo_connection_get_state(self->connection) : AIVO_LINK_DISCONNECTED;
    const AivoProfile *profile = self->connection ? aivo_connection_get_profile(self->connection) : NULL;
    const char *text = NULL, *button = NULL, *action = NULL;
    if (profile && profile->paused) {
        text = _("This connection is paused: nothing is measured.");
        button = _("_Resume");
        action = "win.pause";
    } else if (state == AIVO_LINK_FAILED) {
        text = what_to_do(self->connection);
        button = _("_Edit…");
        action = "win.edit";
    }
    gtk_revealer_set_reveal_child(GTK_REVEALER(self->banner), text != NULL);
    if (!text)
        return;
    gtk_label_set_text(GTK_LABEL(self->banner_label), text);
    gtk_button_set_label(GTK_BUTTON(self->banner_button), button);
    gtk_actionable_set_action_name(GTK_ACTIONABLE(self->banner_button), action);
}

static void update_queue(AivoConnectionPage *self)
{
    const AivoQueueFigures *figures = aivo_connection_get_queue(self->connection);
    adw_view_stack_page_set_needs_attention(self->queue_tab, figures->dead > 0);
    adw_view_stack_page_set_badge_number(self->queue_tab, (guint)MIN(figures->pending + figures->dead, 9999));
}

static void update_title(AivoConnectionPage *self)
{
    g_autofree char *url = aivo_profile_public_url(aivo_connection_get_profile(self->connection));
    adw_view_switcher_title_set_title(ADW_VIEW_SWITCHER_TITLE(self->title), aivo_connection_get_name(self->connection));
    adw_view_switcher_title_set_subtitle(ADW_VIEW_SWITCHER_TITLE(self->title), url);
}

static void bound(AivoConnectionPage *self)
{
    update_title(self);
    update_banner(self);
    update_queue(self);
}

void aivo_connection_page_set_connection(AivoConnectionPage *self, AivoConnection *connection)
{
    if (!g_set_object(&self->connection, connection))
        return;
    aivo_overview_page_set_connection(AIVO_OVERVIEW_PAGE(self->overview), connection);
    aivo_events_page_set_connection(AIVO_EVENTS_PAGE(self->events), connection);
    aivo_queue_page_set_connection(AIVO_QUEUE_PAGE(self->queue), connection);
    aivo_diagnosis_page_set_connection(AIVO_DIAGNOSIS_PAGE(self->diagnosis), connection);
    g_signal_group_set_target(self->signals, connection);
    if (connection)
        bound(self);
}

void aivo_connection_page_show(AivoConnectionPage *self, const char *name)
{
    adw_view_stack_set_visible_child_name(ADW_VIEW_STACK(self->stack), name);
}

AivoOverviewPage *aivo_connection_page_get_overview(AivoConnectionPage *self)
{
    return AIVO_OVERVIEW_PAGE(self->overview);
}

AivoDiagnosisPage *aivo_connection_page_get_diagnosis(AivoConnectionPage *self)
{
    return AIVO_DIAGNOSIS_PAGE(self->diagnosis);
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
    AivoConnectionPage *self = AIVO_CONNECTION_PAGE(object);
    if (id == PROP_FOLDED)
        gtk_widget_set_visible(self->back, self->folded = g_value_get_boolean(value));
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
    if (id == PROP_FOLDED)
        g_value_set_boolean(value, AIVO_CONNECTION_PAGE(object)->folded);
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

static void dispose(GObject *object)
{
    AivoConnectionPage *self = AIVO_CONNECTION_PAGE(object);
    g_clear_object(&self->signals);
    g_clear_object(&self->connection);
    G_OBJECT_CLASS(aivo_connection_page_parent_class)->dispose(object);
}

static void aivo_connection_page_class_init(AivoConnectionPageClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    G_OBJECT_CLASS(class)->set_property = set_property;
    G_OBJECT_CLASS(class)->get_property = get_property;
    props[PROP_FOLDED] = g_param_spec_boolean("folded", NULL, NULL, FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(G_OBJECT_CLASS(class), PROP_COUNT, props);
    g_type_ensure(AIVO_TYPE_OVERVIEW_PAGE);
    g_type_ensure(AIVO_TYPE_EVENTS_PAGE);
    g_type_ensure(AIVO_TYPE_QUEUE_PAGE);
    g_type_ensure(AIVO_TYPE_DIAGNOSIS_PAGE);
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/connection-page.ui");
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, back);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, title);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, stack);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, overview);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, events);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, queue);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, diagnosis);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, queue_tab);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, banner);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, banner_label);
    gtk_widget_class_bind_template_child(widget_class, AivoConnectionPage, banner_button);
}

static void aivo_connection_page_init(AivoConnectionPage *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    self->signals = g_signal_group_new(AIVO_TYPE_CONNECTION);
    g_signal_group_connect_swapped(self->signals, "notify::state", G_CALLBACK(update_banner), self);
    g_signal_group_connect_swapped(self->signals, "notify::profile", G_CALLBACK(bound), self);
    g_signal_group_connect_swapped(self->signals, "notify::queue-changed", G_CALLBACK(update_queue), self);
}
