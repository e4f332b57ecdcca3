/*
 * Outside agents: events are POSTed to AGENT_URL and the JSON answer comes back, over libcurl's multi interface on the
 * server's own loop. Nothing here waits: names are resolved in libcurl's threads, time-outs are timers of the engine's.
 *
 * Bounds: options.max_in_flight requests at once, options.max_waiting in line behind them, SRV_OUTSIDE_MAX_BYTES of
 * bodies together; over one, the call is refused. An answer has at most options.max_answer_bytes, its header
 * SRV_OUTSIDE_MAX_HEADER. A call ends options.timeout_ms after it was made, whatever happens.
 */
#ifndef SRV_OUTSIDE_H
#define SRV_OUTSIDE_H

#include "socketio.h"
#include "timer.h"

#define SRV_OUTSIDE_MAX_BYTES  ((size_t)64 * 1024 * 1024)
#define SRV_OUTSIDE_MAX_HEADER 65536
#define SRV_OUTSIDE_MAX_TOKEN  4096
#define SRV_OUTSIDE_TRIES      4    /* attempts to connect; nothing is ever sent twice */
#define SRV_OUTSIDE_RETRY_MS   100u /* before the second; doubled for each further one */
#define SRV_OUTSIDE_IDLE_S                                                                                             \
    4 /* connections are kept so long: less than the 5 s of a Node server, which hangs up then                         \
       */

enum srv_outside_status {
    SRV_OUTSIDE_OK = 0,
    SRV_OUTSIDE_BUSY,        /* over a bound: not sent */
    SRV_OUTSIDE_MEMORY,      /* not sent */
    SRV_OUTSIDE_UNREACHABLE, /* name, connection or TLS: not sent */
    SRV_OUTSIDE_TIMEOUT,
    SRV_OUTSIDE_BROKEN,    /* the connection ended before the answer did */
    SRV_OUTSIDE_HTTP,      /* no 2xx */
    SRV_OUTSIDE_TOO_LARGE, /* the answer */
    SRV_OUTSIDE_GARBAGE,   /* 2xx, but no JSON */
};
/* For the client: what stands in {"error":...}. It never quotes the agent. */
const char *srv_outside_client_message(enum srv_outside_status status);

/* For the log: "busy", "timeout", ... */
const char *srv_outside_reason(enum srv_outside_status status);

struct srv_outside_answer {
    enum srv_outside_status status;
    struct aivo_json json; /* OK: the answer, borrowed for the length of the call */
    unsigned http_status;  /* 0: none came */
    uint64_t now_ms;       /* monotonic */
    const char *detail;    /* for the log: what libcurl calls it, or ""; never the URL, token or data */
};

struct srv_outside_options {
    const char *url, *token, *ca_path; /* token and ca_path may be NULL; all are copied */
    uint32_t timeout_ms, max_in_flight, max_waiting;
    size_t max_answer_bytes;
    /* Once for each call that was taken, never from within srv_outside_post(). */
    void (*done)(void *context, void *user, const struct srv_outside_answer *answer);
    void *context;
};

struct srv_outside;
struct uv_loop_s;

/* Timers are added to timers, which must outlive it. false: error says why, in one line. */
bool srv_outside_new(struct uv_loop_s *loop, struct srv_timers *timers, const struct srv_outside_options *options,
                     struct srv_outside **out, char *error, size_t error_size);
/* Calls that are not done are forgotten: done is not called for them. The loop must run once more to free the rest.
 * NULL is fine. */
void srv_outside_destroy(struct srv_outside *o);

/* How many calls are with the agent, and how many in line. */
void srv_outside_counts(const struct srv_outside *o, size_t *in_flight, size_t *waiting);

/* Takes body over (and empties it) whatever happens. OK: done will be called. now_ms is monotonic. */
enum srv_outside_status srv_outside_post(struct srv_outside *o, struct aivo_buf *body, void *user, uint64_t now_ms);

/* outside_body.c: appends {"event","data","learnerId","userId","socketId"}. data is the packet's array with the name
 * first; its first argument is taken, with attachments as base64 strings in their places. false: no memory. */
struct srv_outside_ids {
    const char *learner, *user, *socket; /* learner NULL or "": the user; user may be NULL */
};
bool srv_outside_body(struct aivo_buf *out, const char *event, const struct aivo_json *data,
                      const struct aivo_bytes *attachments, unsigned attachment_count,
                      const struct srv_outside_ids *ids);

enum srv_outside_url {
    SRV_OUTSIDE_URL_BAD,   /* error says why */
    SRV_OUTSIDE_URL_PLAIN, /* http to another machine */
    SRV_OUTSIDE_URL_GOOD,
};
enum srv_outside_url srv_outside_check_url(const char *url, char *error, size_t error_size);
/* Does the file hold certificates? */
bool srv_outside_check_ca(const char *path);
/* Can it stand in a header? */
bool srv_outside_check_token(const char *token);

#endif
