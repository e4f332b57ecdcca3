/*
 * Socket.IO on top of Engine.IO sessions: clients (one a session), sockets (one a client and namespace), namespaces,
 * and what is sent to them. Knows no transport.
 *
 * Bounds: a client has at most one socket in each of the SRV_HUB_MAX_NSPS fixed namespaces; a packet with attachments
 * may hold SRV_HUB_MAX_ASSEMBLY times the largest payload while its frames come in.
 */
#ifndef SRV_HUB_H
#define SRV_HUB_H

#include "acks.h"
#include "agents.h"
#include "audit.h"
#include "auth.h"
#include "config.h"
#include "dedup.h"
#include "engine.h"
#include "log.h"
#include "outside.h"
#include "quota.h"
#include "recovery.h"
#include "rooms.h"

#define SRV_HUB_MAX_NSPS              2
#define SRV_HUB_MAX_ASSEMBLY          4
#define SRV_HUB_CLOCK_US              200000
#define SRV_HUB_GREETING_MS           5  /* conformance */
#define SRV_HUB_AGENT_LINES           10 /* about outside agents that fail, in the log, a minute */
#define SRV_BROADCAST_MAX_ATTACHMENTS 64
#define SRV_HUB_VOLATILE              65536 /* with more than this waiting, or half of what may, no volatile event */
#define SRV_HUB_EXPIRED_MS            1000  /* a connection whose token ended may join again so long */
#define SRV_HUB_EXPIRY_LISTS          5     /* of timers for the ends of tokens: 1/4 s, 4 s, 64 s, ... */

struct srv_client;
struct srv_cluster;
struct srv_job;
struct srv_greeting;

struct srv_nsp {
    const char *name;
    size_t name_len;
    struct srv_rooms rooms; /* its members are the connected sockets */
};

struct srv_socket {
    struct srv_client *client;
    struct srv_nsp *nsp;
    struct srv_socket *sibling; /* the client's next one */
    struct srv_member member;   /* of the namespace and its rooms */
    struct srv_ack_slot *acks;  /* broadcasts that it is to acknowledge */
    struct srv_agent_session agent;
    struct srv_timer idle;            /* runs while the agent session is active */
    struct srv_timer expiry;          /* runs if the token ends */
    int64_t expires_s;                /* Unix time, the leeway included; 0: never */
    struct srv_bucket *user;          /* NULL: no limit of its user's */
    struct srv_job *held, **held_end; /* events that wait for Redis or behind one that does, the oldest first */
    size_t held_bytes;
    unsigned jobs;                   /* events in work; keeps the struct alive when the socket is gone */
    bool gone;                       /* then client is NULL */
    struct srv_resumable *resumable; /* NULL: no connection state recovery */
    struct srv_greeting *greeting;   /* conformance: the "auth" event that is still to be sent */
    char sid[SRV_SID_LEN + 1];
    char ids[]; /* user id NUL learner id NUL, as agent points to them */
};

struct srv_client {
    struct srv_session *session;
    struct srv_socket *sockets;
    struct aivo_sio_assembler *assembler; /* NULL until the first packet with attachments */
    struct srv_timer connect;             /* runs while no namespace is joined */
    struct srv_ratelimit limit;
    unsigned jobs; /* events that are being handled, or wait for the same one's answer */
};

struct srv_hub {
    struct srv_engine *engine;
    const struct srv_config *config;
    struct srv_metrics *metrics;
    const struct srv_log *log;
    const struct srv_auth *auth; /* NULL: everybody may */
    struct srv_outside *outside; /* NULL: the built-in agents; set after srv_hub_init() */
    struct srv_log_bound agent_lines;
    struct srv_cluster *cluster; /* NULL in tests without one; set after srv_hub_init() */
    struct srv_acks acks;
    struct srv_limits *limits;
    struct srv_audit *audit;
    struct srv_nsp nsps[SRV_HUB_MAX_NSPS];
    unsigned nsp_count;
    struct srv_timer_list connect_list, idle_list, recheck_list, delay_list, greeting_list;
    struct srv_timer_list expiry_lists[SRV_HUB_EXPIRY_LISTS];
    struct srv_timer_list expired_list;
    size_t unjoined; /* clients without a namespace */
    struct srv_dedup dedup;
    struct srv_recovery recovery;
    struct srv_agent_reply reply;
    struct aivo_buf packet;      /* under construction */
    struct aivo_buf text;        /* scratch */
    struct srv_job *jobs;        /* events whose handling is delayed */
    uint64_t unix_minus_mono_us; /* so that one clock is read for an event; taken anew each SRV_HUB_CLOCK_US */
    uint64_t clock_taken_us;
    uint64_t last_us; /* when the last event of this turn was done: the next one's receipt, without a look at a clock */
    uint64_t last_turn;
    unsigned job_count;
};

/* The hooks of sessions at /socket.io/, and of /engine.io/ (conformance: every message comes back). */
extern const struct srv_session_hooks srv_hub_hooks;
extern const struct srv_session_hooks srv_echo_hooks;

/* Also adds the hub's timers to the engine. engine->user becomes the hub. false: no memory. */
bool srv_hub_init(struct srv_hub *hub, struct srv_engine *engine, const struct srv_config *config,
                  struct srv_metrics *metrics, const struct srv_log *log, const struct srv_auth *auth,
                  struct srv_limits *limits, struct srv_audit *audit);
/* All sessions must be closed. */
void srv_hub_free(struct srv_hub *hub);
/* Tells every client that it will be sent away, and when: spread over so many milliseconds. */
void srv_hub_warn(struct srv_hub *hub, uint32_t spread_ms);
/* Closes at most so many of the sessions that have nothing in work, with force also those that have, the oldest first.
 * Called again until none is left. Returns how many were closed. */
size_t srv_hub_drain(struct srv_hub *hub, bool force, size_t most);
/* Closes the client that has been without a namespace for the longest time, if there is one. */
void srv_hub_cut_oldest(struct srv_hub *hub);

/* --- expiry.c: a session ends when its token does --- */

void srv_expiry_init(struct srv_hub *hub);
/* exp_s: the token's, 0 for none. */
void srv_expiry_start(struct srv_hub *hub, struct srv_socket *socket, int64_t exp_s);

/* --- sending --- */

/* args: a JSON array's text. */
void srv_socket_emit(struct srv_hub *hub, struct srv_socket *socket, enum srv_event event, const char *args,
                     size_t args_len);
/* Text packets with their attachments. inner: what stands between the brackets, may be empty. */
struct srv_args {
    const char *inner;
    size_t inner_len;
    const struct aivo_bytes *attachments;
    unsigned attachment_count;
};
void srv_socket_emit_args(struct srv_hub *hub, struct srv_socket *socket, enum srv_event event,
                          const struct srv_args *args);
void srv_socket_ack_args(struct srv_hub *hub, struct srv_socket *socket, uint64_t id, const struct srv_args *args);
void srv_socket_ack(struct srv_hub *hub, struct srv_socket *socket, uint64_t id, const char *array, size_t len);

/* One event for many. */
struct srv_broadcast {
    struct srv_nsp *nsp;
    struct srv_target target; /* zero: everybody in the namespace */
    bool is_volatile;         /* left out for whoever has much waiting already */
    bool local;               /* not for other instances */
    enum srv_event event;     /* what it counts as; its name too, unless name says otherwise */
    const char *name;         /* a JSON string with its quotes, or a number; NULL: the event's own */
    size_t name_len;
    struct srv_args args;
    struct srv_ack_wait *wait; /* asks each receiver for an acknowledgement; NULL: none */
    const char *ask_id;        /* with wait, unless local: what other instances' answers refer to */
    uint64_t ask_timeout_ms;
};
/* Encoded once for all. The one way to reach many: whoever must see every broadcast looks here. Returns for how many
 * sockets of this instance it was. */
size_t srv_broadcast(struct srv_hub *hub, const struct srv_broadcast *broadcast);

/* Should a volatile event be left out for this session? Counted if so. */
static inline bool srv_hub_leaves_out(struct srv_hub *hub, const struct srv_session *session)
{
    size_t bytes = session->out.bytes;
    if (bytes <= SRV_HUB_VOLATILE && bytes <= hub->engine->options.max_queue_bytes / 2)
        return false;
    hub->metrics->volatile_dropped++;
    return true;
}

/* --- rooms --- */

static inline struct srv_socket *srv_socket_of(struct srv_member *m)
{
    return SRV_TIMER_OWNER(m, struct srv_socket, member);
}
enum srv_join srv_socket_join(struct srv_socket *socket, const char *room, size_t len);
void srv_socket_leave(struct srv_socket *socket, const char *room, size_t len);
/* Sends a DISCONNECT and ends the socket; with close_connection the whole connection. */
void srv_socket_disconnect(struct srv_hub *hub, struct srv_socket *socket, bool close_connection);

/* --- resume.c: connection state recovery --- */

/* A new socket may come back later. */
void srv_resume_open(struct srv_hub *hub, struct srv_socket *socket);
/* Before it is taken apart. */
void srv_resume_leave(struct srv_hub *hub, struct srv_socket *socket, enum srv_reason reason);
/* Whom the CONNECT payload asks to be again, if it may; *from is for srv_resume_restore(). An older connection of the
 * same one is closed. NULL: it is a new socket. */
struct srv_resumable *srv_resume_find(struct srv_hub *hub, const struct srv_client *client, const struct srv_nsp *nsp,
                                      const struct aivo_json *payload, const char *user, const char *learner,
                                      uint64_t *from);
/* Gives the new socket the rooms and the agent session of the old one, and sends what it missed. */
void srv_resume_restore(struct srv_hub *hub, struct srv_socket *socket, struct srv_resumable *who, uint64_t from);

/* --- dispatch.c: events --- */

void srv_dispatch_event(struct srv_hub *hub, struct srv_socket *socket, const struct aivo_sio_packet *packet,
                        const struct aivo_bytes *attachments);
/* The socket is going: what is in work for it finishes without it. */
void srv_dispatch_forget(struct srv_hub *hub, struct srv_socket *socket);
void srv_dispatch_delay_due(void *context, struct srv_timer *timer, uint64_t now_ms);
void srv_dispatch_free(struct srv_hub *hub);
/* An outside agent has answered, or has not. context is the hub. */
void srv_dispatch_answered(void *context, void *user, const struct srv_outside_answer *answer);

/* Closes the connection for a packet that breaks the protocol. */
void srv_client_bad_packet(struct srv_hub *hub, struct srv_client *client);

#endif
