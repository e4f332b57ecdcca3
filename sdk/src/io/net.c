#include "net.h"

#include "clock.h"
#include "errtext.h"
#include "random.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void aivo_conn_todo(struct aivo_conn *conn)
{
    aivo_list_add(&conn->net->todo, &conn->todo);
}

void aivo_conn_deadline(struct aivo_conn *conn, int64_t deadline_us)
{
    conn->deadline_us = deadline_us;
    if (deadline_us == AIVO_NEVER)
        aivo_list_remove(&conn->timed);
    else
        aivo_list_add(&conn->net->timed, &conn->timed);
}

void aivo_conn_drop_socket(struct aivo_conn *conn)
{
    aivo_tls_destroy(conn->tls);
    conn->tls = NULL;
    aivo_watch_remove(conn->watch);
    conn->watch = NULL;
    conn->write_asked = conn->hangup = false;
}

void aivo_conn_end(struct aivo_conn *conn, const struct aivo_error *why)
{
    if (conn->stage == AIVO_STAGE_ENDED)
        return;
    if (!conn->refused)
        conn->why = *why;
    conn->stage = AIVO_STAGE_ENDED;
    aivo_lookup_cancel(conn->net->resolver, &conn->lookup);
    aivo_conn_drop_socket(conn);
    aivo_conn_deadline(conn, AIVO_NEVER);
    aivo_conn_todo(conn);
}

void aivo_conn_fail(struct aivo_conn *conn, enum aivo_status status, int code, ...)
{
    struct aivo_error why = {0};
    size_t len = 0;
    va_list pieces;
    va_start(pieces, code);
    for (const char *piece; (piece = va_arg(pieces, const char *)) != NULL;) {
        size_t room = sizeof why.message - 1 - len, n = strlen(piece) < room ? strlen(piece) : room;
        memcpy(why.message + len, piece, n);
        len += n;
    }
    va_end(pieces);
    aivo_error_join(&why, status, code, why.message, (char *)NULL); /* control bytes out */
    aivo_conn_end(conn, &why);
}

static void free_conn(struct aivo_conn *conn)
{
    aivo_lookup_cancel(conn->net->resolver, &conn->lookup);
    aivo_conn_drop_socket(conn);
    aivo_tls_context_release(conn->tls_context);
    aivo_list_remove(&conn->all);
    aivo_list_remove(&conn->todo);
    aivo_list_remove(&conn->timed);
    aivo_buf_free(&conn->out);
    aivo_buf_free(&conn->in);
    aivo_ws_reader_free(&conn->reader);
    free(conn->addresses);
    free(conn->proxy.authorization);
    free(conn->path);
    free(conn->subprotocol);
    free(conn->headers);
    free(conn);
}

void aivo_conn_enter(struct aivo_conn *conn)
{
    conn->busy++;
    conn->net->delivered = true;
}

bool aivo_conn_leave(struct aivo_conn *conn)
{
    conn->busy--;
    if (!conn->gone)
        return true;
    if (conn->busy == 0)
        free_conn(conn);
    return false;
}

void aivo_net_random(struct aivo_net *net, void *out, size_t len)
{
    if (net->random_left < len) {
        aivo_random_bytes(net->random, sizeof net->random);
        net->random_left = sizeof net->random;
    }
    net->random_left -= (unsigned)len;
    memcpy(out, net->random + net->random_left, len);
}

void aivo_net_use_resolver(struct aivo_net *net, aivo_resolve_fn resolve)
{
    aivo_resolver_use(net->resolver, resolve);
}

static void wake_net(void *user)
{
    aivo_poller_wake(((struct aivo_net *)user)->poller);
}

static void net_destroy(struct aivo_net *net)
{
    if (!net)
        return;
    aivo_resolver_destroy(net->resolver); /* first: its threads wake the poller */
    aivo_poller_destroy(net->poller);
    free(net->scratch);
    free(net);
}

static enum aivo_status net_create(struct aivo_net **out, struct aivo_error *err)
{
    struct aivo_net *net = calloc(1, sizeof *net);
    if (!net)
        return aivo_error_join(err, AIVO_E_MEMORY, 0, "out of memory for a loop", (char *)NULL);
    aivo_list_init(&net->conns);
    aivo_list_init(&net->todo);
    aivo_list_init(&net->timed);
    enum aivo_status status = aivo_poller_create(&net->poller, err);
    if (status == AIVO_OK) {
        net->resolver = aivo_resolver_create(aivo_resolve_system, wake_net, net);
        net->scratch = malloc(AIVO_READ_BYTES);
        if (!net->resolver || !net->scratch)
            status = aivo_error_join(err, AIVO_E_MEMORY, 0, "out of memory for a loop", (char *)NULL);
    }
    if (status != AIVO_OK)
        net_destroy(net);
    else
        *out = net;
    return status;
}

/* Tells the end and frees the connection. */
static void finish(struct aivo_conn *conn)
{
    struct aivo_error why = conn->why;
    aivo_conn_enter(conn);
    conn->events.closed(conn->user, &why);
    conn->gone = true; /* abort() inside closed() does no harm */
    aivo_conn_leave(conn);
}

/* What was asked for since the last wait. What these steps ask for waits for the next round, but what they queue is
 * written at the end: all of a turn's frames of a connection in one write. */
static void run_todo(struct aivo_net *net)
{
    struct aivo_link batch, *link;
    aivo_list_move(&net->todo, &batch);
    while ((link = aivo_list_take(&batch)) != NULL) {
        struct aivo_conn *conn = AIVO_CONTAINER(link, struct aivo_conn, todo);
        if (conn->stage == AIVO_STAGE_START)
            aivo_dial_start(conn);
        else if (conn->stage == AIVO_STAGE_ENDED)
            finish(conn);
        else if (conn->resume)
            aivo_conn_resume(conn);
        else
            aivo_conn_flush(conn);
    }
    for (link = net->todo.next; link != &net->todo; link = link->next) {
        struct aivo_conn *conn = AIVO_CONTAINER(link, struct aivo_conn, todo);
        if (conn->stage == AIVO_STAGE_OPEN || conn->stage == AIVO_STAGE_CLOSING)
            aivo_conn_flush(conn);
    }
}

static int64_t next_deadline(const struct aivo_net *net)
{
    int64_t next = AIVO_NEVER;
    for (const struct aivo_link *link = net->timed.next; link != &net->timed; link = link->next) {
        const struct aivo_conn *conn = AIVO_CONTAINER(link, const struct aivo_conn, timed);
        if (conn->deadline_us < next)
            next = conn->deadline_us;
    }
    return next;
}

static void run_timers(struct aivo_net *net)
{
    if (aivo_list_empty(&net->timed))
        return;
    int64_t now_us = aivo_clock_us();
    struct aivo_link batch, *link;
    aivo_list_move(&net->timed, &batch);
    while ((link = aivo_list_take(&batch)) != NULL) {
        struct aivo_conn *conn = AIVO_CONTAINER(link, struct aivo_conn, timed);
        aivo_list_add(&net->timed, &conn->timed);
        if (conn->deadline_us > now_us)
            continue;
        if (conn->stage >= AIVO_STAGE_OPEN)
            aivo_conn_timeout(conn);
        else
            aivo_dial_timeout(conn);
    }
}

static void net_turn(struct aivo_net *net, int64_t deadline_us)
{
    net->delivered = false;
    run_todo(net);
    int64_t own_us = next_deadline(net);
    if (net->delivered || !aivo_list_empty(&net->todo))
        deadline_us = 0;
    aivo_poller_wait(net->poller, own_us < deadline_us ? own_us : deadline_us);
    aivo_resolver_collect(net->resolver);
    run_timers(net);
    run_todo(net);
}

static void net_wake(struct aivo_net *net)
{
    aivo_poller_wake(net->poller);
}

static char *copy(const char *text, bool *failed)
{
    char *made = text ? strdup(text) : NULL;
    if (text && !made)
        *failed = true;
    return made;
}

static enum aivo_status net_connect(struct aivo_net *net, const struct aivo_transport_request *request,
                                    const struct aivo_transport_events *events, void *user, struct aivo_conn **out,
                                    struct aivo_error *err)
{
    enum aivo_status status = aivo_dial_check(request, err);
    if (status != AIVO_OK)
        return status;
    struct aivo_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return aivo_error_join(err, AIVO_E_MEMORY, 0, "out of memory for a connection", (char *)NULL);
    conn->net = net;
    conn->events = *events;
    conn->user = user;
    conn->deadline_us = AIVO_NEVER;
    bool failed = false;
    conn->path = copy(request->path, &failed);
    conn->subprotocol = copy(request->subprotocol, &failed);
    conn->headers = copy(request->headers, &failed);
    status = failed ? aivo_error_join(err, AIVO_E_MEMORY, 0, "out of memory for a connection", (char *)NULL)
                    : aivo_dial_prepare(conn, request, err);
    if (status != AIVO_OK) {
        free_conn(conn);
        return status;
    }
    aivo_list_add(&net->conns, &conn->all);
    aivo_conn_todo(conn);
    *out = conn;
    return AIVO_OK;
}

static size_t conn_unsent(const struct aivo_conn *conn)
{
    return conn->out.len - conn->sent;
}

static int conn_fd(const struct aivo_conn *conn)
{
    return conn->watch && conn->stage > AIVO_STAGE_TCP ? aivo_watch_fd(conn->watch) : -1;
}

static void conn_abort(struct aivo_conn *conn)
{
    if (!conn || conn->gone)
        return;
    conn->stage = AIVO_STAGE_ENDED;
    conn->gone = true;
    if (conn->busy == 0) {
        free_conn(conn);
        return;
    }
    aivo_lookup_cancel(conn->net->resolver, &conn->lookup);
    aivo_conn_drop_socket(conn);
    aivo_list_remove(&conn->todo);
    aivo_list_remove(&conn->timed);
}

const struct aivo_transport aivo_transport_lws = {
    .create = net_create,
    .destroy = net_destroy,
    .turn = net_turn,
    .wake = net_wake,
    .connect = net_connect,
    .send = aivo_conn_send,
    .ping = aivo_conn_ping,
    .pause = aivo_conn_pause,
    .unsent = conn_unsent,
    .fd = conn_fd,
    .close = aivo_conn_close,
    .abort = conn_abort,
};
