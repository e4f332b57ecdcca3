/* The orderly end. SIGTERM: no new sessions; every client hears when it will be sent away, and those times are spread,
 * so that they do not all come back at once. Who has an event in work stays until it is answered. Then connections get
 * a moment to say goodbye. /readyz says 503 meanwhile, so the listening socket stays open, unless somebody else listens
 * on the same port. */
#include "server.h"

#define TICK_MS 25

static void stop(struct srv_server *server)
{
    server->stage = SRV_STOPPED;
    uv_timer_stop(&server->drain_timer);
    uv_stop(&server->loop);
}

/* Sends away whose turn it is. */
static void send_away(struct srv_server *server, uint64_t elapsed_ms)
{
    bool force = elapsed_ms >= SRV_DRAIN_WORK_MS;
    uint64_t due = SIZE_MAX, since_ms = elapsed_ms - SRV_DRAIN_GRACE_MS;
    if (!force && elapsed_ms >= SRV_DRAIN_GRACE_MS && since_ms < server->drain_spread_ms)
        due = server->drain_count * since_ms / server->drain_spread_ms + 1;
    if (due > server->drain_closed)
        server->drain_closed += srv_hub_drain(&server->hub, force, (size_t)(due - server->drain_closed));
    if (server->engine.sessions.next == &server->engine.sessions) {
        server->stage = SRV_CLOSING;
        server->drain_closing_ms = srv_server_now(server);
    }
}

static void tick(uv_timer_t *handle)
{
    struct srv_server *server = handle->data;
    uint64_t now_ms = srv_server_now(server), elapsed_ms = now_ms - server->drain_began_ms;
    server->engine.now_ms = now_ms;
    if (server->stage == SRV_DRAINING)
        send_away(server, elapsed_ms);
    bool closing = server->stage == SRV_CLOSING;
    bool said = closing && server->engine.count == 0 && server->connections == 0;
    bool waited = closing && now_ms - server->drain_closing_ms >= SRV_DRAIN_GOODBYE_MS && server->hub.job_count == 0;
    if (said || waited || elapsed_ms >= SRV_DRAIN_TOTAL_MS)
        stop(server);
}

void srv_drain_begin(struct srv_server *server)
{
    if (server->stage != SRV_SERVING) { /* asked twice: at once */
        stop(server);
        return;
    }
    srv_log(&server->log, SRV_LOG_INFO, "draining: %zu sessions", server->engine.count);
    srv_notify_send(&server->notify, "STOPPING=1\nSTATUS=draining");
    server->stage = SRV_DRAINING;
    server->drain_began_ms = srv_server_now(server);
    server->drain_count = server->engine.count;
    /* A few clients are no herd: then it is over sooner. */
    uint64_t spread_ms = (uint64_t)server->drain_count * SRV_DRAIN_PACE_MS;
    server->drain_spread_ms =
        spread_ms < server->config->drain_spread_ms ? (uint32_t)spread_ms : server->config->drain_spread_ms;
    if (!server->config->conformance)
        srv_hub_warn(&server->hub, server->drain_spread_ms);
    srv_listener_leave(server);
    server->drain_timer.data = server;
    uv_timer_start(&server->drain_timer, tick, SRV_DRAIN_GRACE_MS, TICK_MS);
}
