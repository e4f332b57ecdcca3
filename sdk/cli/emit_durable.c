/* Events that are on disk before they are sent. */
#include "emit.h"
#include "jsontext.h"
#include "report.h"
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
    while (!emit->store_failed && has_room(emit) && emit_next(emit)) {
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
            emit->store_failed = status == AIVO_E_STORE;
            emit_refuse_held(emit, "not queued", error.message);
        }
        free(emit->held);
        emit->held = NULL;
        if (emit->accepted % 16 == 0) {
            return; /* each send waits for the disk: answers and signals shall not wait for all of them */
        }
    }
}

static bool source_is_dry(const struct emit *emit)
{
    return emit->store_failed || (emit->source_ended && !emit->held);
}

static int finish(struct emit *emit, bool timed_out)
{
    struct cli_conn *conn = &emit->conn;
    if (emit->from_input || conn->interrupted) {
        cli_say(CLI_LOG_INFO, "%llu queued, %llu delivered, %llu died, expired or evicted, %llu bad lines",
                (unsigned long long)emit->accepted, (unsigned long long)emit->delivered,
                (unsigned long long)emit->in_error, (unsigned long long)emit->bad_lines);
    }
    if (timed_out && !source_is_dry(emit)) {
        cli_say(CLI_LOG_ERROR, "the queue is full: input after line %llu was not read",
                (unsigned long long)(emit->held ? emit->held_line - 1 : emit->input.line));
    }
    struct aivo_queue_stats stats;
    if (aivo_client_queue_stats(conn->client, &stats) == AIVO_OK) {
        emit->waiting = stats.pending;
    }
    if (emit->waiting > 0) {
        cli_say(CLI_LOG_ERROR, "%llu still queued in %s", (unsigned long long)emit->waiting, emit->flags.durable);
        bool refused = !conn->connected && cli_conn_failure_code(&conn->why) == CLI_EXIT_REFUSED;
        return refused ? cli_conn_failure(conn) : CLI_EXIT_QUEUED;
    }
    if (emit->store_failed) {
        return CLI_EXIT_CANTCREAT;
    }
    return emit->in_error + emit->bad_lines > 0 ? CLI_EXIT_PROBLEM : CLI_EXIT_OK;
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
