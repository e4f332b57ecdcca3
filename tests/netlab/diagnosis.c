#include "diagnosis.h"

#include <aivo/aivo.h>
#include <stdio.h>
#include <string.h>

#define FIRST 26 /* of the conditions: behind those of the trials */

struct fault {
    const char *name;
    struct link_way up, down;
    uint32_t probes;
    unsigned cut_after; /* samples, then the link is cut; 0: never */
    enum aivo_diagnose_stage stage;
    enum aivo_diagnose_status status;
    const char *code;          /* among its findings; "" is none */
    int exit_code, other_exit; /* either */
};

#define WAY(ms, lost)                                                                                                  \
    {                                                                                                                  \
        .delay_ms = (ms), .loss = (lost)                                                                               \
    }
static const struct fault faults[] = {
    {"no fault", WAY(10, 0), WAY(10, 0), 20, 0, AIVO_DIAGNOSE_PROBES, AIVO_DIAGNOSE_OK, "", 0, 0},
    {"15 % + 15 % loss", WAY(10, 0.15), WAY(10, 0.15), 50, 0, AIVO_DIAGNOSE_PROBES, AIVO_DIAGNOSE_WARN, "packet-loss",
     0, 1},
    {"300 ms delay", WAY(150, 0), WAY(150, 0), 8, 0, AIVO_DIAGNOSE_PROBES, AIVO_DIAGNOSE_WARN, "latency", 1, 1},
    {"everything lost", WAY(10, 1), WAY(10, 1), 5, 0, AIVO_DIAGNOSE_TCP, AIVO_DIAGNOSE_FAIL, "tcp-filtered", 2, 2},
    {"cut after 5 probes", WAY(10, 0), WAY(10, 0), 50, 5, AIVO_DIAGNOSE_PROBES, AIVO_DIAGNOSE_FAIL, "connection-dead",
     2, 2},
};
#define FAULTS (sizeof faults / sizeof *faults)

struct run {
    const struct fault *fault;
    struct link *link;
    int conditions;
    struct aivo_diagnosis *diagnosis;
};

static void on_sample(const struct aivo_quality *quality, uint64_t done, uint64_t wanted, void *user)
{
    const struct run *run = user;
    (void)wanted, (void)quality;
    if (run->fault->cut_after && done == run->fault->cut_after)
        link_hole(run->link, run->conditions, 1, true);
}

static bool start(struct run *run)
{
    char url[64];
    struct aivo_options target;
    struct aivo_diagnose_options how;
    struct aivo_error err;
    aivo_options_init(&target);
    aivo_diagnose_options_init(&how);
    snprintf(url, sizeof url, "http://10.77.%d.1:4001", run->conditions);
    target.url = url;
    target.proxy = "";
    how.count = run->fault->probes;
    how.interval_ms = 100;
    how.stage_timeout_ms = run->fault->stage == AIVO_DIAGNOSE_TCP ? 1500 : 10000;
    how.polling = false;
    how.on_sample = on_sample;
    how.user = run;
    link_set(run->link, run->conditions, &run->fault->up, &run->fault->down);
    if (aivo_diagnose_create(&target, &how, &run->diagnosis, &err) == AIVO_OK &&
        aivo_diagnose_start(run->diagnosis) == AIVO_OK)
        return true;
    fprintf(stderr, "netlab: diagnosis \"%s\" cannot be started\n", run->fault->name);
    return false;
}

static bool right(const struct run *run)
{
    const struct fault *f = run->fault;
    const struct aivo_diagnose_report *report = aivo_diagnose_report(run->diagnosis);
    const struct aivo_diagnose_result *r = &report->stages[f->stage];
    bool found = !*f->code;
    for (size_t i = 0; i < r->finding_count; i++)
        found |= strcmp(r->findings[i].code, f->code) == 0;
    bool ok =
        found && r->status == f->status && (report->exit_code == f->exit_code || report->exit_code == f->other_exit);
    printf("diagnosis, %s: %s, exit %d: %s%s\n", f->name, aivo_diagnose_status_name(r->status), report->exit_code,
           r->reason, ok ? "" : "  <-- WRONG");
    return ok;
}

bool diagnoses_run(struct link *link)
{
    struct run runs[FAULTS];
    bool wrong = false;
    bool ok = true;
    for (size_t i = 0; i < FAULTS; i++) {
        runs[i] = (struct run){.fault = &faults[i], .link = link, .conditions = FIRST + (int)i};
        ok = start(&runs[i]) && ok;
    }
    for (size_t i = 0; i < FAULTS; i++) {
        if (ok && !aivo_diagnose_wait(runs[i].diagnosis, 60000)) {
            fprintf(stderr, "netlab: diagnosis \"%s\" does not end\n", faults[i].name);
            ok = false;
        }
        if (ok && !right(&runs[i]))
            wrong = true;
    }
    for (size_t i = 0; i < FAULTS; i++)
        aivo_diagnose_destroy(runs[i].diagnosis);
    return ok && !wrong;
}
