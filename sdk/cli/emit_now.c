/* Events that leave at once: with an answer each, or confirmed together by a probe behind them. */
#include "emit.h"
#include "jsontext.h"
#include "report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FULL_RETRY_MS 10

/* An ack's user data: which client, which job, how large. */
struct question {
    struct emit *emit;
    uint64_t job;
    size_t bytes;
};

static void on_ack(struct aivo_client *client, enum aivo_status status, const struct aivo_message *message, void *user)
{
    (void)client;
    struct question *question = user;
    struct emit *emit = question->emit;
    struct cli_job *job = cli_jobs_get(&emit->jobs, question->job);
    emit->open_lines--;
    emit->open_bytes -= question->bytes;
    free(question);
    if (emit->ending) {
        return; /* counted and told already */
    }
    cli_conn_progress(&emit->conn);
    if (status != AIVO_OK) {
        emit->unanswered++;
        emit_complain(emit, job->line, "no answer", aivo_strerror(status));
        emit_finish_job(emit, job, NULL);
        return;
    }
    emit->delivered++;
    if (cli_answer_is_error(message->args)) {
        emit->in_error++;
    }
    emit_finish_job(emit, job, cli_message_args(message, false));
}

static enum aivo_status emit_with_ack(struct emit *emit, size_t bytes)
{
    struct question *question = malloc(sizeof(*question));
    uint64_t number;
    if (!question || !cli_jobs_add(&emit->jobs, emit->held_line, &number)) {
        free(question);
        return AIVO_E_MEMORY;
    }
    *question = (struct question){.emit = emit, .job = number, .bytes = bytes};
    struct aivo_emit how;
    aivo_emit_init(&how);
    how.ack = on_ack;
    how.user = question;
    how.ack_timeout_ms = (uint32_t)emit->conn.common->timeout_ms;
    enum aivo_status status = aivo_client_emit(emit->conn.client, emit->event, emit->held, &how);
    if (status != AIVO_OK) {
        free(question);
        emit->jobs.count--; /* the newest: never sent */
    }
    return status;
}

/* A plain WebSocket has no events: the name travels inside, as it does for durable messages. */
static enum aivo_status emit_plain(struct emit *emit)
{
    char name[256 * 6 + 1];
    size_t used = 0;
    for (const char *c = emit->event; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        used += (size_t)snprintf(name + used, sizeof(name) - used,
                                 byte < 0x20                   ? "\\u%04x"
                                 : byte == '"' || byte == '\\' ? "\\%c"
                                                               : "%c",
                                 byte);
    }
    char *text = NULL;
    int len = asprintf(&text, "{\"event\":\"%s\",\"data\":%s}", name, emit->held);
    if (len < 0) {
        return AIVO_E_MEMORY;
    }
    enum aivo_status status = aivo_client_send_raw(emit->conn.client, text, (size_t)len, false);
    free(text);
    return status;
}

static enum aivo_status send_held(struct emit *emit, size_t bytes)
{
    if (emit->flags.ack) {
        return emit_with_ack(emit, bytes);
    }
    enum aivo_status status = emit->conn.common->protocol == AIVO_PROTOCOL_WEBSOCKET
                                  ? emit_plain(emit)
                                  : aivo_client_emit(emit->conn.client, emit->event, emit->held, NULL);
    if (status == AIVO_OK) {
        /* One probe may be under way already, sent before this event: the one after that was sent behind it. */
        struct aivo_quality quality;
        aivo_client_quality(emit->conn.client, &quality);
        emit->confirm_at = quality.samples + 2;
    }
    return status;
}

static bool has_room(const struct emit *emit)
{
    uint64_t lines = emit->flags.ack ? CLI_EMIT_WINDOW : CLI_EMIT_LINES_MAX;
    return emit->open_lines < lines && emit->open_bytes < CLI_EMIT_BYTES_MAX && emit->jobs.count + 1 < CLI_JOBS_MAX;
}

/* Sends what there is and what has room. true: the library's buffer is full, look again soon. */
static bool pump(struct emit *emit)
{
    while (emit->conn.connected && has_room(emit) && emit_next(emit)) {
        size_t bytes = strlen(emit->held);
        enum aivo_status status = send_held(emit, bytes);
        if (status == AIVO_E_NOT_CONNECTED) {
            return false; /* the change of state is on its way */
        }
        if (status == AIVO_E_FULL && emit->open_lines > 0) {
            return true;
        }
        if (status == AIVO_OK) {
            emit->accepted++;
            emit->open_lines++;
            emit->open_bytes += bytes;
            cli_conn_progress(&emit->conn);
        } else {
            emit->bad_lines++;
            emit_refuse_held(emit, "not sent", aivo_strerror(status));
        }
        free(emit->held);
        emit->held = NULL;
    }
    return false;
}

static void on_sample(struct aivo_client *client, const struct aivo_quality *quality, void *user)
{
    (void)client;
    struct emit *emit = user;
    if (emit->open_lines > 0 && quality->samples >= emit->confirm_at) {
        emit->delivered += emit->open_lines;
        emit->open_lines = emit->open_bytes = 0;
        cli_conn_progress(&emit->conn);
    }
}

/* Without answers, what was not confirmed when the connection went may have arrived or not. */
static void on_change(struct cli_conn *conn)
{
    struct emit *emit = conn->user;
    if (!conn->connected && !emit->flags.ack && emit->open_lines > 0) {
        cli_say(CLI_LOG_ERROR, "%llu event%s may not have arrived: the connection was lost",
                (unsigned long long)emit->open_lines, emit->open_lines == 1 ? "" : "s");
        emit->unanswered += emit->open_lines;
        emit->open_lines = emit->open_bytes = 0;
    }
}

/* An event that the library took and then could not write: not sent after all. */
static void on_notice(struct aivo_client *client, const struct aivo_error *error, void *user)
{
    (void)client;
    struct emit *emit = user;
    cli_conn_notice(&emit->conn, error);
    if (!emit->flags.ack && emit->open_lines > 0) {
        emit->unanswered++;
    }
}

static bool is_done(const struct emit *emit)
{
    return emit->source_ended && !emit->held && emit->open_lines == 0;
}

/* The time-out does not count while we wait for input, nor while answers have their own. */
static bool timed_out(struct emit *emit, unsigned wake)
{
    if (!(wake & CLI_WAKE_TIMEOUT)) {
        return false;
    }
    bool idle = emit->open_lines == 0 && !emit->held && !emit->source_ended;
    if (emit->conn.connected && (idle || (emit->flags.ack && emit->open_lines > 0))) {
        cli_conn_progress(&emit->conn);
        return false;
    }
    return true;
}

static int finish(struct emit *emit)
{
    struct cli_conn *conn = &emit->conn;
    emit->ending = true;
    if (!is_done(emit) && !conn->connected && !conn->interrupted) {
        return cli_conn_failure(conn);
    }
    if (emit->open_lines > 0) {
        cli_say(CLI_LOG_ERROR, "%llu event%s not known to have arrived", (unsigned long long)emit->open_lines,
                emit->open_lines == 1 ? " is" : "s are");
        emit->unanswered += emit->open_lines;
    }
    if (emit->from_input || conn->interrupted) {
        cli_say(CLI_LOG_INFO, "%llu sent, %llu delivered, %llu answered with an error, %llu bad line%s",
                (unsigned long long)emit->accepted, (unsigned long long)emit->delivered,
                (unsigned long long)emit->in_error, (unsigned long long)emit->bad_lines,
                emit->bad_lines == 1 ? "" : "s");
    }
    if (conn->interrupted && !conn->connected) {
        return cli_conn_failure_code(&conn->why);
    }
    if (emit->unanswered > 0 || (conn->interrupted && emit->held)) {
        return CLI_EXIT_NO_CONNECTION;
    }
    return emit->in_error + emit->bad_lines > 0 ? CLI_EXIT_PROBLEM : CLI_EXIT_OK;
}

int emit_now(struct emit *emit)
{
    struct cli_conn *conn = &emit->conn;
    conn->on_change = on_change;
    conn->user = emit;
    if (!emit->flags.ack) {
        aivo_client_on_quality(conn->client, on_sample, NULL, emit);
    }
    aivo_client_on_notice(conn->client, on_notice, emit);
    cli_conn_start(conn);
    for (;;) {
        bool full = pump(emit);
        cli_out_flush();
        if (is_done(emit) || cli_out_failed()) {
            break;
        }
        int fd = emit_input_fd(emit, conn->connected && has_room(emit));
        unsigned wake = cli_conn_wait(conn, fd, full ? FULL_RETRY_MS : -1);
        if ((wake & CLI_WAKE_INPUT) && !cli_input_fill(&emit->input)) {
            cli_say(CLI_LOG_ERROR, "out of memory");
            return CLI_EXIT_SOFTWARE;
        }
        if ((wake & CLI_WAKE_INTERRUPT) || cli_conn_gave_up(conn) || timed_out(emit, wake)) {
            break;
        }
    }
    return finish(emit);
}
