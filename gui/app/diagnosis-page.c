#include "diagnosis-page.h"
#include "application.h"
#include "describe.h"
#include "diagnosis.h"
#include "window.h"
#include <glib/gi18n.h>
#include <math.h>

#define STAGES_MAX 16

struct _AivoDiagnosisPage {
    AdwBin parent;
    AivoConnection *connection;
    AivoDiagnosis *diagnosis; /* the latest; NULL: none yet */
    gboolean running;
    GtkWidget *stack, *list, *icon, *summary, *fix, *run, *cancel, *copy, *spinner;
    struct stage_row {
        GtkWidget *row, *icon, *spinner, *time;
    } rows[STAGES_MAX];
};

G_DEFINE_FINAL_TYPE(AivoDiagnosisPage, aivo_diagnosis_page, ADW_TYPE_BIN)

static const struct {
    const char *icon, *class, *word;
} looks[] = {
    [AIVO_STAGE_OK] = {"emblem-ok-symbolic", "success", N_("OK")},
    [AIVO_STAGE_WARN] = {"dialog-warning-symbolic", "warning", N_("Warning")},
    [AIVO_STAGE_FAIL] = {"dialog-error-symbolic", "error", N_("Failed")},
    [AIVO_STAGE_SKIP] = {"action-unavailable-symbolic", "dim-label", N_("Skipped")},
    [AIVO_STAGE_RUNNING] = {NULL, NULL, N_("Running")},
};

/* ------------------------------------------------------------------ stages */

static void clear_stages(AivoDiagnosisPage *self)
{
    for (int i = 0; i < STAGES_MAX; i++) {
        if (self->rows[i].row)
            gtk_list_box_remove(GTK_LIST_BOX(self->list), self->rows[i].row);
        self->rows[i] = (struct stage_row){0};
    }
}

static struct stage_row *stage_row(AivoDiagnosisPage *self, const AivoStageResult *result)
{
    struct stage_row *line = &self->rows[result->stage];
    if (line->row)
        return line;
    line->row = adw_action_row_new();
    line->icon = gtk_image_new();
    line->spinner = gtk_spinner_new();
    line->time = gtk_label_new(NULL);
    gtk_widget_add_css_class(line->time, "dim-label");
    gtk_widget_add_css_class(line->time, "numeric");
    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(line->row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(line->row), result->title);
    adw_action_row_set_subtitle_lines(ADW_ACTION_ROW(line->row), 6);
    adw_action_row_add_prefix(ADW_ACTION_ROW(line->row), line->icon);
    adw_action_row_add_prefix(ADW_ACTION_ROW(line->row), line->spinner);
    adw_action_row_add_suffix(ADW_ACTION_ROW(line->row), line->time);
    gtk_list_box_append(GTK_LIST_BOX(self->list), line->row);
    return line;
}

static void show_stage(AivoDiagnosis *diagnosis, const AivoStageResult *result, AivoDiagnosisPage *self)
{
    if (diagnosis != self->diagnosis || result->stage < 0 || result->stage >= STAGES_MAX)
        return;
    struct stage_row *line = stage_row(self, result);
    gboolean running = result->status == AIVO_STAGE_RUNNING;
    g_autofree char *subtitle =
        *result->fix ? g_strdup_printf("%s\n→ %s", result->reason, result->fix) : g_strdup(result->reason);
    g_autofree char *time = isfinite(result->time_ms) ? aivo_describe_ms(result->time_ms) : g_strdup("");
    g_autofree char *words =
        g_strdup_printf("%s: %s. %s", result->title, _(looks[result->status].word), result->reason);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(line->row), subtitle);
    gtk_label_set_text(GTK_LABEL(line->time), time);
    gtk_widget_set_visible(line->spinner, running);
    gtk_spinner_set_spinning(GTK_SPINNER(line->spinner), running);
    gtk_widget_set_visible(line->icon, !running);
    gtk_image_set_from_icon_name(GTK_IMAGE(line->icon), looks[result->status].icon);
    if (looks[result->status].class)
        gtk_widget_add_css_class(line->icon, looks[result->status].class);
    gtk_accessible_update_property(GTK_ACCESSIBLE(line->row), GTK_ACCESSIBLE_PROPERTY_LABEL, words, -1);
}

/* ------------------------------------------------------------------ verdict */

static void show_running(AivoDiagnosisPage *self, gboolean running)
{
    self->running = running;
    gtk_widget_set_visible(self->run, !running);
    gtk_widget_set_visible(self->cancel, running);
    gtk_widget_set_visible(self->spinner, running);
    gtk_spinner_set_spinning(GTK_SPINNER(self->spinner), running);
    gtk_widget_set_visible(self->icon, !running);
    gtk_widget_set_sensitive(self->copy, !running && self->diagnosis);
}

static void show_end(AivoDiagnosis *diagnosis, AivoDiagnosisPage *self)
{
    static const AivoStageStatus as_stage[] = {[AIVO_VERDICT_GOOD] = AIVO_STAGE_OK,
                                               [AIVO_VERDICT_DEGRADED] = AIVO_STAGE_WARN,
                                               [AIVO_VERDICT_BAD] = AIVO_STAGE_FAIL};
    if (diagnosis != self->diagnosis)
        return;
    AivoStageStatus look = as_stage[aivo_diagnosis_get_verdict(diagnosis)];
    for (size_t i = 0; i < G_N_ELEMENTS(as_stage); i++)
        gtk_widget_remove_css_class(self->icon, looks[as_stage[i]].class);
    gtk_widget_add_css_class(self->icon, looks[look].class);
    gtk_image_set_from_icon_name(GTK_IMAGE(self->icon), looks[look].icon);
    gtk_label_set_text(GTK_LABEL(self->summary), aivo_diagnosis_get_summary(diagnosis));
    gtk_label_set_text(GTK_LABEL(self->fix), aivo_diagnosis_get_fix(diagnosis));
    gtk_widget_set_visible(self->fix, *aivo_diagnosis_get_fix(diagnosis) != '\0');
    show_running(self, FALSE);
}

/* --------------------------------------------------------------------- run */

static void begin(AivoDiagnosisPage *self, const char *secret)
{
    clear_stages(self);
    g_clear_object(&self->diagnosis);
    self->diagnosis = aivo_diagnosis_new(aivo_connection_get_profile(self->connection), secret, AIVO_DIAGNOSIS_FULL);
    g_signal_connect_object(self->diagnosis, "stage", G_CALLBACK(show_stage), self, 0);
    g_signal_connect_object(self->diagnosis, "ended", G_CALLBACK(show_end), self, 0);
    gtk_stack_set_visible_child_name(GTK_STACK(self->stack), "report");
    gtk_label_set_text(GTK_LABEL(self->summary), _("Looking at the connection, stage by stage…"));
    gtk_widget_set_visible(self->fix, FALSE);
    aivo_diagnosis_run(self->diagnosis);
}

static void got_secret(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(AivoDiagnosisPage) self = user;
    char *secret = aivo_secrets_lookup_finish(AIVO_SECRETS(source), result);
    if (self->connection && self->running)
        begin(self, secret);
    aivo_secret_free(secret);
}

void aivo_diagnosis_page_run(AivoDiagnosisPage *self)
{
    if (!self->connection || self->running)
        return;
    show_running(self, TRUE);
    if (aivo_connection_get_profile(self->connection)->auth == AIVO_AUTH_NONE)
        begin(self, NULL);
    else
        aivo_secrets_lookup_async(aivo_application_get_secrets(aivo_application_get()),
                                  aivo_connection_get_id(self->connection), got_secret, g_object_ref(self));
}

static void run_clicked(AivoDiagnosisPage *self)
{
    aivo_diagnosis_page_run(self);
}

static void cancel_clicked(AivoDiagnosisPage *self)
{
    if (self->diagnosis)
        aivo_diagnosis_cancel(self->diagnosis);
}

static void copy_clicked(AivoDiagnosisPage *self)
{
    if (!self->diagnosis || self->running)
        return;
    gdk_clipboard_set_text(gtk_widget_get_clipboard(GTK_WIDGET(self)), aivo_diagnosis_get_text(self->diagnosis));
    GtkRoot *root = gtk_widget_get_root(GTK_WIDGET(self));
    if (AIVO_IS_WINDOW(root))
        aivo_window_toast(AIVO_WINDOW(root), _("The report was copied. It holds no credentials."));
}

void aivo_diagnosis_page_set_connection(AivoDiagnosisPage *self, AivoConnection *connection)
{
    if (!g_set_object(&self->connection, connection))
        return;
    if (self->diagnosis)
        aivo_diagnosis_cancel(self->diagnosis);
    g_clear_object(&self->diagnosis);
    clear_stages(self);
    show_running(self, FALSE);
    gtk_stack_set_visible_child_name(GTK_STACK(self->stack), "empty");
}

/* -------------------------------------------------------------------- life */

static void dispose(GObject *object)
{
    AivoDiagnosisPage *self = AIVO_DIAGNOSIS_PAGE(object);
    if (self->diagnosis)
        aivo_diagnosis_cancel(self->diagnosis);
    g_clear_object(&self->diagnosis);
    g_clear_object(&self->connection);
    G_OBJECT_CLASS(aivo_diagnosis_page_parent_class)->dispose(object);
}

#define BIND(name) gtk_widget_class_bind_template_child(widget_class, AivoDiagnosisPage, name)

static void aivo_diagnosis_page_class_init(AivoDiagnosisPageClass *class)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(class);
    G_OBJECT_CLASS(class)->dispose = dispose;
    gtk_widget_class_set_template_from_resource(widget_class, AIVO_RESOURCES "/diagnosis-page.ui");
    BIND(stack), BIND(list), BIND(icon), BIND(summary), BIND(fix), BIND(run), BIND(cancel), BIND(copy), BIND(spinner);
    gtk_widget_class_bind_template_callback(widget_class, run_clicked);
    gtk_widget_class_bind_template_callback(widget_class, cancel_clicked);
    gtk_widget_class_bind_template_callback(widget_class, copy_clicked);
}

static void aivo_diagnosis_page_init(AivoDiagnosisPage *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    show_running(self, FALSE);
}
