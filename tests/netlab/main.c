/*
 * The laboratory: clients of libaivo against aivo-server over a link whose every drop is counted. Writes a table of
 * what the clients said beside what happened. To be run in a network namespace of its own; see run.sh.
 *
 *     netlab SERVER short|full|diagnose [OUTPUT.md]
 *
 * Exit: 0 every figure within its bound, 1 not, 77 the system does not permit it.
 */
#include "diagnosis.h"
#include "report.h"
#include "site.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAY(ms, lost)                                                                                                  \
    {                                                                                                                  \
        .delay_ms = (ms), .loss = (lost)                                                                               \
    }

/* Below a minute: bounds are wide enough for so few probes, and narrow enough that a wrong direction fails. */
static const struct trial_plan short_plans[] = {
    {"no loss", WAY(25, 0), WAY(25, 0), 4001, 4, 150, 100, false, false},
    {"5 % + 5 %", WAY(25, 0.05), WAY(25, 0.05), 4001, 12, 200, 100, false, false},
    {"10 % uplink", WAY(25, 0.10), WAY(25, 0), 4001, 8, 200, 100, false, false},
    {"10 % downlink", WAY(25, 0), WAY(25, 0.10), 4001, 8, 200, 100, false, false},
    {"handler 300 ms", WAY(25, 0), WAY(25, 0), 4002, 2, 60, 200, false, true},
    {"wss, 5 % + 5 %", WAY(25, 0.05), WAY(25, 0.05), 4003, 4, 200, 100, false, false},
    {"cut at 50 ms", WAY(25, 0), WAY(25, 0), 4001, 4, 25, 300, true, false},
    {"cut at 200 ms", WAY(100, 0), WAY(100, 0), 4001, 4, 25, 300, true, false},
};

/* 3,000 probes each. */
static const struct trial_plan long_plans[] = {
    {"no loss", WAY(25, 0), WAY(25, 0), 4001, 4, 3000, 100, false, false},
    {"2 % + 2 %, with quality_ping", WAY(25, 0.02), WAY(25, 0.02), 4001, 16, 3000, 100, false, true},
    {"5 % + 5 %", WAY(25, 0.05), WAY(25, 0.05), 4001, 20, 3000, 100, false, false},
    {"10 % uplink", WAY(25, 0.10), WAY(25, 0), 4001, 16, 3000, 100, false, false},
    {"10 % downlink", WAY(25, 0), WAY(25, 0.10), 4001, 16, 3000, 100, false, false},
    {"wss, 5 % + 5 %", WAY(25, 0.05), WAY(25, 0.05), 4003, 8, 3000, 100, false, false},
};

/* 300 probes each. */
static const struct trial_plan wide_plans[] = {
    {"RTT 4", WAY(2, 0), WAY(2, 0), 4001, 4, 300, 100, false, false},
    {"RTT 200", WAY(100, 0), WAY(100, 0), 4001, 4, 300, 100, false, false},
    {"RTT 400", WAY(200, 0), WAY(200, 0), 4001, 4, 300, 100, false, false},
    {"RTT 200, 5 % + 5 %", WAY(100, 0.05), WAY(100, 0.05), 4001, 12, 300, 100, false, false},
    {"20 ms up, 80 ms down", WAY(20, 0), WAY(80, 0), 4001, 4, 300, 100, false, false},
    {"jitter 5", {.delay_ms = 25, .jitter_ms = 5}, {.delay_ms = 25, .jitter_ms = 5}, 4001, 4, 300, 100, false, false},
    {"jitter 15, 5 % + 5 %",
     {.delay_ms = 25, .jitter_ms = 15, .loss = 0.05},
     {.delay_ms = 25, .jitter_ms = 15, .loss = 0.05},
     4001,
     12,
     300,
     100,
     false,
     false},
    {"bursts, about 5 % + 5 %",
     {.delay_ms = 25, .burst_begin = 0.02, .burst_end = 0.3, .burst_loss = 0.8},
     {.delay_ms = 25, .burst_begin = 0.02, .burst_end = 0.3, .burst_loss = 0.8},
     4001,
     12,
     300,
     100,
     false,
     false},
    {"reordering 10 %, 2 % + 2 %",
     {.delay_ms = 25, .loss = 0.02, .reorder = 0.1},
     {.delay_ms = 25, .loss = 0.02, .reorder = 0.1},
     4001,
     12,
     300,
     100,
     false,
     false},
    {"256 kbit/s, 5 % + 5 %",
     {.delay_ms = 25, .loss = 0.05, .rate_bps = 256e3, .buffer_bytes = 16384},
     {.delay_ms = 25, .loss = 0.05, .rate_bps = 256e3, .buffer_bytes = 16384},
     4001,
     12,
     300,
     100,
     false,
     false},
    {"handler 300 ms", WAY(25, 0), WAY(25, 0), 4002, 4, 150, 200, false, true},
    {"handler 300 ms, 5 % + 5 %", WAY(25, 0.05), WAY(25, 0.05), 4002, 4, 150, 200, false, true},
    {"cut at 20 ms", WAY(10, 0), WAY(10, 0), 4001, 20, 25, 500, true, false},
    {"cut at 50 ms", WAY(25, 0), WAY(25, 0), 4001, 20, 25, 500, true, false},
    {"cut at 200 ms", WAY(100, 0), WAY(100, 0), 4001, 20, 25, 500, true, false},
};

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static bool run_plans(struct report *report, struct link *link, const struct trial_plan *plans, int count, int limit_s)
{
    struct trial *trials = calloc((size_t)count, sizeof *trials);
    if (!trials)
        return false;
    bool ok = trials_run(trials, plans, count, link, limit_s);
    if (!ok)
        fprintf(stderr, "netlab: not all runs finished\n");
    for (int i = 0; i < count; i++)
        report_trial(report, &trials[i]);
    free(trials);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc < 3 ||
        (strcmp(argv[2], "short") != 0 && strcmp(argv[2], "full") != 0 && strcmp(argv[2], "diagnose") != 0)) {
        fprintf(stderr, "usage: netlab SERVER short|full|diagnose [OUTPUT.md]\n");
        return 64;
    }
    bool full = strcmp(argv[2], "full") == 0, diagnose = strcmp(argv[2], "diagnose") == 0;
    struct site site;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!site_open(&site, argv[1])) {
        site_close(&site);
        return 77;
    }
    struct link *link = link_create(site.near, site.far, 20260101);
    struct report *report = report_create(full);
    bool ok = link && report;
    if (ok && full)
        ok = run_plans(report, link, wide_plans, COUNT(wide_plans), 240) &
             run_plans(report, link, long_plans, COUNT(long_plans), 900);
    else if (ok && !diagnose)
        ok = run_plans(report, link, short_plans, COUNT(short_plans), 60);
    ok = ok && diagnoses_run(link);
    if (ok && link_overflow(link) > 0) {
        fprintf(stderr, "netlab: the lab was too slow for its own packets\n");
        ok = false;
    }
    ok = report_end(report, argc > 3 ? argv[3] : NULL) && ok;
    link_destroy(link);
    site_close(&site);
    return ok ? 0 : 1;
}
