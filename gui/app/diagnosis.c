#include "diagnosis.h"
#include "describe.h"
#include "link-options.h"
#include <aivo/diagnose.h>
#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#define TOKEN_TTL_S    600
#define QUICK_TOTAL_MS 15000
#define FULL_TOTAL_MS  90000

struct _AivoDiagnosis {
    GObject parent;
    AivoProfile *profile;
    char *secret, *payload;
    AivoDiagnosisDepth depth;
    struct aivo_diagnosis *run; /* the worker's, while it runs; under lock */
    GMutex lock;
    gboolean cancelled; /* under lock */
    AivoVerdict verdict;
    char *summary, *fix, *text;
};

enum { SIGNAL_STAGE, SIGNAL_ENDED, SIGNAL_COUNT };

static guint signals[SIGNAL_COUNT];

G_DEFINE_FINAL_TYPE(AivoDiagnosis, aivo_diagnosis, G_TYPE_OBJECT)

static void finalize(GObject *object)
{
    AivoDiagnosis *self = AIVO_DIAGNOSIS(object);
    aivo_profile_free(self->profile);
    aivo_secret_free(self->secret);
    aivo_secret_free(self->payload);
    g_mutex_clear(&self->lock);
    g_free(self->summary);
    g_free(self->fix);
    g_free(self->text);
    G_OBJECT_CLASS(aivo_diagnosis_parent_class)->finalize(object);
}

static void aivo_diagnosis_class_init(AivoDiagnosisClass *class)
{
    G_OBJECT_CLASS(class)->finalize = finalize;
    signals[SIGNAL_STAGE] = g_signal_new("stage", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                         G_TYPE_NONE, 1, G_TYPE_POINTER);
    signals[SIGNAL_ENDED] =
        g_signal_new("ended", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void aivo_diagnosis_init(AivoDiagnosis *self)
{
    g_mutex_init(&self->lock);
    self->verdict = AIVO_VERDICT_BAD;
}

AivoDiagnosis *aivo_diagnosis_new(const AivoProfile *profile, const char *secret, AivoDiagnosisDepth depth)
{
    AivoDiagnosis *self = g_object_new(AIVO_TYPE_DIAGNOSIS, NULL);
    self->profile = aivo_profile_copy(profile);
    self->secret = g_strdup(secret);
    self->depth = depth;
    return self;
}

/* ------------------------------------------------------------ to the window */

struct news {
    AivoDiagnosis *diagnosis;
    AivoStageResult result;
    char *reason, *fix;
};

static void news_free(gpointer data)
{
    struct news *news = data;
    g_object_unref(news->diagnosis);
    g_free(news->reason);
    g_free(news->fix);
    g_free(news);
}

static gboolean tell(gpointer data)
{
    struct news *news = data;
    g_signal_emit(news->diagnosis, signals[SIGNAL_STAGE], 0, &news->result);
    return G_SOURCE_REMOVE;
}

static void send_news(AivoDiagnosis *self, AivoStageResult result)
{
    struct news *news = g_new0(struct news, 1);
    news->diagnosis = g_object_ref(self);
    news->reason = g_strdup(result.reason);
    news->fix = g_strdup(result.fix);
    news->result = result;
    news->result.reason = news->reason;
    news->result.fix = news->fix;
    g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, tell, news, news_free);
}

static void on_begin(enum aivo_diagnose_stage stage, void *user)
{
    send_news(user, (AivoStageResult){.stage = (int)stage,
                                      .title = aivo_diagnose_stage_title(stage),
                                      .status = AIVO_STAGE_RUNNING,
                                      .time_ms = NAN,
                                      .reason = "",
                                      .fix = ""});
}

static void on_end(const struct aivo_diagnose_result *result, void *user)
{
    send_news(user, (AivoStageResult){.stage = (int)result->stage,
                                      .title = aivo_diagnose_stage_title(result->stage),
                                      .status = (AivoStageStatus)result->status,
                                      .time_ms = result->time_ms,
                                      .reason = result->reason,
                                      .fix = result->fix});
}

/* -------------------------------------------------------------------- text */

static void add_stage(GString *out, const struct aivo_diagnose_result *stage)
{
    g_string_append_printf(out, "%-5s %-20s", aivo_diagnose_status_name(stage->status),
                           aivo_diagnose_stage_title(stage->stage));
    if (isfinite(stage->time_ms))
        g_string_append_printf(out, " %8.1f ms", stage->time_ms);
    else
        g_string_append(out, "            ");
    g_string_append_printf(out, "  %s\n", stage->reason);
    for (size_t i = 0; i < stage->finding_count; i++) {
        const struct aivo_diagnose_finding *finding = &stage->findings[i];
        if (i > 0)
            g_string_append_printf(out, "      %s: %s\n", aivo_diagnose_status_name(finding->status), finding->reason);
        if (*finding->fix)
            g_string_append_printf(out, "      -> %s\n", finding->fix);
    }
    for (size_t i = 0; i < stage->fact_count; i++) {
        const struct aivo_diagnose_fact *fact = &stage->facts[i];
        g_string_append(out, "      ");
        if (fact->list)
            g_string_append_printf(out, "%s[%u].", fact->list, fact->item);
        if (fact->type == AIVO_DIAGNOSE_TEXT)
            g_string_append_printf(out, "%s: %s\n", fact->key, fact->text);
        else if (fact->type == AIVO_DIAGNOSE_BOOL)
            g_string_append_printf(out, "%s: %s\n", fact->key, fact->truth ? "yes" : "no");
        else if (isfinite(fact->number))
            g_string_append_printf(out, "%s: %.10g\n", fact->key, fact->number);
        else
            g_string_append_printf(out, "%s: unknown\n", fact->key);
    }
}

/* Everything that was found, in a form for a mail. The report holds no credentials. */
static char *report_text(const struct aivo_diagnose_report *report)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(report->time_ms / 1000);
    g_autofree char *when = time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("");
    g_string_append_printf(out, "Aivo diagnosis of %s, %s, took %.1f s\n\n%s\n", report->url, when,
                           report->duration_ms / 1000, report->summary);
    if (*report->fix)
        g_string_append_printf(out, "What to do: %s\n", report->fix);
    g_string_append_c(out, '\n');
    for (size_t i = 0; i < report->stage_count; i++)
        add_stage(out, &report->stages[i]);
    return g_string_free(out, FALSE);
}

/* ------------------------------------------------------------------ worker */

static void take_report(AivoDiagnosis *self, const struct aivo_diagnose_report *report)
{
    static const AivoVerdict verdicts[] = {AIVO_VERDICT_GOOD, AIVO_VERDICT_DEGRADED, AIVO_VERDICT_BAD,
                                           AIVO_VERDICT_BAD};
    self->verdict = verdicts[CLAMP((int)report->verdict, 0, 3)];
    self->summary = aivo_describe_sentence(report->summary);
    self->fix = g_strdup(report->fix);
    self->text = report_text(report);
}

static void worker(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)data;
    (void)cancellable;
    AivoDiagnosis *self = source;
    struct aivo_options target;
    struct aivo_diagnose_options options;
    struct aivo_error error = {0};
    struct aivo_diagnosis *run = NULL;
    aivo_link_options(self->profile, NULL, &target);
    self->payload = aivo_link_auth_payload(self->profile, self->secret, TOKEN_TTL_S);
    target.auth = self->payload;
    aivo_diagnose_options_init(&options);
    options.on_begin = on_begin;
    options.on_end = on_end;
    options.user = self;
    options.count = self->depth == AIVO_DIAGNOSIS_QUICK ? 5 : 20;
    options.polling = self->depth == AIVO_DIAGNOSIS_FULL;
    options.total_timeout_ms = self->depth == AIVO_DIAGNOSIS_QUICK ? QUICK_TOTAL_MS : FULL_TOTAL_MS;
    if (aivo_diagnose_create(&target, &options, &run, &error) != AIVO_OK) {
        self->summary = aivo_describe_sentence(error.message);
        g_task_return_boolean(task, TRUE);
        return;
    }
    g_mutex_lock(&self->lock);
    self->run = run;
    if (self->cancelled)
        aivo_diagnose_cancel(run);
    g_mutex_unlock(&self->lock);
    aivo_diagnose_run(run);
    take_report(self, aivo_diagnose_report(run));
    g_mutex_lock(&self->lock);
    self->run = NULL;
    g_mutex_unlock(&self->lock);
    aivo_diagnose_destroy(run);
    g_task_return_boolean(task, TRUE);
}

static void ended(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)result;
    (void)user;
    g_signal_emit(source, signals[SIGNAL_ENDED], 0);
}

void aivo_diagnosis_run(AivoDiagnosis *self)
{
    g_autoptr(GTask) task = g_task_new(self, NULL, ended, NULL);
    g_task_run_in_thread(task, worker);
}

void aivo_diagnosis_cancel(AivoDiagnosis *self)
{
    g_mutex_lock(&self->lock);
    self->cancelled = TRUE;
    if (self->run)
        aivo_diagnose_cancel(self->run);
    g_mutex_unlock(&self->lock);
}

AivoVerdict aivo_diagnosis_get_verdict(AivoDiagnosis *self)
{
    return self->verdict;
}

const char *aivo_diagnosis_get_summary(AivoDiagnosis *self)
{
    return self->summary ? self->summary : "";
}

const char *aivo_diagnosis_get_fix(AivoDiagnosis *self)
{
    return self->fix ? self->fix : "";
}

const char *aivo_diagnosis_get_text(AivoDiagnosis *self)
{
    return self->text ? self->text : self->summary ? self->summary : "";
}
