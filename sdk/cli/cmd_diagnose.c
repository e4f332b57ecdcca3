/* aivo diagnose: what is wrong with a connection, stage by stage, and what to do about it. */
#include "diagnose.h"
#include "entry.h"
#include "report.h"
#include "textfile.h"
#include "token.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MINTED_TTL_S   600
#define STAGE_LEAST_MS 50

static const char *const formats[] = {"text", "markdown", "json", "nagios", "prometheus", NULL};

#define AT(member) offsetof(struct diagnose_flags, member)
static const struct cli_flag diagnose_flags[] = {
    {"format", CLI_FLAG_CHOICE, AT(format), "FORMAT", "text (default), markdown, json, nagios or prometheus", 0, 0,
     formats},
    {"markdown", CLI_FLAG_BOOL, AT(markdown), NULL, "to paste into an issue: without credentials and names", 0, 0,
     NULL},
    {"explain", CLI_FLAG_BOOL, AT(explain), NULL, "every fact and figure, and how it came about", 0, 0, NULL},
    {"count", CLI_FLAG_NUMBER, AT(count), "N", "probes, 1 to 1000000 (default 10)", 1, 1000000, NULL},
    {"interval", CLI_FLAG_NUMBER, AT(interval_ms), "MS", "time between probes, 100 to 60000 (default 150)", 100, 60000,
     NULL},
    {"until-confident", CLI_FLAG_BOOL, AT(until_confident), NULL,
     "probe on until the figures are certain, for a minute at most", 0, 0, NULL},
    {"throughput", CLI_FLAG_BOOL, AT(throughput), NULL, "also how fast large messages go (sends half a megabyte)", 0, 0,
     NULL},
    {"headroom", CLI_FLAG_BOOL, AT(headroom), NULL, "also how many messages the server takes before it refuses one", 0,
     0, NULL},
    {"no-polling", CLI_FLAG_BOOL, AT(no_polling), NULL, "leave HTTP long-polling and sticky sessions out", 0, 0, NULL},
    {"origin", CLI_FLAG_TEXT, AT(origin), "ORIGIN", "check CORS for a page from there: https://app.example", 0, 0,
     NULL},
    {"deadline", CLI_FLAG_NUMBER, AT(deadline_ms), "MS", "end the whole by then, with what is known (default: never)",
     100, 86400000, NULL},
    {"warn", CLI_FLAG_TEXT, AT(warn), "LIMITS", "nagios: 100,5% or rtt=100,p95=250,jitter=20,loss=5,score=60,cert=21",
     0, 0, NULL},
    {"crit", CLI_FLAG_TEXT, AT(crit), "LIMITS", "nagios: the same, for what is critical", 0, 0, NULL},
    {"textfile", CLI_FLAG_TEXT, AT(textfile), "FILE", "prometheus: replace FILE at once, for the node exporter", 0, 0,
     NULL},
    {"listen", CLI_FLAG_TEXT, AT(listen), "ADDR:PORT", "prometheus: serve /metrics and /probe?target=URL", 0, 0, NULL},
};
#undef AT

/* ---- one diagnosis ---- */

/* The signal handler's: a cancel may come from there. */
static struct aivo_diagnosis *volatile current;
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
    if (current) {
        aivo_diagnose_cancel(current);
    }
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* The token as it is now, owned by the caller; NULL: there is none. False: there should be one. */
static bool token_of(const struct cli_common *common, char **token, char error[CLI_ERROR_MAX])
{
    *token = NULL;
    if (common->token_file) {
        return cli_textfile_read(common->token_file, CLI_TOKEN_FILE_MAX, token, error);
    }
    if (common->token_secret) {
        *token = cli_token_mint(common->token_secret, common->user, (int64_t)time(NULL), MINTED_TTL_S);
    } else if (common->token) {
        *token = strdup(common->token);
    } else {
        return true;
    }
    return *token || cli_fail(error, "out of memory");
}

void diagnose_options(const struct diagnose_run *run, struct aivo_diagnose_options *options)
{
    const struct diagnose_flags *flags = &run->flags;
    const struct cli_common *common = &run->target[0].common;
    aivo_diagnose_options_init(options);
    options->count = flags->count > 0 ? (uint32_t)flags->count : options->count;
    options->interval_ms = flags->interval_ms > 0 ? (uint32_t)flags->interval_ms : options->interval_ms;
    options->until_confident = flags->until_confident;
    options->throughput = flags->throughput;
    options->rate_limit = flags->headroom;
    options->polling = !flags->no_polling;
    options->origin = flags->origin;
    if (common->timeout_given) { /* 0: never, which is a day here */
        int64_t ms = common->timeout_ms > 0 ? common->timeout_ms : 86400000;
        options->stage_timeout_ms = (uint32_t)(ms < STAGE_LEAST_MS ? STAGE_LEAST_MS : ms);
    }
    if (flags->deadline_ms > 0) {
        diagnose_bound(options, (uint32_t)flags->deadline_ms);
    }
}

void diagnose_bound(struct aivo_diagnose_options *options, uint32_t total_ms)
{
    uint32_t stage_ms = total_ms - total_ms / 5;
    options->total_timeout_ms = total_ms;
    if (options->stage_timeout_ms > stage_ms) {
        options->stage_timeout_ms = stage_ms < STAGE_LEAST_MS ? STAGE_LEAST_MS : stage_ms;
    }
}

/* What is wrong with flags or URL, as any other command says it. */
static int say_not_made(const struct diagnose_run *run, const struct diagnose_target *target,
                        const struct aivo_error *error)
{
    if (error->status == AIVO_E_INVALID || error->status == AIVO_E_TLS) {
        return strncmp(error->message, "option", 6) == 0
                   ? cli_usage_error(run->self, "%s", error->message)
                   : cli_usage_error(run->self, "'%.160s': %s", target->url, error->message);
    }
    cli_say(CLI_LOG_ERROR, "%s: %s", target->url, error->message);
    return CLI_EXIT_SOFTWARE;
}

int diagnose_make(const struct diagnose_run *run, const struct diagnose_target *target,
                  struct aivo_diagnose_options *options, struct aivo_diagnosis **out)
{
    char error[CLI_ERROR_MAX];
    char *token;
    bool failed;
    struct aivo_options connection;
    if (!token_of(&target->common, &token, error)) {
        cli_say(CLI_LOG_ERROR, "--token-file: %s", error);
        return CLI_EXIT_REFUSED; /* there are no credentials to be had */
    }
    cli_conn_options(&target->common, &connection);
    connection.auth_fn = NULL; /* there is no client that could ask */
    char *payload = cli_auth_payload(&target->common, token, &failed);
    free(token);
    if (failed) {
        cli_say(CLI_LOG_ERROR, "out of memory");
        return CLI_EXIT_SOFTWARE;
    }
    connection.auth = payload;
    struct aivo_error why;
    enum aivo_status status = aivo_diagnose_create(&connection, options, out, &why);
    free(payload);
    return status == AIVO_OK ? -1 : say_not_made(run, target, &why);
}

/* ---- progress and text, while it runs ---- */

struct teller {
    const struct diagnose_run *run;
    struct aivo_render_look look;
    bool live;   /* a line on standard error tells what is looked at */
    bool stages; /* the stages are printed as they end */
};

static void on_begin(enum aivo_diagnose_stage stage, void *user)
{
    struct teller *teller = user;
    char line[CLI_LINE_MAX];
    if (teller->live) {
        snprintf(line, sizeof(line), "  %s  %s", teller->look.unicode ? "…" : "..", aivo_diagnose_stage_title(stage));
        cli_live_show(line);
    }
}

static void on_sample(const struct aivo_quality *quality, uint64_t done, uint64_t wanted, void *user)
{
    struct teller *teller = user;
    char line[CLI_LINE_MAX], a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX];
    if (teller->live) {
        char of[32] = ""; /* with --until-confident there is no end to tell */
        if (!teller->run->flags.until_confident) {
            snprintf(of, sizeof(of), "/%llu", (unsigned long long)wanted);
        }
        snprintf(line, sizeof(line), "  %s  %s %llu%s  %s ms  median %s ms", teller->look.unicode ? "…" : "..",
                 aivo_diagnose_stage_title(AIVO_DIAGNOSE_PROBES), (unsigned long long)done, of,
                 aivo_render_figure(quality->latency_ms, a), aivo_render_figure(quality->p50_ms, b));
        cli_live_show(line);
    }
}

/* What a renderer writes goes out by the one way that notices failures. */
struct sheet {
    FILE *file;
    char *text;
    size_t len;
};

static bool sheet_open(struct sheet *sheet)
{
    *sheet = (struct sheet){.file = NULL};
    sheet->file = open_memstream(&sheet->text, &sheet->len);
    return sheet->file != NULL;
}

static void sheet_print(struct sheet *sheet)
{
    if (fclose(sheet->file) == 0) {
        cli_live_remove();
        cli_out_bytes(sheet->text, sheet->len);
        cli_out_flush();
    }
    free(sheet->text);
}

static void on_end(const struct aivo_diagnose_result *result, void *user)
{
    struct teller *teller = user;
    struct sheet sheet;
    if (teller->stages && sheet_open(&sheet)) {
        aivo_render_text_stage(sheet.file, result, &teller->look);
        sheet_print(&sheet);
    }
}

static void print_text_head(const struct diagnose_target *target)
{
    struct sheet sheet;
    if (sheet_open(&sheet)) {
        fprintf(sheet.file, "%s\n\n", target->url);
        sheet_print(&sheet);
    }
}

/* The report in the format that was asked for; of text what has not been printed yet. Returns the exit code. */
static int print_report(struct teller *teller, const struct aivo_diagnose_report *report, bool last)
{
    struct sheet sheet;
    int code = report->exit_code;
    if (!sheet_open(&sheet)) {
        return CLI_EXIT_SOFTWARE;
    }
    switch (teller->run->format) {
    case DIAGNOSE_TEXT:
        aivo_render_text_end(sheet.file, report, &teller->look);
        break;
    case DIAGNOSE_MARKDOWN:
        aivo_render_markdown(sheet.file, report);
        break;
    case DIAGNOSE_JSON:
        aivo_render_json(sheet.file, report);
        break;
    case DIAGNOSE_NAGIOS:
        code = aivo_render_nagios(sheet.file, report, &teller->run->warn, &teller->run->crit);
        break;
    case DIAGNOSE_PROMETHEUS:
        break; /* all targets together */
    }
    if (teller->run->format == DIAGNOSE_JSON || (!last && teller->run->format <= DIAGNOSE_MARKDOWN)) {
        fputc('\n', sheet.file);
    }
    sheet_print(&sheet);
    return code;
}

/* Diagnoses one target and prints it. The diagnosis is the caller's, for its report; NULL: there was none. */
static int diagnose_one(struct teller *teller, const struct diagnose_target *target, bool last,
                        struct aivo_diagnosis **out)
{
    struct aivo_diagnose_options options;
    diagnose_options(teller->run, &options);
    options.on_begin = on_begin;
    options.on_end = on_end;
    options.on_sample = on_sample;
    options.user = teller;
    int code = diagnose_make(teller->run, target, &options, out);
    if (code >= 0) {
        *out = NULL;
        return code;
    }
    if (teller->stages) {
        print_text_head(target);
    }
    current = *out;
    if (interrupted) { /* between the targets */
        aivo_diagnose_cancel(*out);
    }
    aivo_diagnose_run(*out);
    current = NULL;
    cli_live_remove();
    return print_report(teller, aivo_diagnose_report(*out), last);
}

static int write_metrics(const struct diagnose_run *run, const struct aivo_diagnose_report *const *reports,
                         const char *const *targets)
{
    char error[CLI_ERROR_MAX];
    struct sheet sheet;
    if (!sheet_open(&sheet)) {
        return CLI_EXIT_SOFTWARE;
    }
    aivo_render_prometheus(sheet.file, reports, targets, run->count);
    if (!run->flags.textfile) {
        sheet_print(&sheet);
        return -1;
    }
    bool good = fclose(sheet.file) == 0 && diagnose_replace_file(run->flags.textfile, sheet.text, sheet.len, error);
    free(sheet.text);
    if (!good) {
        cli_say(CLI_LOG_ERROR, "--textfile: %s", error);
    }
    return good ? -1 : CLI_EXIT_CANTCREAT;
}

static int diagnose_all(const struct diagnose_run *run)
{
    struct aivo_diagnosis *made[CLI_CONNS_MAX] = {NULL};
    const struct aivo_diagnose_report *reports[CLI_CONNS_MAX] = {NULL};
    const char *targets[CLI_CONNS_MAX];
    struct cli_look terminal = cli_out_look();
    struct teller teller = {.run = run,
                            .look = {.columns = cli_out_is_terminal() ? terminal.columns : 0,
                                     .colour = cli_out_is_live(),
                                     .unicode = terminal.unicode,
                                     .explain = run->flags.explain},
                            .live = cli_err_is_live(),
                            .stages = run->format == DIAGNOSE_TEXT};
    int worst = CLI_EXIT_OK;
    cli_live_on_err();
    catch_signals();
    for (size_t i = 0; i < run->count; i++) {
        targets[i] = run->target[i].url;
        int code = interrupted ? CLI_EXIT_NO_CONNECTION
                               : diagnose_one(&teller, &run->target[i], i + 1 == run->count, &made[i]);
        reports[i] = made[i] ? aivo_diagnose_report(made[i]) : NULL;
        worst = code > worst ? code : worst;
    }
    if (run->format == DIAGNOSE_PROMETHEUS) {
        int code = write_metrics(run, reports, targets);
        worst = code >= 0 ? code : worst;
    }
    for (size_t i = 0; i < run->count; i++) {
        aivo_diagnose_destroy(made[i]);
    }
    return worst;
}

/* ---- flags ---- */

/* One format, said in one way. */
static bool check_format(struct diagnose_run *run, char error[CLI_ERROR_MAX])
{
    const struct diagnose_flags *flags = &run->flags;
    int asked = (flags->format >= 0) + flags->markdown + run->target[0].common.json;
    if (asked > 1) {
        return cli_fail(error, "--format, --markdown and --json exclude one another");
    }
    run->format = flags->markdown                    ? DIAGNOSE_MARKDOWN
                  : run->target[0].common.json       ? DIAGNOSE_JSON
                  : flags->format >= 0               ? (enum diagnose_format)flags->format
                  : flags->listen || flags->textfile ? DIAGNOSE_PROMETHEUS
                                                     : DIAGNOSE_TEXT;
    if ((flags->listen || flags->textfile) && run->format != DIAGNOSE_PROMETHEUS) {
        return cli_fail(error, "--%s goes with --format prometheus", flags->listen ? "listen" : "textfile");
    }
    if (flags->listen && flags->textfile) {
        return cli_fail(error, "--listen and --textfile exclude one another");
    }
    if ((flags->warn || flags->crit) && run->format != DIAGNOSE_NAGIOS) {
        return cli_fail(error, "--%s goes with --format nagios", flags->warn ? "warn" : "crit");
    }
    if (run->format == DIAGNOSE_NAGIOS && run->count > 1) {
        return cli_fail(error, "--format nagios takes one URL: a check has one result");
    }
    return !flags->explain || run->format == DIAGNOSE_TEXT ||
           cli_fail(error, "--explain goes with --format text: the other formats have every fact anyway");
}

static bool check_limits(struct diagnose_run *run, char error[CLI_ERROR_MAX])
{
    const char *what;
    aivo_render_limits_init(&run->warn);
    aivo_render_limits_init(&run->crit);
    if (run->flags.warn && !aivo_render_limits_parse(run->flags.warn, &run->warn, &what)) {
        return cli_fail(error, "--warn: '%.60s': %s", run->flags.warn, what);
    }
    if (run->flags.crit && !aivo_render_limits_parse(run->flags.crit, &run->crit, &what)) {
        return cli_fail(error, "--crit: '%.60s': %s", run->flags.crit, what);
    }
    return true;
}

static bool take_urls(struct diagnose_run *run, const struct cli_common *common, const struct cli_words *words,
                      char error[CLI_ERROR_MAX])
{
    if (words->count > CLI_CONNS_MAX) {
        return cli_fail(error, "%zu URLs, and %d is the limit", words->count, CLI_CONNS_MAX);
    }
    run->count = words->count;
    for (size_t i = 0; i < words->count; i++) {
        struct diagnose_target *target = &run->target[i];
        target->common = *common;
        target->common.url = words->word[i];
        if (i > 0 && !cli_common_check_url(&target->common, error)) {
            return false;
        }
        cli_url_public(*target->common.with_path ? target->common.with_path : target->common.url, target->url,
                       sizeof(target->url));
    }
    return true;
}

/* A monitoring system knows no 64: what makes no sense is its UNKNOWN, and it reads standard output. */
static int for_nagios(int argc, char **argv, int code)
{
    bool nagios = false;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        nagios = nagios || strcmp(argv[i], "--format=nagios") == 0 ||
                 (i > 0 && strcmp(argv[i], "nagios") == 0 && strcmp(argv[i - 1], "--format") == 0);
    }
    if (!nagios || code <= 3) {
        return code;
    }
    cli_out_line("AIVO UNKNOWN - the check could not be made: see its standard error");
    return 3;
}

static int run_checked(struct diagnose_run *run, int argc, char **argv)
{
    char error[CLI_ERROR_MAX];
    struct cli_common common;
    struct cli_words words;
    cli_common_init(&common);
    int code = cli_command_parse(run->self, argc, argv, &run->flags, &common, &words);
    if (code >= 0) {
        return code;
    }
    if (!take_urls(run, &common, &words, error) || !check_format(run, error) || !check_limits(run, error)) {
        return cli_usage_error(run->self, "%s", error);
    }
    return run->flags.listen ? diagnose_serve(run) : diagnose_all(run);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct diagnose_run *run = calloc(1, sizeof(*run));
    char **words = calloc((size_t)argc + 1, sizeof(*words)); /* the parser puts them in another order */
    int code = CLI_EXIT_SOFTWARE;
    if (run && words) {
        memcpy(words, argv, (size_t)argc * sizeof(*words));
        run->self = self;
        run->flags.format = -1;
        code = for_nagios(argc, argv, run_checked(run, argc, words));
    }
    free(words);
    free(run);
    return code;
}

int cli_diagnose_main(int argc, char **argv)
{
    return cli_begin() ? cli_end(cli_diagnose.run(&cli_diagnose, argc, argv)) : CLI_EXIT_SOFTWARE;
}

const struct cli_command cli_diagnose = {
    .name = "diagnose",
    .usage = "URL... [--format FORMAT] [--explain] [flags]",
    .summary = "find out what is wrong with a connection, and what to do",
    .text =
        "Looks at the connection stage by stage: name resolution, TCP to each address, proxy, TLS, the WebSocket\n"
        "upgrade, the Engine.IO handshake, namespace and credentials, round trips and loss, HTTP long-polling. Each\n"
        "stage is ok, warn, fail or skip, with its time, the reason and what to do about it. It takes about two "
        "seconds\n"
        "where all is well; --timeout is the time that each stage has (5000). Several URLs (16 at most) are looked at\n"
        "one after another.\n"
        "--format nagios is a check for Nagios and its kin; --format prometheus writes metrics, with --textfile for "
        "the\n"
        "node exporter's folder, with --listen as an exporter of its own that looks anew at every scrape.\n"
        "\nexit: 0 connected, Excellent or Good; 1 Fair or Poor; 2 no connection; 3 reached, but refused; of several "
        "the\n"
        "highest. With --format nagios: 0 ok, 1 warning, 2 critical, 3 unknown\n",
    .examples = "  aivo diagnose https://example.org:443 --token-file token.jwt\n"
                "  aivo diagnose https://example.org:443 --markdown >report.md\n"
                "  aivo diagnose https://example.org:443 --format nagios --warn 100,2% --crit 500,10%\n"
                "  aivo diagnose https://a.example:443 https://b.example:443 --listen 127.0.0.1:9117\n",
    .flags = diagnose_flags,
    .flag_count = sizeof(diagnose_flags) / sizeof(diagnose_flags[0]),
    .connects = true,
    .run = run,
};
