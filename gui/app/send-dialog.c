#include "send-dialog.h"
#include "application.h"
#include "describe.h"
#include "spoken-names.h"
#include "window.h"
#include <glib/gi18n.h>
#include <string.h>

#define EVENT_MAX_BYTES 256

struct _AivoSendDialog {
    AdwWindow parent;
    AivoConnection *connection;
    GtkWidget *event, *args, *problem, *send;
    GtkTextTag *whole; /* on all of it; the buffer's */
};

G_DEFINE_FINAL_TYPE(AivoSendDialog, aivo_send_dialog, ADW_TYPE_WINDOW)

static char *dup_args(AivoSendDialog *self)
{
    GtkTextBuffer *buffer = gtk_text_view_get_buffer(GTK_TEXT_VIEW(self->args));
    GtkTextIter start, end;
    gtk_text_buffer_get_bounds(buffer, &start, &end);
    gtk_text_buffer_apply_tag(buffer, self->whole, &start, &end);
    return g_strstrip(gtk_text_buffer_get_text(buffer, &start, &end, FALSE));
}

static void changed(AivoSendDialog *self)
{
    const char *event = gtk_editable_get_text(GTK_EDITABLE(self->event));
    g_autofree char *args = dup_args(self);
    g_autofree char *problem = NULL;
    if (strlen(event) > EVENT_MAX_BYTES)
        problem = g_strdup(_("The event’s name is too long"));
    else if (*args)
        problem = aivo_describe_args_problem(args);
    gtk_label_set_text(GTK_LABEL(self->problem), problem ? problem : "");
    gtk_widget_set_visible(self->problem, problem != NULL);
    gtk_widget_set_sensitive(self->send, *event && !problem);
}

static void queued(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(GtkWindow) parent = user;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    if (aivo_monitor_queue_finish(AIVO_MONITOR(source), result, &error) < 0)
        text = g_strdup_printf(_("Not queued: %s"), error->message);
    else
        text = g_strdup(_("Queued: it is sent as soon as there is a connection"));
    if (AIVO_IS_WINDOW(parent))
        aivo_window_toast(AIVO_WINDOW(parent), text);
}

static void send_clicked(AivoSendDialog *self)
{
    g_autofree char *args = dup_args(self);
    if (!gtk_widget_get_sensitive(self->send))
        return;
    aivo_monitor_send_async(aivo_application_get_monitor(aivo_application_get()), self->connection,
                            gtk_editable_get_text(GTK_EDITABLE(self->event)), *args ? args : "[]", queued,
                            g_object_ref(gtk_window_get_transient_for(GTK_WINDOW(self))));
    gtk_window_close(GTK_WINDOW(self));
}

/* Enter begins a line in there. */
static gboolean send_by_key(GtkWidget *dialog, GVariant *args, gpointer user)
{
    (void)args;
    (void)user;
    send_clicked(AIVO_SEND_DIALOG(dialog));
    return TRUE;
}

static void dispose(GObject *object)
{
    g_clear_object(&AIVO_SEND_DIALOG(object)->connection);
    G_OBJECT_CLASS(aivo_send_dialog_parent_class)->dispose(object);
}

static void aivo_send_dialog_class_init(AivoSendDialogClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_DIALOG);
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/send-dialog.ui");
    gtk_widget_class_bind_template_child(widget_class, AivoSendDialog, event);
    gtk_widget_class_bind_template_child(widget_class, AivoSendDialog, args);
    gtk_widget_class_bind_template_child(widget_class, AivoSendDialog, problem);
    gtk_widget_class_bind_template_child(widget_class, AivoSendDialog, send);
    gtk_widget_class_bind_template_callback(widget_class, changed);
    gtk_widget_class_bind_template_callback(widget_class, send_clicked);
    gtk_widget_class_add_binding_action(widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
    gtk_widget_class_add_binding(widget_class, GDK_KEY_Return, GDK_CONTROL_MASK, send_by_key, NULL);
    gtk_widget_class_add_binding(widget_class, GDK_KEY_KP_Enter, GDK_CONTROL_MASK, send_by_key, NULL);
}

static void aivo_send_dialog_init(AivoSendDialog *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    GtkTextBuffer *buffer = gtk_text_view_get_buffer(GTK_TEXT_VIEW(self->args));
    self->whole = gtk_text_buffer_create_tag(buffer, NULL, "insert-hyphens", FALSE, NULL); /* where a line is broken */
    g_signal_connect_object(buffer, "changed", G_CALLBACK(changed), self, G_CONNECT_SWAPPED);
    aivo_speak_window(GTK_WINDOW(self));
    changed(self);
}

GtkWidget *aivo_send_dialog_new(GtkWindow *parent, AivoConnection *connection)
{
    AivoSendDialog *self = g_object_new(AIVO_TYPE_SEND_DIALOG, "transient-for", parent, NULL);
    self->connection = g_object_ref(connection);
    return GTK_WIDGET(self);
}
