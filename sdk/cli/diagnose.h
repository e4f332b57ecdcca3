/*
 * What the parts of `aivo diagnose` share.
 */
#ifndef CLI_DIAGNOSE_H
#define CLI_DIAGNOSE_H

#include "conn.h"
#include "render/render.h"
#include <aivo/diagnose.h>

enum diagnose_format {
    DIAGNOSE_TEXT,
    DIAGNOSE_MARKDOWN,
    DIAGNOSE_JSON,
    DIAGNOSE_NAGIOS,
    DIAGNOSE_PROMETHEUS,
};

struct diagnose_flags {
    int format; /* enum diagnose_format; -1: not given */
    bool markdown, explain, until_confident, throughput, headroom, no_polling;
    const char *warn, *crit, *textfile, *listen, *origin;
    int64_t count, interval_ms, deadline_ms;
};

/* Where the diagnosis of one URL gets its connection from, and the credentials as they are now. */
struct diagnose_target {
    struct cli_common common;
    char url[512]; /* for people: without secrets */
};

struct diagnose_run {
    const struct cli_command *self;
    struct diagnose_flags flags;
    enum diagnose_format format;
    struct aivo_render_limits warn, crit;
    size_t count;
    struct diagnose_target target[CLI_CONNS_MAX];
};

/* Makes a diagnosis of that target. options has its callbacks; the rest is filled in here. Returns -1, or the exit code
 * after saying why not. */
int diagnose_make(const struct diagnose_run *run, const struct diagnose_target *target,
                  struct aivo_diagnose_options *options, struct aivo_diagnosis **out);
/* What the flags ask for. */
void diagnose_options(const struct diagnose_run *run, struct aivo_diagnose_options *options);

/* The whole has to end by then: a stage that hangs shall fail before, so that it is named. */
void diagnose_bound(struct aivo_diagnose_options *options, uint32_t total_ms);

/* Serves GET /metrics and /probe?target=URL until SIGINT or SIGTERM. Returns the exit code. */
int diagnose_serve(const struct diagnose_run *run);

/* Writes text to a file beside and moves that into path's place: a reader sees the old content or the new, never a
 * part. False: error says why not. */
bool diagnose_replace_file(const char *path, const char *text, size_t len, char error[CLI_ERROR_MAX]);

#endif
