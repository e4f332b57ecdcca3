/* What the cluster's files know of each other. */
#ifndef SRV_CLUSTER_INTERNAL_H
#define SRV_CLUSTER_INTERNAL_H

#include "cluster.h"
#include "redis_link.h"

/* Commands without a listener in a row share one. */
struct srv_awaited {
    srv_cluster_reply *reply; /* NULL: nobody wants to know */
    void *context;
    uint64_t run;
};

struct srv_channels { /* of a namespace */
    struct srv_nsp *nsp;
    struct aivo_buf broadcast, pattern, request, response, own;
};

struct srv_ask;
struct srv_claim;

struct srv_cluster {
    struct srv_hub *hub;
    struct srv_metrics *metrics;
    struct srv_redis_options options;
    struct srv_redis_link pub, sub;
    bool wanted, connected;
    char reason[160]; /* why it is away, as last said */
    char uid[SRV_CLUSTER_ID_LEN + 1];
    struct srv_channels channels[SRV_HUB_MAX_NSPS];
    unsigned confirmed, subscriptions; /* those that Redis confirmed, and how many there are */
    struct srv_awaited *awaited;       /* a ring */
    size_t awaited_first, awaited_count, awaited_size;
    struct aivo_buf held; /* commands to publish, while Redis is away */
    uint64_t held_count;
    struct srv_log_bound complaints;
    struct srv_cluster_in in;
    struct aivo_buf message, scratch; /* under construction */
    struct srv_timer_list ask_list;
    struct srv_ask *asks;
    size_t ask_count;
    struct srv_timer_list claim_list;
    struct srv_claim *claims;
    size_t claim_count;
    bool stopped;
};

struct srv_channels *srv_cluster_channels(struct srv_cluster *c, const struct srv_nsp *nsp);
static inline struct aivo_bytes srv_buf_bytes(const struct aivo_buf *b)
{
    return (struct aivo_bytes){b->data ? b->data : "", b->len};
}
void srv_cluster_send(struct srv_cluster *c, struct aivo_bytes channel, const struct aivo_buf *payload);
void srv_cluster_trouble(struct srv_cluster *c, const char *what);
void srv_cluster_new_id(struct srv_cluster *c, char out[SRV_CLUSTER_ID_LEN + 1]);

/* cluster_answer.c: what others want. */
void srv_cluster_receive(struct srv_cluster *c, struct aivo_bytes channel, struct aivo_bytes payload);
void srv_cluster_local_join(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                            const struct aivo_bytes *rooms, size_t count, bool join);
void srv_cluster_local_disconnect(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                                  bool close_connection);
/* Appends a JSON array of this instance's part of the answer. */
void srv_cluster_local_answer(struct srv_cluster *c, struct srv_nsp *nsp, enum srv_cluster_type type,
                              const struct srv_target *target, struct aivo_buf *out);

/* cluster_ask.c */
void srv_cluster_response(struct srv_cluster *c);
void srv_asks_init(struct srv_cluster *c);
void srv_asks_free(struct srv_cluster *c);

/* claims.c */
void srv_claims_init(struct srv_cluster *c);
void srv_claims_free(struct srv_cluster *c);

/* cluster_events.c: conformance only. An event from another server; answer: the JSON of what to acknowledge with. */
bool srv_cluster_server_event(struct srv_cluster *c, struct srv_nsp *nsp, const struct aivo_json *data,
                              struct aivo_buf *answer);
/* A client's test:… event. false: none of those. */
bool srv_cluster_test_event(struct srv_hub *hub, struct srv_socket *socket, const struct aivo_json *data,
                            const struct aivo_bytes *attachments, unsigned attachment_count, const uint64_t *ack_id);

#endif
