/* One set of clients under the same conditions, and what they said beside what really happened. */
#ifndef AIVO_NETLAB_TRIAL_H
#define AIVO_NETLAB_TRIAL_H

#include "link.h"
#include <aivo/aivo.h>
#include <pthread.h>
#include <stddef.h>

#define TRIAL_RUNS  24
#define TRIAL_MARKS 2

struct trial_plan {
    const char *name;
    struct link_way up, down;
    int port;             /* of the server: 4001, 4002 (slow handler), 4003 (TLS) */
    int runs;             /* clients, at most TRIAL_RUNS */
    int probes;           /* of each */
    uint32_t interval_ms; /* between them */
    bool cut;             /* then the link is cut, and the time until the verdict is taken */
    bool ask;             /* the handler as well */
};

/* What one client had said after so many probes, and what the link had counted by then. */
struct trial_mark {
    int probes; /* 0: not reached */
    struct aivo_quality said;
    struct link_count up, down;
};

struct trial_run {
    struct trial *trial;
    int flow;
    struct aivo_client *client;
    struct link_count up_base, down_base;
    int samples;
    double latency_sum, mean_sum; /* of the raw samples; of the window's means */
    int mean_count;
    struct trial_mark marks[TRIAL_MARKS]; /* after 300 probes and after all */
    bool early_end;                       /* the connection was given up before all probes were sent */
    bool measuring, done;
    int64_t ended_us; /* the connection was given up; 0: not yet */
};

struct trial {
    struct trial_plan plan;
    int conditions;
    struct link *link;
    pthread_mutex_t lock;
    struct trial_run runs[TRIAL_RUNS];
};

/* Each plan becomes the conditions of its place. All at the same time; returns when the last is done, or after
 * limit_s. false: some did not finish (their marks are empty). */
bool trials_run(struct trial *trials, const struct trial_plan *plans, int count, struct link *link, int limit_s);
int64_t trial_now_us(void);

#endif
