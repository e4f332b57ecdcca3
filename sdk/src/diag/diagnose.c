/* The diagnosis as a whole: made, run through its stages, told of, destroyed. */
#include "run.h"

#include "clock.h"
#include "errtext.h"
#include "net.h"
#include "sized.h"
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int64_t diag_stage_deadline(const struct aivo_diagnosis *d)
{
    return d->stage_us + (int64_t)d->options.stage_timeout_ms * 1000;
}

double diag_since_ms(int64_t from_us)
{
    return (double)(aivo_clock_us() - from_us) / 1000.0;
}

/* ---- options ---- */

static const struct aivo_diagnose_options *defaults(void)
{
    static const struct aivo_diagnose_options options = {.size = sizeof options,
                                                         .count = 10,
                                                         .interval_ms = 150,
                                                         .confidence_pct = 5,
                                                         .confident_ms = 60000,
                                                         .stage_timeout_ms = 5000,
                                                         .polling = true,
                                                         .sticky_requests = 4,
                                                         .throughput_bytes = 524288,
                                                         .rate_messages = 120,
                                                         .rate_event = "agent:learning",
                                                         .warn_days = 21};
    return &options;
}

void aivo_diagnose_options_init_sized(struct aivo_diagnose_options *o, size_t size)
{
    aivo_sized_out(o, size, defaults(), sizeof *o);
}

struct range {
    const char *name;
    double value, least, most;
};

static enum aivo_status check_ranges(const struct aivo_diagnose_options *o, struct aivo_error *err)
{
    const double day_ms = 86400000;
    const struct range ranges[] = {
        {"count", o->count, 1, 1000000},
        {"interval_ms", o->interval_ms, 100, 60000},
        {"confidence_pct", o->confidence_pct, 0.5, 100},
        {"confident_ms", o->confident_ms, 1, day_ms},
        {"stage_timeout_ms", o->stage_timeout_ms, 50, day_ms},
        {"total_timeout_ms", o->total_timeout_ms, 0, day_ms},
        {"sticky_requests", o->sticky_requests, 0, 64},
        {"throughput_bytes", o->throughput_bytes, 1024, 64 << 20},
        {"rate_messages", o->rate_messages, 1, 100000},
        {"warn_days", o->warn_days, 0, 36500},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *r = &ranges[i];
        char least[24], most[24];
        if (!(r->value >= r->least && r->value <= r->most))
            return aivo_error_join(err, AIVO_E_INVALID, 0, "diagnosis option ", r->name, " is not within ",
                                   r->least == 0.5 ? "0.5" : aivo_decimal(least, (long long)r->least), "..",
                                   aivo_decimal(most, (long long)r->most), (char *)NULL);
    }
    return AIVO_OK;
}

static bool one_line(const char *text, size_t most)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x21 || text[i] == 0x7f)
            return false;
    return len > 0 && len <= most;
}

static enum aivo_status check_options(const struct aivo_diagnose_options *o, struct aivo_error *err)
{
    if (o->origin && !one_line(o->origin, 250))
        return aivo_error_join(err, AIVO_E_INVALID, 0, "diagnosis option origin is no origin, as https://app.example",
                               (char *)NULL);
    if (o->rate_limit && (!o->rate_event || !one_line(o->rate_event, 256)))
        return aivo_error_join(err, AIVO_E_INVALID, 0,
                               "diagnosis option rate_event must be 1..256 bytes without spaces", (char *)NULL);
    if (o->throughput_event && !one_line(o->throughput_event, 256))
        return aivo_error_join(err, AIVO_E_INVALID, 0,
                               "diagnosis option throughput_event must be 1..256 bytes without spaces", (char *)NULL);
    return check_ranges(o, err);
}

/* ---- making ---- */

static enum aivo_status choose_proxy(struct aivo_diagnosis *d, struct aivo_error *err)
{
    const struct aivo_url *url = &d->settings.url;
    struct aivo_transport_request request = {
        .tls = url->tls, .host = url->host, .port = url->port, .proxy = d->settings.options.proxy};
    return aivo_dial_proxy(&request, &d->proxy, err);
}

/* The URL for people: the query's values may be secrets. */
static char *public_url(const struct aivo_url *url)
{
    char *text = NULL;
    int n = asprintf(&text, "%s://%s%s%s:%u%s%s", url->tls ? "https" : "http", url->ipv6 ? "[" : "", url->host,
                     url->ipv6 ? "]" : "", (unsigned)url->port, strcmp(url->path, "/") == 0 ? "" : url->path,
                     *url->query ? "?..." : "");
    return n < 0 ? NULL : text;
}

static void describe_target(struct aivo_diagnosis *d)
{
    const struct aivo_options *o = &d->settings.options;
    bool socketio = o->protocol == AIVO_PROTOCOL_SOCKETIO;
    d->target = (struct diag_target){.host = d->settings.url.host,
                                     .port = d->settings.url.port,
                                     .tls = d->settings.url.tls,
                                     .socketio = socketio,
                                     .via_proxy = d->proxy.used,
                                     .proxy_host = d->proxy.host,
                                     .proxy_port = d->proxy.port,
                                     .path = socketio && o->path ? o->path
                                             : socketio          ? "/socket.io/"
                                                                 : d->settings.url.path,
                                     .nsp = o->nsp,
                                     .timeout_ms = d->options.stage_timeout_ms};
}

static enum aivo_status fill(struct aivo_diagnosis *d, const struct aivo_options *target, struct aivo_error *err)
{
    d->origin = d->options.origin ? strdup(d->options.origin) : NULL;
    d->rate_event = d->options.rate_event ? strdup(d->options.rate_event) : NULL;
    d->throughput_event = d->options.throughput_event ? strdup(d->options.throughput_event) : NULL;
    d->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->cancel_fd < 0 || d->ended_fd < 0)
        return aivo_error_join(err, AIVO_E_SYSTEM, 0, "the system gives no eventfd", (char *)NULL);
    enum aivo_status status = aivo_settings_init(&d->settings, target, err);
    if (status == AIVO_OK)
        status = choose_proxy(d, err);
    if (status != AIVO_OK)
        return status;
    d->url = public_url(&d->settings.url);
    if (!d->url || (d->options.origin && !d->origin) || (d->options.rate_event && !d->rate_event) ||
        (d->options.throughput_event && !d->throughput_event))
        return aivo_error_join(err, AIVO_E_MEMORY, 0, "no memory for a diagnosis", (char *)NULL);
    d->options.origin = d->origin;
    d->options.rate_event = d->rate_event;
    d->options.throughput_event = d->throughput_event;
    describe_target(d);
    return AIVO_OK;
}

static void free_all(struct aivo_diagnosis *d)
{
    if (d->cancel_fd >= 0)
        close(d->cancel_fd);
    if (d->ended_fd >= 0)
        close(d->ended_fd);
    aivo_tls_context_release(d->tls_context);
    aivo_settings_free(&d->settings);
    diag_report_free(&d->report);
    free(d->origin);
    free(d->rate_event);
    free(d->throughput_event);
    free(d->url);
    free(d);
}

enum aivo_status aivo_diagnose_create(const struct aivo_options *target, const struct aivo_diagnose_options *options,
                                      struct aivo_diagnosis **out, struct aivo_error *err)
{
    if (!target || !out)
        return aivo_error_join(err, AIVO_E_INVALID, 0, target ? "out" : "target", " is NULL", (char *)NULL);
    struct aivo_diagnose_options how = *defaults();
    if (options &&
        !aivo_sized_in(&how, sizeof how, options, options->size, AIVO_SIZE_THROUGH(struct aivo_diagnose_options, user)))
        return aivo_error_join(err, AIVO_E_INVALID, 0, "the options were not filled with aivo_diagnose_options_init()",
                               (char *)NULL);
    enum aivo_status status = check_options(&how, err);
    if (status != AIVO_OK)
        return status;
    struct aivo_diagnosis *d = calloc(1, sizeof *d);
    if (!d)
        return aivo_error_join(err, AIVO_E_MEMORY, 0, "no memory for a diagnosis", (char *)NULL);
    d->options = how;
    d->resolve = aivo_resolve_system;
    d->cancel_fd = d->ended_fd = -1;
    diag_report_init(&d->report);
    diag_stream_init(&d->stream, &d->stop, -1);
    status = fill(d, target, err);
    if (status != AIVO_OK)
        free_all(d);
    else
        *out = d;
    return status;
}

/* ---- running ---- */

static const char *never_skip(const struct aivo_diagnosis *d)
{
    (void)d;
    return NULL;
}

static const char *proxy_skip(const struct aivo_diagnosis *d)
{
    return d->proxy.used ? NULL : "not-needed";
}

static const char *tls_skip(const struct aivo_diagnosis *d)
{
    return d->target.tls ? NULL : "not-needed";
}

static const char *socketio_skip(const struct aivo_diagnosis *d)
{
    return d->target.socketio ? NULL : "not-needed";
}

static const char *polling_skip(const struct aivo_diagnosis *d)
{
    return !d->target.socketio ? "not-needed" : d->options.polling ? NULL : "not-asked";
}

static const char *throughput_skip(const struct aivo_diagnosis *d)
{
    return d->options.throughput ? NULL : "not-asked";
}

static const char *rate_skip(const struct aivo_diagnosis *d)
{
    return !d->options.rate_limit ? "not-asked" : d->target.socketio ? NULL : "not-needed";
}

static const struct step {
    const char *(*skip)(const struct aivo_diagnosis *d); /* why it is not to be run, or NULL */
    enum diag_next (*run)(struct aivo_diagnosis *d);
} steps[AIVO_DIAGNOSE_STAGES] = {
    [AIVO_DIAGNOSE_DNS] = {never_skip, diag_run_dns},
    [AIVO_DIAGNOSE_TCP] = {never_skip, diag_run_tcp},
    [AIVO_DIAGNOSE_PROXY] = {proxy_skip, diag_run_proxy},
    [AIVO_DIAGNOSE_TLS] = {tls_skip, diag_run_tls},
    [AIVO_DIAGNOSE_HTTP] = {never_skip, diag_run_http},
    [AIVO_DIAGNOSE_ENGINEIO] = {socketio_skip, diag_run_engineio},
    [AIVO_DIAGNOSE_AUTH] = {socketio_skip, diag_run_auth},
    [AIVO_DIAGNOSE_PROBES] = {never_skip, diag_run_probes},
    [AIVO_DIAGNOSE_POLLING] = {polling_skip, diag_run_polling},
    [AIVO_DIAGNOSE_THROUGHPUT] = {throughput_skip, diag_run_throughput},
    [AIVO_DIAGNOSE_RATE_LIMIT] = {rate_skip, diag_run_rate},
};

static void end_stage(struct aivo_diagnosis *d, enum aivo_diagnose_stage stage, bool begun, const char *skip)
{
    double start_ms = begun ? (double)(d->stage_us - d->start_us) / 1000.0 : NAN;
    const struct aivo_diagnose_result *result =
        diag_stage_end(&d->report, stage, start_ms, begun ? diag_since_ms(d->stage_us) : NAN, skip);
    if (d->options.on_end)
        d->options.on_end(result, d->options.user);
}

/* Why a stage is not run now; NULL: it is. Long-polling is looked at even where WebSocket does not work. */
static const char *why_not(const struct aivo_diagnosis *d, enum aivo_diagnose_stage stage, bool stopped, bool cancelled)
{
    const char *skip = steps[stage].skip(d);
    if (skip)
        return skip;
    if (stopped && !(stage == AIVO_DIAGNOSE_POLLING && d->polling))
        return "not-reached";
    return cancelled ? "cancelled" : NULL;
}

static void run_stages(struct aivo_diagnosis *d)
{
    bool stopped = false, cancelled = false;
    for (int i = 0; i < AIVO_DIAGNOSE_STAGES; i++) {
        enum aivo_diagnose_stage stage = (enum aivo_diagnose_stage)i;
        diag_stage_fill(&d->report, stage);
        const char *skip = why_not(d, stage, stopped, cancelled);
        if (!skip && diag_stopped(&d->stop)) {
            cancelled = true;
            skip = "cancelled";
        }
        if (skip) {
            end_stage(d, stage, false, skip);
            continue;
        }
        d->stage_us = aivo_clock_us();
        if (stage == AIVO_DIAGNOSE_HTTP && !polling_skip(d))
            diag_polling_start(d);
        if (d->options.on_begin)
            d->options.on_begin(stage, d->options.user);
        enum diag_next next = steps[i].run(d);
        cancelled |= next == DIAG_INTERRUPT || next == DIAG_CUT_SHORT;
        stopped |= next == DIAG_STOP;
        end_stage(d, stage, true, next == DIAG_INTERRUPT ? "cancelled" : NULL);
    }
    d->report.out.cancelled = cancelled;
}

static void run(struct aivo_diagnosis *d)
{
    d->start_us = aivo_clock_us();
    d->stop = (struct diag_stop){.cancel_fd = d->cancel_fd, .total_us = AIVO_NEVER};
    if (d->options.total_timeout_ms)
        d->stop.total_us = d->start_us + (int64_t)d->options.total_timeout_ms * 1000;
    d->report.out.time_ms = aivo_clock_unix_ms();
    d->report.out.url = d->url;
    run_stages(d);
    diag_polling_end(d);
    d->report.out.duration_ms = diag_since_ms(d->start_us);
    diag_socket_finish(d);
    diag_stream_close(&d->stream);
    diag_report_conclude(&d->report);
    uint64_t one = 1;
    atomic_store(&d->state, DIAG_ENDED);
    ssize_t ignored = write(d->ended_fd, &one, sizeof one);
    (void)ignored;
}

static bool begin(struct aivo_diagnosis *d)
{
    int made = DIAG_MADE;
    return atomic_compare_exchange_strong(&d->state, &made, DIAG_RUNNING);
}

enum aivo_status aivo_diagnose_run(struct aivo_diagnosis *d)
{
    if (!d)
        return AIVO_E_INVALID;
    if (!begin(d))
        return AIVO_E_STATE;
    run(d);
    return AIVO_OK;
}

static void *work(void *argument)
{
    run(argument);
    return NULL;
}

enum aivo_status aivo_diagnose_start(struct aivo_diagnosis *d)
{
    if (!d)
        return AIVO_E_INVALID;
    if (!begin(d))
        return AIVO_E_STATE;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* the program's signals are for its own threads */
    d->threaded = pthread_create(&d->thread, NULL, work, d) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!d->threaded)
        atomic_store(&d->state, DIAG_MADE);
    return d->threaded ? AIVO_OK : AIVO_E_SYSTEM;
}

bool aivo_diagnose_wait(struct aivo_diagnosis *d, int64_t timeout_ms)
{
    struct diag_stop never = {.cancel_fd = -1, .total_us = AIVO_NEVER};
    const int64_t longest_ms = INT64_MAX / 4000;
    if (!d || atomic_load(&d->state) == DIAG_ENDED)
        return true;
    int64_t until_us = timeout_ms < 0 || timeout_ms > longest_ms ? AIVO_NEVER : aivo_clock_us() + timeout_ms * 1000;
    return diag_wait(&never, d->ended_fd, POLLIN, until_us) == DIAG_DONE;
}

int aivo_diagnose_fd(const struct aivo_diagnosis *d)
{
    return d ? d->ended_fd : -1;
}

void aivo_diagnose_cancel(struct aivo_diagnosis *d)
{
    if (!d)
        return;
    uint64_t one = 1; /* write() is safe in signal handlers */
    ssize_t ignored = write(d->cancel_fd, &one, sizeof one);
    (void)ignored;
}

const struct aivo_diagnose_report *aivo_diagnose_report(const struct aivo_diagnosis *d)
{
    return d && atomic_load(&d->state) == DIAG_ENDED ? &d->report.out : NULL;
}

void aivo_diagnose_destroy(struct aivo_diagnosis *d)
{
    if (!d)
        return;
    if (d->threaded) {
        aivo_diagnose_cancel(d);
        pthread_join(d->thread, NULL);
    }
    free_all(d);
}
