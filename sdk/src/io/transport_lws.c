/*
 * The poller on libwebsockets: its poll set, timer and wake-up. Sockets are ours and are watched as raw files; see
 * docs/adr/0005-client-sockets.md for why its WebSocket client is not used.
 *
 * What readiness callbacks say is only noted down; the functions are called after lws_service() has returned. So they
 * may do anything, and libwebsockets is never entered from inside itself.
 */
#include "poller.h"

#include "clock.h"
#include "errtext.h"
#include <libwebsockets.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct aivo_poller {
    struct lws_context *context;
    struct lws_vhost *vhost;
    lws_sorted_usec_list_t timer;
    struct aivo_link ready;
};

struct aivo_watch {
    struct aivo_poller *poller;
    struct lws *wsi; /* NULL once libwebsockets has closed it */
    int fd;          /* that of wsi, or a duplicate that outlives it */
    unsigned events; /* noted and not yet reported */
    struct aivo_link ready;
    aivo_watch_fn fn;
    void *user;
};

static void note(struct aivo_watch *watch, unsigned event)
{
    watch->events |= event;
    aivo_list_add(&watch->poller->ready, &watch->ready);
}

/* libwebsockets saw a hang-up and closes its descriptor after this: what was received is still to be read, and the
 * socket's error to be asked for, so a duplicate takes its place. */
static void wsi_closed(struct aivo_watch *watch)
{
    watch->wsi = NULL;
    watch->fd = dup(watch->fd);
    note(watch, AIVO_HANGUP);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *session, void *in, size_t len)
{
    (void)session, (void)in, (void)len;
    struct aivo_watch *watch;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX_FILE:
    case LWS_CALLBACK_RAW_WRITEABLE_FILE:
    case LWS_CALLBACK_RAW_CLOSE_FILE:
        watch = lws_get_opaque_user_data(wsi);
        if (!watch)
            return 0; /* removed */
        if (reason == LWS_CALLBACK_RAW_CLOSE_FILE)
            wsi_closed(watch);
        else
            note(watch, reason == LWS_CALLBACK_RAW_RX_FILE ? AIVO_READABLE : AIVO_WRITABLE);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "aivo", .callback = on_event, .rx_buffer_size = 0},
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
        .pt_serv_buf_size = 1024, /* it reads nothing for us */
        .max_http_header_pool = 1,
        .http_proxy_address = "", /* or the environment's would be used */
        .vhost_name = "aivo",
    };
    poller->context = lws_create_context(&info);
    poller->vhost = poller->context ? lws_create_vhost(poller->context, &info) : NULL;
    if (!poller->vhost) {
        aivo_poller_destroy(poller);
        return aivo_error_join(err, AIVO_E_SYSTEM, 0, "libwebsockets cannot make a context", (char *)NULL);
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

void aivo_poller_wait(struct aivo_poller *poller, int64_t deadline_us)
{
    int64_t now_us = aivo_clock_us();
    bool wait = aivo_list_empty(&poller->ready) && deadline_us > now_us;
    if (wait)
        set_timer(poller, deadline_us, now_us);
    lws_service(poller->context, wait ? 0 : -1);
    /* Only what is ready now: a function may make further ones ready. */
    struct aivo_link batch, *link;
    aivo_list_move(&poller->ready, &batch);
    while ((link = aivo_list_take(&batch)) != NULL) {
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
    struct aivo_watch *watch = calloc(1, sizeof *watch);
    if (watch) {
        *watch = (struct aivo_watch){.poller = poller, .fd = fd, .fn = fn, .user = user};
        lws_adopt_desc_t desc = {
            .vh = poller->vhost,
            .type = LWS_ADOPT_RAW_FILE_DESC,
            .fd = {.filefd = fd},
            .vh_prot_name = protocols[0].name,
            .opaque = watch,
        };
        watch->wsi = lws_adopt_descriptor_vhost_via_info(&desc);
        if (watch->wsi)
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
    if (watch->wsi)
        lws_rx_flow_control(watch->wsi, on);
}

void aivo_watch_write(struct aivo_watch *watch)
{
    if (watch->wsi)
        lws_callback_on_writable(watch->wsi);
}

void aivo_watch_remove(struct aivo_watch *watch)
{
    if (!watch)
        return;
    aivo_list_remove(&watch->ready);
    if (watch->wsi) {
        lws_set_opaque_user_data(watch->wsi, NULL);
        lws_set_timeout(watch->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC); /* closes fd */
    } else if (watch->fd >= 0) {
        close(watch->fd);
    }
    free(watch);
}
