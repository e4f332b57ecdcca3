/* aivo watch: the quality of a connection, as it changes. */
#include "conn.h"
#include "report.h"
#include "watch_replay.h"
#include <aivo/history.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#define INTERVAL_DEFAULT_MS 1000

struct watch_flags {
    int64_t count, interval_ms;
    const char *record;
};

#define AT(member) offsetof(struct watch_flags, member)
static const struct cli_flag watch_flags[] = {
    {"count", CLI_FLAG_NUMBER, AT(count), "N", "end after N samples (default: never)", 1, INT32_MAX, NULL},
    {"interval", CLI_FLAG_NUMBER, AT(interval_ms), "MS", "time between samples, 100 to 3600000 (default 1000)", 100,
     3600000, NULL},
    {"record", CLI_FLAG_TEXT, AT(record), "FILE", "keep samples, minutes and hours there (SQLite), and a trace", 0, 0,
     NULL},
};
#undef AT

struct watch {
    struct cli_conn conn;
    struct watch_flags flags;
    bool live;
    int64_t shown;      /* samples */
    int64_t offline_ms; /* when the next sample without connection is due; -1: connected, or nothing tried yet */
    struct cli_snapshot last;
    struct cli_history history;
};

static void redraw(struct watch *watch)
{
    if (watch->live && watch->shown > 0) {
        char line[CLI_LINE_MAX];
        struct cli_look look = cli_out_look();
        cli_live_line(&watch->last, &watch->history, &look, line);
        cli_live_show(line);
    }
}

static void show(struct watch *watch)
{
    const struct aivo_quality *q = &watch->last.quality;
    if (watch->flags.count > 0 && watch->shown >= watch->flags.count) {
        return; /* several may have waited in one turn */
    }
    watch->shown++;
    if (watch->conn.common->json) {
        char *text = cli_snapshot_json(&watch->last);
        if (text) {
            cli_out_line(text);
        }
        free(text);
        return;
    }
    cli_history_add(&watch->history, watch->last.state == AIVO_STATE_CONNECTED ? q->latency_ms : NAN);
    if (watch->live) {
        redraw(watch);
        return;
    }
    char line[CLI_LINE_MAX];
    cli_snapshot_text(&watch->last, line);
    cli_out_line(line);
}

static void take(struct watch *watch, const struct aivo_quality *quality)
{
    watch->last = (struct cli_snapshot){.quality = *quality,
                                        .state = watch->conn.state,
                                        .url = watch->conn.url,
                                        .why = watch->conn.why.status != AIVO_OK ? watch->conn.why.message : NULL};
}

static void on_sample(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client;
    struct watch *watch = user;
    if (!watch->conn.connected) {
        return; /* the change of state shows that one */
    }
    if (quality->samples > watch->last.quality.samples) {
        cli_conn_progress(&watch->conn); /* a lost probe is none */
    }
    take(watch, quality);
    show(watch);
}

/* What there is to show while nothing is measured. The library's snapshot may be of the last connection. */
static void show_offline(struct watch *watch)
{
    struct aivo_quality quality;
    aivo_client_quality(watch->conn.client, &quality);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    quality.time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    quality.level = AIVO_LEVEL_OFFLINE;
    quality.score = 0;
    take(watch, &quality);
    show(watch);
    watch->offline_ms = cli_now_ms() + watch->flags.interval_ms;
}

static void on_change(struct cli_conn *conn)
{
    struct watch *watch = conn->user;
    if (conn->state == AIVO_STATE_RECONNECTING || conn->state == AIVO_STATE_FAILED) {
        show_offline(watch);
    } else {
        watch->offline_ms = -1;
    }
    /* A watch outlives outages unless --timeout was given: without it only the first connection has a limit. The time
     * between two samples is not lack of progress. */
    int64_t given = conn->common->timeout_ms;
    if (conn->ever_connected && (given == 0 || !conn->common->timeout_given)) {
        conn->timeout_ms = 0;
    } else {
        conn->timeout_ms = conn->connected ? given + watch->flags.interval_ms : given;
    }
}

static bool is_over(const struct watch *watch, unsigned wake)
{
    return (wake & (CLI_WAKE_INTERRUPT | CLI_WAKE_TIMEOUT)) || cli_out_failed() || cli_conn_gave_up(&watch->conn) ||
           (watch->flags.count > 0 && watch->shown >= watch->flags.count);
}

static void print_summary(const struct watch *watch)
{
    char text[CLI_LINE_MAX];
    if (watch->conn.ever_connected) {
        cli_summary_text(&watch->last, text);
    } else {
        snprintf(text, sizeof(text), "%s: never connected", watch->conn.url);
    }
    if (watch->conn.common->json) {
        cli_say(CLI_LOG_INFO, "%s", text); /* standard output stays JSON */
    } else {
        cli_out_line(text);
    }
}

static int exit_code(const struct watch *watch)
{
    const struct aivo_quality *q = &watch->last.quality;
    if (!watch->conn.connected) {
        return cli_conn_failure(&watch->conn);
    }
    if (q->samples + q->lost == 0 && watch->conn.interrupted) {
        return CLI_EXIT_OK; /* connected, and ended before anything could be measured */
    }
    switch (q->level) {
    case AIVO_LEVEL_EXCELLENT:
    case AIVO_LEVEL_GOOD:
        return CLI_EXIT_OK;
    case AIVO_LEVEL_FAIR:
    case AIVO_LEVEL_POOR:
        return CLI_EXIT_PROBLEM;
    case AIVO_LEVEL_OFFLINE:
        break;
    }
    cli_say(CLI_LOG_ERROR, "%s is connected, but answers no PING", watch->conn.url);
    return CLI_EXIT_NO_CONNECTION;
}

static void watch_on(struct watch *watch)
{
    unsigned wake = 0;
    while (!is_over(watch, wake)) {
        int64_t wait = -1;
        if (watch->offline_ms >= 0) {
            wait = watch->offline_ms - cli_now_ms();
            wait = wait < 0 ? 0 : wait;
        }
        wake = cli_conn_wait(&watch->conn, -1, wait);
        if ((wake & CLI_WAKE_DUE) && watch->offline_ms >= 0 && cli_now_ms() >= watch->offline_ms) {
            show_offline(watch);
        }
        if (wake & CLI_WAKE_RESIZE) {
            redraw(watch);
        }
    }
    cli_live_end();
    if (watch->shown == 0) { /* ended before the first sample */
        struct aivo_quality quality;
        aivo_client_quality(watch->conn.client, &quality);
        take(watch, &quality);
    }
}

/* NULL: nothing is to be recorded. false: it is, and cannot be. */
static bool begin_record(struct watch *watch, struct aivo_history **history)
{
    struct aivo_error error;
    if (!watch->flags.record) {
        return true;
    }
    if (aivo_history_open(watch->flags.record, history, &error) != AIVO_OK) {
        cli_say(CLI_LOG_ERROR, "%s", error.message);
        return false;
    }
    return aivo_client_record(watch->conn.client, *history) == AIVO_OK;
}

static void end_record(struct aivo_history *history)
{
    if (aivo_history_close(history) != AIVO_OK) {
        cli_say(CLI_LOG_WARN, "not everything could be recorded");
    }
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    if (cli_wants_replay(argc, argv)) {
        return cli_replay(argc, argv);
    }
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch) {
        return CLI_EXIT_SOFTWARE;
    }
    struct cli_common common;
    struct cli_words words;
    cli_common_init(&common);
    watch->flags.interval_ms = INTERVAL_DEFAULT_MS;
    watch->offline_ms = -1;
    int code = cli_command_parse(self, argc, argv, &watch->flags, &common, &words);
    if (code < 0 && words.count > 1) {
        code = cli_usage_error(self, "'%.60s' is one word too many", words.word[1]);
    }
    struct aivo_options options;
    if (code < 0) {
        cli_conn_options(&common, &options);
        options.quality.interval_ms = (uint32_t)watch->flags.interval_ms;
        code = cli_conn_open(&watch->conn, &common, &options);
    }
    struct aivo_history *history = NULL;
    if (code < 0 && !begin_record(watch, &history)) {
        cli_conn_close(&watch->conn);
        code = CLI_EXIT_CANTCREAT;
    }
    if (code < 0) {
        watch->live = !common.json && cli_out_is_live();
        watch->conn.on_change = on_change;
        watch->conn.user = watch;
        aivo_client_on_quality(watch->conn.client, on_sample, NULL, watch);
        cli_conn_start(&watch->conn);
        watch_on(watch);
        print_summary(watch);
        code = exit_code(watch);
        cli_conn_close(&watch->conn);
        end_record(history);
    }
    free(watch);
    return code;
}

const struct cli_command cli_watch = {
    .name = "watch",
    .usage = "URL [--count N] [--interval MS] [--record FILE] [flags], or --replay FILE [--json]",
    .summary = "watch the quality of a connection",
    .text =
        "Connects and shows at every sample: level, score, latency, percentiles, loss with its 95 % interval, and\n"
        "whether the latency is stable. On a terminal one live line, else a line a sample; with --json one object\n"
        "a sample. While there is no connection, a sample of level Offline at every interval. Ends after --count\n"
        "samples, with Ctrl-C, or when --timeout passes without an answer, and prints a summary.\n"
        "Loss is of packets, from the kernel's counters, where the system has them: on the path to the first TCP\n"
        "peer, so a proxy or a TLS terminator ends it. --replay FILE runs what --record FILE has recorded through the\n"
        "scorer again, and checks that every result is the same.\n"
        "\nexit: 0 the last level was Excellent or Good, 1 Fair or Poor, 2 no connection, 3 refused\n",
    .examples = "  aivo watch https://example.org:443 --token-file token.jwt\n"
                "  aivo watch http://127.0.0.1:4003 --token-secret \"$NEXTAUTH_SECRET\" --user learner-1\n"
                "  aivo watch http://127.0.0.1:4003 --count 10 --interval 200 --json | jq .latency_ms\n",
    .flags = watch_flags,
    .flag_count = sizeof(watch_flags) / sizeof(watch_flags[0]),
    .connects = true,
    .run = run,
};
