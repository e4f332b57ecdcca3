/* One diagnosis under way, shared by the stages. All on the thread that runs it, but for what polling.c says. */
#ifndef AIVO_DIAG_RUN_H
#define AIVO_DIAG_RUN_H

#include "facts.h"
#include "proxy.h"
#include "report.h"
#include "resolver.h"
#include "settings.h"
#include "socketio.h"
#include "stream.h"
#include "wsframe.h"
#include <pthread.h>
#include <stdatomic.h>

struct diag_polling_job;

/* The WebSocket, once it is open. */
struct diag_socket {
    struct aivo_ws_reader reader;
    bool open;
    size_t used;     /* bytes of the stream's in that the last event was read from */
    uint64_t ack_id; /* the next one */
    int close_code;  /* of the server's close frame; 0: none came */
    char close_text[124];
};

/* Each with its next states. */
enum diag_state {
    DIAG_MADE,    /* RUNNING */
    DIAG_RUNNING, /* ENDED */
    DIAG_ENDED
};

struct aivo_diagnosis {
    struct aivo_settings settings;
    struct aivo_diagnose_options options;
    char *origin, *rate_event, *throughput_event, *url;
    aivo_resolve_fn resolve; /* tests put another one there */
    atomic_int state;
    int cancel_fd, ended_fd; /* eventfds; readable: cancelled, ended */
    pthread_t thread;
    bool threaded;

    struct diag_stop stop;
    struct diag_target target;
    struct aivo_proxy proxy;
    struct diag_report report;
    int64_t start_us, stage_us; /* when the diagnosis and this stage began */

    struct aivo_addresses addresses;
    struct aivo_address address; /* that is used */
    int64_t connect_us;          /* how long that took */
    struct aivo_tls_context *tls_context;
    struct diag_stream stream; /* the main connection */
    struct diag_socket socket;
    struct diag_http upgrade; /* the server's answer to it */
    struct diag_engineio engineio;
    struct diag_polling_job *polling;
    unsigned messages_spent; /* sent before the limit was looked for */
};

/* What a stage says to the one after it. */
enum diag_next {
    DIAG_GO_ON,
    DIAG_STOP,      /* it failed: what needs it is not reached */
    DIAG_CUT_SHORT, /* cancelled within it: what is known was told */
    DIAG_INTERRUPT  /* cancelled within it: nothing can be said */
};

int64_t diag_stage_deadline(const struct aivo_diagnosis *d);
double diag_since_ms(int64_t from_us);

/* path.c */
enum diag_next diag_run_dns(struct aivo_diagnosis *d);
enum diag_next diag_run_tcp(struct aivo_diagnosis *d);
enum diag_next diag_run_proxy(struct aivo_diagnosis *d);
enum diag_next diag_run_tls(struct aivo_diagnosis *d);
/* Another connection to the same address, up to where HTTP begins. Reads of d only what no stage changes any more. */
enum diag_how diag_open(const struct aivo_diagnosis *d, struct diag_stream *s);

/* websocket.c */
enum diag_next diag_run_http(struct aivo_diagnosis *d);
/* The next text or binary message, PONG (found says which), or the end: DIAG_END with close_code, DIAG_ERROR with
 * stream.error. PINGs and Engine.IO's heartbeat are answered within. The event is valid until the next call. */
enum diag_how diag_socket_next(struct aivo_diagnosis *d, int64_t deadline_us, struct aivo_ws_event *out);
enum diag_how diag_socket_send(struct aivo_diagnosis *d, enum aivo_ws_opcode opcode, const char *data, size_t len);
/* An event with an acknowledgement wanted; args: a JSON array's text. *id: to be found in the answer. */
enum diag_how diag_socket_emit(struct aivo_diagnosis *d, const char *event, const char *args, uint64_t *id);
/* Whether the event is a Socket.IO packet; *out then borrows from it. */
bool diag_socket_packet(const struct aivo_ws_event *event, struct aivo_sio_packet *out);
/* Good-bye, for a moment. */
void diag_socket_finish(struct aivo_diagnosis *d);

/* session.c */
enum diag_next diag_run_engineio(struct aivo_diagnosis *d);
enum diag_next diag_run_auth(struct aivo_diagnosis *d);

/* probes.c */
enum diag_next diag_run_probes(struct aivo_diagnosis *d);

/* polling.c: a thread beside the stages http to probes, with connections of its own */
void diag_polling_start(struct aivo_diagnosis *d);
enum diag_next diag_run_polling(struct aivo_diagnosis *d);
/* The Date of its first answer, waited for until then; false: there is none. */
bool diag_polling_date(struct aivo_diagnosis *d, int64_t until_us, int64_t *date_ms, int64_t *at_ms);
void diag_polling_end(struct aivo_diagnosis *d); /* waits for the thread, if there is one */

/* load.c */
enum diag_next diag_run_throughput(struct aivo_diagnosis *d);
enum diag_next diag_run_rate(struct aivo_diagnosis *d);

#endif
