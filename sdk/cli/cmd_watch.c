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
    const char *record, *replay;
    bool csv;
};

#define AT(member) offsetof(struct watch_flags, member)
static const struct cli_flag watch_flags[] = {
    {"count", CLI_FLAG_NUMBER, AT(count), "N", "end after N samples (default: never)", 1, INT32_MAX, NULL},
    {"interval", CLI_FLAG_NUMBER, AT(interval_ms), "MS", "time between samples, 100 to 3600000 (default 1000)", 100,
     3600000, NULL},
    {"csv", CLI_FLAG_BOOL, AT(csv), NULL, "comma-separated values, with a line of names first", 0, 0, NULL},
    {"record", CLI_FLAG_TEXT, AT(record), "FILE", "keep samples, minutes and hours there (SQLite), and a trace", 0, 0,
     NULL},
    {"replay", CLI_FLAG_TEXT, AT(replay), "FILE",
     "instead of a URL: what --record FILE recorded, through the scorer again", 0, 0,
     NULL}, /* looked for before the others are parsed: see watch_replay.c */
};
#undef AT

struct watch;

/* One of the connections that are watched. */
struct watched {
    struct watch *watch;
    struct cli_common common;
    struct cli_conn conn;
    int64_t shown;      /* samples */
    int64_t offline_ms; /* when the next sample without connection is due; -1: connected, or nothing tried yet */
    struct cli_snapshot last;
    struct cli_recent recent;
};

struct watch {
    struct watch_flags flags;
    bool live;
    size_t count;
    struct watched one[CLI_CONNS_MAX];
    char drawn[CLI_LIVE_MAX];
};

static void redraw(struct watch *watch)
{
    struct cli_live_row rows[CLI_CONNS_MAX];
    struct cli_look look = cli_out_look();
    bool any = false;
    for (size_t i = 0; i < watch->count; i++) {
        struct watched *one = &watch->one[i];
        rows[i] = (struct cli_live_row){.snapshot = one->last, .recent = &one->recent, .known = one->shown > 0};
        rows[i].snapshot.url = one->conn.url;
        any = any || one->shown > 0;
    }
    if (!watch->live || !any) {
        return;
    }
    if (watch->count == 1) {
        cli_live_one(&watch->one[0].last, &watch->one[0].recent, &look, watch->drawn);
    } else {
        cli_live_table(rows, watch->count, &look, watch->drawn);
    }
    cli_live_show(watch->drawn);
}

static bool has_enough(const struct watched *one)
{
    return one->watch->flags.count > 0 && one->shown >= one->watch->flags.count;
}

static void show(struct watched *one)
{
    struct watch *watch = one->watch;
    if (has_enough(one)) {
        return; /* several may have waited in one turn */
    }
    one->shown++;
    cli_recent_add(&one->recent, one->last.state == AIVO_STATE_CONNECTED ? one->last.quality.latency_ms : (double)NAN);
    if (one->common.json) {
        char *text = cli_snapshot_json(&one->last);
        if (text) {
            cli_out_line(text);
        }
        free(text);
        return;
    }
    if (watch->live) {
        redraw(watch);
        return;
    }
    char line[CLI_LINE_MAX];
    if (watch->flags.csv) {
        cli_snapshot_csv(&one->last, line);
    } else {
        cli_snapshot_text(&one->last, watch->count > 1, line);
    }
    cli_out_line(line);
}

static void take(struct watched *one, const struct aivo_quality *quality)
{
    one->last = (struct cli_snapshot){.quality = *quality,
                                      .state = one->conn.state,
                                      .url = one->conn.url,
                                      .why = one->conn.why.status != AIVO_OK ? one->conn.why.message : NULL};
}

static void on_sample(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client;
    struct watched *one = user;
    if (!one->conn.connected) {
        return; /* the change of state shows that one */
    }
    if (quality->samples > one->last.quality.samples) {
        cli_conn_progress(&one->conn); /* a lost probe is none */
    }
    take(one, quality);
    show(one);
}

/* The level, or whether an answer is overdue: between two samples only live lines have a place for it. */
static void on_level(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client;
    struct watched *one = user;
    if (one->watch->live && one->conn.connected && one->shown > 0) {
        take(one, quality);
        redraw(one->watch);
    }
}

/* The client's own snapshot, whatever it is of. */
static struct aivo_quality present(const struct watched *one)
{
    struct aivo_quality quality = {.size = sizeof(quality)};
    aivo_client_quality(one->conn.client, &quality);
    return quality;
}

/* What there is to show while nothing is measured. The library's snapshot may be of the last connection. */
static void show_offline(struct watched *one)
{
    struct aivo_quality quality = present(one);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    quality.time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    quality.level = AIVO_LEVEL_OFFLINE;
    quality.score = 0;
    take(one, &quality);
    show(one);
    one->offline_ms = one->conn.state == AIVO_STATE_FAILED ? -1 : cli_now_ms() + one->watch->flags.interval_ms;
}

static void on_change(struct cli_conn *conn)
{
    struct watched *one = conn->user;
    int64_t interval_ms = one->watch->flags.interval_ms;
    if (conn->state == AIVO_STATE_RECONNECTING || conn->state == AIVO_STATE_FAILED) {
        show_offline(one);
    } else {
        one->offline_ms = -1;
    }
    /* A watch outlives outages unless --timeout was given: without it only the first connection has a limit. The time
     * between two samples is not lack of progress. */
    int64_t given = conn->common->timeout_ms;
    if (conn->ever_connected && (given == 0 || !conn->common->timeout_given)) {
        conn->timeout_ms = 0;
    } else {
        conn->timeout_ms = conn->connected ? given + interval_ms : given;
    }
}

/* Nothing more comes of this one, or nothing more is wanted. */
static bool is_done(const struct watched *one)
{
    return cli_conn_timed_out(&one->conn) || cli_conn_gave_up(&one->conn) || has_enough(one);
}

static bool is_over(const struct watch *watch, unsigned wake)
{
    size_t done = 0;
    for (size_t i = 0; i < watch->count; i++) {
        done += is_done(&watch->one[i]);
    }
    return (wake & CLI_WAKE_INTERRUPT) || cli_out_failed() || done == watch->count;
}

static void print_summary(const struct watched *one)
{
    char text[CLI_LINE_MAX];
    if (one->conn.ever_connected) {
        cli_summary_text(&one->last, text);
    } else {
        snprintf(text, sizeof(text), "%s: never connected", one->conn.url);
    }
    if (one->common.json || one->watch->flags.csv) {
        cli_say(CLI_LOG_INFO, "%s", text); /* standard output stays what programs read */
    } else {
        cli_out_line(text);
    }
}

static int exit_code(const struct watched *one)
{
    const struct aivo_quality *q = &one->last.quality;
    if (!one->conn.connected) {
        return cli_conn_failure(&one->conn);
    }
    if (q->samples + q->lost == 0 && one->conn.interrupted) {
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
    cli_say(CLI_LOG_ERROR, "%s is connected, but answers no PING", one->conn.url);
    return CLI_EXIT_NO_CONNECTION;
}

/* How long until a sample without connection is due; -1: none is. */
static int64_t until_offline(const struct watch *watch)
{
    int64_t wait = -1, now = cli_now_ms();
    for (size_t i = 0; i < watch->count; i++) {
        int64_t left = watch->one[i].offline_ms < 0 ? -1 : watch->one[i].offline_ms - now;
        if (watch->one[i].offline_ms >= 0 && (wait < 0 || left < wait)) {
            wait = left < 0 ? 0 : left;
        }
    }
    return wait;
}

static void watch_on(struct watch *watch)
{
    struct cli_conn *conns[CLI_CONNS_MAX];
    unsigned wake = 0;
    for (size_t i = 0; i < watch->count; i++) {
        conns[i] = &watch->one[i].conn;
    }
    while (!is_over(watch, wake)) {
        wake = cli_conns_wait(conns, watch->count, -1, until_offline(watch));
        for (size_t i = 0; i < watch->count; i++) {
            struct watched *one = &watch->one[i];
            if (one->offline_ms >= 0 && cli_now_ms() >= one->offline_ms && !cli_conn_timed_out(&one->conn)) {
                show_offline(one);
            } else if (one->offline_ms >= 0 && cli_conn_timed_out(&one->conn)) {
                one->offline_ms = -1; /* given up */
            }
        }
        if (wake & CLI_WAKE_RESIZE) {
            redraw(watch);
        }
    }
    cli_live_end();
    for (size_t i = 0; i < watch->count; i++) {
        if (watch->one[i].shown == 0) { /* ended before the first sample */
            struct aivo_quality quality = present(&watch->one[i]);
            take(&watch->one[i], &quality);
        }
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
    return aivo_client_record(watch->one[0].conn.client, *history) == AIVO_OK;
}

static void end_record(struct aivo_history *history)
{
    if (aivo_history_close(history) != AIVO_OK) {
        cli_say(CLI_LOG_WARN, "not everything could be recorded");
    }
}

/* The first URL was checked with the flags; each has them all. Returns -1, or the exit code. */
static int take_urls(struct watch *watch, const struct cli_command *self, const struct cli_common *common,
                     const struct cli_words *words)
{
    char error[CLI_ERROR_MAX];
    if (words->count > CLI_CONNS_MAX) {
        return cli_usage_error(self, "%zu URLs, and %d is the limit", words->count, CLI_CONNS_MAX);
    }
    if (watch->flags.record && words->count > 1) {
        return cli_usage_error(self, "--record takes one URL: a recording is of one connection");
    }
    if (watch->flags.csv && common->json) {
        return cli_usage_error(self, "--json and --csv exclude one another");
    }
    for (size_t i = 0; i < words->count; i++) {
        struct watched *one = &watch->one[i];
        one->common = *common;
        one->common.url = words->word[i];
        one->watch = watch;
        one->offline_ms = -1;
        if (i > 0 && !cli_common_check_url(&one->common, error)) {
            return cli_usage_error(self, "%s", error);
        }
    }
    return -1;
}

static int open_all(struct watch *watch, size_t count)
{
    int code = -1;
    for (size_t i = 0; i < count && code < 0; i++) {
        struct watched *one = &watch->one[i];
        struct aivo_options options;
        cli_conn_options(&one->common, &options);
        options.quality.interval_ms = (uint32_t)watch->flags.interval_ms;
        code = cli_conn_open(&one->conn, &one->common, &options);
        watch->count += code < 0;
        one->conn.named = count > 1;
    }
    return code;
}

static int watch_all(struct watch *watch)
{
    watch->live = !watch->one[0].common.json && !watch->flags.csv && cli_out_is_live();
    if (watch->flags.csv) {
        cli_out_line(cli_snapshot_csv_names);
    }
    for (size_t i = 0; i < watch->count; i++) {
        struct watched *one = &watch->one[i];
        one->conn.on_change = on_change;
        one->conn.user = one;
        aivo_client_on_quality(one->conn.client, on_sample, on_level, one);
        cli_conn_start(&one->conn);
    }
    watch_on(watch);
    int worst = CLI_EXIT_OK;
    for (size_t i = 0; i < watch->count; i++) {
        print_summary(&watch->one[i]);
        int code = exit_code(&watch->one[i]);
        worst = code > worst ? code : worst;
    }
    return worst;
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
    struct aivo_history *history = NULL;
    cli_common_init(&common);
    watch->flags.interval_ms = INTERVAL_DEFAULT_MS;
    int code = cli_command_parse(self, argc, argv, &watch->flags, &common, &words);
    if (code < 0) {
        code = take_urls(watch, self, &common, &words);
    }
    if (code < 0) {
        code = open_all(watch, words.count);
    }
    if (code < 0 && !begin_record(watch, &history)) {
        code = CLI_EXIT_CANTCREAT;
    }
    if (code < 0) {
        code = watch_all(watch);
    }
    for (size_t i = 0; i < watch->count; i++) {
        cli_conn_close(&watch->one[i].conn);
    }
    end_record(history);
    free(watch);
    return code;
}

const struct cli_command cli_watch = {
    .name = "watch",
    .usage = "URL... [--count N] [--interval MS] [--record FILE] [flags], or --replay FILE [--json|--csv]",
    .summary = "watch the quality of a connection, or of several",
    .text =
        "Connects and shows at every sample: level, score, latency, percentiles, loss with its 95 % interval, and\n"
        "whether the latency is stable. On a terminal a live line and how often each latency was, else a line a\n"
        "sample; with --json one object a sample. Several URLs (16 at most) stand under one another in a table, with\n"
        "the same flags for all. While there is no connection, a sample of level Offline at every interval. Ends\n"
        "after --count samples of each, with Ctrl-C, or when --timeout passes without an answer, and prints a "
        "summary.\n"
        "Loss is of packets, from the kernel's counters, where the system has them: on the path to the first TCP\n"
        "peer, so a proxy or a TLS terminator ends it. --replay FILE runs what --record FILE has recorded through the\n"
        "scorer again, and checks that every result is the same.\n"
        "\nexit: 0 the last level was Excellent or Good, 1 Fair or Poor, 2 no connection, 3 refused; of several the "
        "highest\n",
    .examples = "  aivo watch https://example.org:443 --token-file token.jwt\n"
                "  aivo watch http://127.0.0.1:4003 --token-secret \"$NEXTAUTH_SECRET\" --user learner-1\n"
                "  aivo watch http://127.0.0.1:4003 --count 10 --interval 200 --json | jq .latency_ms\n",
    .flags = watch_flags,
    .flag_count = sizeof(watch_flags) / sizeof(watch_flags[0]),
    .connects = true,
    .run = run,
};
