/* One diagnosis under way, shared by the stages. All on the thread that runs it, but for what polling.c says. */
#ifndef AIVO_DIAG_RUN_H
#define AIVO_DIAG_RUN_H

#include "facts.h"
#include "proxy.h"
#include "report.h"
#include "resolver.h"
#include "settings.h"
#include "stream.h"
#include "wsframe.h"
#include <pthread.h>
#include <stdatomic.h>

struct diag_polling_job;

/* The WebSocket, once it is open. */
struct diag_socket {
    struct aivo_ws_reader reader;
    bool open;
    uint32_t ack_id;  /* the latest */
    int64_t probe_us; /* when the probes' handler question was asked */
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
    char *origin, *rate_event, *url;
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
    struct aivo_tls_context *tls_context;
    struct diag_stream stream; /* the main connection */
    struct diag_socket socket;
    struct diag_http upgrade; /* the server's answer to it */
    struct diag_engineio engineio;
    struct diag_polling_job *polling;
};

/* What a stage says to the one after it. */
enum diag_next {
    DIAG_GO_ON,
    DIAG_STOP,     /* it failed: what needs it is not reached */
    DIAG_INTERRUPT /* cancelled within it: nothing can be said */
};

int64_t diag_stage_deadline(const struct aivo_diagnosis *d);
double diag_since_ms(int64_t from_us);

/* path.c */
enum diag_next diag_run_dns(struct aivo_diagnosis *d);
enum diag_next diag_run_tcp(struct aivo_diagnosis *d);
enum diag_next diag_run_proxy(struct aivo_diagnosis *d);
enum diag_next diag_run_tls(struct aivo_diagnosis *d);

#endif
