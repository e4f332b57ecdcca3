#include "trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EARLY_PROBES 300
#define SETTLED      12 /* samples until a window is full of them */

int64_t trial_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static struct link_count minus(const struct link_count *a, const struct link_count *b)
{
    return (struct link_count){.packets = a->packets - b->packets,
                               .dropped = a->dropped - b->dropped,
                               .data = a->data - b->data,
                               .data_dropped = a->data_dropped - b->data_dropped,
                               .first = a->first - b->first,
                               .first_dropped = a->first_dropped - b->first_dropped};
}

static void mark(struct trial_run *r, struct trial_mark *m, const struct aivo_quality *q)
{
    struct link_count up, down;
    link_count(r->trial->link, r->trial->conditions, r->flow, &up, &down);
    *m = (struct trial_mark){r->samples, *q, minus(&up, &r->up_base), minus(&down, &r->down_base)};
}

static void on_sample(struct aivo_client *client, const struct aivo_quality *q, void *user)
{
    (void)client;
    struct trial_run *r = user;
    pthread_mutex_lock(&r->trial->lock);
    if (!r->measuring) {
        r->samples = (int)q->samples;
    } else if (!r->done) {
        r->samples++;
        r->latency_sum += q->latency_ms;
        if (r->samples > SETTLED && q->level != AIVO_LEVEL_OFFLINE) {
            r->mean_sum += q->avg_latency_ms;
            r->mean_count++;
        }
        if (r->samples == EARLY_PROBES)
            mark(r, &r->marks[0], q);
        if (r->samples >= r->trial->plan.probes) {
            mark(r, &r->marks[1], q);
            r->done = true;
            if (!r->trial->plan.cut)
                aivo_client_stop(r->client);
        }
    }
    pthread_mutex_unlock(&r->trial->lock);
}

static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to, const struct aivo_error *why,
                     void *user)
{
    (void)client, (void)to, (void)why;
    struct trial_run *r = user;
    pthread_mutex_lock(&r->trial->lock);
    if (from == AIVO_STATE_CONNECTED && r->measuring && !r->ended_us)
        r->ended_us = trial_now_us();
    if (from == AIVO_STATE_CONNECTED && r->measuring && !r->done)
        r->early_end = true;
    pthread_mutex_unlock(&r->trial->lock);
}

static bool start_run(struct trial *t, int flow, struct aivo_loop *loop)
{
    struct trial_run *r = &t->runs[flow];
    struct aivo_options o;
    struct aivo_error error;
    char url[64];
    r->trial = t;
    r->flow = flow + 1;
    snprintf(url, sizeof url, "%s://10.77.%d.%d:%d", t->plan.port == 4003 ? "https" : "http", t->conditions, r->flow,
             t->plan.port);
    aivo_options_init(&o);
    o.url = url;
    o.loop = loop;
    o.proxy = "";
    o.tls.insecure = true;
    o.watch_network = false;
    o.quality.interval_ms = t->plan.interval_ms;
    o.quality.quality_ping = t->plan.ask; /* else what is counted is the probes alone */
    if (aivo_client_create(&o, &r->client, &error) != AIVO_OK) {
        fprintf(stderr, "netlab: %s\n", error.message);
        return false;
    }
    aivo_client_on_quality(r->client, on_sample, NULL, r);
    aivo_client_on_state(r->client, on_state, r);
    return aivo_client_start(r->client) == AIVO_OK;
}

/* Without loss at first, so that all are connected before anything is counted. */
static bool connect_all(struct trial *t, struct aivo_loop *loop)
{
    struct link_way up = {.delay_ms = t->plan.up.delay_ms}, down = {.delay_ms = t->plan.down.delay_ms};
    link_set(t->link, t->conditions, &up, &down);
    for (int i = 0; i < t->plan.runs; i++)
        if (!start_run(t, i, loop))
            return false;
    return true;
}

static bool all(struct trial *trials, int count, bool (*is)(const struct trial_run *))
{
    for (int k = 0; k < count; k++) {
        pthread_mutex_lock(&trials[k].lock);
        bool yes = true;
        for (int i = 0; yes && i < trials[k].plan.runs; i++)
            yes = is(&trials[k].runs[i]);
        pthread_mutex_unlock(&trials[k].lock);
        if (!yes)
            return false;
    }
    return true;
}

static bool has_begun(const struct trial_run *r)
{
    return r->samples >= 2;
}

static bool has_ended(const struct trial_run *r)
{
    return r->trial->plan.cut ? r->ended_us != 0 : r->done;
}

static bool wait_all(struct trial *trials, int count, bool (*is)(const struct trial_run *), int limit_s)
{
    for (int64_t until = trial_now_us() + (int64_t)limit_s * 1000000; trial_now_us() < until; sleep_ms(50))
        if (all(trials, count, is))
            return true;
    return false;
}

/* Nothing is under way between stop and start, so what is counted is what is measured. */
static void begin_measuring(struct trial *trials, int count)
{
    for (int k = 0; k < count; k++)
        for (int i = 0; i < trials[k].plan.runs; i++)
            aivo_client_quality_stop(trials[k].runs[i].client);
    sleep_ms(1500);
    for (int k = 0; k < count; k++) {
        struct trial *t = &trials[k];
        link_set(t->link, t->conditions, &t->plan.up, &t->plan.down);
        for (int i = 0; i < t->plan.runs; i++) {
            struct trial_run *r = &t->runs[i];
            pthread_mutex_lock(&t->lock);
            link_count(t->link, t->conditions, r->flow, &r->up_base, &r->down_base);
            r->samples = 0;
            r->measuring = true;
            pthread_mutex_unlock(&t->lock);
            aivo_client_quality_start(r->client);
            sleep_ms(7); /* not all in step */
        }
    }
}

/* Cuts the links of those that have their probes and are to be cut, each once. */
static void cut_links(struct trial *trials, int count, int limit_s)
{
    bool cut[LINK_CONDITIONS][TRIAL_RUNS] = {{false}};
    for (int64_t until = trial_now_us() + (int64_t)limit_s * 1000000; trial_now_us() < until; sleep_ms(20)) {
        bool left = false;
        for (int k = 0; k < count; k++)
            for (int i = 0; trials[k].plan.cut && i < trials[k].plan.runs; i++) {
                pthread_mutex_lock(&trials[k].lock);
                bool due = trials[k].runs[i].done && !cut[k][i];
                pthread_mutex_unlock(&trials[k].lock);
                left = left || !cut[k][i];
                if (!due)
                    continue;
                cut[k][i] = true;
                link_hole(trials[k].link, trials[k].conditions, trials[k].runs[i].flow, true);
            }
        if (!left)
            return;
    }
}

bool trials_run(struct trial *trials, const struct trial_plan *plans, int count, struct link *link, int limit_s)
{
    struct aivo_loop *loop;
    struct aivo_error error;
    bool ok = aivo_loop_create(&loop, &error) == AIVO_OK;
    for (int k = 0; ok && k < count; k++) {
        memset(&trials[k], 0, sizeof trials[k]);
        trials[k].plan = plans[k];
        trials[k].conditions = k;
        trials[k].link = link;
        pthread_mutex_init(&trials[k].lock, NULL);
        ok = connect_all(&trials[k], loop);
    }
    if (ok && !wait_all(trials, count, has_begun, 20)) {
        fprintf(stderr, "netlab: not all clients could connect\n");
        ok = false;
    }
    if (ok) {
        begin_measuring(trials, count);
        cut_links(trials, count, limit_s);
        ok = wait_all(trials, count, has_ended, limit_s);
    }
    for (int k = 0; k < count; k++)
        for (int i = 0; i < trials[k].plan.runs; i++)
            aivo_client_destroy(trials[k].runs[i].client);
    aivo_loop_destroy(loop);
    return ok;
}
