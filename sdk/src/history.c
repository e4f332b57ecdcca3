/* The recorder: what clients measure is put into buffers, and a thread writes them to the file. */
#include "history.h"

#include "buf.h"
#include "clock.h"
#include "error_internal.h"
#include "history_file.h"
#include "quality_trace.h"
#include "sized.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FLUSH_S         1
#define PENDING_SAMPLES 4096
/* bytes; a disk that does not keep up ends the trace for good: one with a gap cannot be replayed */
#define PENDING_TRACE (4u << 20)

struct aivo_history {
    struct aivo_history_file *file; /* the holder of file_lock */
    pthread_mutex_t file_lock;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool closing, trace_ended, has_last, failed;
    bool attached; /* a client records: the newest run is not over */
    bool reads;    /* only: there is no thread, and nothing is ever written */
    struct aivo_quality last;
    struct aivo_history_sample samples[PENDING_SAMPLES];
    size_t count;
    struct aivo_buf trace;
};

/* Takes what waits and writes it. lock is not held. */
static void flush(struct aivo_history *h)
{
    struct aivo_error error;
    pthread_mutex_lock(&h->lock);
    size_t count = h->count;
    struct aivo_history_sample *samples = count ? malloc(count * sizeof *samples) : NULL;
    struct aivo_buf trace = h->trace;
    if (samples)
        memcpy(samples, h->samples, count * sizeof *samples);
    h->failed = h->failed || (count && !samples);
    h->count = 0;
    aivo_buf_init(&h->trace);
    pthread_mutex_unlock(&h->lock);
    pthread_mutex_lock(&h->file_lock);
    bool ok = aivo_history_file_write(h->file, samples, samples ? count : 0, trace.data, trace.len,
                                      aivo_clock_unix_ms(), &error) == AIVO_OK;
    pthread_mutex_unlock(&h->file_lock);
    free(samples);
    aivo_buf_free(&trace);
    if (ok)
        return;
    pthread_mutex_lock(&h->lock);
    h->failed = h->trace_ended = true;
    pthread_mutex_unlock(&h->lock);
}

static void *work(void *user)
{
    struct aivo_history *h = user;
    bool closing = false;
    while (!closing) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += FLUSH_S;
        pthread_mutex_lock(&h->lock);
        while (!h->closing && pthread_cond_timedwait(&h->wake, &h->lock, &until) == 0) {
        }
        closing = h->closing;
        bool idle = !h->count && !h->trace.len;
        pthread_mutex_unlock(&h->lock);
        if (!idle || closing)
            flush(h);
    }
    return NULL;
}

enum aivo_status aivo_history_open(const char *path, struct aivo_history **out, struct aivo_error *err)
{
    if (!path || !*path || !out)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "a history needs a path");
    struct aivo_history *h = calloc(1, sizeof *h);
    if (!h)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a history");
    enum aivo_status status = aivo_history_file_open(path, true, &h->file, err);
    if (status != AIVO_OK) {
        free(h);
        return status;
    }
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->file_lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    aivo_buf_init(&h->trace);
    if (pthread_create(&h->thread, NULL, work, h) != 0) {
        aivo_history_file_close(h->file);
        free(h);
        return aivo_error_set(err, AIVO_E_SYSTEM, 0, "no thread for a history");
    }
    *out = h;
    return AIVO_OK;
}

enum aivo_status aivo_history_open_reader(const char *path, struct aivo_history **out, struct aivo_error *err)
{
    if (!path || !*path || !out)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "a history needs a path");
    struct aivo_history *h = calloc(1, sizeof *h);
    if (!h)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a history");
    enum aivo_status status = aivo_history_file_open(path, false, &h->file, err);
    if (status != AIVO_OK) {
        free(h);
        return status;
    }
    h->reads = true;
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->file_lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    aivo_buf_init(&h->trace);
    *out = h;
    return AIVO_OK;
}

/* The thread writes what waits, and ends. */
static void end_thread(struct aivo_history *h)
{
    pthread_mutex_lock(&h->lock);
    h->closing = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
}

enum aivo_status aivo_history_close(struct aivo_history *h)
{
    if (!h)
        return AIVO_OK;
    if (!h->reads)
        end_thread(h);
    aivo_history_file_close(h->file);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->file_lock);
    pthread_mutex_destroy(&h->lock);
    aivo_buf_free(&h->trace);
    enum aivo_status status = h->failed ? AIVO_E_STORE : AIVO_OK;
    free(h);
    return status;
}

static void add_trace(struct aivo_history *h, const char *line, size_t len)
{
    pthread_mutex_lock(&h->lock);
    if (!h->trace_ended && h->trace.len + len <= PENDING_TRACE)
        aivo_buf_add(&h->trace, line, len);
    else
        h->trace_ended = true;
    if (h->trace.failed) {
        aivo_buf_clear(&h->trace);
        h->trace_ended = true;
    }
    pthread_mutex_unlock(&h->lock);
}

static void on_call(void *user, const struct aivo_quality_call *call)
{
    char line[AIVO_TRACE_LINE_MAX];
    size_t len = aivo_trace_call(call, line);
    add_trace(user, line, len);
}

void aivo_history_attach(struct aivo_history *h, struct aivo_quality_core *core)
{
    char line[AIVO_TRACE_LINE_MAX];
    size_t len = aivo_trace_begin(&core->options, line);
    pthread_mutex_lock(&h->lock);
    h->attached = true;
    pthread_mutex_unlock(&h->lock);
    add_trace(h, line, len);
    core->tap = on_call;
    core->tap_user = h;
}

void aivo_history_told(struct aivo_history *h, const struct aivo_quality *q, int64_t now_us, bool sampled)
{
    char line[AIVO_TRACE_LINE_MAX];
    if (!sampled)
        return;
    size_t len = aivo_trace_told(q, now_us, line);
    add_trace(h, line, len);
    aivo_history_add(h, q);
}

/* What was counted since the sample before; after a reset, all of it. */
static uint64_t since(uint64_t now, uint64_t before)
{
    return now >= before ? now - before : now;
}

bool aivo_history_only_reads(const struct aivo_history *h)
{
    return h->reads;
}

void aivo_history_add(struct aivo_history *h, const struct aivo_quality *given)
{
    if (!h || !given || h->reads)
        return;
    struct aivo_quality full;
    const struct aivo_quality *q = &full;
    aivo_sized_out(&full, sizeof full, given, given->size);
    pthread_mutex_lock(&h->lock);
    const struct aivo_quality *last = &h->last;
    bool answered = q->samples != last->samples || !h->has_last;
    struct aivo_history_sample sample = {.time_ms = q->time_ms,
                                         .latency_ms = answered ? q->latency_ms : (double)NAN,
                                         .lost = since(q->lost, last->lost),
                                         .loss_samples = since(q->loss_samples, last->loss_samples),
                                         .level = q->level,
                                         .event = h->has_last && q->level != last->level};
    if (h->count < PENDING_SAMPLES)
        h->samples[h->count++] = sample;
    else
        h->failed = true;
    h->last = *q;
    h->has_last = true;
    pthread_mutex_unlock(&h->lock);
}

enum aivo_status aivo_history_read(struct aivo_history *h, enum aivo_history_span span, int64_t from_ms, int64_t to_ms,
                                   bool (*fn)(void *user, const struct aivo_history_row *row), void *user,
                                   struct aivo_error *err)
{
    if (!h)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "history is NULL");
    if (span != AIVO_HISTORY_SAMPLES && span != AIVO_HISTORY_MINUTES && span != AIVO_HISTORY_HOURS)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "no such span: %d", (int)span);
    if (!h->reads)
        flush(h);
    pthread_mutex_lock(&h->file_lock);
    enum aivo_status status = aivo_history_file_read(h->file, span, from_ms, to_ms, fn, user, err);
    pthread_mutex_unlock(&h->file_lock);
    return status;
}

enum aivo_status aivo_history_prune(struct aivo_history *h, int64_t before_ms, uint64_t *count, struct aivo_error *err)
{
    if (count)
        *count = 0;
    if (!h || h->reads)
        return aivo_error_set(err, AIVO_E_INVALID, 0,
                              h ? "a history that is only read is not pruned" : "history is NULL");
    flush(h);
    pthread_mutex_lock(&h->lock);
    struct aivo_history_pruning pruning = {.before_ms = before_ms, .recording = h->attached};
    pthread_mutex_unlock(&h->lock);
    enum aivo_status status = AIVO_OK;
    for (bool done = false; status == AIVO_OK && !done;) {
        pthread_mutex_lock(&h->file_lock);
        status = aivo_history_file_prune(h->file, &pruning, &done, err);
        pthread_mutex_unlock(&h->file_lock);
    }
    if (count)
        *count = pruning.rows;
    return status;
}

struct replay {
    struct aivo_tracer tracer;
    enum aivo_status status;
    struct aivo_error *err;
};

static bool feed_piece(void *user, const char *text, size_t len)
{
    struct replay *r = user;
    char line[AIVO_TRACE_LINE_MAX];
    for (const char *end = text + len; text < end && r->status == AIVO_OK;) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((stop ? stop : end) - text);
        if (n >= sizeof line)
            n = 0; /* no line is so long: the empty one is refused */
        memcpy(line, text, n);
        line[n] = '\0';
        r->status = aivo_tracer_feed(&r->tracer, line, r->err);
        text = stop ? stop + 1 : end;
    }
    return r->status == AIVO_OK;
}

enum aivo_status aivo_replay(const char *path, void (*fn)(void *user, const struct aivo_quality *quality), void *user,
                             struct aivo_error *err)
{
    if (!path)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "path is NULL");
    struct aivo_history_file *file;
    enum aivo_status status = aivo_history_file_open(path, false, &file, err);
    if (status != AIVO_OK)
        return status;
    struct replay *r = calloc(1, sizeof *r);
    if (r) {
        r->tracer.fn = fn;
        r->tracer.user = user;
        r->err = err;
        status = aivo_history_file_trace(file, feed_piece, r, err);
        if (status == AIVO_OK)
            status = r->status;
        if (status == AIVO_OK && !r->tracer.line)
            status = aivo_error_set(err, AIVO_E_NOT_FOUND, 0, "%.200s has no trace", path);
    } else {
        status = aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a replay");
    }
    free(r);
    aivo_history_file_close(file);
    return status;
}
