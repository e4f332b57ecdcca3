#include "jobs.h"
#include <stdlib.h>
#include <string.h>

void cli_jobs_init(struct cli_jobs *jobs)
{
    *jobs = (struct cli_jobs){.first = 0};
}

void cli_jobs_free(struct cli_jobs *jobs)
{
    for (uint64_t n = jobs->first; n < jobs->first + jobs->count; n++) {
        free(cli_jobs_get(jobs, n)->output);
    }
    free(jobs->job);
    cli_jobs_init(jobs);
}

static bool grow(struct cli_jobs *jobs)
{
    size_t size = jobs->size ? jobs->size * 2 : 64;
    struct cli_job *job = calloc(size, sizeof(*job));
    if (!job) {
        return false;
    }
    for (uint64_t n = jobs->first; n < jobs->first + jobs->count; n++) {
        job[n & (size - 1)] = jobs->job[n & (jobs->size - 1)];
    }
    free(jobs->job);
    jobs->job = job;
    jobs->size = size;
    return true;
}

bool cli_jobs_add(struct cli_jobs *jobs, uint64_t line, uint64_t *number)
{
    if (jobs->count == CLI_JOBS_MAX || (jobs->count == jobs->size && !grow(jobs))) {
        return false;
    }
    *number = jobs->first + jobs->count;
    jobs->job[*number & (jobs->size - 1)] = (struct cli_job){.line = line};
    jobs->count++;
    return true;
}

struct cli_job *cli_jobs_get(struct cli_jobs *jobs, uint64_t number)
{
    return number >= jobs->first && number - jobs->first < jobs->count ? &jobs->job[number & (jobs->size - 1)] : NULL;
}

struct cli_job *cli_jobs_find(struct cli_jobs *jobs, const char *id)
{
    /* Messages end in about the order in which they were sent: the search is short. */
    for (uint64_t n = jobs->first; n < jobs->first + jobs->count; n++) {
        struct cli_job *job = cli_jobs_get(jobs, n);
        if (!job->done && strcmp(job->id, id) == 0) {
            return job;
        }
    }
    return NULL;
}

bool cli_jobs_take(struct cli_jobs *jobs, char **output)
{
    struct cli_job *job = cli_jobs_get(jobs, jobs->first);
    if (!job || !job->done) {
        return false;
    }
    *output = job->output;
    job->output = NULL;
    jobs->first++;
    jobs->count--;
    return true;
}
