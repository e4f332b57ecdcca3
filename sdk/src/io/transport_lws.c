/*
 * The poller on libwebsockets: its timer, its wake-up, and its poll of one descriptor, an epoll set that holds the
 * sockets. docs/adr/0005-client-sockets.md says why neither its WebSocket client nor its table of sockets is used.
 *
 * While lws_service() runs, readiness is only noted; the functions are called after it has returned. So they may do
 * anything, and libwebsockets is never entered from inside itself.
 */
#include "poller.h"

#include "clock.h"
#include "errtext.h"
#include <errno.h>
#include <libwebsockets.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH      64 /* sockets looked at in one turn; the rest is ready in the next one */
#define FD_LIMIT   8  /* for libwebsockets: its own pipe and the epoll set */
#define BUFFER_LEN 1024

struct aivo_poller {
    struct lws_context *context;
    struct lws_vhost *vhost;
    lws_sorted_usec_list_t timer;
    int epoll_fd;
    bool sockets_ready; /* the epoll set has something to tell */
    struct aivo_link ready;
};

struct aivo_watch {
    struct aivo_poller *poller;
    int fd;
    uint32_t interest; /* EPOLLIN and EPOLLOUT; meaningless once out */
    bool out;          /* taken out of the epoll set after a hang-up, which it would report for ever */
    unsigned events;   /* noted and not yet reported */
    struct aivo_link ready;
    aivo_watch_fn fn;
    void *user;
};

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *session, void *in, size_t len)
{
    (void)session, (void)in, (void)len;
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        ((struct aivo_poller *)lws_get_opaque_user_data(wsi))->sockets_ready = true;
    return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "aivo", .callback = on_event},
    {.name = NULL},
};

static void no_log(int level, const char *line)
{
    (void)level, (void)line;
}

/* The log level belongs to the whole process: it is set once, before the first context. */
static void silence(void)
{
    lws_set_log_level(0, no_log);
}

/* libwebsockets closes the descriptor with its context. */
static bool adopt_epoll(struct aivo_poller *poller)
{
    lws_adopt_desc_t desc = {
        .vh = poller->vhost,
        .type = LWS_ADOPT_RAW_FILE_DESC,
        .vh_prot_name = protocols[0].name,
        .opaque = poller,
    };
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    desc.fd.filefd = poller->epoll_fd;
    return poller->epoll_fd >= 0 && lws_adopt_descriptor_vhost_via_info(&desc) != NULL;
}

enum aivo_status aivo_poller_create(struct aivo_poller **out, struct aivo_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, silence);
    struct aivo_poller *poller = calloc(1, sizeof *poller);
    if (!poller)
        return aivo_error_join(err, AIVO_E_MEMORY, 0, "out of memory for a loop", (char *)NULL);
    aivo_list_init(&poller->ready);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .pt_serv_buf_size = BUFFER_LEN, /* it reads nothing for us */
        .max_http_header_pool = 1,
        .fd_limit_per_thread = FD_LIMIT, /* or it takes 16 bytes for every descriptor the process may have */
        .http_proxy_address = "",        /* or the environment's would be used */
        .vhost_name = "aivo",
    };
    poller->context = lws_create_context(&info);
    poller->vhost = poller->context ? lws_create_vhost(poller->context, &info) : NULL;
    if (!poller->vhost || !adopt_epoll(poller)) {
        aivo_poller_destroy(poller);
        return aivo_error_join(err, AIVO_E_SYSTEM, errno, "libwebsockets cannot make a loop; is a limit reached?",
                               (char *)NULL);
    }
    *out = poller;
    return AIVO_OK;
}

void aivo_poller_destroy(struct aivo_poller *poller)
{
    if (!poller)
        return;
    if (poller->context) {
        lws_sul_cancel(&poller->timer);
        lws_context_destroy(poller->context);
    }
    free(poller);
}

static void timer_rang(lws_sorted_usec_list_t *timer)
{
    (void)timer; /* to end the wait was its whole purpose */
}

/* lws_service() ignores a timeout from 4.1 on: only a timer ends it. Its wait is rounded down to milliseconds, so the
 * timer stands just under one later, lest the last millisecond be polled through. */
static void set_timer(struct aivo_poller *poller, int64_t deadline_us, int64_t now_us)
{
    int64_t in_us = deadline_us - now_us + 999;
    if (in_us > (int64_t)86400 * 1000000)
        lws_sul_cancel(&poller->timer);
    else
        lws_sul_schedule(poller->context, 0, &poller->timer, timer_rang, in_us);
}

static void note(struct aivo_watch *watch, unsigned events)
{
    watch->events |= events;
    aivo_list_add(&watch->poller->ready, &watch->ready);
}

static void set_interest(struct aivo_watch *watch, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = watch};
    if (watch->out || watch->interest == interest)
        return;
    watch->interest = interest;
    epoll_ctl(watch->poller->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

static void leave_set(struct aivo_watch *watch)
{
    if (!watch->out)
        epoll_ctl(watch->poller->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->out = true;
}

static void look(struct aivo_poller *poller)
{
    struct epoll_event events[BATCH];
    poller->sockets_ready = false;
    int n = epoll_wait(poller->epoll_fd, events, BATCH, 0);
    for (int i = 0; i < n; i++) {
        struct aivo_watch *watch = events[i].data.ptr;
        uint32_t found = events[i].events;
        note(watch, ((found & EPOLLIN) ? AIVO_READABLE : 0u) | ((found & EPOLLOUT) ? AIVO_WRITABLE : 0u) |
                        ((found & (EPOLLHUP | EPOLLERR)) ? AIVO_HANGUP : 0u));
        if (found & (EPOLLHUP | EPOLLERR))
            leave_set(watch);
        else if (found & EPOLLOUT)
            set_interest(watch, watch->interest & ~(uint32_t)EPOLLOUT);
    }
}

void aivo_poller_wait(struct aivo_poller *poller, int64_t deadline_us)
{
    int64_t now_us = aivo_clock_us();
    bool wait = deadline_us > now_us;
    if (wait)
        set_timer(poller, deadline_us, now_us);
    lws_service(poller->context, wait ? 0 : -1);
    if (poller->sockets_ready)
        look(poller);
    struct aivo_link *link;
    while ((link = aivo_list_take(&poller->ready)) != NULL) {
        struct aivo_watch *watch = AIVO_CONTAINER(link, struct aivo_watch, ready);
        unsigned events = watch->events;
        watch->events = 0;
        watch->fn(watch->user, events);
    }
}

void aivo_poller_wake(struct aivo_poller *poller)
{
    lws_cancel_service(poller->context);
}

struct aivo_watch *aivo_watch_add(struct aivo_poller *poller, int fd, aivo_watch_fn fn, void *user)
{
    struct aivo_watch *watch = malloc(sizeof *watch);
    if (watch) {
        *watch = (struct aivo_watch){.poller = poller, .fd = fd, .interest = EPOLLIN, .fn = fn, .user = user};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
        if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
            return watch;
    }
    free(watch);
    close(fd);
    return NULL;
}

int aivo_watch_fd(const struct aivo_watch *watch)
{
    return watch->fd;
}

void aivo_watch_read(struct aivo_watch *watch, bool on)
{
    set_interest(watch, (watch->interest & ~(uint32_t)EPOLLIN) | (on ? EPOLLIN : 0u));
}

void aivo_watch_write(struct aivo_watch *watch)
{
    set_interest(watch, watch->interest | EPOLLOUT);
}

void aivo_watch_remove(struct aivo_watch *watch)
{
    if (!watch)
        return;
    aivo_list_remove(&watch->ready);
    leave_set(watch);
    close(watch->fd);
    free(watch);
}
