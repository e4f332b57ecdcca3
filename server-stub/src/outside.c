#include "outside.h"
#include "config.h"
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define DELAYS (SRV_OUTSIDE_TRIES - 1)

/* One event on its way. next of each state: */
enum call_state {
    CALL_WAITING, /* in line; next: SENDING */
    CALL_SENDING, /* libcurl has it; next: PAUSING, or done */
    CALL_PAUSING, /* could not connect; next: SENDING */
};

struct call {
    struct srv_outside *owner;
    struct call *prev, *next; /* a ring: those in line, or those in flight */
    struct srv_timer deadline, pause;
    enum call_state state;
    unsigned tries;
    CURL *easy; /* SENDING only */
    void *user;
    char *body;
    size_t body_len, sent, header_bytes;
    struct aivo_buf answer;
    bool too_large, begun; /* begun: the agent has answered something */
};

/* A socket of libcurl's, as libuv watches it. */
struct watch {
    uv_poll_t poll;
    struct srv_outside *owner;
    curl_socket_t fd;
};

struct srv_outside {
    struct srv_outside_options options;
    char *url, *ca_path;
    uv_loop_t *loop;
    struct srv_timers *timers;
    struct srv_timer_list deadlines, pauses[DELAYS];
    uv_timer_t timer; /* libcurl's */
    CURLM *multi;
    struct curl_slist *headers;
    struct call waiting, flying; /* rings */
    size_t waiting_count, flying_count, bytes;
};

const char *srv_outside_client_message(enum srv_outside_status status)
{
    switch (status) {
    case SRV_OUTSIDE_BUSY:
        return "Agent is busy";
    case SRV_OUTSIDE_UNREACHABLE:
        return "Agent cannot be reached";
    case SRV_OUTSIDE_TIMEOUT:
        return "Agent did not answer in time";
    case SRV_OUTSIDE_MEMORY:
        return "Out of memory";
    default:
        return "Agent failed";
    }
}

const char *srv_outside_reason(enum srv_outside_status status)
{
    static const char *const reasons[] = {"",       "busy",        "out of memory",    "unreachable", "timeout",
                                          "broken", "http status", "answer too large", "no JSON"};
    return reasons[status];
}

/* --- calls --- */

static void ring_add(struct call *ring, struct call *c)
{
    c->prev = ring->prev;
    c->next = ring;
    ring->prev->next = c;
    ring->prev = c;
}

static void ring_remove(struct call *c)
{
    c->prev->next = c->next;
    c->next->prev = c->prev;
}

static void drop_easy(struct call *c)
{
    if (!c->easy)
        return;
    curl_multi_remove_handle(c->owner->multi, c->easy);
    curl_easy_cleanup(c->easy);
    c->easy = NULL;
}

static void call_free(struct call *c)
{
    struct srv_outside *o = c->owner;
    drop_easy(c);
    srv_timer_stop(&c->deadline);
    srv_timer_stop(&c->pause);
    ring_remove(c);
    if (c->state == CALL_WAITING)
        o->waiting_count--;
    else
        o->flying_count--;
    o->bytes -= c->body_len;
    aivo_buf_free(&c->answer);
    free(c->body);
    free(c);
}

static void finish(struct call *c, enum srv_outside_status status, unsigned http_status, const char *detail)
{
    struct srv_outside *o = c->owner;
    struct srv_outside_answer answer = {
        .status = status, .http_status = http_status, .now_ms = uv_now(o->loop), .detail = detail};
    if (status == SRV_OUTSIDE_OK) {
        answer.json = aivo_json_parse(c->answer.data ? c->answer.data : "", c->answer.len, NULL);
        if (answer.json.type == AIVO_JSON_NONE)
            answer.status = SRV_OUTSIDE_GARBAGE;
    }
    o->options.done(o->options.context, c->user, &answer);
    call_free(c);
}

/* --- libcurl asks for the body, and hands over the answer --- */

static size_t give_body(char *out, size_t size, size_t count, void *context)
{
    struct call *c = context;
    size_t n = size * count, left = c->body_len - c->sent;
    if (n > left)
        n = left;
    memcpy(out, c->body + c->sent, n);
    c->sent += n;
    return n;
}

/* libcurl would send a request again when a kept connection turns out to be dead, though the agent may have got the
 * first one: what was begun cannot be rewound. */
static int no_seek(void *context, curl_off_t offset, int origin)
{
    const struct call *c = context;
    return offset == 0 && origin == SEEK_SET && c->sent == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    struct call *c = context;
    c->begun = true;
    c->header_bytes += size * count;
    if (c->header_bytes > SRV_OUTSIDE_MAX_HEADER) {
        c->too_large = true;
        return 0;
    }
    return size * count;
}

static size_t take_answer(char *data, size_t size, size_t count, void *context)
{
    struct call *c = context;
    size_t n = size * count;
    if (n > c->owner->options.max_answer_bytes - c->answer.len) {
        c->too_large = true;
        return 0;
    }
    aivo_buf_add(&c->answer, data, n);
    return c->answer.failed ? 0 : n;
}

/* false: no memory, or an option that this libcurl does not know. */
static bool set_options(CURL *easy, struct call *c)
{
    const struct srv_outside *o = c->owner;
    bool ok = curl_easy_setopt(easy, CURLOPT_URL, o->url) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, o->headers) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_len) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(easy, CURLOPT_READDATA, c);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, no_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, c);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)SRV_OUTSIDE_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)o->options.max_answer_bytes);
    ok &= curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK; /* nor what http_proxy says */
    ok &= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* Without a folder of authorities libcurl reads the file of them once, and not for each connection. */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (o->ca_path)
        ok &= curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_path) == CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Else ending a transfer whose name is being resolved waits for the resolver: so does the loop. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    return ok;
}

static void send_call(struct call *c)
{
    struct srv_outside *o = c->owner;
    c->state = CALL_SENDING;
    c->tries++;
    c->sent = c->header_bytes = 0;
    aivo_buf_clear(&c->answer);
    CURL *easy = curl_easy_init();
    if (!easy || !set_options(easy, c) || curl_multi_add_handle(o->multi, easy) != CURLM_OK) {
        curl_easy_cleanup(easy);
        finish(c, SRV_OUTSIDE_MEMORY, 0, "");
        return;
    }
    c->easy = easy;
}

static void pump(struct srv_outside *o)
{
    while (o->flying_count < o->options.max_in_flight && o->waiting.next != &o->waiting) {
        struct call *c = o->waiting.next;
        ring_remove(c);
        o->waiting_count--;
        ring_add(&o->flying, c);
        o->flying_count++;
        send_call(c);
    }
}

static void pause_over(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    (void)now_ms;
    send_call(SRV_TIMER_OWNER(timer, struct call, pause));
    pump(context);
}

static void deadline_over(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    (void)now_ms;
    struct call *c = SRV_TIMER_OWNER(timer, struct call, deadline);
    bool unsent = c->state == CALL_PAUSING;
    finish(c, unsent ? SRV_OUTSIDE_UNREACHABLE : SRV_OUTSIDE_TIMEOUT, 0, "");
    pump(context);
}

/* --- the end of a transfer --- */

static bool may_retry(const struct call *c, CURLcode code)
{
    return (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) && c->sent == 0 && !c->begun &&
           c->tries < SRV_OUTSIDE_TRIES;
}

static enum srv_outside_status status_of(const struct call *c, CURLcode code, long http_status)
{
    switch (code) {
    case CURLE_OK:
        return http_status >= 200 && http_status < 300 ? SRV_OUTSIDE_OK : SRV_OUTSIDE_HTTP;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return SRV_OUTSIDE_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return SRV_OUTSIDE_TIMEOUT;
    case CURLE_FILESIZE_EXCEEDED:
        return SRV_OUTSIDE_TOO_LARGE;
    case CURLE_OUT_OF_MEMORY:
        return SRV_OUTSIDE_MEMORY;
    default:
        return c->too_large ? SRV_OUTSIDE_TOO_LARGE : c->answer.failed ? SRV_OUTSIDE_MEMORY : SRV_OUTSIDE_BROKEN;
    }
}

static void transfer_done(struct srv_outside *o, struct call *c, CURLcode code)
{
    long http_status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &http_status);
    drop_easy(c);
    if (may_retry(c, code)) {
        c->state = CALL_PAUSING;
        srv_timer_start(&o->pauses[c->tries - 1], &c->pause, uv_now(o->loop));
        return;
    }
    finish(c, status_of(c, code, http_status), (unsigned)http_status, code == CURLE_OK ? "" : curl_easy_strerror(code));
}

static void collect(struct srv_outside *o)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(o->multi, &left))) {
        struct call *c = NULL;
        CURLcode code = message->data.result; /* the message is gone with its handle */
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        if (c)
            transfer_done(o, c, code);
    }
    pump(o);
}

/* --- libcurl on libuv --- */

static void socket_ready(uv_poll_t *handle, int status, int events)
{
    struct watch *w = handle->data;
    struct srv_outside *o = w->owner;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(o->multi, w->fd, flags, &running); /* w may be gone after this */
    collect(o);
}

static void watch_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    (void)easy;
    struct srv_outside *o = context;
    struct watch *w = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            uv_poll_stop(&w->poll); /* now: libcurl closes the descriptor next */
            uv_close((uv_handle_t *)&w->poll, watch_freed);
            curl_multi_assign(o->multi, fd, NULL);
        }
        return 0;
    }
    if (!w) {
        w = calloc(1, sizeof *w);
        if (!w || uv_poll_init(o->loop, &w->poll, fd) != 0) {
            free(w);
            return -1;
        }
        w->owner = o;
        w->fd = fd;
        w->poll.data = w;
        curl_multi_assign(o->multi, fd, w);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, socket_ready) == 0 ? 0 : -1;
}

static void timer_due(uv_timer_t *handle)
{
    struct srv_outside *o = handle->data;
    int running;
    curl_multi_socket_action(o->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(o);
}

/* 0 too is left to the loop: libcurl must not be entered from here. */
static int set_timer(CURLM *multi, long after_ms, void *context)
{
    (void)multi;
    struct srv_outside *o = context;
    if (after_ms < 0)
        uv_timer_stop(&o->timer);
    else
        uv_timer_start(&o->timer, timer_due, (uint64_t)after_ms, 0);
    return 0;
}

/* --- the whole --- */

/* Without threads (or c-ares) in libcurl a name would be resolved on the loop. */
static bool resolves_in_background(void)
{
    return curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS;
}

static bool add_header(struct srv_outside *o, const char *line)
{
    struct curl_slist *more = curl_slist_append(o->headers, line);
    if (more)
        o->headers = more;
    return more != NULL;
}

static bool make_headers(struct srv_outside *o, const char *token)
{
    char bearer[SRV_OUTSIDE_MAX_TOKEN + 32];
    bool ok = add_header(o, "Content-Type: application/json") && add_header(o, "Accept: application/json") &&
              add_header(o, "Expect:") && add_header(o, "User-Agent: aivo-server");
    if (!ok || !token)
        return ok;
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", token);
    ok = add_header(o, bearer);
    explicit_bzero(bearer, sizeof bearer);
    return ok;
}

static void freed(uv_handle_t *handle)
{
    free(handle->data);
}

static bool init(struct srv_outside *o)
{
    const struct srv_outside_options *options = &o->options;
    o->url = strdup(options->url);
    o->ca_path = options->ca_path ? strdup(options->ca_path) : NULL;
    o->multi = curl_multi_init();
    if (!o->url || !o->multi || (options->ca_path && !o->ca_path) || !make_headers(o, options->token))
        return false;
    o->options.url = o->options.token = o->options.ca_path = NULL; /* the copies count */
    curl_multi_setopt(o->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(o->multi, CURLMOPT_SOCKETDATA, o);
    curl_multi_setopt(o->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(o->multi, CURLMOPT_TIMERDATA, o);
    curl_multi_setopt(o->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)options->max_in_flight);
    curl_multi_setopt(o->multi, CURLMOPT_MAXCONNECTS, (long)options->max_in_flight);
    srv_timers_add(o->timers, &o->deadlines, options->timeout_ms, deadline_over, o);
    for (int i = 0; i < DELAYS; i++)
        srv_timers_add(o->timers, &o->pauses[i], SRV_OUTSIDE_RETRY_MS << i, pause_over, o);
    return true;
}

bool srv_outside_new(struct uv_loop_s *loop, struct srv_timers *timers, const struct srv_outside_options *options,
                     struct srv_outside **out, char *error, size_t error_size)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !resolves_in_background()) {
        snprintf(error, error_size, "AGENT_URL: this libcurl cannot resolve names in the background");
        return false;
    }
    struct srv_outside *o = calloc(1, sizeof *o);
    if (!o || uv_timer_init(loop, &o->timer) != 0) {
        free(o);
        snprintf(error, error_size, "out of memory");
        return false;
    }
    o->timer.data = o;
    o->loop = loop;
    o->timers = timers;
    o->options = *options;
    o->waiting.prev = o->waiting.next = &o->waiting;
    o->flying.prev = o->flying.next = &o->flying;
    if (!init(o)) {
        srv_outside_destroy(o);
        snprintf(error, error_size, "out of memory");
        return false;
    }
    *out = o;
    return true;
}

static void wipe_headers(struct curl_slist *list)
{
    for (struct curl_slist *l = list; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(list);
}

void srv_outside_destroy(struct srv_outside *o)
{
    if (!o)
        return;
    while (o->waiting.next != &o->waiting)
        call_free(o->waiting.next);
    while (o->flying.next != &o->flying)
        call_free(o->flying.next);
    curl_multi_cleanup(o->multi);
    wipe_headers(o->headers);
    free(o->url);
    free(o->ca_path);
    uv_timer_stop(&o->timer);
    uv_close((uv_handle_t *)&o->timer, freed);
}

void srv_outside_counts(const struct srv_outside *o, size_t *in_flight, size_t *waiting)
{
    *in_flight = o->flying_count;
    *waiting = o->waiting_count;
}

enum srv_outside_status srv_outside_post(struct srv_outside *o, struct aivo_buf *body, void *user, uint64_t now_ms)
{
    size_t len = body->len;
    /* The sum: those in line now may be about to be sent, in the next turn of the loop. */
    bool line_full = o->flying_count + o->waiting_count >= (size_t)o->options.max_in_flight + o->options.max_waiting;
    struct call *c = NULL;
    enum srv_outside_status status = SRV_OUTSIDE_MEMORY;
    if (line_full || len > SRV_OUTSIDE_MAX_BYTES - o->bytes)
        status = SRV_OUTSIDE_BUSY;
    else if (!body->failed)
        c = calloc(1, sizeof *c);
    if (!c) {
        aivo_buf_free(body);
        return status;
    }
    c->owner = o;
    c->user = user;
    c->body = body->data;
    c->body_len = len;
    aivo_buf_init(body);
    aivo_buf_init(&c->answer);
    c->state = CALL_WAITING;
    ring_add(&o->waiting, c);
    o->waiting_count++;
    o->bytes += len;
    srv_timer_start(&o->deadlines, &c->deadline, now_ms);
    /* From the loop: an answer never comes before this has returned. */
    if (o->flying_count < o->options.max_in_flight)
        uv_timer_start(&o->timer, timer_due, 0, 0);
    return SRV_OUTSIDE_OK;
}

/* --- settings --- */

static bool fail_url(char *error, size_t error_size, const char *why)
{
    snprintf(error, error_size, "%s", why);
    return false;
}

static bool url_parts(CURLU *url, const char *text, bool *plain, char *error, size_t error_size)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    bool ok = false;
    if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK || host[0] == '\0')
        fail_url(error, error_size, "this is no URL such as https://agents.example.com/events");
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        fail_url(error, error_size, "only http and https are possible");
    else if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK)
        fail_url(error, error_size, "no user or password can stand in it: use AGENT_TOKEN");
    else
        ok = true;
    if (ok) {
        size_t len = strlen(host);
        if (host[0] == '[' && len > 2)
            host[len - 1] = '\0';
        *plain = strcmp(scheme, "http") == 0 && !srv_config_is_loopback(host[0] == '[' ? host + 1 : host);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    return ok;
}

enum srv_outside_url srv_outside_check_url(const char *text, char *error, size_t error_size)
{
    bool plain = false;
    CURLU *url = curl_url();
    if (!url) {
        fail_url(error, error_size, "out of memory");
        return SRV_OUTSIDE_URL_BAD;
    }
    bool ok = url_parts(url, text, &plain, error, error_size);
    curl_url_cleanup(url);
    return !ok ? SRV_OUTSIDE_URL_BAD : plain ? SRV_OUTSIDE_URL_PLAIN : SRV_OUTSIDE_URL_GOOD;
}

bool srv_outside_check_ca(const char *path)
{
    X509_STORE *store = X509_STORE_new();
    bool ok = store && X509_STORE_load_file(store, path) == 1;
    X509_STORE_free(store);
    ERR_clear_error(); /* it is not the next TLS connection's */
    return ok;
}

bool srv_outside_check_token(const char *token)
{
    size_t len = strlen(token);
    for (const char *c = token; *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return false;
    return len <= SRV_OUTSIDE_MAX_TOKEN;
}
