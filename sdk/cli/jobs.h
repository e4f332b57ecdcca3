/*
 * Answers in the order of their questions: each line of input is a job, jobs end in any order, and what they have to
 * print comes out in the order in which they were added.
 */
#ifndef CLI_JOBS_H
#define CLI_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_JOBS_MAX 4096 /* added and not yet taken; the adder stops before */

struct cli_job {
    uint64_t line; /* of the input */
    char id[37];   /* durable messages: theirs; else "" */
    bool done;
    char *output; /* owned; NULL prints as null */
};

struct cli_jobs {
    struct cli_job *job; /* a ring of size, a power of two */
    size_t size, count;
    uint64_t first; /* number of the oldest */
};

void cli_jobs_init(struct cli_jobs *jobs);
void cli_jobs_free(struct cli_jobs *jobs);
/* Adds a job; *number is its name from then on. false: CLI_JOBS_MAX reached or out of memory. */
bool cli_jobs_add(struct cli_jobs *jobs, uint64_t line, uint64_t *number);
/* NULL if it was taken already. Valid until the next call that adds. */
struct cli_job *cli_jobs_get(struct cli_jobs *jobs, uint64_t number);
/* The job of a durable message, or NULL. */
struct cli_job *cli_jobs_find(struct cli_jobs *jobs, const char *id);
/* The oldest job, if it is done, leaves: its output (may be NULL) becomes the caller's. */
bool cli_jobs_take(struct cli_jobs *jobs, char **output);

#endif
