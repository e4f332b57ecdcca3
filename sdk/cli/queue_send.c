/* aivo queue send: delivers what waits in a file. */
#include "conn.h"
#include "queuecmd.h"
#include "queuetext.h"
#include "report.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define QUEUES_MAX       15 /* named ones, as many as a client may have */
#define MESSAGES_MAX     10000000
#define SEND_BUFFER      (32u * 1024 * 1024)
#define REDRAW_MS        200
#define RATE_SPAN_MS     3000
#define FATES_TOLD       20 /* in full; the others are counted */
#define STATS_DEFAULT_MS 1000

struct send_flags {
    int64_t window, max_retries; /* -1: not given */
};

#define AT(member) offsetof(struct send_flags, member)
static const struct cli_flag send_flags[] = {
    {"window", CLI_FLAG_NUMBER, AT(window), "N", "messages under way at a time (default 64)", 1, 1024, NULL},
    {"max-retries", CLI_FLAG_NUMBER, AT(max_retries), "N", "failed attempts until a message is dead (default 3)", 0,
     1000, NULL},
};
#undef AT

/* How many had been delivered when, so that the rate is that of the last seconds. */
struct rate {
    int64_t at_ms;
    uint64_t delivered;
    double per_s;
};

struct send {
    struct cli_conn conn;
    struct queue_run file;
    struct send_flags flags;
    char name[QUEUES_MAX][65];
    struct aivo_queue_policy policy[QUEUES_MAX];
    size_t named;
    bool too_many;
    struct cli_sending run;
    struct rate rate;
    int64_t began_ms, drawn_ms;
    uint64_t told, untold;
    uint64_t earlier;                       /* fates that an earlier program was not told of */
    uint64_t fates[AIVO_FATE_REPLACED + 1]; /* those that an earlier program was not told of included */
    bool interrupted;
    bool live;
};

/* ---- the file, before a client has it ---- */

static bool on_name(void *user, const char *name)
{
    struct send *send = user;
    if (*name == '\0') {
        return true;
    }
    send->too_many = send->named == QUEUES_MAX;
    if (send->too_many) {
        return false;
    }
    snprintf(send->name[send->named], sizeof(send->name[0]), "%s", name);
    send->named++;
    return true;
}

/* Which queues has it, and does anything wait? A look first: a client would make a file that is not there, and move one
 * aside that is damaged. */
static int look_into_file(struct send *send, uint64_t *pending)
{
    struct queue_run *file = &send->file;
    struct aivo_queue_stats stats;
    int code = queue_open(file, false);
    if (code >= 0) {
        return code;
    }
    if (aivo_outbox_queues(file->outbox, on_name, send, &file->error) != AIVO_OK ||
        aivo_outbox_stats(file->outbox, NULL, &stats, &file->error) != AIVO_OK) {
        code = queue_failed(file);
    } else if (send->too_many) {
        cli_say(CLI_LOG_ERROR, "%s has more than %d named queues: this cannot send them", file->path, QUEUES_MAX);
        code = CLI_EXIT_CANTCREAT;
    }
    send->earlier = code < 0 ? stats.untold : 0;
    *pending = code < 0 ? stats.pending + stats.untold : 0;
    aivo_outbox_close(file->outbox);
    return code;
}

/* The bounds are the program's that queued them: nothing may leave the file for being too many here. */
static void fill_options(struct send *send, struct aivo_options *options)
{
    uint32_t window = send->flags.window > 0 ? (uint32_t)send->flags.window : options->queue.window;
    uint32_t retries = send->flags.max_retries >= 0 ? (uint32_t)send->flags.max_retries : options->queue.max_retries;
    for (size_t i = 0; i < send->named; i++) {
        struct aivo_queue_policy *policy = &send->policy[i];
        aivo_queue_policy_init(policy);
        policy->name = send->name[i];
        policy->max_messages = MESSAGES_MAX;
        policy->max_retries = retries;
        policy->window = window;
    }
    options->max_send_buffer_bytes = SEND_BUFFER;
    options->quality.quality_ping = false;
    options->queue.path = send->file.path;
    options->queue.max_messages = MESSAGES_MAX;
    options->queue.max_retries = retries;
    options->queue.window = window;
    options->queue.max_dead = MESSAGES_MAX;
    options->queue.queues = send->policy;
    options->queue.queue_count = send->named;
}

/* ---- on the way ---- */

static void on_fate(struct aivo_client *client, const struct aivo_queued *message, enum aivo_fate fate,
                    const char *answer, void *user)
{
    (void)client;
    (void)answer;
    struct send *send = user;
    cli_conn_progress(&send->conn);
    if (fate <= AIVO_FATE_REPLACED) {
        send->fates[fate]++;
    }
    if (fate == AIVO_FATE_ACKNOWLEDGED || send->told++ >= FATES_TOLD) {
        return;
    }
    cli_say(CLI_LOG_ERROR, "%s %s: %s%s%s", message->event, message->id.text, aivo_fate_name(fate),
            message->last_error ? ": " : "", message->last_error ? message->last_error : "");
    if (send->told == FATES_TOLD) {
        cli_say(CLI_LOG_ERROR, "further ones are counted only");
    }
}

static void take_fates(struct send *send)
{
    send->run.expired = send->fates[AIVO_FATE_EXPIRED];
    send->run.evicted = send->fates[AIVO_FATE_EVICTED];
    send->run.dead = send->fates[AIVO_FATE_DEAD] + send->fates[AIVO_FATE_UNREADABLE];
    send->run.replaced = send->fates[AIVO_FATE_REPLACED];
}

/* Those that have left the queue, by its figures and what an earlier program left behind, and whose callback is still
 * to come. */
static uint64_t not_yet_told(const struct send *send, const struct aivo_queue_stats *stats)
{
    uint64_t left =
        send->earlier + stats->acknowledged + stats->expired + stats->evicted + stats->died + stats->replaced;
    uint64_t told = 0;
    for (size_t i = 0; i < sizeof(send->fates) / sizeof(send->fates[0]); i++) {
        told += send->fates[i];
    }
    return left > told ? left - told : 0;
}

static void take_stats(struct send *send)
{
    struct aivo_queue_stats stats;
    if (aivo_client_queue_stats(send->conn.client, &stats) != AIVO_OK) {
        return;
    }
    struct cli_sending *run = &send->run;
    run->delivered = stats.acknowledged;
    take_fates(send);
    run->left = stats.pending;
    send->untold = stats.untold + not_yet_told(send, &stats);
    run->wait_ms = stats.paused_until_ms > 0 ? stats.paused_until_ms - queue_now_ms() : 0;
    run->connected = send->conn.connected;
    int64_t now = cli_now_ms();
    run->ms = now - send->began_ms;
    int64_t span = now - send->rate.at_ms;
    if (span >= RATE_SPAN_MS || (send->rate.per_s == 0 && span >= REDRAW_MS)) {
        run->per_s = send->rate.per_s = (double)(run->delivered - send->rate.delivered) * 1000.0 / (double)span;
        send->rate.at_ms = now;
        send->rate.delivered = run->delivered;
    }
}

static void draw(struct send *send)
{
    int64_t now = cli_now_ms();
    if (send->live && now - send->drawn_ms >= REDRAW_MS) {
        char line[CLI_SENDING_MAX];
        cli_sending_line(&send->run, cli_err_look().columns, line);
        cli_live_show(line);
        send->drawn_ms = now;
    }
}

/* Why it ends though something is left. */
static void say_why(const struct send *send, char *out, size_t size)
{
    char wait[CLI_SPAN_MAX];
    if (send->interrupted) {
        snprintf(out, size, "interrupted");
    } else if (!send->conn.connected) {
        snprintf(out, size, send->conn.ever_connected ? "the connection was lost" : "no connection was made");
    } else if (send->run.wait_ms > 0) {
        cli_span_text(send->run.wait_ms, wait);
        snprintf(out, size, "the server's rate limit asks to wait %s more", wait);
    } else {
        snprintf(out, size, "none was acknowledged within --timeout");
    }
}

static int finish(struct send *send)
{
    const struct cli_conn *conn = &send->conn;
    const struct cli_sending *run = &send->run;
    char line[CLI_SENDING_MAX];
    cli_live_remove();
    if (conn->common->json) {
        cli_sending_json(run, line);
    } else {
        cli_sending_summary(run, line);
    }
    cli_out_line(line);
    if (run->left == 0) {
        return run->expired + run->evicted + run->dead > 0 ? CLI_EXIT_PROBLEM : CLI_EXIT_OK;
    }
    char why[128];
    say_why(send, why, sizeof(why));
    cli_say(CLI_LOG_ERROR, "%" PRIu64 " still queued in %s: %s", run->left, send->file.path, why);
    bool refused = !conn->connected && cli_conn_failure_code(&conn->why) == CLI_EXIT_REFUSED;
    return refused || !conn->ever_connected ? cli_conn_failure(conn) : CLI_EXIT_QUEUED;
}

static int deliver(struct send *send)
{
    struct cli_conn *conn = &send->conn;
    send->live = cli_err_is_live() && conn->common->log >= CLI_LOG_INFO;
    cli_live_on_err();
    send->began_ms = send->rate.at_ms = cli_now_ms();
    aivo_client_on_fate(conn->client, on_fate, send);
    cli_conn_start(conn);
    for (;;) {
        unsigned wake = cli_conn_wait(conn, -1, send->live ? REDRAW_MS : STATS_DEFAULT_MS);
        take_stats(send);
        if (send->run.left == 0 && send->untold == 0) {
            return finish(send);
        }
        send->interrupted = wake & CLI_WAKE_INTERRUPT;
        if ((wake & (CLI_WAKE_TIMEOUT | CLI_WAKE_INTERRUPT)) || cli_conn_gave_up(conn)) {
            return finish(send);
        }
        draw(send);
    }
}

static int run_send(const struct cli_command *self, int argc, char **argv)
{
    struct send send = {.flags = {.window = -1, .max_retries = -1}, .file = {.self = self}};
    struct cli_common common;
    struct cli_words words;
    uint64_t pending = 0;
    cli_common_init(&common);
    int code = cli_command_parse(self, argc, argv, &send.flags, &common, &words);
    if (code < 0 && words.count > 2) {
        code = cli_usage_error(self, "'%.60s' is one word too many", words.word[2]);
    }
    if (code < 0) {
        send.file.path = words.word[0];
        code = look_into_file(&send, &pending);
    }
    if (code < 0 && pending == 0) {
        char line[CLI_SENDING_MAX] = "nothing waits";
        if (common.json) {
            cli_sending_json(&send.run, line);
        }
        cli_out_line(line);
        return CLI_EXIT_OK;
    }
    struct aivo_options options;
    if (code < 0) {
        cli_conn_options(&common, &options);
        fill_options(&send, &options);
        code = cli_conn_open(&send.conn, &common, &options);
    }
    if (code < 0) {
        code = deliver(&send);
        cli_conn_close(&send.conn);
    }
    return code;
}

const struct cli_command cli_queue_send = {
    .name = "queue send",
    .usage = "FILE URL [--timeout MS] [flags]",
    .summary = "deliver what waits, until the queue is empty",
    .text =
        "Every queue of the file is sent, in the order and with the priorities its messages have; a message leaves "
        "FILE\n"
        "when the server has acknowledged it. On a terminal a line on standard error shows how far it is; a summary\n"
        "ends it, with --json as an object. It ends as well when --timeout passes without any message leaving.\n"
        "\nexit: 0 the queue is empty, 1 it is, but something died or expired, 75 something still waits, 2 no\n"
        "connection was made, 3 refused, 66 no such file, 73 the file cannot be used, or a program has it\n",
    .examples = "  aivo queue send queue.db https://aivo.example --token-file token.jwt\n"
                "  aivo queue send queue.db http://127.0.0.1:4003 --token-file token.jwt --timeout 60000 --json\n",
    .flags = send_flags,
    .flag_count = sizeof(send_flags) / sizeof(send_flags[0]),
    .connects = true,
    .url_at = 1,
    .run = run_send,
};
