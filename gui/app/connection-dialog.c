#include "connection-dialog.h"
#include "application.h"
#include "credential.h"
#include "describe.h"
#include "diagnosis.h"
#include "spoken-names.h"
#include "window.h"
#include <glib/gi18n.h>

struct _AivoConnectionDialog {
    AdwWindow parent;
    AivoConnection *connection; /* NULL: a new one */
    AivoProfile *profile;       /* as it stands in the fields */
    gboolean secret_typed;      /* else the one that is kept stays */
    AivoDiagnosis *test;        /* under way */
    GtkWidget *title, *save, *test_button, *test_spinner, *test_icon, *test_label, *test_fix, *test_box;
    GtkWidget *name, *url, *protocol, *auth, *token, *secret, *user, *nsp, *path;
    GtkWidget *advanced, *ca, *cert, *key, *pin, *insecure, *proxy, *queue, *problem;
};

G_DEFINE_FINAL_TYPE(AivoConnectionDialog, aivo_connection_dialog, ADW_TYPE_WINDOW)

static const char *text_of(GtkWidget *entry)
{
    return gtk_editable_get_text(GTK_EDITABLE(entry));
}

static void set_text(char **field, GtkWidget *entry)
{
    g_autofree char *text = g_strstrip(g_strdup(text_of(entry)));
    aivo_profile_set(field, text);
}

static const char *secret_text(AivoConnectionDialog *self)
{
    return text_of(self->profile->auth == AIVO_AUTH_SIGNED ? self->secret : self->token);
}

static void read_fields(AivoConnectionDialog *self)
{
    AivoProfile *p = self->profile;
    set_text(&p->name, self->name);
    set_text(&p->url, self->url);
    set_text(&p->user, self->user);
    set_text(&p->nsp, self->nsp);
    set_text(&p->path, self->path);
    set_text(&p->ca_file, self->ca);
    set_text(&p->cert_file, self->cert);
    set_text(&p->key_file, self->key);
    set_text(&p->pin, self->pin);
    set_text(&p->proxy, self->proxy);
    set_text(&p->queue_path, self->queue);
    p->plain_websocket = adw_combo_row_get_selected(ADW_COMBO_ROW(self->protocol)) == 1;
    p->auth = (AivoAuthMode)adw_combo_row_get_selected(ADW_COMBO_ROW(self->auth));
    p->insecure = gtk_switch_get_active(GTK_SWITCH(self->insecure));
}

/* -------------------------------------------------------------- validation */

/* Red, and the words where a screen reader finds them; an empty required field is no error before something is typed.
 */
static void mark(GtkWidget *row, const char *problem, gboolean untouched)
{
    gboolean wrong = problem && !untouched;
    if (wrong)
        gtk_widget_add_css_class(row, "error");
    else
        gtk_widget_remove_css_class(row, "error");
    gtk_widget_set_tooltip_text(row, wrong ? problem : NULL);
    gtk_accessible_update_state(GTK_ACCESSIBLE(row), GTK_ACCESSIBLE_STATE_INVALID,
                                wrong ? GTK_ACCESSIBLE_INVALID_TRUE : GTK_ACCESSIBLE_INVALID_FALSE, -1);
}

static char *problem_of_secret(AivoConnectionDialog *self)
{
    const char *secret = secret_text(self);
    gboolean kept = self->connection && !self->secret_typed;
    if (self->profile->auth == AIVO_AUTH_NONE || kept)
        return NULL;
    if (!*secret) /* signed without one: the development server's */
        return self->profile->auth == AIVO_AUTH_SIGNED ? NULL : g_strdup(_("Enter the token"));
    if (self->profile->auth != AIVO_AUTH_TOKEN)
        return NULL;
    /* Other servers have tokens of another form: those do not say. */
    gint64 expiry = aivo_credential_expiry(secret), now = g_get_real_time() / G_USEC_PER_SEC;
    return expiry && expiry <= now ? g_strdup(_("This token has expired")) : NULL;
}

static void validate(AivoConnectionDialog *self)
{
    GtkWidget *const rows[AIVO_FIELD_COUNT] = {
        [AIVO_FIELD_NAME] = self->name,   [AIVO_FIELD_URL] = self->url,   [AIVO_FIELD_NSP] = self->nsp,
        [AIVO_FIELD_PATH] = self->path,   [AIVO_FIELD_USER] = self->user, [AIVO_FIELD_CA] = self->ca,
        [AIVO_FIELD_CERT] = self->cert,   [AIVO_FIELD_PIN] = self->pin,   [AIVO_FIELD_PROXY] = self->proxy,
        [AIVO_FIELD_QUEUE] = self->queue,
    };
    g_autofree char *first = NULL;
    gboolean valid = TRUE;
    read_fields(self);
    for (int field = 0; field < AIVO_FIELD_COUNT; field++) {
        g_autofree char *problem = aivo_profile_problem(self->profile, (AivoProfileField)field);
        gboolean untouched = field == AIVO_FIELD_URL && !*self->profile->url;
        mark(rows[field], problem, untouched);
        valid &= !problem;
        if (problem && !untouched && !first)
            first = g_steal_pointer(&problem);
    }
    g_autofree char *secret = problem_of_secret(self);
    gboolean untouched = !*secret_text(self) && !self->secret_typed;
    mark(self->profile->auth == AIVO_AUTH_SIGNED ? self->secret : self->token, secret, untouched);
    valid &= !secret && aivo_profile_is_valid(self->profile);
    if (secret && !untouched && !first)
        first = g_steal_pointer(&secret);
    gtk_label_set_text(GTK_LABEL(self->problem), first ? first : "");
    gtk_widget_set_visible(self->problem, first != NULL);
    gtk_widget_set_sensitive(self->save, valid);
    gtk_widget_set_sensitive(self->test_button, valid && !self->test);
}

static void update_visibility(AivoConnectionDialog *self)
{
    guint auth = adw_combo_row_get_selected(ADW_COMBO_ROW(self->auth));
    gtk_widget_set_visible(self->token, auth == AIVO_AUTH_TOKEN);
    gtk_widget_set_visible(self->secret, auth == AIVO_AUTH_SIGNED);
    gtk_widget_set_visible(self->nsp, adw_combo_row_get_selected(ADW_COMBO_ROW(self->protocol)) == 0);
}

static void show_result(AivoConnectionDialog *self, const char *icon, const char *class, const char *text,
                        const char *fix)
{
    static const char *const classes[] = {"success", "warning", "error"};
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
        gtk_widget_remove_css_class(self->test_icon, classes[i]);
    if (class)
        gtk_widget_add_css_class(self->test_icon, class);
    gtk_image_set_from_icon_name(GTK_IMAGE(self->test_icon), icon);
    gtk_widget_set_visible(self->test_icon, icon != NULL);
    gtk_label_set_text(GTK_LABEL(self->test_label), text ? text : "");
    gtk_widget_set_visible(self->test_label, text != NULL);
    gtk_label_set_text(GTK_LABEL(self->test_fix), fix ? fix : "");
    gtk_widget_set_visible(self->test_fix, fix && *fix);
}

static void changed(AivoConnectionDialog *self)
{
    update_visibility(self);
    show_result(self, NULL, NULL, NULL, NULL); /* it was about something else */
    validate(self);
}

static void secret_changed(AivoConnectionDialog *self)
{
    self->secret_typed = TRUE;
    changed(self);
}

/* --------------------------------------------------------------------- test */

static void test_over(AivoConnectionDialog *self)
{
    g_clear_object(&self->test);
    gtk_spinner_stop(GTK_SPINNER(self->test_spinner));
    gtk_widget_set_visible(self->test_spinner, FALSE);
    validate(self);
}

static void test_ended(AivoDiagnosis *test, AivoConnectionDialog *self)
{
    const char *fix = aivo_diagnosis_get_fix(test);
    const char *text = aivo_diagnosis_get_summary(test);
    switch (aivo_diagnosis_get_verdict(test)) {
    case AIVO_VERDICT_GOOD:
        show_result(self, "emblem-ok-symbolic", "success", text, fix);
        break;
    case AIVO_VERDICT_DEGRADED:
        show_result(self, "dialog-warning-symbolic", "warning", text, fix);
        break;
    case AIVO_VERDICT_BAD:
        show_result(self, "dialog-error-symbolic", "error", text, fix);
        break;
    }
    test_over(self);
}

static void run_test(AivoConnectionDialog *self, const char *secret)
{
    self->test = aivo_diagnosis_new(self->profile, secret, AIVO_DIAGNOSIS_QUICK);
    g_signal_connect_object(self->test, "ended", G_CALLBACK(test_ended), self, 0);
    show_result(self, NULL, NULL, _("Trying to connect…"), NULL);
    gtk_widget_set_visible(self->test_spinner, TRUE);
    gtk_spinner_start(GTK_SPINNER(self->test_spinner));
    gtk_widget_set_sensitive(self->test_button, FALSE);
    aivo_diagnosis_run(self->test);
}

static void got_kept_secret(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(AivoConnectionDialog) self = user;
    char *secret = aivo_secrets_lookup_finish(AIVO_SECRETS(source), result);
    if (!self->test && gtk_widget_get_visible(GTK_WIDGET(self)))
        run_test(self, secret);
    aivo_secret_free(secret);
}

static void test_clicked(AivoConnectionDialog *self)
{
    if (self->test)
        return;
    validate(self);
    if (self->connection && !self->secret_typed && self->profile->auth != AIVO_AUTH_NONE)
        aivo_secrets_lookup_async(aivo_application_get_secrets(aivo_application_get()), self->profile->id,
                                  got_kept_secret, g_object_ref(self));
    else
        run_test(self, secret_text(self));
}

/* --------------------------------------------------------------------- save */

static void save_clicked(AivoConnectionDialog *self)
{
    AivoConnectionList *list = aivo_application_get_list(aivo_application_get());
    GtkWindow *parent = gtk_window_get_transient_for(GTK_WINDOW(self));
    validate(self);
    if (!gtk_widget_get_sensitive(self->save))
        return;
    if (!*self->profile->name) {
        g_autofree char *host = aivo_profile_host(self->profile);
        aivo_profile_set(&self->profile->name, host ? host : self->profile->url);
    }
    const char *secret = self->profile->auth == AIVO_AUTH_NONE ? "" : secret_text(self);
    if (self->connection) {
        gboolean drop = self->profile->auth == AIVO_AUTH_NONE &&
                        aivo_connection_get_profile(self->connection)->auth != AIVO_AUTH_NONE;
        aivo_connection_list_change(list, self->connection, self->profile, self->secret_typed || drop ? secret : NULL);
    } else {
        AivoConnection *connection = aivo_connection_list_add(list, self->profile, *secret ? secret : NULL);
        if (connection && AIVO_IS_WINDOW(parent))
            aivo_window_select(AIVO_WINDOW(parent), aivo_connection_get_id(connection));
    }
    gtk_window_close(GTK_WINDOW(self));
}

/* --------------------------------------------------------------------- life */

static void dispose(GObject *object)
{
    AivoConnectionDialog *self = AIVO_CONNECTION_DIALOG(object);
    if (self->test)
        aivo_diagnosis_cancel(self->test);
    g_clear_object(&self->test);
    g_clear_object(&self->connection);
    g_clear_pointer(&self->profile, aivo_profile_free);
    G_OBJECT_CLASS(aivo_connection_dialog_parent_class)->dispose(object);
}

#define BIND(name) gtk_widget_class_bind_template_child(widget_class, AivoConnectionDialog, name)

static void aivo_connection_dialog_class_init(AivoConnectionDialogClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_DIALOG);
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/connection-dialog.ui");
    BIND(title), BIND(save), BIND(test_button), BIND(test_spinner), BIND(test_icon), BIND(test_label), BIND(test_fix),
        BIND(test_box);
    BIND(name), BIND(url), BIND(protocol), BIND(auth), BIND(token), BIND(secret), BIND(user), BIND(nsp), BIND(path);
    BIND(advanced), BIND(ca), BIND(cert), BIND(key), BIND(pin), BIND(insecure), BIND(proxy), BIND(queue);
    BIND(problem);
    gtk_widget_class_bind_template_callback(widget_class, changed);
    gtk_widget_class_bind_template_callback(widget_class, secret_changed);
    gtk_widget_class_bind_template_callback(widget_class, test_clicked);
    gtk_widget_class_bind_template_callback(widget_class, save_clicked);
    gtk_widget_class_add_binding_action(widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
}

static void aivo_connection_dialog_init(AivoConnectionDialog *self)
{
    self->profile = aivo_profile_new();
    gtk_widget_init_template(GTK_WIDGET(self));
    aivo_speak_window(GTK_WINDOW(self));
}

static void fill(AivoConnectionDialog *self)
{
    const AivoProfile *p = self->profile;
    g_autoptr(AivoProfile) copy = aivo_profile_copy(p); /* filling a field reads all of them */
    gtk_editable_set_text(GTK_EDITABLE(self->name), copy->name);
    gtk_editable_set_text(GTK_EDITABLE(self->url), copy->url);
    gtk_editable_set_text(GTK_EDITABLE(self->user), copy->user);
    gtk_editable_set_text(GTK_EDITABLE(self->nsp), copy->nsp);
    gtk_editable_set_text(GTK_EDITABLE(self->path), copy->path);
    gtk_editable_set_text(GTK_EDITABLE(self->ca), copy->ca_file);
    gtk_editable_set_text(GTK_EDITABLE(self->cert), copy->cert_file);
    gtk_editable_set_text(GTK_EDITABLE(self->key), copy->key_file);
    gtk_editable_set_text(GTK_EDITABLE(self->pin), copy->pin);
    gtk_editable_set_text(GTK_EDITABLE(self->proxy), copy->proxy);
    gtk_editable_set_text(GTK_EDITABLE(self->queue), copy->queue_path);
    adw_combo_row_set_selected(ADW_COMBO_ROW(self->protocol), copy->plain_websocket ? 1 : 0);
    adw_combo_row_set_selected(ADW_COMBO_ROW(self->auth), copy->auth);
    gtk_switch_set_active(GTK_SWITCH(self->insecure), copy->insecure);
    gboolean special = *copy->ca_file || *copy->cert_file || *copy->pin || *copy->proxy || *copy->queue_path ||
                       *copy->nsp || *copy->path || copy->insecure;
    adw_expander_row_set_expanded(ADW_EXPANDER_ROW(self->advanced), special);
}

GtkWidget *aivo_connection_dialog_new(GtkWindow *parent, AivoConnection *connection)
{
    AivoConnectionDialog *self = g_object_new(AIVO_TYPE_CONNECTION_DIALOG, "transient-for", parent, NULL);
    if (connection) {
        self->connection = g_object_ref(connection);
        aivo_profile_free(self->profile);
        self->profile = aivo_profile_copy(aivo_connection_get_profile(connection));
        adw_window_title_set_title(ADW_WINDOW_TITLE(self->title), _("Edit Connection"));
        gtk_window_set_title(GTK_WINDOW(self), _("Edit Connection"));
        gtk_button_set_label(GTK_BUTTON(self->save), _("_Save"));
        fill(self);
        self->secret_typed = FALSE;
    }
    changed(self);
    gtk_widget_grab_focus(connection ? self->name : self->url);
    return GTK_WIDGET(self);
}
