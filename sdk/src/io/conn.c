/* A connection from open to its end: frames out, frames in, the closing handshake. */
#include "net.h"

#include "clock.h"
#include "errtext.h"
#include "json.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static bool is_live(const struct aivo_conn *conn)
{
    return conn->stage == AIVO_STAGE_OPEN || conn->stage == AIVO_STAGE_CLOSING;
}

static size_t unsent(const struct aivo_conn *conn)
{
    return conn->out.len - conn->sent;
}

static bool queue_frame(struct aivo_conn *conn, enum aivo_ws_opcode opcode, const char *data, size_t len)
{
    uint8_t mask[4];
    aivo_net_random(conn->net, mask, sizeof mask);
    aivo_ws_frame(&conn->out, opcode, data, len, mask);
    if (conn->out.failed) {
        conn->out.failed = false; /* what was there before is still whole */
        return false;
    }
    aivo_conn_todo(conn);
    return true;
}

static enum aivo_status can_send(const struct aivo_conn *conn)
{
    if (conn->stage < AIVO_STAGE_OPEN)
        return AIVO_E_NOT_CONNECTED;
    return conn->stage == AIVO_STAGE_OPEN && !conn->close_sent && !conn->cut ? AIVO_OK : AIVO_E_CLOSED;
}

enum aivo_status aivo_conn_send(struct aivo_conn *conn, const char *data, size_t len, bool binary)
{
    enum aivo_status status = can_send(conn);
    if (status != AIVO_OK)
        return status;
    if (len > conn->max_unsent || unsent(conn) > conn->max_unsent - len)
        return AIVO_E_FULL;
    if (!binary && !aivo_utf8_valid(data, len))
        return AIVO_E_INVALID; /* the peer would close with 1007 */
    return queue_frame(conn, binary ? AIVO_WS_BINARY : AIVO_WS_TEXT, data, len) ? AIVO_OK : AIVO_E_MEMORY;
}

/* Control frames may pass a full buffer, but not without end. */
static bool control_fits(const struct aivo_conn *conn)
{
    return unsent(conn) < conn->max_unsent + AIVO_CONTROL_SLACK;
}

enum aivo_status aivo_conn_ping(struct aivo_conn *conn, const void *payload, size_t len)
{
    enum aivo_status status = can_send(conn);
    if (status != AIVO_OK)
        return status;
    if (len > AIVO_WS_CONTROL_MAX)
        return AIVO_E_INVALID;
    if (!control_fits(conn))
        return AIVO_E_FULL;
    return queue_frame(conn, AIVO_WS_PING, payload, len) ? AIVO_OK : AIVO_E_MEMORY;
}

static void send_close(struct aivo_conn *conn, uint16_t code, const char *reason)
{
    char payload[AIVO_WS_CONTROL_MAX];
    size_t len = aivo_ws_close_payload(payload, code, reason);
    if (!conn->close_sent && !conn->cut)
        queue_frame(conn, AIVO_WS_CLOSE, payload, len);
    conn->close_sent = true;
}

static void start_closing(struct aivo_conn *conn, uint16_t code, const char *reason, int64_t limit_us)
{
    send_close(conn, code, reason);
    conn->stage = AIVO_STAGE_CLOSING;
    aivo_conn_deadline(conn, aivo_clock_us() + limit_us);
    aivo_conn_pause(conn, false);
}

void aivo_conn_close(struct aivo_conn *conn, uint16_t code, const char *reason)
{
    if (conn->stage < AIVO_STAGE_OPEN)
        aivo_conn_fail(conn, AIVO_E_CANCELLED, 0, "closed before the connection stood", (char *)NULL);
    else if (conn->stage == AIVO_STAGE_OPEN)
        start_closing(conn, code, reason, AIVO_CLOSE_US);
}

/* The peer broke the protocol. It is told why, and what it still sends is read and dropped: closing at once would
 * reset the connection, and the reason with it. */
static void refuse(struct aivo_conn *conn, uint16_t code, const char *reason)
{
    enum aivo_status status = code == 1009 ? AIVO_E_TOO_LARGE : AIVO_E_PROTOCOL;
    struct aivo_error why;
    char number[24];
    if (status == AIVO_E_TOO_LARGE)
        aivo_error_join(&why, status, code, "the server sent a message of more than ",
                        aivo_decimal(number, (long long)conn->reader.max_message), " bytes", (char *)NULL);
    else
        aivo_error_join(&why, status, code, "the server broke the WebSocket protocol: ", reason, (char *)NULL);
    if (conn->stage == AIVO_STAGE_CLOSING) {
        aivo_conn_end(conn, &why);
        return;
    }
    conn->why = why;
    conn->refused = true;
    start_closing(conn, code, reason, AIVO_REFUSE_US);
}

static const char *close_name(unsigned code)
{
    switch (code) {
    case 1000:
        return " (normal)";
    case 1001:
        return " (going away)";
    case 1002:
        return " (protocol error)";
    case 1003:
        return " (unsupported data)";
    case 1005:
        return " (no code)";
    case 1007:
        return " (invalid text)";
    case 1008:
        return " (policy violation)";
    case 1009:
        return " (message too big)";
    case 1011:
        return " (internal error)";
    case 1012:
        return " (service restart)";
    case 1013:
        return " (try again later)";
    default:
        return "";
    }
}

static void closed_by_peer(struct aivo_conn *conn, const struct aivo_ws_event *event)
{
    char number[24], reason[AIVO_WS_CONTROL_MAX] = "";
    memcpy(reason, event->data, event->len);
    bool ours = conn->stage == AIVO_STAGE_CLOSING;
    if (!ours) {
        send_close(conn, event->code == 1005 ? 0 : event->code, NULL);
        aivo_conn_flush(conn);
    }
    aivo_conn_fail(conn, AIVO_E_CLOSED, event->code,
                   ours ? "closed as asked; the server answered " : "the server closed the connection: ",
                   aivo_decimal(number, event->code), close_name(event->code), *reason ? ": " : "", reason,
                   (char *)NULL);
}

/* false: the connection is gone, or its end is known. */
static bool handle(struct aivo_conn *conn, const struct aivo_ws_event *event)
{
    switch (event->found) {
    case AIVO_WS_FOUND_MESSAGE:
    case AIVO_WS_FOUND_PONG:
        aivo_conn_enter(conn);
        if (event->found == AIVO_WS_FOUND_PONG)
            conn->events.pong(conn->user, event->data, event->len);
        else
            conn->events.message(conn->user, event->data, event->len, event->binary);
        return aivo_conn_leave(conn) && is_live(conn);
    case AIVO_WS_FOUND_PING:
        if (can_send(conn) == AIVO_OK && control_fits(conn))
            queue_frame(conn, AIVO_WS_PONG, event->data, event->len);
        return true;
    case AIVO_WS_FOUND_CLOSE:
        closed_by_peer(conn, event);
        return false;
    case AIVO_WS_FOUND_ERROR:
        refuse(conn, event->code, event->error);
        return is_live(conn);
    case AIVO_WS_FOUND_NOTHING:
        break;
    }
    return true;
}

/* false: the connection is gone, or its end is known. */
static bool feed(struct aivo_conn *conn, const char *data, size_t len)
{
    struct aivo_ws_event event;
    for (size_t pos = 0; pos < len && !conn->refused;) {
        if (conn->paused) {
            aivo_buf_add(&conn->in, data + pos, len - pos);
            if (!conn->in.failed)
                return true;
            aivo_conn_fail(conn, AIVO_E_MEMORY, 0, "out of memory for received data", (char *)NULL);
            return false;
        }
        pos += aivo_ws_read(&conn->reader, data + pos, len - pos, &event);
        if (!handle(conn, &event))
            return false;
    }
    return true;
}

ssize_t aivo_conn_read(struct aivo_conn *conn, char *data, size_t len, struct aivo_error *err)
{
    if (conn->tls)
        return aivo_tls_read(conn->tls, data, len, err);
    ssize_t n = recv(aivo_watch_fd(conn->watch), data, len, 0);
    if (n > 0)
        return n;
    if (n == 0)
        return AIVO_IO_END;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return AIVO_IO_AGAIN;
    aivo_error_join(err, AIVO_E_CLOSED, 1006, "the connection was cut: ", strerror(errno), (char *)NULL);
    return AIVO_IO_ERROR;
}

static void ended(struct aivo_conn *conn, ssize_t how, const struct aivo_error *error)
{
    if (how == AIVO_IO_ERROR)
        aivo_conn_end(conn, error);
    else
        aivo_conn_fail(conn, AIVO_E_CLOSED, 1006,
                       conn->stage == AIVO_STAGE_CLOSING ? "closed as asked; the server cut the connection"
                                                         : "the server cut the connection",
                       " without a closing handshake", (char *)NULL);
}

/* Reads until there is no more, or a turn's share is taken. */
static void read_some(struct aivo_conn *conn)
{
    struct aivo_error error;
    for (size_t taken = 0; taken < AIVO_READ_TURN && !conn->paused;) {
        ssize_t n = aivo_conn_read(conn, conn->net->scratch, AIVO_READ_BYTES, &error);
        if (n == AIVO_IO_AGAIN) {
            if (conn->tls && aivo_tls_wants_write(conn->tls))
                aivo_watch_write(conn->watch);
            return;
        }
        if (n < 0) {
            ended(conn, n, &error);
            return;
        }
        if (!feed(conn, conn->net->scratch, (size_t)n))
            return;
        taken += (size_t)n;
        if (!conn->tls && n < AIVO_READ_BYTES && !conn->hangup)
            return; /* most likely all: the poller tells if not, and a call is saved */
    }
    if ((conn->tls || conn->hangup) && !conn->paused) {
        conn->resume = true; /* the poller may not know of what is left */
        aivo_conn_todo(conn);
    }
}

void aivo_conn_resume(struct aivo_conn *conn)
{
    conn->resume = false;
    aivo_conn_flush(conn);
    if (!is_live(conn) || conn->paused)
        return;
    struct aivo_buf held = conn->in;
    aivo_buf_init(&conn->in);
    bool live = feed(conn, held.data, held.len);
    aivo_buf_free(&held);
    if (live && (conn->tls || conn->hangup))
        read_some(conn);
}

void aivo_conn_pause(struct aivo_conn *conn, bool paused)
{
    if (conn->paused == paused || (paused && conn->stage > AIVO_STAGE_OPEN))
        return;
    conn->paused = paused;
    if (!is_live(conn))
        return;
    aivo_watch_read(conn->watch, !paused);
    if (!paused) {
        conn->resume = true;
        aivo_conn_todo(conn);
    }
}

void aivo_conn_open(struct aivo_conn *conn)
{
    conn->stage = AIVO_STAGE_OPEN;
    aivo_conn_deadline(conn, AIVO_NEVER);
    aivo_conn_enter(conn);
    conn->events.open(conn->user);
    if (!aivo_conn_leave(conn) || !is_live(conn))
        return;
    if (conn->paused)
        aivo_watch_read(conn->watch, false);
    conn->resume = true; /* what came with the answer, or waits in TLS */
    aivo_conn_todo(conn);
}

void aivo_conn_events(struct aivo_conn *conn, unsigned events)
{
    if (events & AIVO_HANGUP)
        conn->hangup = true;
    if (events & AIVO_WRITABLE) {
        conn->write_asked = false;
        aivo_conn_flush(conn);
    }
    /* TLS may have waited for room to write before it could read on */
    if (is_live(conn) && (conn->tls || (events & (AIVO_READABLE | AIVO_HANGUP))))
        read_some(conn);
}

void aivo_conn_timeout(struct aivo_conn *conn)
{
    if (conn->stage == AIVO_STAGE_CLOSING)
        aivo_conn_fail(conn, AIVO_E_CLOSED, 1006,
                       "closed as asked; the server did not answer the closing handshake within 2 s", (char *)NULL);
    else
        aivo_conn_fail(conn, AIVO_E_CLOSED, 1006, "the connection was cut while sending", (char *)NULL);
}

static ssize_t write_out(struct aivo_conn *conn)
{
    const char *data = conn->out.data + conn->sent;
    size_t len = unsent(conn);
    if (conn->tls)
        return aivo_tls_write(conn->tls, data, len, NULL);
    ssize_t n = send(aivo_watch_fd(conn->watch), data, len, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS ? AIVO_IO_AGAIN
                                                                                         : AIVO_IO_ERROR;
}

/* A failed write says less than what can still be read: a close frame, an alert. So reading ends the connection; only
 * if that does not happen within a second, or reading is paused, the write's failure does. */
static void write_failed(struct aivo_conn *conn)
{
    conn->cut = true;
    conn->sent = conn->out.len = 0;
    aivo_conn_deadline(conn, conn->paused ? 0 : aivo_clock_us() + AIVO_REFUSE_US);
}

/* All is said to a peer that broke the protocol: it sees an end, and need not wait for ours. */
static void half_close(struct aivo_conn *conn)
{
    conn->half_closed = true;
    if (conn->tls)
        aivo_tls_finish(conn->tls);
    shutdown(aivo_watch_fd(conn->watch), SHUT_WR);
}

void aivo_conn_flush(struct aivo_conn *conn)
{
    if (!conn->watch || conn->stage < AIVO_STAGE_PROXY || conn->stage == AIVO_STAGE_TLS || conn->cut)
        return;
    while (conn->sent < conn->out.len && !conn->write_asked) {
        ssize_t n = write_out(conn);
        if (n > 0) {
            conn->sent += (size_t)n;
        } else if (n == AIVO_IO_AGAIN) {
            conn->write_asked = true;
            aivo_watch_write(conn->watch);
        } else {
            write_failed(conn);
            return;
        }
    }
    if (conn->sent == conn->out.len) {
        conn->sent = 0;
        if (conn->out.cap > AIVO_KEEP_BYTES)
            aivo_buf_free(&conn->out);
        else
            aivo_buf_clear(&conn->out);
        if (conn->refused && !conn->half_closed)
            half_close(conn);
    } else if (conn->sent > conn->out.len / 2) {
        memmove(conn->out.data, conn->out.data + conn->sent, unsent(conn));
        conn->out.len = unsent(conn);
        conn->sent = 0;
    }
}
