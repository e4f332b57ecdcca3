#include "preferences.h"
#include "application.h"
#include "spoken-names.h"
#include <glib/gi18n.h>

struct _AivoPreferences {
    AdwPreferencesWindow parent;
    GSettings *settings;
    GtkWidget *interval, *profile, *excellent, *good, *fair, *history;
    GtkWidget *notify, *notify_level, *notify_dwell, *quiet, *quiet_from, *quiet_to, *quiet_from_row, *quiet_to_row;
    GtkWidget *background, *autostart, *order;
    gboolean showing; /* it is not the user who selects */
};

G_DEFINE_FINAL_TYPE(AivoPreferences, aivo_preferences, ADW_TYPE_PREFERENCES_WINDOW)

static const guint history_days[] = {0, 1, 7, 30, 90, 1830}; /* none; ...; as the recorder bounds it */

/* ---------------------------------------------------------------- mappings */

static gboolean enum_to_index(GValue *value, GVariant *variant, gpointer user)
{
    const char *const *names = user;
    const char *name = g_variant_get_string(variant, NULL);
    for (guint i = 0; names[i]; i++)
        if (g_str_equal(names[i], name))
            g_value_set_uint(value, i);
    return TRUE;
}

static GVariant *index_to_enum(const GValue *value, const GVariantType *type, gpointer user)
{
    (void)type;
    const char *const *names = user;
    guint index = g_value_get_uint(value);
    for (guint i = 0; names[i]; i++)
        if (i == index)
            return g_variant_new_string(names[i]);
    return NULL;
}

/* "22:30" of minutes after midnight, and back; what is no time of day stays unsaved. */
static gboolean minutes_to_text(GValue *value, GVariant *variant, gpointer user)
{
    (void)user;
    guint minutes = g_variant_get_uint32(variant);
    g_value_take_string(value, g_strdup_printf("%02u:%02u", minutes / 60, minutes % 60));
    return TRUE;
}

static void time_changed(GtkEditable *entry, GParamSpec *pspec, AivoPreferences *self)
{
    (void)pspec;
    g_auto(GStrv) parts = g_strsplit(gtk_editable_get_text(entry), ":", 3);
    guint64 hour = 0, minute = 0;
    gboolean ok = g_strv_length(parts) == 2 && g_ascii_string_to_unsigned(parts[0], 10, 0, 23, &hour, NULL) &&
                  g_ascii_string_to_unsigned(parts[1], 10, 0, 59, &minute, NULL);
    if (ok)
        gtk_widget_remove_css_class(GTK_WIDGET(entry), "error");
    else
        gtk_widget_add_css_class(GTK_WIDGET(entry), "error");
    gtk_accessible_update_state(GTK_ACCESSIBLE(entry), GTK_ACCESSIBLE_STATE_INVALID,
                                ok ? GTK_ACCESSIBLE_INVALID_FALSE : GTK_ACCESSIBLE_INVALID_TRUE, -1);
    const char *key = GTK_WIDGET(entry) == self->quiet_from ? "quiet-from" : "quiet-to";
    if (ok && g_settings_get_uint(self->settings, key) != hour * 60 + minute)
        g_settings_set_uint(self->settings, key, (guint)(hour * 60 + minute));
}

/* ---------------------------------------------------------------- history */

/* What is in the settings; a value that is not in the list is shown as the next shorter time. */
static void show_history(AivoPreferences *self)
{
    guint days = g_settings_get_uint(self->settings, "history-days"), index = 0;
    for (guint i = 0; i < G_N_ELEMENTS(history_days); i++)
        if (history_days[i] <= days)
            index = i;
    self->showing = TRUE;
    adw_combo_row_set_selected(ADW_COMBO_ROW(self->history), index);
    self->showing = FALSE;
}

static void history_answered(AdwMessageDialog *dialog, const char *response, AivoPreferences *self)
{
    guint days = GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(dialog), "days"));
    if (g_str_equal(response, "delete"))
        g_settings_set_uint(self->settings, "history-days", days);
    show_history(self);
}

static void ask_history(AivoPreferences *self, guint days)
{
    const char *title = _("Delete All History?");
    g_autofree char *shorter = g_strdup_printf(
        g_dngettext(NULL, "Delete History Older Than %u Day?", "Delete History Older Than %u Days?", days), days);
    GtkWidget *dialog = adw_message_dialog_new(GTK_WINDOW(self), days ? shorter : title,
                                               _("Of all connections, and for good. This cannot be undone."));
    adw_message_dialog_add_responses(ADW_MESSAGE_DIALOG(dialog), "cancel", _("_Cancel"), "delete", _("_Delete"), NULL);
    adw_message_dialog_set_response_appearance(ADW_MESSAGE_DIALOG(dialog), "delete", ADW_RESPONSE_DESTRUCTIVE);
    adw_message_dialog_set_default_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    adw_message_dialog_set_close_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    g_object_set_data(G_OBJECT(dialog), "days", GUINT_TO_POINTER(days));
    g_signal_connect_object(dialog, "response", G_CALLBACK(history_answered), self, 0);
    aivo_speak_window(GTK_WINDOW(dialog));
    gtk_window_present(GTK_WINDOW(dialog));
}

/* Longer is taken at once; shorter deletes, and is asked for first. */
static void history_selected(AivoPreferences *self)
{
    guint now = g_settings_get_uint(self->settings, "history-days");
    guint index = adw_combo_row_get_selected(ADW_COMBO_ROW(self->history));
    if (self->showing || index >= G_N_ELEMENTS(history_days) || history_days[index] == now)
        return;
    if (history_days[index] > now)
        g_settings_set_uint(self->settings, "history-days", history_days[index]);
    else
        ask_history(self, history_days[index]);
}

/* ------------------------------------------------------------------- bind */

static void check_order(AivoPreferences *self)
{
    guint excellent = g_settings_get_uint(self->settings, "excellent-ms");
    guint good = g_settings_get_uint(self->settings, "good-ms"), fair = g_settings_get_uint(self->settings, "fair-ms");
    gtk_widget_set_visible(self->order, excellent >= good || good >= fair);
}

static void bind_spin(AivoPreferences *self, GtkWidget *spin, const char *key)
{
    g_settings_bind(self->settings, key, gtk_spin_button_get_adjustment(GTK_SPIN_BUTTON(spin)), "value",
                    G_SETTINGS_BIND_DEFAULT);
}

static void bind_combo(AivoPreferences *self, GtkWidget *combo, const char *key, const char *const *names)
{
    g_settings_bind_with_mapping(self->settings, key, combo, "selected", G_SETTINGS_BIND_DEFAULT, enum_to_index,
                                 index_to_enum, (gpointer)names, NULL);
}

static void bind_time(AivoPreferences *self, GtkWidget *entry, const char *key)
{
    GValue value = G_VALUE_INIT;
    g_autoptr(GVariant) minutes = g_settings_get_value(self->settings, key);
    g_value_init(&value, G_TYPE_STRING);
    minutes_to_text(&value, minutes, NULL);
    gtk_editable_set_text(GTK_EDITABLE(entry), g_value_get_string(&value));
    g_value_unset(&value);
    g_signal_connect_object(entry, "notify::text", G_CALLBACK(time_changed), self, 0);
}

static void bind_all(AivoPreferences *self)
{
    static const char *const profiles[] = {"standard", "classic", NULL};
    static const char *const levels[] = {"offline", "poor", "fair", "good", NULL};
    bind_spin(self, self->interval, "interval");
    bind_spin(self, self->excellent, "excellent-ms");
    bind_spin(self, self->good, "good-ms");
    bind_spin(self, self->fair, "fair-ms");
    bind_spin(self, self->notify_dwell, "notify-dwell");
    bind_combo(self, self->profile, "profile", profiles);
    bind_combo(self, self->notify_level, "notify-level", levels);
    g_settings_bind(self->settings, "notify", self->notify, "active", G_SETTINGS_BIND_DEFAULT);
    g_settings_bind(self->settings, "notify", self->notify_level, "sensitive", G_SETTINGS_BIND_GET);
    g_settings_bind(self->settings, "quiet-hours", self->quiet, "active", G_SETTINGS_BIND_DEFAULT);
    g_settings_bind(self->settings, "quiet-hours", self->quiet_from_row, "sensitive", G_SETTINGS_BIND_GET);
    g_settings_bind(self->settings, "quiet-hours", self->quiet_to_row, "sensitive", G_SETTINGS_BIND_GET);
    g_settings_bind(self->settings, "background", self->background, "active", G_SETTINGS_BIND_DEFAULT);
    g_settings_bind(self->settings, "autostart", self->autostart, "active", G_SETTINGS_BIND_DEFAULT);
    show_history(self);
    g_signal_connect_object(self->history, "notify::selected", G_CALLBACK(history_selected), self, G_CONNECT_SWAPPED);
    bind_time(self, self->quiet_from, "quiet-from");
    bind_time(self, self->quiet_to, "quiet-to");
    g_signal_connect_object(self->settings, "changed", G_CALLBACK(check_order), self, G_CONNECT_SWAPPED);
    check_order(self);
}

static void reset_clicked(AivoPreferences *self)
{
    static const char *const keys[] = {"interval", "excellent-ms", "good-ms", "fair-ms", "profile"};
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        g_settings_reset(self->settings, keys[i]);
}

/* -------------------------------------------------------------------- life */

static void dispose(GObject *object)
{
    g_clear_object(&AIVO_PREFERENCES(object)->settings);
    G_OBJECT_CLASS(aivo_preferences_parent_class)->dispose(object);
}

#define BIND(name) gtk_widget_class_bind_template_child(widget_class, AivoPreferences, name)

static void aivo_preferences_class_init(AivoPreferencesClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_DIALOG);
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/preferences.ui");
    BIND(interval), BIND(profile), BIND(excellent), BIND(good), BIND(fair), BIND(history), BIND(order);
    BIND(notify), BIND(notify_level), BIND(notify_dwell), BIND(quiet), BIND(quiet_from), BIND(quiet_to);
    BIND(quiet_from_row), BIND(quiet_to_row), BIND(background), BIND(autostart);
    gtk_widget_class_bind_template_callback(widget_class, reset_clicked);
}

static void aivo_preferences_init(AivoPreferences *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    aivo_speak_window(GTK_WINDOW(self));
}

GtkWidget *aivo_preferences_new(GtkWindow *parent, GSettings *settings)
{
    AivoPreferences *self = g_object_new(AIVO_TYPE_PREFERENCES, "transient-for", parent, "modal", parent != NULL, NULL);
    self->settings = g_object_ref(settings);
    bind_all(self);
    return GTK_WIDGET(self);
}
