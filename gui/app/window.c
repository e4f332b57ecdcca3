#include "window.h"
#include "connection-page.h"
#include "connection-row.h"
#include <glib/gi18n.h>

#define NOTICES_MAX 6 /* in the bar; older ones go */

struct _AivoWindow {
    AdwApplicationWindow parent;
    GtkWidget *toasts, *stack, *leaflet, *sidebar, *list, *page, *menu, *notice, *notice_label, *local_button;
    AivoConnection *selected;
    GSettings *settings;
    char *wanted;       /* the id to select once it is there */
    GPtrArray *notices; /* those in the bar */
};

G_DEFINE_FINAL_TYPE(AivoWindow, aivo_window, ADW_TYPE_APPLICATION_WINDOW)

static GListModel *get_model(void)
{
    return aivo_connection_list_get_model(aivo_application_get_list(aivo_application_get()));
}

AivoConnection *aivo_window_get_selected(AivoWindow *self)
{
    return self->selected;
}

void aivo_window_toast(AivoWindow *self, const char *text)
{
    AdwToast *toast = adw_toast_new(text);
    adw_toast_set_timeout(toast, 5);
    adw_toast_overlay_add_toast(ADW_TOAST_OVERLAY(self->toasts), toast);
}

/* --------------------------------------------------------------- selection */

static void show_selected(AivoWindow *self, AivoConnection *connection)
{
    g_set_object(&self->selected, connection);
    aivo_connection_page_set_connection(AIVO_CONNECTION_PAGE(self->page), connection);
    aivo_window_update_actions(self);
    if (connection)
        g_settings_set_string(self->settings, "selected", aivo_connection_get_id(connection));
    g_autofree char *title =
        connection ? g_strdup_printf(_("%s – Aivo Monitor"), aivo_connection_get_name(connection)) : NULL;
    gtk_window_set_title(GTK_WINDOW(self), title ? title : _("Aivo Monitor"));
}

static void row_selected(GtkListBox *list, GtkListBoxRow *row, AivoWindow *self)
{
    (void)list;
    if (row)
        show_selected(self, aivo_connection_row_get_connection(AIVO_CONNECTION_ROW(row)));
}

static void row_activated(GtkListBox *list, GtkListBoxRow *row, AivoWindow *self)
{
    (void)list;
    (void)row;
    adw_leaflet_navigate(ADW_LEAFLET(self->leaflet), ADW_NAVIGATION_DIRECTION_FORWARD);
}

static GtkListBoxRow *find_row(AivoWindow *self, const char *id)
{
    for (int i = 0;; i++) {
        GtkListBoxRow *row = gtk_list_box_get_row_at_index(GTK_LIST_BOX(self->list), i);
        if (!row ||
            (id &&
             g_str_equal(aivo_connection_get_id(aivo_connection_row_get_connection(AIVO_CONNECTION_ROW(row))), id)))
            return row;
    }
}

void aivo_window_select(AivoWindow *self, const char *id)
{
    GtkListBoxRow *row = find_row(self, id);
    if (!row) {
        g_free(self->wanted);
        self->wanted = g_strdup(id);
        return;
    }
    gtk_list_box_select_row(GTK_LIST_BOX(self->list), row);
    adw_leaflet_navigate(ADW_LEAFLET(self->leaflet), ADW_NAVIGATION_DIRECTION_FORWARD);
}

void aivo_window_step(AivoWindow *self, int by)
{
    GtkListBoxRow *row = gtk_list_box_get_selected_row(GTK_LIST_BOX(self->list));
    int n = (int)g_list_model_get_n_items(get_model());
    if (!row || n < 2)
        return;
    int index = (gtk_list_box_row_get_index(row) + by + n) % n;
    gtk_list_box_select_row(GTK_LIST_BOX(self->list), gtk_list_box_get_row_at_index(GTK_LIST_BOX(self->list), index));
}

void aivo_window_show_page(AivoWindow *self, const char *name)
{
    aivo_connection_page_show(AIVO_CONNECTION_PAGE(self->page), name);
    adw_leaflet_navigate(ADW_LEAFLET(self->leaflet), ADW_NAVIGATION_DIRECTION_FORWARD);
}

void aivo_window_go_back(AivoWindow *self)
{
    adw_leaflet_navigate(ADW_LEAFLET(self->leaflet), ADW_NAVIGATION_DIRECTION_BACK);
}

void aivo_window_open_menu(AivoWindow *self)
{
    gtk_menu_button_popup(GTK_MENU_BUTTON(self->menu));
}

void aivo_window_diagnose(AivoWindow *self)
{
    aivo_window_show_page(self, "diagnosis");
    aivo_diagnosis_page_run(aivo_connection_page_get_diagnosis(AIVO_CONNECTION_PAGE(self->page)));
}

GdkTexture *aivo_window_render_chart(AivoWindow *self)
{
    return aivo_overview_page_render_chart(aivo_connection_page_get_overview(AIVO_CONNECTION_PAGE(self->page)));
}

/* -------------------------------------------------------------------- list */

static GtkWidget *new_row(gpointer item, gpointer user)
{
    (void)user;
    return aivo_connection_row_new(item);
}

/* After the list box has its rows: keep a connection selected as long as there is one. */
static void items_changed(GListModel *model, guint position, guint removed, guint added, AivoWindow *self)
{
    (void)position;
    (void)removed;
    (void)added;
    gboolean loaded = aivo_connection_list_is_loaded(aivo_application_get_list(aivo_application_get()));
    guint n = g_list_model_get_n_items(model);
    gtk_stack_set_visible_child_name(GTK_STACK(self->stack), n ? "main" : loaded ? "welcome" : "loading");
    if (!n) {
        show_selected(self, NULL);
        return;
    }
    g_autofree char *last = g_settings_get_string(self->settings, "selected");
    GtkListBoxRow *row = self->wanted ? find_row(self, self->wanted) : NULL;
    if (row)
        g_clear_pointer(&self->wanted, g_free);
    if (!row)
        row = gtk_list_box_get_selected_row(GTK_LIST_BOX(self->list));
    if (!row)
        row = find_row(self, last);
    if (!row)
        row = gtk_list_box_get_row_at_index(GTK_LIST_BOX(self->list), 0);
    gtk_list_box_select_row(GTK_LIST_BOX(self->list), row);
}

static void loaded(AivoWindow *self)
{
    items_changed(get_model(), 0, 0, 0, self);
}

/* One below the other until somebody has dismissed them: none takes another's place, and none is there twice. */
static void notice(AivoConnectionList *list, const char *text, AivoWindow *self)
{
    (void)list;
    if (g_ptr_array_find_with_equal_func(self->notices, text, g_str_equal, NULL))
        return;
    if (self->notices->len == NOTICES_MAX)
        g_ptr_array_remove_index(self->notices, 0);
    g_ptr_array_add(self->notices, g_strdup(text));
    g_autoptr(GString) lines = g_string_new(NULL);
    for (guint i = 0; i < self->notices->len; i++)
        g_string_append_printf(lines, "%s%s", i ? "\n" : "", (char *)g_ptr_array_index(self->notices, i));
    gtk_label_set_text(GTK_LABEL(self->notice_label), lines->str);
    gtk_revealer_set_reveal_child(GTK_REVEALER(self->notice), TRUE);
}

/* Only where there is a secret to lose. */
static gboolean needs_secrets(void)
{
    for (guint i = 0; i < g_list_model_get_n_items(get_model()); i++) {
        g_autoptr(AivoConnection) connection = g_list_model_get_item(get_model(), i);
        if (aivo_connection_get_profile(connection)->auth == AIVO_AUTH_TOKEN)
            return TRUE;
    }
    return FALSE;
}

static void secrets_changed(AivoWindow *self)
{
    AivoSecrets *secrets = aivo_application_get_secrets(aivo_application_get());
    if (aivo_secrets_is_persistent(secrets) || !needs_secrets())
        return;
    notice(NULL,
           _("There is no Secret Service here: tokens are kept until Aivo Monitor ends, and asked for again then."),
           self);
}

static void notice_closed(AivoWindow *self)
{
    g_ptr_array_set_size(self->notices, 0);
    gtk_revealer_set_reveal_child(GTK_REVEALER(self->notice), FALSE);
}

static void local_clicked(AivoWindow *self)
{
    g_autoptr(AivoProfile) profile = aivo_profile_new_local();
    aivo_window_select(self, profile->id); /* as soon as it is there */
    aivo_connection_list_add(aivo_application_get_list(aivo_application_get()), profile, NULL);
}

/* -------------------------------------------------------------------- life */

static void save_size(AivoWindow *self)
{
    int width = 0, height = 0;
    gtk_window_get_default_size(GTK_WINDOW(self), &width, &height);
    gboolean maximized = gtk_window_is_maximized(GTK_WINDOW(self));
    g_settings_set_boolean(self->settings, "window-maximized", maximized);
    if (maximized || width < 300 || height < 300)
        return;
    g_settings_set_int(self->settings, "window-width", width);
    g_settings_set_int(self->settings, "window-height", height);
}

static gboolean close_request(GtkWindow *window)
{
    save_size(AIVO_WINDOW(window));
    aivo_application_window_closing(aivo_application_get());
    return GTK_WINDOW_CLASS(aivo_window_parent_class)->close_request(window);
}

static void dispose(GObject *object)
{
    AivoWindow *self = AIVO_WINDOW(object);
    g_clear_object(&self->selected);
    g_clear_object(&self->settings);
    g_clear_pointer(&self->wanted, g_free);
    g_clear_pointer(&self->notices, g_ptr_array_unref);
    G_OBJECT_CLASS(aivo_window_parent_class)->dispose(object);
}

static void aivo_window_class_init(AivoWindowClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    GTK_WINDOW_CLASS(class)->close_request = close_request;
    g_type_ensure(AIVO_TYPE_CONNECTION_PAGE);
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/window.ui");
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, toasts);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, stack);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, leaflet);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, sidebar);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, list);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, page);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, menu);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, notice);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, notice_label);
    gtk_widget_class_bind_template_child(widget_class, AivoWindow, local_button);
    gtk_widget_class_bind_template_callback(widget_class, row_selected);
    gtk_widget_class_bind_template_callback(widget_class, row_activated);
    gtk_widget_class_bind_template_callback(widget_class, notice_closed);
    gtk_widget_class_bind_template_callback(widget_class, local_clicked);
}

static void aivo_window_init(AivoWindow *self)
{
    AivoApplication *app = aivo_application_get();
    AivoConnectionList *connections = aivo_application_get_list(app);
    self->notices = g_ptr_array_new_with_free_func(g_free);
    gtk_widget_init_template(GTK_WIDGET(self));
    self->settings = g_object_ref(aivo_application_get_settings(app));
    aivo_window_add_actions(self);
    gtk_window_set_default_size(GTK_WINDOW(self), g_settings_get_int(self->settings, "window-width"),
                                g_settings_get_int(self->settings, "window-height"));
    if (g_settings_get_boolean(self->settings, "window-maximized"))
        gtk_window_maximize(GTK_WINDOW(self));
    gtk_list_box_bind_model(GTK_LIST_BOX(self->list), get_model(), new_row, NULL, NULL);
    g_object_bind_property(self->leaflet, "folded", self->page, "folded", G_BINDING_SYNC_CREATE);
    g_signal_connect_object(get_model(), "items-changed", G_CALLBACK(items_changed), self, G_CONNECT_AFTER);
    g_signal_connect_object(connections, "notify::loaded", G_CALLBACK(loaded), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(connections, "notice", G_CALLBACK(notice), self, 0);
    g_signal_connect_object(aivo_application_get_secrets(app), "notify::persistent", G_CALLBACK(secrets_changed), self,
                            G_CONNECT_SWAPPED);
    secrets_changed(self);
    loaded(self);
}

GtkWidget *aivo_window_new(AivoApplication *app)
{
    return g_object_new(AIVO_TYPE_WINDOW, "application", app, NULL);
}
