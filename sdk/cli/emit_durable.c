/* Events that are on disk before they are sent. */
#include "emit.h"
#include "jsontext.h"
#include "report.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGES_DEFAULT 100 /* as the library's */

static void on_fate(struct aivo_client *client, const struct aivo_queued *message, enum aivo_fate fate,
                    const char *answer, void *user)
{
    (void)client;
    struct emit *emit = user;
    cli_conn_progress(&emit->conn);
    emit->waiting -= emit->waiting > 0;
    if (fate == AIVO_FATE_ACKNOWLEDGED) {
        emit->delivered++;
    } else {
        emit->in_error++;
        cli_say(CLI_LOG_ERROR, "%s %s: %s%s%s", message->event, message->id.text, aivo_fate_name(fate),
                message->last_error ? ": " : "", message->last_error ? message->last_error : "");
    }
    struct cli_job *job = cli_jobs_find(&emit->jobs, message->id.text);
    if (job) {
        emit_finish_job(emit, job, answer ? cli_json_line(answer, strlen(answer)) : NULL);
    }
}

/* One event always has its place (the queue's own rule then evicts the oldest, and says so); input waits for one. */
static bool has_room(const struct emit *emit)
{
    uint64_t bound = emit->flags.max_messages >= 0 ? (uint64_t)emit->flags.max_messages : MAX_MESSAGES_DEFAULT;
    return !emit->from_input || (emit->waiting < bound && emit->jobs.count + 1 < CLI_JOBS_MAX);
}

static void pump(struct emit *emit)
{
    while (emit->not_stored == 0 && has_room(emit) && emit_next(emit)) {
        struct aivo_message_id id;
        struct aivo_error error;
        enum aivo_status status = aivo_client_send(emit->conn.client, emit->event, emit->held, &id, &error);
        if (status == AIVO_OK) {
            emit->accepted++;
            emit->waiting++;
            cli_conn_progress(&emit->conn);
            uint64_t number;
            if (emit->flags.ack && cli_jobs_add(&emit->jobs, emit->held_line, &number)) {
                memcpy(cli_jobs_get(&emit->jobs, number)->id, id.text, sizeof(id.text));
            }
        } else {
            *(status == AIVO_E_STORE ? &emit->not_stored : &emit->bad_lines) += 1;
            emit_refuse_held(emit, "not queued", error.message);
        }
        free(emit->held);
        emit->held = NULL;
        if (emit->accepted % 16 == 0) {
            return; /* each send waits for the disk: answers and signals shall not wait for all of them */
        }
    }
}

/* Will nothing more be put on disk? */
static bool source_is_dry(const struct emit *emit)
{
    return emit->not_stored > 0 || (emit->source_ended && !emit->held);
}

/* Lines that were there and were not taken. One read tells what stands in a pipe; it never waits for the writer. */
static bool has_unread(struct emit *emit)
{
    struct cli_input *input = &emit->input;
    if (!emit->from_input || emit_next(emit)) {
        return emit->held != NULL;
    }
    struct pollfd fd = {.fd = input->fd, .events = POLLIN};
    if (!emit->source_ended && poll(&fd, 1, 0) > 0 && (!cli_input_fill(input) || emit_next(emit))) {
        return true;
    }
    return !emit->source_ended && input->used > input->taken; /* the beginning of a line */
}

/* Tells which line was the last one taken where there are more. */
static bool tell_unread(struct emit *emit, bool timed_out)
{
    if (!has_unread(emit)) {
        if (!emit->source_ended) {
            cli_say(CLI_LOG_INFO, "the input was still open after line %llu", (unsigned long long)emit->input.line);
        }
        return false;
    }
    uint64_t last = emit->held ? emit->held_line - 1 : emit->input.line;
    cli_say(CLI_LOG_ERROR, "%sinput after line %llu was not read",
            timed_out && !has_room(emit) ? "the queue is full: " : "", (unsigned long long)last);
    return true;
}

/* What is not on disk counts for more than what waits there: 75 is a promise that nothing is lost. */
static int finish(struct emit *emit, bool timed_out)
{
    struct cli_conn *conn = &emit->conn;
    bool unread = tell_unread(emit, timed_out);
    if (emit->from_input || conn->interrupted) {
        cli_say(CLI_LOG_INFO,
                "%llu queued, %llu delivered, %llu died, expired or evicted, %llu not stored, %llu bad line%s",
                (unsigned long long)emit->accepted, (unsigned long long)emit->delivered,
                (unsigned long long)emit->in_error, (unsigned long long)emit->not_stored,
                (unsigned long long)emit->bad_lines, emit->bad_lines == 1 ? "" : "s");
    }
    struct aivo_queue_stats stats;
    if (aivo_client_queue_stats(conn->client, &stats) == AIVO_OK) {
        emit->waiting = stats.pending;
    }
    bool refused = false;
    if (emit->waiting > 0) {
        cli_say(CLI_LOG_ERROR, "%llu still queued in %s", (unsigned long long)emit->waiting, emit->flags.durable);
        refused = !conn->connected && cli_conn_failure_code(&conn->why) == CLI_EXIT_REFUSED;
    }
    int failure = refused ? cli_conn_failure(conn) : CLI_EXIT_OK;
    if (emit->not_stored > 0) {
        return CLI_EXIT_CANTCREAT;
    }
    if (refused) {
        return failure;
    }
    if (unread || emit->bad_lines > 0) {
        return CLI_EXIT_PROBLEM;
    }
    if (emit->waiting > 0) {
        return CLI_EXIT_QUEUED;
    }
    return emit->in_error > 0 ? CLI_EXIT_PROBLEM : CLI_EXIT_OK;
}

/* --timeout counts from the last progress, but not while input may still come and has room. */
static bool is_over(struct emit *emit, unsigned wake, bool *timed_out)
{
    if (wake & CLI_WAKE_TIMEOUT) {
        if (!source_is_dry(emit) && has_room(emit)) {
            cli_conn_progress(&emit->conn);
        } else {
            *timed_out = true;
        }
    }
    return *timed_out || (wake & CLI_WAKE_INTERRUPT) || cli_conn_gave_up(&emit->conn);
}

int emit_durable(struct emit *emit)
{
    struct cli_conn *conn = &emit->conn;
    struct aivo_queue_stats stats;
    if (aivo_client_queue_stats(conn->client, &stats) == AIVO_OK && stats.pending > 0) {
        emit->waiting = stats.pending;
        cli_say(CLI_LOG_INFO, "%llu from an earlier run wait in %s", (unsigned long long)stats.pending,
                emit->flags.durable);
    }
    aivo_client_on_fate(conn->client, on_fate, emit);
    cli_conn_start(conn);
    bool timed_out = false;
    for (;;) {
        pump(emit);
        cli_out_flush();
        if ((source_is_dry(emit) && emit->waiting == 0) || cli_out_failed()) {
            break;
        }
        bool more = emit->held && has_room(emit);
        bool buffered = !emit->held && !emit->source_ended && emit_next(emit);
        int fd = emit_input_fd(emit, has_room(emit));
        unsigned wake = cli_conn_wait(conn, fd, more || buffered ? 0 : -1);
        if ((wake & CLI_WAKE_INPUT) && !cli_input_fill(&emit->input)) {
            cli_say(CLI_LOG_ERROR, "out of memory");
            return CLI_EXIT_SOFTWARE;
        }
        if (is_over(emit, wake, &timed_out)) {
            break;
        }
    }
    return finish(emit, timed_out);
}
