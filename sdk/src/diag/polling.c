/*
 * Long-polling, looked at beside the main connection: a thread with connections of its own. It reads of the diagnosis
 * what is settled before it starts (settings, address, TLS context) and writes into its own job alone; the job is read
 * after the join, but for what is atomic.
 */
#include "run.h"

#include "clock.h"
#include "engineio.h"
#include "http.h"
#include "judge.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SID_MAX 64

struct diag_polling_job {
    const struct aivo_diagnosis *d;
    pthread_t thread;
    int64_t deadline_us;
    struct diag_polling facts;
    enum diag_how how; /* CANCELLED: nothing can be said */
    char *path;        /* with query, without sid */
    char sid[SID_MAX];
    char cookie[300];               /* "name=value" that the server set */
    int first_fd;                   /* readable: the first answer has come, or none will */
    _Atomic int64_t date_ms, at_ms; /* of the first answer: its Date, and our clock then */
};

/* ---- requests ---- */

static void put_headers(const struct diag_polling_job *job, struct aivo_buf *out)
{
    const char *headers = job->d->settings.options.headers;
    for (const char *line = headers; line && *line;) {
        size_t len = strcspn(line, "\r\n");
        if (len) {
            aivo_buf_add(out, line, len);
            aivo_buf_str(out, "\r\n");
        }
        line += len;
        line += strspn(line, "\r\n");
    }
    if (job->d->origin) {
        aivo_buf_str(out, "Origin: ");
        aivo_buf_str(out, job->d->origin);
        aivo_buf_str(out, "\r\n");
    }
    if (*job->cookie) {
        aivo_buf_str(out, "Cookie: ");
        aivo_buf_str(out, job->cookie);
        aivo_buf_str(out, "\r\n");
    }
}

/* body NULL: GET, else POST. */
static void put_request(const struct diag_polling_job *job, const char *body, struct aivo_buf *out)
{
    const struct aivo_diagnosis *d = job->d;
    aivo_buf_str(out, body ? "POST " : "GET ");
    aivo_buf_str(out, job->path);
    if (*job->sid) {
        aivo_buf_str(out, "&sid=");
        aivo_buf_str(out, job->sid);
    }
    aivo_buf_str(out, " HTTP/1.1\r\nHost: ");
    aivo_host_port(out, d->settings.url.host, d->settings.url.port);
    aivo_buf_str(out, "\r\nUser-Agent: libaivo\r\nAccept: */*\r\nConnection: close\r\n");
    put_headers(job, out);
    if (body) {
        aivo_buf_str(out, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ");
        aivo_buf_u64(out, strlen(body));
        aivo_buf_str(out, "\r\n");
    }
    aivo_buf_str(out, "\r\n");
    aivo_buf_str(out, body ? body : "");
}

/* The first cookie that an answer sets, as it is to be sent back. */
static void keep_cookie(struct diag_polling_job *job, const struct aivo_http_head *head)
{
    size_t len;
    const char *value = aivo_http_field(head, "set-cookie", &len);
    if (!value || *job->cookie)
        return;
    const char *semicolon = memchr(value, ';', len), *equals = memchr(value, '=', len);
    size_t n = semicolon ? (size_t)(semicolon - value) : len;
    if (!equals || equals >= value + n || n >= sizeof job->cookie)
        return;
    snprintf(job->cookie, sizeof job->cookie, "%.*s", (int)n, value);
    snprintf(job->facts.set_cookie, sizeof job->facts.set_cookie, "%.*s", (int)(equals - value), value);
}

/* One request over a connection of its own. */
static enum diag_how exchange(struct diag_polling_job *job, const char *body, struct diag_http *out,
                              struct aivo_buf *answer)
{
    struct diag_stream s;
    struct aivo_buf request = {0};
    struct aivo_http_head head;
    diag_http_init(out);
    diag_stream_init(&s, &job->d->stop, -1);
    s.deadline_us = job->deadline_us;
    put_request(job, body, &request);
    out->how = request.failed ? DIAG_ERROR : diag_open(job->d, &s);
    if (out->how == DIAG_DONE)
        out->how = diag_stream_write(&s, request.data, request.len);
    if (out->how == DIAG_DONE && diag_http_head(&s, &head, out) == DIAG_DONE) {
        keep_cookie(job, &head);
        diag_http_body(&s, &head, answer);
        diag_http_keep_body(out, answer);
    }
    aivo_buf_free(&request);
    diag_stream_close(&s);
    return out->how;
}

/* ---- what is asked ---- */

/* Engine.IO 3 puts lengths in front: "97:0{...". */
static bool is_version_3(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 8 && text[digits] == ':' && text[digits + 1] == '0' && text[digits + 2] == '{';
}

static void open_session(struct diag_polling_job *job, struct aivo_buf *body)
{
    struct diag_polling *f = &job->facts;
    struct aivo_eio_packet packet;
    struct aivo_eio_handshake open;
    struct aivo_buf scratch = {0};
    enum aivo_eio_error error;
    size_t pos = 0;
    int64_t start_us = aivo_clock_us();
    job->how = exchange(job, NULL, &f->http, body);
    f->time_ms = diag_since_ms(start_us);
    atomic_store(&job->date_ms, f->http.date_ms);
    atomic_store(&job->at_ms, f->http.at_ms);
    uint64_t one = 1;
    ssize_t ignored = write(job->first_fd, &one, sizeof one);
    (void)ignored;
    if (job->how != DIAG_DONE || f->http.status != 200 || !body->data)
        return;
    if (is_version_3(body->data)) {
        f->protocol = 3;
    } else if (aivo_eio_payload_next(body->data, body->len, &pos, &scratch, &packet, &error) &&
               packet.type == AIVO_EIO_OPEN &&
               aivo_eio_handshake_decode(packet.data, packet.len, &open) == AIVO_EIO_OK) {
        f->protocol = 4;
        f->opened =
            strspn(open.sid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~") == strlen(open.sid);
        f->can_upgrade = open.can_upgrade;
        if (f->opened)
            snprintf(job->sid, sizeof job->sid, "%s", open.sid);
    }
    aivo_buf_free(&scratch);
}

/* An answer to a heartbeat is the one packet that every server takes at any time, and that changes nothing. */
static void alternate(struct diag_polling_job *job, struct aivo_buf *body)
{
    struct diag_polling *f = &job->facts;
    struct diag_http http;
    f->with_cookie = *job->cookie != 0;
    for (uint32_t i = 0; i < job->d->options.sticky_requests; i++) {
        enum diag_how how = exchange(job, "3", &http, body);
        if (how == DIAG_CANCELLED || aivo_clock_us() >= job->deadline_us)
            return;
        f->requests++;
        if (how == DIAG_DONE && http.status == 400 && strstr(http.body, "Session ID unknown")) {
            f->unknown++;
        } else if (how != DIAG_DONE || http.status != 200) {
            f->failed++;
            f->failed_status = http.status;
        }
    }
    exchange(job, "1", &http, body); /* the session is no longer needed */
}

static void *work(void *argument)
{
    struct diag_polling_job *job = argument;
    struct aivo_buf body = {0};
    open_session(job, &body);
    if (job->facts.opened)
        alternate(job, &body);
    aivo_buf_free(&body);
    return NULL;
}

/* ---- from the main thread ---- */

/* "/socket.io/?EIO=4&transport=websocket" with the other transport. */
static char *polling_path(const struct aivo_diagnosis *d)
{
    static const char end[] = "websocket";
    size_t len = strlen(d->settings.target) - (sizeof end - 1);
    char *path = NULL;
    return asprintf(&path, "%.*spolling", (int)len, d->settings.target) < 0 ? NULL : path;
}

static void free_job(struct diag_polling_job *job)
{
    if (job->first_fd >= 0)
        close(job->first_fd);
    free(job->path);
    free(job);
}

void diag_polling_start(struct aivo_diagnosis *d)
{
    struct diag_polling_job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    job->d = d;
    job->facts.origin = d->origin;
    job->facts.tried = true;
    job->deadline_us = aivo_clock_us() + (int64_t)d->options.stage_timeout_ms * 1000;
    job->first_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    job->path = polling_path(d);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool started = job->path && job->first_fd >= 0 && pthread_create(&job->thread, NULL, work, job) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        d->polling = job;
    else
        free_job(job);
}

bool diag_polling_date(struct aivo_diagnosis *d, int64_t until_us, int64_t *date_ms, int64_t *at_ms)
{
    struct diag_polling_job *job = d->polling;
    if (!job || diag_wait(&d->stop, job->first_fd, POLLIN, until_us) != DIAG_DONE)
        return false;
    *date_ms = atomic_load(&job->date_ms);
    *at_ms = atomic_load(&job->at_ms);
    return *date_ms != 0;
}

void diag_polling_end(struct aivo_diagnosis *d)
{
    if (!d->polling)
        return;
    pthread_join(d->polling->thread, NULL);
    free_job(d->polling);
    d->polling = NULL;
}

enum diag_next diag_run_polling(struct aivo_diagnosis *d)
{
    struct diag_polling_job *job = d->polling;
    if (!job) {
        diag_warn(&d->report, "no-memory", "End other programs.", "no thread could be started for it");
        return DIAG_GO_ON;
    }
    d->polling = NULL;
    pthread_join(job->thread, NULL);
    enum diag_how how = job->how;
    if (how != DIAG_CANCELLED)
        diag_judge_polling(&d->report, &d->target, &job->facts);
    free_job(job);
    return how == DIAG_CANCELLED ? DIAG_INTERRUPT : DIAG_GO_ON;
}
