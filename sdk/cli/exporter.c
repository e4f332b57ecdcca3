/*
 * aivo diagnose --listen: an exporter. Every scrape looks anew; the URLs of one scrape at the same time, each on a
 * thread of its own. Only the URLs of the command line can be asked for: a stranger cannot make this machine connect
 * elsewhere.
 */
#include "diagnose.h"
#include "exporter_http.h"
#include "report.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRAPES_MAX 8    /* at a time; more wait to be accepted */
#define REQUEST_MAX 8192 /* bytes of a request's head */
#define READ_MS     5000
#define WRITE_MS    10000
#define PROBE_MS    30000 /* unless the scrape says how long it waits, or --deadline */
#define MARGIN_MS   500   /* what is left of the scrape's time for the answer */
#define PROBE_LEAST 500
#define FDS_MAX     (2 + SCRAPES_MAX * (1 + CLI_CONNS_MAX))

enum phase {
    PHASE_FREE,    /* next: reading */
    PHASE_READING, /* the request; next: probing, writing, free */
    PHASE_PROBING, /* its diagnoses run; next: writing, free */
    PHASE_WRITING, /* the answer; next: free */
};

struct scrape {
    enum phase phase;
    int fd;
    int64_t deadline_ms; /* of reading and writing */
    char in[REQUEST_MAX];
    size_t in_len;
    bool head;
    size_t count; /* of probes */
    size_t target[CLI_CONNS_MAX];
    struct aivo_diagnosis *probe[CLI_CONNS_MAX];
    char *out;
    size_t out_len, out_sent;
};

struct exporter {
    const struct diagnose_run *run;
    int listen_fd, signal_fd;
    struct scrape scrape[SCRAPES_MAX];
};

/* ---- answering ---- */

static void end_probes(struct scrape *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->probe[i]) {
            aivo_diagnose_cancel(s->probe[i]); /* all at once, then each is waited for */
        }
    }
    for (size_t i = 0; i < s->count; i++) {
        aivo_diagnose_destroy(s->probe[i]);
        s->probe[i] = NULL;
    }
    s->count = 0;
}

static void drop(struct scrape *s)
{
    end_probes(s);
    close(s->fd);
    free(s->out);
    *s = (struct scrape){.phase = PHASE_FREE};
}

static void answer(struct scrape *s, int status, const char *type, const char *body, size_t len)
{
    static const struct {
        int status;
        const char *words;
    } known[] = {{200, "OK"},
                 {400, "Bad Request"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {431, "Request Header Fields Too Large"}};
    const char *words = "Internal Server Error";
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        words = known[i].status == status ? known[i].words : words;
    }
    FILE *out = open_memstream(&s->out, &s->out_len);
    if (!out) {
        drop(s);
        return;
    }
    fprintf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status,
            words, type, len, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!s->head) {
        fwrite(body, 1, len, out);
    }
    if (fclose(out) != 0) {
        drop(s);
        return;
    }
    s->out_sent = 0;
    s->phase = PHASE_WRITING;
    s->deadline_ms = cli_now_ms() + WRITE_MS;
}

static void answer_text(struct scrape *s, int status, const char *text)
{
    answer(s, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void answer_metrics(struct exporter *e, struct scrape *s)
{
    const struct aivo_diagnose_report *reports[CLI_CONNS_MAX];
    const char *targets[CLI_CONNS_MAX];
    char *text = NULL;
    size_t len = 0;
    for (size_t i = 0; i < s->count; i++) {
        reports[i] = s->probe[i] ? aivo_diagnose_report(s->probe[i]) : NULL;
        targets[i] = e->run->target[s->target[i]].url;
    }
    FILE *out = open_memstream(&text, &len);
    if (out) {
        aivo_render_prometheus(out, reports, targets, s->count);
    }
    if (!out || fclose(out) != 0) {
        drop(s);
    } else {
        answer(s, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
        end_probes(s);
    }
    free(text);
}

/* ---- probing ---- */

static void begin_probe(struct exporter *e, struct scrape *s, size_t target, int64_t timeout_ms)
{
    struct aivo_diagnose_options options;
    struct aivo_diagnosis *probe = NULL;
    diagnose_options(e->run, &options);
    if (options.total_timeout_ms == 0 || timeout_ms < options.total_timeout_ms) {
        diagnose_bound(&options, (uint32_t)timeout_ms);
    }
    /* What cannot be made, or started, is told as a target without success. */
    if (diagnose_make(e->run, &e->run->target[target], &options, &probe) < 0 && aivo_diagnose_start(probe) != AIVO_OK) {
        aivo_diagnose_destroy(probe);
        probe = NULL;
    }
    s->target[s->count] = target;
    s->probe[s->count++] = probe;
}

static bool is_target(const struct diagnose_target *target, const char *name)
{
    return strcmp(target->url, name) == 0 || strcmp(target->common.url, name) == 0;
}

static void begin_probes(struct exporter *e, struct scrape *s, const struct exporter_request *request)
{
    int64_t timeout_ms = e->run->flags.deadline_ms > 0 ? e->run->flags.deadline_ms : PROBE_MS;
    if (request->timeout_ms > 0 && request->timeout_ms - MARGIN_MS < timeout_ms) {
        timeout_ms = request->timeout_ms - MARGIN_MS;
        timeout_ms = timeout_ms < PROBE_LEAST ? PROBE_LEAST : timeout_ms;
    }
    for (size_t i = 0; i < e->run->count; i++) {
        if (!request->has_target || is_target(&e->run->target[i], request->target)) {
            begin_probe(e, s, i, timeout_ms);
        }
    }
    if (s->count == 0) {
        answer_text(s, 404, "that target is not among the URLs of this exporter\n");
    } else {
        s->phase = PHASE_PROBING;
    }
}

static bool probes_ended(const struct scrape *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->probe[i] && !aivo_diagnose_report(s->probe[i])) {
            return false;
        }
    }
    return true;
}

static void answer_root(struct exporter *e, struct scrape *s)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out) {
        drop(s);
        return;
    }
    fputs("aivo diagnose\n\n/metrics             every URL\n/probe?target=URL    one of:\n", out);
    for (size_t i = 0; i < e->run->count; i++) {
        fprintf(out, "    %s\n", e->run->target[i].url);
    }
    if (fclose(out) == 0) {
        answer(s, 200, "text/plain; charset=utf-8", text, len);
    } else {
        drop(s);
    }
    free(text);
}

static void take_request(struct exporter *e, struct scrape *s, size_t len)
{
    struct exporter_request request;
    int status = exporter_parse(s->in, len, &request);
    s->head = request.head;
    if (status == 405) {
        answer_text(s, status, "only GET and HEAD\n");
    } else if (status != 0) {
        answer_text(s, status, "no request that makes sense\n");
    } else if (request.path == EXPORTER_NOTHING) {
        answer_text(s, 404, "there are /metrics and /probe?target=URL\n");
    } else if (request.path == EXPORTER_ROOT) {
        answer_root(e, s);
    } else {
        begin_probes(e, s, &request);
    }
}

/* ---- sockets ---- */

static void read_some(struct exporter *e, struct scrape *s)
{
    ssize_t got = recv(s->fd, s->in + s->in_len, sizeof(s->in) - s->in_len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        drop(s);
        return;
    }
    s->in_len += (size_t)got;
    size_t len = exporter_head_len(s->in, s->in_len);
    if (len > 0) {
        take_request(e, s, len);
    } else if (s->in_len == sizeof(s->in)) {
        answer_text(s, 431, "the request is too long\n");
    }
}

static void write_some(struct scrape *s)
{
    ssize_t wrote = send(s->fd, s->out + s->out_sent, s->out_len - s->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (wrote < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    s->out_sent += wrote > 0 ? (size_t)wrote : 0;
    if (wrote < 0 || s->out_sent == s->out_len) {
        shutdown(s->fd, SHUT_WR);
        drop(s);
    }
}

static struct scrape *free_scrape(struct exporter *e)
{
    for (size_t i = 0; i < SCRAPES_MAX; i++) {
        if (e->scrape[i].phase == PHASE_FREE) {
            return &e->scrape[i];
        }
    }
    return NULL;
}

static void accept_one(struct exporter *e)
{
    struct scrape *s = free_scrape(e);
    int fd = s ? accept4(e->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
    if (fd >= 0) {
        s->phase = PHASE_READING;
        s->fd = fd;
        s->deadline_ms = cli_now_ms() + READ_MS;
    }
}

/* What a scrape waits for. Returns how many descriptors that are. */
static nfds_t add_fds(const struct scrape *s, struct pollfd *fds)
{
    nfds_t count = 0;
    if (s->phase == PHASE_FREE) {
        return 0;
    }
    short events = s->phase == PHASE_READING ? POLLIN : s->phase == PHASE_WRITING ? POLLOUT : POLLRDHUP;
    fds[count++] = (struct pollfd){.fd = s->fd, .events = events};
    for (size_t i = 0; s->phase == PHASE_PROBING && i < s->count; i++) {
        if (s->probe[i] && !aivo_diagnose_report(s->probe[i])) {
            fds[count++] = (struct pollfd){.fd = aivo_diagnose_fd(s->probe[i]), .events = POLLIN};
        }
    }
    return count;
}

static void step(struct exporter *e, struct scrape *s, short revents)
{
    if (s->phase == PHASE_PROBING) {
        if (revents & (POLLHUP | POLLERR)) {
            drop(s); /* nobody waits any more: its diagnoses end */
        } else if (probes_ended(s)) {
            answer_metrics(e, s);
        }
    } else if (s->phase == PHASE_READING && revents) {
        read_some(e, s);
    } else if (s->phase == PHASE_WRITING && revents) {
        write_some(s);
    }
    if ((s->phase == PHASE_READING || s->phase == PHASE_WRITING) && cli_now_ms() >= s->deadline_ms) {
        drop(s);
    }
}

static int wait_ms(const struct exporter *e)
{
    int64_t wait = -1, now = cli_now_ms();
    for (size_t i = 0; i < SCRAPES_MAX; i++) {
        const struct scrape *s = &e->scrape[i];
        if (s->phase == PHASE_READING || s->phase == PHASE_WRITING) {
            int64_t left = s->deadline_ms > now ? s->deadline_ms - now : 0;
            wait = wait < 0 || left < wait ? left : wait;
        } else if (s->phase == PHASE_PROBING && probes_ended(s)) {
            wait = 0; /* the last ended after step() had looked: its descriptor is not among those waited for */
        }
    }
    return (int)wait;
}

static void serve(struct exporter *e)
{
    for (;;) {
        struct pollfd fds[FDS_MAX];
        nfds_t first[SCRAPES_MAX], count = 2;
        fds[0] = (struct pollfd){.fd = e->signal_fd, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = free_scrape(e) ? e->listen_fd : -1, .events = POLLIN};
        for (size_t i = 0; i < SCRAPES_MAX; i++) {
            first[i] = count;
            count += add_fds(&e->scrape[i], &fds[count]);
        }
        if (poll(fds, count, wait_ms(e)) < 0 && errno != EINTR) {
            return;
        }
        if (fds[0].revents) {
            return;
        }
        for (size_t i = 0; i < SCRAPES_MAX; i++) {
            if (e->scrape[i].phase != PHASE_FREE) {
                step(e, &e->scrape[i], fds[first[i]].revents);
            }
        }
        if (fds[1].revents) {
            accept_one(e);
        }
    }
}

/* ---- opening ---- */

/* "127.0.0.1:9117", "[::1]:9117", ":9117" (every address). *code: whether the value makes no sense, or the system does
 * not give what it names. */
static int open_listener(const char *where, int *code, char error[CLI_ERROR_MAX])
{
    char host[256];
    *code = CLI_EXIT_USAGE;
    const char *colon = strrchr(where, ':');
    size_t len = colon ? (size_t)(colon - where) : 0;
    if (!colon || len >= sizeof(host) || !colon[1] || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535) {
        cli_fail(error, "--listen: '%.60s' is not like 127.0.0.1:9117", where);
        return -1;
    }
    bool brackets = len >= 2 && where[0] == '[' && where[len - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(brackets ? len - 2 : len), where + brackets);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int why = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &list);
    int fd = -1;
    if (why != 0) {
        cli_fail(error, "--listen: '%.60s': %s", where, gai_strerror(why));
        return -1;
    }
    int last = 0;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        int one = 1;
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
                        bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 16) != 0)) {
            last = errno;
            close(fd);
            fd = -1;
        } else if (fd < 0) {
            last = errno;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        *code = CLI_EXIT_SOFTWARE;
        cli_fail(error, "--listen: '%.60s': %s", where, strerror(last));
    }
    return fd;
}

static void say_where(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
        getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        bool v6 = strchr(host, ':') != NULL;
        cli_say(CLI_LOG_INFO, "listening on http://%s%s%s:%s/metrics", v6 ? "[" : "", host, v6 ? "]" : "", port);
    }
}

int diagnose_serve(const struct diagnose_run *run)
{
    char error[CLI_ERROR_MAX];
    sigset_t set;
    struct exporter *e = calloc(1, sizeof(*e));
    if (!e) {
        return CLI_EXIT_SOFTWARE;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before any thread: they inherit this */
    e->run = run;
    e->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    int code = CLI_EXIT_SOFTWARE;
    e->listen_fd = e->signal_fd >= 0 ? open_listener(run->flags.listen, &code, error) : -1;
    if (e->listen_fd >= 0) {
        say_where(e->listen_fd);
        serve(e);
        code = CLI_EXIT_OK;
    } else if (e->signal_fd >= 0 && code == CLI_EXIT_USAGE) {
        cli_usage_error(run->self, "%s", error);
    } else if (e->signal_fd >= 0) {
        cli_say(CLI_LOG_ERROR, "%s", error);
    }
    for (size_t i = 0; i < SCRAPES_MAX; i++) {
        if (e->scrape[i].phase != PHASE_FREE) {
            drop(&e->scrape[i]);
        }
    }
    if (e->listen_fd >= 0) {
        close(e->listen_fd);
    }
    if (e->signal_fd >= 0) {
        close(e->signal_fd);
    }
    free(e);
    return code;
}
