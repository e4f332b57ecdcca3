/* aivo emit: sends one event, or one for each line of standard input. */
#include "emit.h"
#include "jsontext.h"
#include "report.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEND_BUFFER_BYTES (2u * CLI_INPUT_LINE_MAX) /* the longest line fits */
#define CONFIRM_PROBE_MS  100 /* without --ack a probe behind the event confirms it: the least interval there is */

#define AT(member) offsetof(struct emit_flags, member)
static const struct cli_flag emit_flags[] = {
    {"ack", CLI_FLAG_BOOL, AT(ack), NULL, "ask for an answer to each event and print its arguments", 0, 0, NULL},
    {"args", CLI_FLAG_BOOL, AT(spread), NULL, "the JSON is an array of the event's arguments, not one argument", 0, 0,
     NULL},
    {"durable", CLI_FLAG_TEXT, AT(durable), "FILE", "queue in FILE first; what is not delivered stays there", 0, 0,
     NULL},
    {"max-messages", CLI_FLAG_NUMBER, AT(max_messages), "N", "with --durable: the queue's bound (default 100)", 1,
     10000000, NULL},
    {"ttl", CLI_FLAG_NUMBER, AT(ttl_s), "S", "with --durable: seconds until a message expires (86400; 0: never)", 0,
     UINT32_MAX, NULL},
};
#undef AT

void emit_complain(const struct emit *emit, uint64_t line, const char *what, const char *why)
{
    if (line > 0) {
        cli_say(CLI_LOG_ERROR, "line %llu: %s: %s", (unsigned long long)line, what, why);
    } else {
        cli_say(CLI_LOG_ERROR, "%s: %s: %s", emit->event, what, why);
    }
}

void emit_finish_job(struct emit *emit, struct cli_job *job, char *output)
{
    job->done = true;
    job->output = output;
    char *ready;
    while (cli_jobs_take(&emit->jobs, &ready)) {
        cli_out_buffered(ready ? ready : "null");
        free(ready);
    }
}

static void print_null(struct emit *emit, uint64_t line)
{
    uint64_t number;
    if (emit->flags.ack && cli_jobs_add(&emit->jobs, line, &number)) {
        emit_finish_job(emit, cli_jobs_get(&emit->jobs, number), NULL);
    }
}

void emit_refuse_held(struct emit *emit, const char *what, const char *why)
{
    emit_complain(emit, emit->held_line, what, why);
    print_null(emit, emit->held_line);
}

/* [text], or text itself with --args. NULL: out of memory. */
static char *as_args(const char *text, size_t len, bool spread)
{
    char *args = malloc(len + 3);
    if (args) {
        sprintf(args, spread ? "%.*s" : "[%.*s]", (int)len, text);
    }
    return args;
}

/* Is this one JSON value (with --args an array)? Else what is wrong with it. */
static bool check_json(const char *text, size_t len, bool spread, char why[CLI_ERROR_MAX])
{
    struct cli_json_error error;
    if (!cli_json_check(text, len, &error)) {
        return cli_fail(why, "not JSON: %s at byte %zu", error.what, error.byte);
    }
    if (spread && cli_json_first(text, len) != '[') {
        return cli_fail(why, "not a JSON array, as --args needs");
    }
    return true;
}

static void bad_line(struct emit *emit, const char *why)
{
    emit->bad_lines++;
    cli_say(CLI_LOG_ERROR, "line %llu: %s", (unsigned long long)emit->input.line, why);
    print_null(emit, emit->input.line);
}

static void take_line(struct emit *emit, const char *text, size_t len)
{
    char why[CLI_ERROR_MAX];
    if (cli_json_first(text, len) == '\0') {
        return; /* a blank line is no event */
    }
    if (!check_json(text, len, emit->flags.spread, why)) {
        bad_line(emit, why);
        return;
    }
    emit->held = as_args(text, len, emit->flags.spread);
    emit->held_line = emit->input.line;
    if (!emit->held) {
        bad_line(emit, "out of memory");
    }
}

bool emit_next(struct emit *emit)
{
    while (!emit->held && emit->from_input && !emit->source_ended) {
        const char *text;
        size_t len;
        switch (cli_input_next(&emit->input, &text, &len)) {
        case CLI_INPUT_LINE:
            take_line(emit, text, len);
            break;
        case CLI_INPUT_TOO_LONG:
            bad_line(emit, "longer than 16 MiB");
            break;
        case CLI_INPUT_WAIT:
            return false;
        case CLI_INPUT_END:
            emit->source_ended = true;
            if (emit->input.error) {
                cli_say(CLI_LOG_ERROR, "standard input: %s", strerror(emit->input.error));
                emit->bad_lines++;
            }
            break;
        }
    }
    return emit->held != NULL;
}

int emit_input_fd(const struct emit *emit, bool wanted)
{
    return wanted && emit->from_input && !emit->source_ended && !emit->held ? emit->input.fd : -1;
}

/* Takes the words after the URL. Returns -1 to go on, else the exit code. */
static int take_words(const struct cli_command *self, struct emit *emit, const struct cli_words *words)
{
    if (words->count < 2) {
        return cli_usage_error(self, "the EVENT is missing");
    }
    if (words->count > 3) {
        return cli_usage_error(self, "'%.60s' is one word too many", words->word[3]);
    }
    emit->event = words->word[1];
    char why[CLI_ERROR_MAX];
    if (!cli_event_check(emit->event, why)) {
        return cli_usage_error(self, "%s", why);
    }
    const char *json = words->count == 3 ? words->word[2] : NULL;
    if (json && strcmp(json, "-") == 0) {
        emit->from_input = true;
        return -1;
    }
    if (json && !check_json(json, strlen(json), emit->flags.spread, why)) {
        return cli_usage_error(self, "JSON: %s", why);
    }
    emit->held = json ? as_args(json, strlen(json), emit->flags.spread) : strdup("[]");
    emit->source_ended = true;
    return emit->held ? -1 : CLI_EXIT_SOFTWARE;
}

static int check_flags(const struct cli_command *self, const struct emit *emit, const struct cli_common *common)
{
    if (!emit->flags.durable && emit->flags.max_messages >= 0) {
        return cli_usage_error(self, "--max-messages needs --durable");
    }
    if (!emit->flags.durable && emit->flags.ttl_s >= 0) {
        return cli_usage_error(self, "--ttl needs --durable");
    }
    if (emit->flags.ack && common->protocol == AIVO_PROTOCOL_WEBSOCKET) {
        return cli_usage_error(self, "--ack: a plain WebSocket has no answers");
    }
    return -1;
}

static void fill_options(const struct emit *emit, struct aivo_options *options)
{
    options->max_send_buffer_bytes = SEND_BUFFER_BYTES;
    options->quality.quality_ping = false;
    if (!emit->flags.durable && !emit->flags.ack) {
        options->quality.interval_ms = CONFIRM_PROBE_MS;
    }
    options->queue.path = emit->flags.durable;
    if (emit->flags.max_messages >= 0) {
        options->queue.max_messages = (uint32_t)emit->flags.max_messages;
    }
    if (emit->flags.ttl_s >= 0) {
        options->queue.ttl_s = (uint32_t)emit->flags.ttl_s;
    }
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct emit emit = {.flags = {.max_messages = -1, .ttl_s = -1}};
    struct cli_common common;
    struct cli_words words;
    cli_common_init(&common);
    int code = cli_command_parse(self, argc, argv, &emit.flags, &common, &words);
    if (code < 0) {
        code = check_flags(self, &emit, &common);
    }
    if (code < 0) {
        code = take_words(self, &emit, &words);
    }
    struct aivo_options options;
    if (code < 0) {
        cli_conn_options(&common, &options);
        fill_options(&emit, &options);
        code = cli_conn_open(&emit.conn, &common, &options);
    }
    if (code < 0) {
        cli_input_init(&emit.input, STDIN_FILENO);
        cli_jobs_init(&emit.jobs);
        code = emit.flags.durable ? emit_durable(&emit) : emit_now(&emit);
        cli_conn_close(&emit.conn);
        cli_out_flush();
        cli_jobs_free(&emit.jobs);
        cli_input_free(&emit.input);
    }
    free(emit.held);
    return code;
}

const struct cli_command cli_emit = {
    .name = "emit",
    .usage = "URL EVENT [JSON|-] [--ack] [--args] [--durable FILE] [flags]",
    .summary = "send an event, or one for each line of standard input",
    .text =
        "JSON is the event's one argument, whatever its type; with --args it is an array of its arguments. Without\n"
        "JSON the event has none. With - each line of standard input is the JSON of one event; blank lines are\n"
        "skipped, and a line that is no JSON is reported and costs exit code 1 at the end.\n"
        "\nWith --ack each answer's arguments are printed as a JSON array, a line an event, in the order of the input\n"
        "(null where there is no answer; binary data is {\"_base64\":\"...\"}). Without it, an event counts as "
        "delivered\n"
        "once the server has answered a WebSocket PING sent behind it.\n"
        "\nWith --durable every event is on disk before anything is sent, and leaves FILE when the server has\n"
        "acknowledged it; run the command again to send what stayed there. Input waits while the queue is full.\n"
        "--timeout counts from the last delivery, not while input may still come.\n"
        "\nexit: 0 delivered, 1 answered with an error (or died, expired, evicted; a bad or unread line), 2 no\n"
        "connection or no answer, 3 refused, 73 the queue file cannot be used or the disk is full, 75 all is queued "
        "and\n"
        "not yet delivered\n",
    .examples = "  aivo emit http://127.0.0.1:4003 agent:learning '{\"action\":\"start_session\"}' --ack --token-file "
                "token.jwt\n"
                "  seq 1 10 | aivo emit http://127.0.0.1:4003 tick - --token-file token.jwt\n"
                "  aivo emit http://127.0.0.1:4003 agent:tutor '{\"input\":\"Why?\"}' --durable queue.db --token-file "
                "token.jwt\n",
    .flags = emit_flags,
    .flag_count = sizeof(emit_flags) / sizeof(emit_flags[0]),
    .connects = true,
    .run = run,
};
