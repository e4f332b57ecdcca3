/*
 * Several servers that behave as one, over Redis, together with Node servers on @socket.io/redis-adapter. Without
 * REDIS_HOST, and while Redis is away, the same calls concern this instance alone.
 *
 * Bounds: what waits to be published SRV_CLUSTER_MAX_PENDING bytes (more is dropped and counted); a message from Redis
 * SRV_CLUSTER_MAX_MESSAGE; both are larger where MAX_PAYLOAD_BYTES asks for it; questions that are open
 * SRV_CLUSTER_MAX_ASKS, the answers to one SRV_CLUSTER_MAX_ANSWERS bytes; commands that wait for Redis' reply and want
 * to know it SRV_CLUSTER_MAX_AWAITED.
 */
#ifndef SRV_CLUSTER_H
#define SRV_CLUSTER_H

#include "cluster_codec.h"
#include "hub.h"
#include "resp.h"
#include <uv.h>

#define SRV_CLUSTER_MAX_PENDING ((size_t)8 * 1024 * 1024)
#define SRV_CLUSTER_MAX_MESSAGE ((size_t)16 * 1024 * 1024)
#define SRV_CLUSTER_MAX_ASKS    256
#define SRV_CLUSTER_MAX_ANSWERS ((size_t)16 * 1024 * 1024)
#define SRV_CLUSTER_MAX_AWAITED 16384
#define SRV_CLUSTER_TIMEOUT_MS  5000 /* of a question */
#define SRV_CLUSTER_TICK_MS     20

struct srv_cluster;

/* NULL: no memory. hub->cluster becomes it. */
struct srv_cluster *srv_cluster_new(struct srv_hub *hub, uv_loop_t *loop);
/* Closes its handles; the loop must run once more before it is destroyed. */
void srv_cluster_stop(struct srv_cluster *c);
void srv_cluster_destroy(struct srv_cluster *c);
/* Once a turn, after everything else. */
void srv_cluster_flush(struct srv_cluster *c);
/* Is there a Redis to be connected to? Is it there, and have all subscriptions been confirmed? */
bool srv_cluster_wanted(const struct srv_cluster *c);
bool srv_cluster_connected(const struct srv_cluster *c);
/* Does a worker still ask for its address? Nothing can call it off. */
bool srv_cluster_resolving(const struct srv_cluster *c);

/* A broadcast's data (a JSON array, the name first) to the other instances. srv_broadcast() calls it. */
void srv_cluster_publish(struct srv_cluster *c, const struct srv_broadcast *broadcast, const char *data,
                         size_t data_len);

/* --- what concerns all instances --- */

void srv_cluster_join(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                      const struct aivo_bytes *rooms, size_t count);
void srv_cluster_leave(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                       const struct aivo_bytes *rooms, size_t count);
void srv_cluster_disconnect(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                            bool close_connection);

/* What was found out: a JSON array and its attachments. error: NULL, or what is missing ("timeout"): the array then
 * has what came in until then. */
struct srv_answers {
    const char *error;
    const char *array;
    size_t array_len;
    const struct aivo_bytes *attachments;
    unsigned attachment_count;
};
typedef void srv_cluster_done(void *context, const struct srv_answers *answers);

/* done is called exactly once, perhaps before these return. type: SOCKETS (ids), ALL_ROOMS (names), FETCH
 * ({id, handshake, rooms, data}). */
void srv_cluster_ask(struct srv_cluster *c, struct srv_nsp *nsp, enum srv_cluster_type type,
                     const struct srv_target *target, srv_cluster_done *done, void *context);
/* To the other servers, not to clients. data: a JSON array, the event's name first. done NULL: no answer is wanted. */
void srv_cluster_server_side_emit(struct srv_cluster *c, struct srv_nsp *nsp, const char *data, size_t len,
                                  srv_cluster_done *done, void *context);
/* Each client's first argument of its acknowledgement. */
void srv_cluster_broadcast_with_ack(struct srv_cluster *c, const struct srv_broadcast *broadcast, uint64_t timeout_ms,
                                    srv_cluster_done *done, void *context);

/* --- a command of one's own; see claims.c --- */

/* reply is NULL if Redis went away before it answered. */
typedef void srv_cluster_reply(void *context, const struct srv_resp_reply *reply);
/* false: Redis is away or too far behind; reply is not called. */
bool srv_cluster_command(struct srv_cluster *c, const struct aivo_bytes *words, size_t count, srv_cluster_reply *reply,
                         void *context);

#endif
