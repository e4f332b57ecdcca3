/* The orderly end. SIGTERM: no new sessions, those without work are closed, the others when their work is done; then
 * connections get a moment to say goodbye. /readyz says 503 meanwhile, so the listening socket stays open. */
#include "server.h"

#define TICK_MS 25

static void stop(struct srv_server *server)
{
    server->stage = SRV_STOPPED;
    uv_timer_stop(&server->drain_timer);
    uv_stop(&server->loop);
}

static void tick(uv_timer_t *handle)
{
    struct srv_server *server = handle->data;
    uint64_t elapsed_ms = srv_server_now(server) - server->drain_began_ms;
    server->engine.now_ms = srv_server_now(server);
    if (server->stage == SRV_DRAINING) {
        srv_hub_drain(&server->hub, elapsed_ms >= SRV_DRAIN_WORK_MS);
        if (server->engine.sessions.next == &server->engine.sessions)
            server->stage = SRV_CLOSING;
    }
    bool said = server->stage == SRV_CLOSING && server->engine.count == 0 && server->connections == 0;
    if (said || elapsed_ms >= SRV_DRAIN_TOTAL_MS ||
        (server->stage == SRV_CLOSING && elapsed_ms >= SRV_DRAIN_GRACE_MS + SRV_DRAIN_GOODBYE_MS &&
         server->hub.job_count == 0))
        stop(server);
}

void srv_drain_begin(struct srv_server *server)
{
    if (server->stage != SRV_SERVING) { /* asked twice: at once */
        stop(server);
        return;
    }
    srv_log(&server->log, SRV_LOG_INFO, "draining: %zu sessions", server->engine.count);
    server->stage = SRV_DRAINING;
    server->drain_began_ms = srv_server_now(server);
    server->drain_timer.data = server;
    uv_timer_start(&server->drain_timer, tick, SRV_DRAIN_GRACE_MS, TICK_MS);
}
