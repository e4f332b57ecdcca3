/* aivo history: what a recording holds. */
#include "cli.h"
#include "report.h"
#include "timetext.h"
#include <aivo/history.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct history_flags {
    const char *since, *until;
    int by;
    bool events, json, csv;
};

enum { BY_AUTO = -1 };

static const char *const spans[] = {"sample", "minute", "hour", NULL}; /* in the order of enum aivo_history_span */

#define AT(member) offsetof(struct history_flags, member)
static const struct cli_flag history_flags[] = {
    {"by", CLI_FLAG_CHOICE, AT(by), "SPAN", "a row is a sample, minute or hour (default: minute, where there are any)",
     0, 0, spans},
    {"since", CLI_FLAG_TEXT, AT(since), "TIME", "from then on: 15m, 24h, 7d ago, or 2026-01-31T12:00:00Z", 0, 0, NULL},
    {"until", CLI_FLAG_TEXT, AT(until), "TIME", "before that", 0, 0, NULL},
    {"events", CLI_FLAG_BOOL, AT(events), NULL, "only rows in which the level changed", 0, 0, NULL},
    {"json", CLI_FLAG_BOOL, AT(json), NULL, "one JSON object a row", 0, 0, NULL},
    {"csv", CLI_FLAG_BOOL, AT(csv), NULL, "comma-separated values, with a line of names first", 0, 0, NULL},
};
#undef AT

struct history {
    struct history_flags flags;
    enum aivo_history_span span;
    int64_t from_ms, to_ms;
    bool any; /* recorded in that time, also where no level changed */
    uint64_t rows, samples, lost, loss_samples, events;
    enum aivo_level worst;
};

static double loss_of(uint64_t lost, uint64_t observed)
{
    return observed > 0 ? (double)lost * 100.0 / (double)observed : (double)NAN;
}

static void row_json(const struct history *history, const struct aivo_history_row *row, char *out, size_t size)
{
    char time[AIVO_RENDER_TIME_MAX], a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX], c[AIVO_RENDER_FIGURE_MAX],
        d[AIVO_RENDER_FIGURE_MAX], e[AIVO_RENDER_FIGURE_MAX];
    aivo_render_time(row->time_ms, time);
    snprintf(out, size,
             "{\"time\":\"%s\",\"span\":\"%s\",\"samples\":%u,\"min_ms\":%s,\"p50_ms\":%s,\"p95_ms\":%s,\"max_ms\":%s,"
             "\"lost\":%llu,\"loss_samples\":%llu,\"loss_pct\":%s,\"worst\":\"%s\",\"events\":%u}",
             time, spans[history->span], row->samples, aivo_render_json_figure(row->min_ms, a),
             aivo_render_json_figure(row->p50_ms, b), aivo_render_json_figure(row->p95_ms, c),
             aivo_render_json_figure(row->max_ms, d), (unsigned long long)row->lost,
             (unsigned long long)row->loss_samples, aivo_render_json_figure(loss_of(row->lost, row->loss_samples), e),
             aivo_level_name(row->worst), row->events);
}

static void row_csv(const struct history *history, const struct aivo_history_row *row, char *out, size_t size)
{
    char time[AIVO_RENDER_TIME_MAX], a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX], c[AIVO_RENDER_FIGURE_MAX],
        d[AIVO_RENDER_FIGURE_MAX], e[AIVO_RENDER_FIGURE_MAX];
    aivo_render_time(row->time_ms, time);
    snprintf(out, size, "%s,%s,%u,%s,%s,%s,%s,%llu,%llu,%s,%s,%u", time, spans[history->span], row->samples,
             cli_figure_csv(row->min_ms, a), cli_figure_csv(row->p50_ms, b), cli_figure_csv(row->p95_ms, c),
             cli_figure_csv(row->max_ms, d), (unsigned long long)row->lost, (unsigned long long)row->loss_samples,
             cli_figure_csv(loss_of(row->lost, row->loss_samples), e), aivo_level_name(row->worst), row->events);
}

static void row_text(const struct history *history, const struct aivo_history_row *row, char *out, size_t size)
{
    char time[AIVO_RENDER_TIME_MAX], a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX], c[AIVO_RENDER_FIGURE_MAX],
        d[AIVO_RENDER_FIGURE_MAX];
    char loss[AIVO_RENDER_FIGURE_MAX] = "-";
    aivo_render_time(row->time_ms, time);
    if (row->loss_samples > 0) {
        snprintf(loss, sizeof(loss), "%.1f%%", loss_of(row->lost, row->loss_samples));
    }
    if (history->span == AIVO_HISTORY_SAMPLES) {
        snprintf(out, size, "%-24s  %9s  %4llu  %-9s  %s", time, aivo_render_figure(row->p50_ms, a),
                 (unsigned long long)row->lost, aivo_level_name(row->worst), row->events ? "changed" : "");
    } else {
        time[16] = '\0'; /* it begins at a whole minute */
        snprintf(out, size, "%sZ  %7u  %8s %8s %8s %8s  %6s  %-9s  %6u", time, row->samples,
                 aivo_render_figure(row->min_ms, a), aivo_render_figure(row->p50_ms, b),
                 aivo_render_figure(row->p95_ms, c), aivo_render_figure(row->max_ms, d), loss,
                 aivo_level_name(row->worst), row->events);
    }
    for (size_t end = strlen(out); end > 0 && out[end - 1] == ' '; end--) {
        out[end - 1] = '\0';
    }
}

static void heading(const struct history *history)
{
    if (history->flags.csv) {
        cli_out_buffered("time,span,samples,min_ms,p50_ms,p95_ms,max_ms,lost,loss_samples,loss_pct,worst,events");
    } else if (!history->flags.json && history->span == AIVO_HISTORY_SAMPLES) {
        cli_out_buffered("TIME                      LATENCY ms  LOST  LEVEL");
    } else if (!history->flags.json) {
        cli_out_buffered("TIME               SAMPLES    MIN ms   P50 ms   P95 ms   MAX ms    LOSS  WORST      EVENTS");
    }
}

static bool show(void *user, const struct aivo_history_row *row)
{
    struct history *history = user;
    char line[640];
    history->any = true;
    if (history->flags.events && row->events == 0) {
        return true;
    }
    if (history->rows == 0) {
        heading(history);
    }
    history->worst = history->rows == 0 || row->worst < history->worst ? row->worst : history->worst;
    history->rows++;
    history->samples += row->samples;
    history->lost += row->lost;
    history->loss_samples += row->loss_samples;
    history->events += row->events;
    if (history->flags.json) {
        row_json(history, row, line, sizeof(line));
    } else if (history->flags.csv) {
        row_csv(history, row, line, sizeof(line));
    } else {
        row_text(history, row, line, sizeof(line));
    }
    cli_out_buffered(line);
    return !cli_out_failed();
}

static bool count_one(void *user, const struct aivo_history_row *row)
{
    (void)row;
    *(bool *)user = true;
    return false;
}

/* Without --by: minutes, unless none is complete in that time. */
static enum aivo_status choose_span(struct history *history, struct aivo_history *file, struct aivo_error *error)
{
    bool any = false;
    if (history->flags.by != BY_AUTO) {
        history->span = (enum aivo_history_span)history->flags.by;
        return AIVO_OK;
    }
    enum aivo_status status =
        aivo_history_read(file, AIVO_HISTORY_MINUTES, history->from_ms, history->to_ms, count_one, &any, error);
    history->span = any ? AIVO_HISTORY_MINUTES : AIVO_HISTORY_SAMPLES;
    return status;
}

static void tell(const struct history *history)
{
    if (history->rows == 0) {
        cli_say(CLI_LOG_INFO,
                history->any ? "the level did not change in that time" : "nothing was recorded in that time");
        return;
    }
    char loss[AIVO_RENDER_FIGURE_MAX] = "";
    if (history->loss_samples > 0) {
        snprintf(loss, sizeof(loss), " (%.2f%%)", loss_of(history->lost, history->loss_samples));
    }
    cli_say(CLI_LOG_INFO, "%llu samples, %llu lost%s, worst %s, %llu change%s of the level",
            (unsigned long long)history->samples, (unsigned long long)history->lost, loss,
            aivo_level_name(history->worst), (unsigned long long)history->events, history->events == 1 ? "" : "s");
}

/* What the file system has to say comes first: SQLite calls most of it "unable to open". */
static int check_path(const char *path)
{
    struct stat status;
    int why = stat(path, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
    if (why == 0 && access(path, R_OK) != 0) {
        why = errno;
    }
    if (why == 0) {
        return -1;
    }
    cli_say(CLI_LOG_ERROR, "%s: %s", path, strerror(why));
    return why == ENOENT || why == ENOTDIR ? CLI_EXIT_NOINPUT : CLI_EXIT_CANTCREAT;
}

static int read_file(struct history *history, const char *path)
{
    struct aivo_history *file = NULL;
    struct aivo_error error;
    int code = check_path(path);
    if (code >= 0) {
        return code;
    }
    enum aivo_status status = aivo_history_open_reader(path, &file, &error);
    if (status == AIVO_OK) {
        status = choose_span(history, file, &error);
    }
    if (status == AIVO_OK) {
        status = aivo_history_read(file, history->span, history->from_ms, history->to_ms, show, history, &error);
    }
    aivo_history_close(file);
    if (status != AIVO_OK) {
        cli_say(CLI_LOG_ERROR, "%s%s%s", strstr(error.message, path) ? "" : path,
                strstr(error.message, path) ? "" : ": ", error.message);
        return status == AIVO_E_MEMORY ? CLI_EXIT_SOFTWARE : CLI_EXIT_CANTCREAT;
    }
    cli_out_flush();
    tell(history);
    return CLI_EXIT_OK;
}

static bool take_time(const char *flag, const char *text, int64_t now_ms, int64_t *out, char error[CLI_ERROR_MAX])
{
    return !text || cli_time_parse(text, now_ms, out) ||
           cli_fail(error, "--%s: '%.60s' is neither like 15m, 24h, 7d nor like 2026-01-31T12:00:00Z", flag, text);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct history history = {.flags = {.by = BY_AUTO}, .to_ms = INT64_MAX};
    struct cli_words words;
    struct timespec now;
    char error[CLI_ERROR_MAX];
    int code = cli_command_parse(self, argc, argv, &history.flags, NULL, &words);
    if (code >= 0) {
        return code;
    }
    if (words.count != 1) {
        return words.count == 0 ? cli_usage_error(self, "the FILE is missing")
                                : cli_usage_error(self, "'%.60s' is one word too many", words.word[1]);
    }
    if (history.flags.json && history.flags.csv) {
        return cli_usage_error(self, "--json and --csv exclude one another");
    }
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (!take_time("since", history.flags.since, now_ms, &history.from_ms, error) ||
        !take_time("until", history.flags.until, now_ms, &history.to_ms, error)) {
        return cli_usage_error(self, "%s", error);
    }
    if (history.from_ms >= history.to_ms) {
        return cli_usage_error(self, "--since is not before --until");
    }
    return read_file(&history, words.word[0]);
}

const struct cli_command cli_history = {
    .name = "history",
    .usage = "FILE [--by SPAN] [--since TIME] [--until TIME] [flags]",
    .summary = "show what 'watch --record FILE' or a program recorded",
    .text = "FILE is the SQLite file that a program records its connection's quality in ('aivo watch --record', or\n"
            "aivo_client_record() in the library). It keeps the samples of a day, the complete minutes of 30 days and\n"
            "the hours of 5 years. It is only read, also beside the program that writes it.\n"
            "\nexit: 0, 66 no such file, 73 no recording, or not to be read\n",
    .examples = "  aivo history quality.db --since 24h\n"
                "  aivo history quality.db --by sample --events\n"
                "  aivo history quality.db --by hour --since 2026-01-01 --csv >january.csv\n",
    .flags = history_flags,
    .flag_count = sizeof(history_flags) / sizeof(history_flags[0]),
    .run = run,
};
