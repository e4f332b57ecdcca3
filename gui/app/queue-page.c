#include "queue-page.h"
#include "application.h"
#include "describe.h"
#include "queue-file.h"
#include "send-dialog.h"
#include "spoken-names.h"
#include "window.h"
#include <glib/gi18n.h>

#define REFRESH_MS 250  /* after a change of the figures: a burst is read once */
#define FOREIGN_MS 3000 /* another program's file tells nothing by itself */

struct _AivoQueuePage {
    AdwBin parent;
    AivoConnection *connection;
    GSignalGroup *signals;
    GtkWidget *pending, *in_flight, *dead, *size, *list, *retry_all, *purge_all, *purge_waiting, *acts, *send, *problem,
        *more, *where;
    GListStore *messages;
    guint refresh_source, poll_source;
    gboolean reading, again;
};

G_DEFINE_FINAL_TYPE(AivoQueuePage, aivo_queue_page, ADW_TYPE_BIN)

static void refresh(AivoQueuePage *self);

static void toast(AivoQueuePage *self, const char *text)
{
    GtkRoot *root = gtk_widget_get_root(GTK_WIDGET(self));
    if (AIVO_IS_WINDOW(root))
        aivo_window_toast(AIVO_WINDOW(root), text);
}

/* ----------------------------------------------------------------- figures */

/* The tile is read as a whole: "Waiting: 3". */
static void show_number(GtkWidget *label, const char *what, guint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    g_autofree char *words = g_strdup_printf("%s: %s", what, text);
    gtk_label_set_text(GTK_LABEL(label), text);
    gtk_accessible_update_property(GTK_ACCESSIBLE(gtk_widget_get_parent(label)), GTK_ACCESSIBLE_PROPERTY_LABEL, words,
                                   -1);
}

/* Nor in flight, so that they can be deleted. */
static guint64 waiting(const AivoQueueFigures *figures)
{
    return figures->pending - MIN(figures->in_flight, figures->pending);
}

/* In flight is known to the client only; the rest is in the file too. */
static void show_figures(AivoQueuePage *self, const AivoQueueFigures *figures)
{
    show_number(self->pending, _("Waiting"), waiting(figures));
    show_number(self->in_flight, _("In flight"), figures->in_flight);
    show_number(self->dead, _("Dead letters"), figures->dead);
    if (figures->dead)
        gtk_widget_add_css_class(self->dead, "error");
    else
        gtk_widget_remove_css_class(self->dead, "error");
    g_autofree char *bytes = aivo_describe_bytes(figures->bytes);
    g_autofree char *age =
        figures->oldest_ms ? aivo_describe_span(g_get_real_time() / 1000 - figures->oldest_ms) : NULL;
    g_autofree char *text =
        age ? g_strdup_printf(_("%s waiting, the oldest for %s"), bytes, age) : g_strdup(_("Nothing is waiting"));
    gtk_label_set_text(GTK_LABEL(self->size), text);
    gtk_widget_set_visible(self->acts, waiting(figures) > 0 || figures->dead > 0);
    gtk_widget_set_visible(self->purge_waiting, waiting(figures) > 0);
    gtk_widget_set_visible(self->retry_all, figures->dead > 0);
    gtk_widget_set_visible(self->purge_all, figures->dead > 0);
}

/* -------------------------------------------------------------------- acts */

static gssize finish_act(GObject *source, GAsyncResult *result, GError **error)
{
    return AIVO_IS_MONITOR(source) ? aivo_monitor_queue_finish(AIVO_MONITOR(source), result, error)
                                   : aivo_queue_file_change_finish(result, error);
}

static void tell_done(AivoQueuePage *self, const GError *error, const char *done)
{
    g_autofree char *text = error ? g_strdup_printf(_("Not done: %s"), error->message) : g_strdup(done);
    toast(self, text);
    refresh(self);
}

static void was_retried(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(AivoQueuePage) self = user;
    g_autoptr(GError) error = NULL;
    const int count = (int)finish_act(source, result, &error);
    g_autofree char *done = g_strdup_printf(
        g_dngettext(NULL, "%d message is sent again", "%d messages are sent again", (gulong)count), count);
    tell_done(self, error, done);
}

static void was_deleted(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(AivoQueuePage) self = user;
    g_autoptr(GError) error = NULL;
    const int count = (int)finish_act(source, result, &error);
    g_autofree char *done =
        g_strdup_printf(g_dngettext(NULL, "%d message deleted", "%d messages deleted", (gulong)count), count);
    tell_done(self, error, done);
}

static void act(AivoQueuePage *self, AivoQueueAct what, const char *id, gint64 not_after_ms)
{
    AivoMonitor *monitor = aivo_application_get_monitor(aivo_application_get());
    GAsyncReadyCallback acted = what == AIVO_QUEUE_RETRY_DEAD ? was_retried : was_deleted;
    if (aivo_connection_owns_queue(self->connection) && aivo_monitor_is_running(monitor, self->connection)) {
        aivo_monitor_change_queue_async(monitor, self->connection, what, id, not_after_ms, acted, g_object_ref(self));
        return;
    }
    g_autofree char *path = aivo_connection_dup_queue_path(self->connection);
    aivo_queue_file_change_async(path, what, id, not_after_ms, acted, g_object_ref(self));
}

static void retry_all_clicked(AivoQueuePage *self)
{
    act(self, AIVO_QUEUE_RETRY_DEAD, NULL, 0);
}

/* What was asked. The connection may be another one by the time of the answer. */
struct question {
    AivoConnection *connection; /* a reference */
    AivoQueueAct act;
    char *id;
    gint64 asked_ms;
};

static void question_free(struct question *question)
{
    g_object_unref(question->connection);
    g_free(question->id);
    g_free(question);
}

static void purge_answered(AdwMessageDialog *dialog, const char *response, AivoQueuePage *self)
{
    const struct question *question = g_object_get_data(G_OBJECT(dialog), "question");
    if (g_str_equal(response, "purge") && self->connection == question->connection)
        act(self, question->act, question->id, question->asked_ms);
}

static void ask_purge(AivoQueuePage *self, AivoQueueAct what, const char *id, const char *title, const char *text)
{
    GtkWindow *window = GTK_WINDOW(gtk_widget_get_root(GTK_WIDGET(self)));
    GtkWidget *dialog = adw_message_dialog_new(window, title, text);
    struct question *question = g_new(struct question, 1);
    *question = (struct question){.connection = g_object_ref(self->connection),
                                  .act = what,
                                  .id = g_strdup(id),
                                  .asked_ms = g_get_real_time() / 1000};
    adw_message_dialog_add_responses(ADW_MESSAGE_DIALOG(dialog), "cancel", _("_Cancel"), "purge", _("_Delete"), NULL);
    adw_message_dialog_set_response_appearance(ADW_MESSAGE_DIALOG(dialog), "purge", ADW_RESPONSE_DESTRUCTIVE);
    adw_message_dialog_set_default_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    adw_message_dialog_set_close_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    g_object_set_data_full(G_OBJECT(dialog), "question", question, (GDestroyNotify)question_free);
    g_signal_connect_object(dialog, "response", G_CALLBACK(purge_answered), self, 0);
    aivo_speak_window(GTK_WINDOW(dialog));
    gtk_window_present(GTK_WINDOW(dialog));
}

static void ask_purge_dead(AivoQueuePage *self, const char *id)
{
    ask_purge(self, AIVO_QUEUE_PURGE_DEAD, id, id ? _("Delete This Dead Letter?") : _("Delete All Dead Letters?"),
              _("The server has not had them, and will never have them. This cannot be undone."));
}

static void purge_all_clicked(AivoQueuePage *self)
{
    ask_purge_dead(self, NULL);
}

static void purge_waiting_clicked(AivoQueuePage *self)
{
    guint64 n = waiting(aivo_connection_get_queue(self->connection));
    g_autofree char *title = g_strdup_printf(g_dngettext(NULL, "Delete %" G_GUINT64_FORMAT " Waiting Message?",
                                                         "Delete %" G_GUINT64_FORMAT " Waiting Messages?", (gulong)n),
                                             n);
    ask_purge(self, AIVO_QUEUE_PURGE_WAITING, NULL, title,
              _("They are lost: the server will never have them. What is sent until you answer is not among them, and "
                "what is in flight stays. This cannot be undone."));
}

static void send_clicked(AivoQueuePage *self)
{
    GtkWindow *window = GTK_WINDOW(gtk_widget_get_root(GTK_WIDGET(self)));
    gtk_window_present(GTK_WINDOW(aivo_send_dialog_new(window, self->connection)));
}

/* -------------------------------------------------------------------- rows */

static void row_retry(GtkButton *button, AivoQueuePage *self)
{
    act(self, AIVO_QUEUE_RETRY_DEAD, g_object_get_data(G_OBJECT(button), "id"), 0);
}

static void row_purge(GtkButton *button, AivoQueuePage *self)
{
    ask_purge_dead(self, g_object_get_data(G_OBJECT(button), "id"));
}

static void add_button(AivoQueuePage *self, GtkWidget *row, const AivoQueueMessage *message, const char *icon,
                       const char *tooltip, GCallback clicked)
{
    GtkWidget *button = gtk_button_new_from_icon_name(icon);
    gtk_widget_set_tooltip_text(button, tooltip);
    gtk_widget_set_valign(button, GTK_ALIGN_CENTER);
    gtk_widget_add_css_class(button, "flat");
    g_object_set_data_full(G_OBJECT(button), "id", g_strdup(message->id), g_free);
    g_signal_connect(button, "clicked", clicked, self);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row), button);
}

static const char *state_word(const AivoQueueMessage *message)
{
    if (message->dead)
        return _("Dead letter");
    if (g_str_equal(message->state, "later"))
        return _("Waits for another attempt");
    return g_str_equal(message->state, "behind") ? _("Behind another message") : _("Waiting");
}

static GtkWidget *new_row(gpointer item, gpointer user)
{
    AivoQueuePage *self = user;
    const AivoQueueMessage *message = item;
    GtkWidget *row = adw_action_row_new();
    g_autofree char *time = aivo_describe_time(message->created_ms);
    g_autofree char *short_args = g_utf8_substring(message->args, 0, MIN(160, g_utf8_strlen(message->args, -1)));
    g_autofree char *subtitle =
        message->last_error
            ? g_strdup_printf("%s, %s: %s\n%s", state_word(message), time, message->last_error, short_args)
            : g_strdup_printf("%s, %s\n%s", state_word(message), time, short_args);
    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), message->event);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), subtitle);
    adw_action_row_set_subtitle_lines(ADW_ACTION_ROW(row), 3);
    GtkWidget *icon = gtk_image_new_from_icon_name(message->dead ? "dialog-error-symbolic" : "mail-unread-symbolic");
    if (message->dead)
        gtk_widget_add_css_class(icon, "error");
    adw_action_row_add_prefix(ADW_ACTION_ROW(row), icon);
    if (message->dead) {
        add_button(self, row, message, "view-refresh-symbolic", _("Send it again"), G_CALLBACK(row_retry));
        add_button(self, row, message, "user-trash-symbolic", _("Delete it"), G_CALLBACK(row_purge));
    }
    return row;
}

/* ----------------------------------------------------------------- reading */

static void show_content(AivoQueuePage *self, AivoQueueContent *content)
{
    if (!aivo_connection_owns_queue(self->connection) || !aivo_connection_get_queue(self->connection)->known) {
        aivo_connection_set_queue(self->connection, &content->figures);
        show_figures(self, &content->figures);
    }
    g_list_store_splice(self->messages, 0, g_list_model_get_n_items(G_LIST_MODEL(self->messages)),
                        content->messages->pdata, content->messages->len);
    gtk_widget_set_visible(self->more, content->more);
}

static void was_read(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    g_autoptr(AivoQueuePage) self = user;
    g_autoptr(GError) error = NULL;
    g_autoptr(AivoQueueContent) content = aivo_queue_file_read_finish(result, &error);
    self->reading = FALSE;
    if (self->again || !self->connection) {
        self->again = FALSE;
        refresh(self);
        return;
    }
    gtk_label_set_text(GTK_LABEL(self->problem), error ? error->message : "");
    gtk_widget_set_visible(self->problem, error != NULL);
    if (content)
        show_content(self, content);
}

static void refresh(AivoQueuePage *self)
{
    if (!self->connection || !gtk_widget_get_mapped(GTK_WIDGET(self)))
        return;
    if (self->reading) {
        self->again = TRUE;
        return;
    }
    self->reading = TRUE;
    g_autofree char *path = aivo_connection_dup_queue_path(self->connection);
    aivo_queue_file_read_async(path, was_read, g_object_ref(self));
}

static gboolean refresh_due(gpointer user)
{
    AivoQueuePage *self = user;
    self->refresh_source = 0;
    refresh(self);
    return G_SOURCE_REMOVE;
}

static void figures_changed(AivoQueuePage *self)
{
    show_figures(self, aivo_connection_get_queue(self->connection));
    if (!self->refresh_source && gtk_widget_get_mapped(GTK_WIDGET(self)))
        self->refresh_source = g_timeout_add(REFRESH_MS, refresh_due, self);
}

static gboolean poll_foreign(gpointer user)
{
    AivoQueuePage *self = user;
    if (self->connection && !aivo_connection_owns_queue(self->connection))
        refresh(self);
    return G_SOURCE_CONTINUE;
}

static void mapped(AivoQueuePage *self)
{
    if (!self->poll_source)
        self->poll_source = g_timeout_add(FOREIGN_MS, poll_foreign, self);
    refresh(self);
}

static void unmapped(AivoQueuePage *self)
{
    g_clear_handle_id(&self->poll_source, g_source_remove);
    g_clear_handle_id(&self->refresh_source, g_source_remove);
}

static void show_where(AivoQueuePage *self)
{
    gboolean own = aivo_connection_owns_queue(self->connection);
    g_autofree char *path = aivo_connection_dup_queue_path(self->connection);
    g_autofree char *text = own ? g_strdup(_("Aivo Monitor’s own queue for this connection"))
                                : g_strdup_printf(_("The queue of another program: %s"), path);
    gtk_label_set_text(GTK_LABEL(self->where), text);
    gtk_widget_set_visible(self->send, own);
}

void aivo_queue_page_set_connection(AivoQueuePage *self, AivoConnection *connection)
{
    if (!g_set_object(&self->connection, connection))
        return;
    g_list_store_remove_all(self->messages);
    g_signal_group_set_target(self->signals, connection);
    if (!connection)
        return;
    gtk_widget_set_visible(self->more, FALSE);
    show_figures(self, aivo_connection_get_queue(connection));
    show_where(self);
    refresh(self);
}

/* -------------------------------------------------------------------- life */

static void dispose(GObject *object)
{
    AivoQueuePage *self = AIVO_QUEUE_PAGE(object);
    unmapped(self);
    g_clear_object(&self->signals);
    g_clear_object(&self->connection);
    g_clear_object(&self->messages);
    G_OBJECT_CLASS(aivo_queue_page_parent_class)->dispose(object);
}

#define BIND(name) gtk_widget_class_bind_template_child(widget_class, AivoQueuePage, name)

static void aivo_queue_page_class_init(AivoQueuePageClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/queue-page.ui");
    BIND(pending), BIND(in_flight), BIND(dead), BIND(size), BIND(list), BIND(retry_all), BIND(purge_all), BIND(send);
    BIND(problem), BIND(more), BIND(where), BIND(purge_waiting), BIND(acts);
    gtk_widget_class_bind_template_callback(widget_class, purge_waiting_clicked);
    gtk_widget_class_bind_template_callback(widget_class, retry_all_clicked);
    gtk_widget_class_bind_template_callback(widget_class, purge_all_clicked);
    gtk_widget_class_bind_template_callback(widget_class, send_clicked);
}

static void aivo_queue_page_init(AivoQueuePage *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    self->messages = g_list_store_new(AIVO_TYPE_QUEUE_MESSAGE);
    gtk_list_box_bind_model(GTK_LIST_BOX(self->list), G_LIST_MODEL(self->messages), new_row, self, NULL);
    self->signals = g_signal_group_new(AIVO_TYPE_CONNECTION);
    g_signal_group_connect_swapped(self->signals, "notify::queue-changed", G_CALLBACK(figures_changed), self);
    g_signal_group_connect_swapped(self->signals, "notify::profile", G_CALLBACK(show_where), self);
    g_signal_connect(self, "map", G_CALLBACK(mapped), NULL);
    g_signal_connect(self, "unmap", G_CALLBACK(unmapped), NULL);
}
