/* Connection state recovery of sockets: what recovery.c, which knows no socket, needs to be told, and what comes of it.
 */
#include "clock.h"
#include "hub.h"
#include <string.h>

void srv_resume_open(struct srv_hub *hub, struct srv_socket *socket)
{
    char pid[SRV_SID_LEN + 1];
    if (!srv_recovery_on(&hub->recovery))
        return;
    srv_engine_new_id(hub->engine, pid);
    socket->resumable = srv_recovery_open(&hub->recovery, pid, socket->nsp, socket);
}

/* A Node server's list: who left by itself, or was sent away, does not come back as the same. */
static bool may_return(enum srv_reason reason)
{
    return reason != SRV_REASON_CLIENT_NAMESPACE_DISCONNECT && reason != SRV_REASON_SERVER_NAMESPACE_DISCONNECT &&
           reason != SRV_REASON_PARSE_ERROR;
}

void srv_resume_leave(struct srv_hub *hub, struct srv_socket *socket, enum srv_reason reason)
{
    if (!socket->resumable)
        return;
    if (may_return(reason))
        srv_recovery_park(&hub->recovery, socket->resumable, &socket->member, &socket->agent, hub->engine->now_ms);
    else
        srv_recovery_close(&hub->recovery, socket->resumable);
    socket->resumable = NULL;
}

static bool same_person(const char *user, const char *learner, const char *asking_user, const char *asking_learner)
{
    return strcmp(user, asking_user) == 0 && strcmp(learner, asking_learner) == 0;
}

/* Its connection is still there for us, and dead for its client, which has just opened another: it makes room. */
static void take_over(struct srv_hub *hub, struct srv_socket *old)
{
    srv_session_close(hub->engine, old->client->session, SRV_REASON_TRANSPORT_CLOSE, SRV_WS_NORMAL);
}

struct srv_resumable *srv_resume_find(struct srv_hub *hub, const struct srv_client *client, const struct srv_nsp *nsp,
                                      const struct aivo_json *payload, const char *user, const char *learner,
                                      uint64_t *from)
{
    if (!srv_recovery_on(&hub->recovery) || payload->type != AIVO_JSON_OBJECT)
        return NULL;
    struct aivo_json pid = aivo_json_get(payload, "pid"), offset = aivo_json_get(payload, "offset");
    char id[SRV_SID_LEN + 1], text[SRV_RECOVERY_OFFSET] = "";
    if (!aivo_json_string_copy(&pid, id, sizeof id))
        return NULL;
    if (offset.type != AIVO_JSON_NONE && !aivo_json_string_copy(&offset, text, sizeof text))
        return NULL;
    struct srv_resumable *who = srv_recovery_find(&hub->recovery, id, strlen(id));
    if (!who || who->nsp != nsp)
        return NULL;
    struct srv_socket *old = who->socket;
    if (old && (old->client == client || !same_person(old->agent.user_id, old->agent.learner_id, user, learner)))
        return NULL;
    if (old)
        take_over(hub, old);
    who = srv_recovery_find(&hub->recovery, id, strlen(id)); /* it may not have been remembered */
    size_t bytes;
    if (!who || !who->parked || !same_person(who->parked->user, who->parked->learner, user, learner) ||
        !srv_recovery_plan(&hub->recovery, who, text, strlen(text), from, &bytes))
        return NULL;
    /* More would overflow its queue, and again each time it comes back. */
    return bytes <= hub->engine->options.max_queue_bytes / 2 ? who : NULL;
}

struct replay {
    struct srv_hub *hub;
    struct srv_socket *socket;
};

static void replay_one(void *context, struct srv_frame *const *frames, unsigned count, struct srv_stamp stamp)
{
    const struct replay *replay = context;
    for (unsigned i = 0; i < count; i++)
        srv_session_send_shared(replay->hub->engine, replay->socket->client->session, frames[i]);
    replay->socket->resumable->last = stamp;
}

void srv_resume_restore(struct srv_hub *hub, struct srv_socket *socket, struct srv_resumable *who, uint64_t from)
{
    const struct srv_parked *parked = who->parked;
    struct srv_agent_session agent = parked->agent;
    agent.socket_id = socket->agent.socket_id;
    agent.user_id = socket->agent.user_id;
    agent.learner_id = socket->agent.learner_id;
    socket->agent = agent;
    if (agent.active) {
        hub->metrics->active_sessions++;
        if (hub->config->session_idle_ms)
            srv_timer_start(&hub->idle_list, &socket->idle, hub->engine->now_ms);
    }
    for (size_t i = 0; i < parked->room_count; i++)
        srv_socket_join(socket, parked->rooms[i].data, parked->rooms[i].len);
    if (parked->left_own)
        srv_socket_leave(socket, socket->sid, SRV_SID_LEN);
    socket->resumable = who;
    struct replay replay = {hub, socket};
    srv_recovery_missed(&hub->recovery, who, from, replay_one, &replay);
    srv_recovery_unpark(&hub->recovery, who, socket);
}
