/* The way to the server: name, every address, proxy, TLS; and the same way once more, for connections beside the main
 * one. */
#include "run.h"

#include "cert.h"
#include "clock.h"
#include "engineio.h"
#include "http.h"
#include "judge.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define OTHERS_US 1000000 /* once one address has connected, the others have so long */
#define CERT_US   200000  /* and three round trips: a server has so long to refuse a client certificate */

/* ---- name resolution ---- */

struct wanted {
    struct aivo_lookup lookup;
    struct aivo_addresses *out;
    bool done;
};

static void found(struct aivo_lookup *lookup, const struct aivo_addresses *addresses)
{
    struct wanted *w = AIVO_CONTAINER(lookup, struct wanted, lookup);
    *w->out = *addresses;
    w->done = true;
}

static void notify(void *user)
{
    uint64_t one = 1;
    ssize_t ignored = write(*(int *)user, &one, sizeof one);
    (void)ignored; /* it is full of wake-ups already */
}

/* getaddrinfo() cannot be interrupted: it runs in a thread that is left behind when it takes too long. */
static enum diag_how look_up(struct aivo_diagnosis *d, const char *host, uint16_t port)
{
    struct wanted w = {.out = &d->addresses, .lookup = {.done = found}};
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct aivo_resolver *resolver = fd >= 0 ? aivo_resolver_create(d->resolve, notify, &fd) : NULL;
    enum diag_how how = DIAG_ERROR;
    if (resolver && aivo_resolver_start(resolver, host, port, &w.lookup)) {
        how = diag_wait(&d->stop, fd, POLLIN, diag_stage_deadline(d));
        if (how == DIAG_DONE)
            aivo_resolver_collect(resolver);
        else
            aivo_lookup_cancel(resolver, &w.lookup);
        how = how == DIAG_DONE && !w.done ? DIAG_ERROR : how;
    }
    aivo_resolver_destroy(resolver); /* notify() is not called after it */
    if (fd >= 0)
        close(fd);
    return how;
}

static enum diag_dns_error dns_error(int gai)
{
    switch (gai) {
    case 0:
        return DIAG_DNS_OK;
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
        return DIAG_DNS_NOT_FOUND;
    case EAI_AGAIN:
        return DIAG_DNS_AGAIN;
    default:
        return DIAG_DNS_OTHER;
    }
}

enum diag_next diag_run_dns(struct aivo_diagnosis *d)
{
    struct diag_dns f = {0};
    const char *host = d->proxy.used ? d->proxy.host : d->settings.url.host;
    f.how = look_up(d, host, d->proxy.used ? d->proxy.port : d->settings.url.port);
    if (f.how == DIAG_CANCELLED)
        return DIAG_INTERRUPT;
    f.time_ms = diag_since_ms(d->stage_us);
    if (f.how == DIAG_ERROR) {
        f.error = DIAG_DNS_OTHER;
        snprintf(f.text, sizeof f.text, "no thread can be started for it");
    } else if (f.how == DIAG_DONE) {
        f.error = dns_error(d->addresses.error);
        snprintf(f.text, sizeof f.text, "%s", d->addresses.text);
        f.count = d->addresses.count;
    }
    for (unsigned i = 0; i < f.count; i++) {
        const struct aivo_address *a = &d->addresses.list[i];
        f.address[i].v6 = a->at.any.sa_family == AF_INET6;
        if (getnameinfo(&a->at.any, a->len, f.address[i].ip, sizeof f.address[i].ip, NULL, 0, NI_NUMERICHOST) != 0)
            snprintf(f.address[i].ip, sizeof f.address[i].ip, "?");
    }
    diag_judge_dns(&d->report, &d->target, &f);
    return f.how == DIAG_DONE && f.count > 0 ? DIAG_GO_ON : DIAG_STOP;
}

/* ---- TCP, to every address at once ---- */

struct race {
    struct pollfd fds[1 + DIAG_ADDRESSES]; /* the first is the cancel descriptor; fd -1: settled */
    struct diag_tcp facts;
    unsigned open;
    int64_t start_us, until_us;
};

static void settle(struct race *race, unsigned i, int error)
{
    race->facts.address[i].how = error ? DIAG_ERROR : DIAG_DONE;
    race->facts.address[i].error = error;
    race->facts.address[i].time_ms = diag_since_ms(race->start_us);
    if (error)
        snprintf(race->facts.address[i].text, sizeof race->facts.address[i].text, "%s", strerror(error));
    race->open--;
}

static void start_race(struct aivo_diagnosis *d, struct race *race)
{
    race->start_us = aivo_clock_us();
    race->until_us = diag_stage_deadline(d);
    race->facts.count = race->open = d->addresses.count;
    race->facts.chosen = -1;
    race->fds[0] = (struct pollfd){.fd = d->stop.cancel_fd, .events = POLLIN};
    for (unsigned i = 0; i < race->open; i++) {
        aivo_address_text(&d->addresses.list[i], race->facts.address[i].at);
        race->facts.address[i].v6 = d->addresses.list[i].at.any.sa_family == AF_INET6;
        race->facts.address[i].how = DIAG_TIMEOUT;
    }
    for (unsigned i = 0; i < race->facts.count; i++) {
        race->fds[1 + i] = (struct pollfd){.fd = diag_dial(&d->addresses.list[i]), .events = POLLOUT};
        if (race->fds[1 + i].fd < 0)
            settle(race, i, errno);
    }
}

/* One wait; false: it is over. */
static bool race_on(struct aivo_diagnosis *d, struct race *race)
{
    int64_t now_us = aivo_clock_us(), until_us = race->until_us < d->stop.total_us ? race->until_us : d->stop.total_us;
    if (race->open == 0 || now_us >= until_us)
        return false;
    struct pollfd fds[1 + DIAG_ADDRESSES];
    memcpy(fds, race->fds, sizeof fds);
    for (unsigned i = 0; i < race->facts.count; i++)
        if (race->facts.address[i].how != DIAG_TIMEOUT)
            fds[1 + i].fd = -1;
    if (poll(fds, 1 + race->facts.count, (int)((until_us - now_us + 999) / 1000)) <= 0)
        return true;
    if (fds[0].revents)
        return false;
    for (unsigned i = 0; i < race->facts.count; i++) {
        if (!fds[1 + i].revents)
            continue;
        int error = diag_dialled(race->fds[1 + i].fd);
        settle(race, i, error);
        int64_t others_us = aivo_clock_us() + OTHERS_US;
        if (!error && others_us < race->until_us)
            race->until_us = others_us;
    }
    return true;
}

enum diag_next diag_run_tcp(struct aivo_diagnosis *d)
{
    struct race race = {0};
    start_race(d, &race);
    while (race_on(d, &race))
        ;
    for (unsigned i = 0; i < race.facts.count; i++) {
        bool use = race.facts.chosen < 0 && race.facts.address[i].how == DIAG_DONE;
        if (use) {
            race.facts.chosen = (int)i;
            d->address = d->addresses.list[i];
            d->connect_us = (int64_t)(race.facts.address[i].time_ms * 1000);
            diag_stream_init(&d->stream, &d->stop, race.fds[1 + i].fd);
        } else if (race.fds[1 + i].fd >= 0) {
            close(race.fds[1 + i].fd);
        }
    }
    if (race.facts.chosen < 0 && diag_stopped(&d->stop))
        return DIAG_INTERRUPT;
    diag_judge_tcp(&d->report, &d->target, &race.facts);
    return race.facts.chosen >= 0 ? DIAG_GO_ON : DIAG_STOP;
}

/* ---- proxy ---- */

/* CONNECT; out->how is returned. */
static enum diag_how ask_proxy(const struct aivo_diagnosis *d, struct diag_stream *s, struct diag_http *out)
{
    struct aivo_buf authorization = {0}, request = {0};
    struct aivo_http_head head;
    const char *credentials = d->proxy.credentials;
    diag_http_init(out);
    if (*credentials)
        aivo_base64_encode(&authorization, credentials, strlen(credentials));
    aivo_connect_write(&request, d->settings.url.host, d->settings.url.port, authorization.data);
    bool whole = !authorization.failed && !request.failed;
    out->how = whole ? diag_stream_write(s, request.data, request.len) : DIAG_ERROR;
    if (out->how == DIAG_DONE && diag_http_head(s, &head, out) == DIAG_DONE)
        diag_stream_used(s, head.total);
    aivo_buf_free(&authorization);
    aivo_buf_free(&request);
    return out->how;
}

enum diag_next diag_run_proxy(struct aivo_diagnosis *d)
{
    struct diag_http f;
    d->stream.deadline_us = diag_stage_deadline(d);
    if (ask_proxy(d, &d->stream, &f) == DIAG_CANCELLED)
        return DIAG_INTERRUPT;
    diag_judge_proxy(&d->report, &d->target, &f, *d->proxy.credentials != 0);
    return diag_stage_failed(&d->report, AIVO_DIAGNOSE_PROXY) ? DIAG_STOP : DIAG_GO_ON;
}

/* ---- TLS ---- */

/* With TLS 1.3 a server says what it thinks of a client certificate, or of none, after the handshake. */
static enum diag_how hear_about_certificate(struct aivo_diagnosis *d)
{
    int64_t until_us = aivo_clock_us() + CERT_US + 3 * d->connect_us;
    if (until_us < d->stream.deadline_us)
        d->stream.deadline_us = until_us;
    enum diag_how how = diag_stream_read(&d->stream);
    return how == DIAG_TIMEOUT ? DIAG_DONE : how;
}

enum diag_next diag_run_tls(struct aivo_diagnosis *d)
{
    const struct aivo_tls_options *options = &d->settings.options.tls;
    struct diag_tls f;
    d->stream.deadline_us = diag_stage_deadline(d);
    enum diag_how how = DIAG_ERROR;
    if (aivo_tls_context_get(options, &d->tls_context, &d->stream.error) == AIVO_OK)
        how = diag_stream_tls(&d->stream, d->tls_context, d->settings.url.host);
    if (how == DIAG_DONE && diag_tls_was_asked(&d->stream))
        how = hear_about_certificate(d);
    if (how == DIAG_CANCELLED)
        return DIAG_INTERRUPT;
    diag_tls_facts(&d->stream, how, options, &f);
    diag_judge_tls(&d->report, &d->target, &f, d->options.warn_days);
    return how == DIAG_DONE ? DIAG_GO_ON : DIAG_STOP;
}

enum diag_how diag_open(const struct aivo_diagnosis *d, struct diag_stream *s)
{
    struct diag_http proxy;
    enum diag_how how = diag_stream_connect(s, &d->address);
    if (how == DIAG_DONE && d->proxy.used) {
        how = ask_proxy(d, s, &proxy);
        if (how == DIAG_DONE && (proxy.status < 200 || proxy.status > 299))
            how = DIAG_END;
    }
    if (how == DIAG_DONE && d->target.tls)
        how = diag_stream_tls(s, d->tls_context, d->settings.url.host);
    return how;
}
