/* A session ends when its token does. Tokens end at any time, and timers come in lists of equal length: so a socket
 * waits in the longest list that does not overshoot, and is looked at again when that is over. Fifteen looks a list at
 * most; the end is at most a quarter of a second late. The wall clock is asked each time, so a step of it counts. */
#include "clock.h"
#include "hub.h"

#define SHORTEST_MS 250
#define FACTOR      16

static void arm(struct srv_hub *hub, struct srv_socket *socket, uint64_t now_ms)
{
    uint64_t wall_ms = srv_unix_ms(), end_ms = (uint64_t)socket->expires_s * 1000;
    uint64_t left_ms = end_ms > wall_ms ? end_ms - wall_ms : 0;
    unsigned i = SRV_HUB_EXPIRY_LISTS - 1;
    while (i > 0 && hub->expiry_lists[i].interval_ms > left_ms)
        i--;
    srv_timer_start(&hub->expiry_lists[i], &socket->expiry, now_ms);
}

/* Socket.IO's DISCONNECT carries no reason, so an event says it first. Who is in no other namespace loses the
 * connection a moment later, unless it joins again with another token. (Not at once: over polling it would be in the
 * same payload, and the JavaScript client forgets what comes together with a close.) */
static void end(struct srv_hub *hub, struct srv_socket *socket)
{
    static const char args[] = "[{\"reason\":\"token expired\"}]";
    struct srv_session *session = socket->client->session;
    srv_audit(hub->audit, SRV_AUDIT_TOKEN_EXPIRED, &session->address, socket->agent.user_id, NULL, hub->engine->now_ms);
    srv_socket_emit(hub, socket, SRV_EVENT_SESSION_EXPIRED, args, sizeof args - 1);
    bool last = socket->client->sockets == socket && !socket->sibling;
    srv_socket_disconnect(hub, socket, false);
    if (!last)
        return;
    struct srv_client *client = session->user;
    if (session->state != SRV_SESSION_OPEN || !client)
        return;
    hub->unjoined++;
    srv_timer_start(&hub->expired_list, &client->connect, hub->engine->now_ms);
}

static void unwanted(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_hub *hub = context;
    struct srv_session *session = SRV_TIMER_OWNER(timer, struct srv_client, connect)->session;
    hub->engine->now_ms = now_ms;
    hub->unjoined--; /* the timer is off its list already */
    session->farewell = "token expired";
    srv_session_close(hub->engine, session, SRV_REASON_FORCED_CLOSE, SRV_WS_POLICY);
}

static void due(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_hub *hub = context;
    struct srv_socket *socket = SRV_TIMER_OWNER(timer, struct srv_socket, expiry);
    hub->engine->now_ms = now_ms;
    if ((uint64_t)socket->expires_s * 1000 <= srv_unix_ms())
        end(hub, socket);
    else
        arm(hub, socket, now_ms);
}

void srv_expiry_init(struct srv_hub *hub)
{
    uint32_t interval_ms = SHORTEST_MS;
    srv_timers_add(&hub->engine->timers, &hub->expired_list, SRV_HUB_EXPIRED_MS, unwanted, hub);
    for (unsigned i = 0; i < SRV_HUB_EXPIRY_LISTS; i++, interval_ms *= FACTOR)
        srv_timers_add(&hub->engine->timers, &hub->expiry_lists[i], interval_ms, due, hub);
}

void srv_expiry_start(struct srv_hub *hub, struct srv_socket *socket, int64_t exp_s)
{
    if (exp_s <= 0)
        return;
    socket->expires_s = exp_s + SRV_AUTH_LEEWAY_S; /* as when it was checked */
    arm(hub, socket, hub->engine->now_ms);
}
