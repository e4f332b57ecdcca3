/* What is done now and then whoever is connected: the loop's lateness is taken, what says nothing any more is dropped
 * from the tables, and the service manager hears that we live. */
#include "clock.h"
#include "server.h"

static void arm(struct srv_server *server);

static void due(uv_timer_t *handle)
{
    struct srv_server *server = handle->data;
    uint64_t now_us = srv_mono_us(), due_us = server->lag_due_ms * 1000;
    srv_lag_add(&server->lag, now_us > due_us ? now_us - due_us : 0);
    srv_limits_trim(&server->limits, srv_server_now(server));
    arm(server);
}

static void arm(struct srv_server *server)
{
    server->lag_due_ms = srv_server_now(server) + SRV_LAG_EVERY_MS;
    uv_timer_start(&server->lag_timer, due, SRV_LAG_EVERY_MS, 0);
}

static void watchdog_due(uv_timer_t *handle)
{
    const struct srv_server *server = handle->data;
    srv_notify_send(&server->notify, "WATCHDOG=1");
}

void srv_housekeeping_start(struct srv_server *server)
{
    uv_timer_init(&server->loop, &server->lag_timer);
    uv_timer_init(&server->loop, &server->watchdog);
    server->lag_timer.data = server->watchdog.data = server;
    arm(server);
    if (server->notify.watchdog_ms)
        uv_timer_start(&server->watchdog, watchdog_due, server->notify.watchdog_ms, server->notify.watchdog_ms);
}
