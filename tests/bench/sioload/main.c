/* The modes, from the first connection to the figures. */
#include "sioload.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct load g;

uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("sioload: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

void *xrealloc(void *p, size_t n)
{
    p = realloc(p, n);
    if (!p)
        die("out of memory");
    return p;
}

static void raise_file_limit(void)
{
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    if ((rlim_t)opt.conns + 32 > rl.rlim_cur)
        die("%d connections do not fit in the open file limit of %ld", opt.conns, (long)rl.rlim_cur);
}

/* The part of a message that stays the same, so long that the JSON argument has --payload bytes. */
static void make_message(void)
{
    bool fanout = opt.mode == M_FANOUT;
    int fixed = fanout ? 40 : (int)strlen("{\"action\":\"start_session\",\"pad\":\"\"}");
    size_t pad = opt.payload > fixed ? (size_t)(opt.payload - fixed) : 0, size = pad + strlen(opt.event) + 128;
    char *x = xrealloc(NULL, pad + 1);
    memset(x, 'x', pad);
    x[pad] = 0;
    g.msg_tail = xrealloc(NULL, size);
    int n = fanout ? snprintf(g.msg_tail, size, "\"pad\":\"%s\"}]", x)
                   : snprintf(g.msg_tail, size, "[\"%s\",{\"action\":\"start_session\",\"pad\":\"%s\"}]", opt.event, x);
    g.msg_tail_len = (size_t)n;
    free(x);
    g.bprefix_len = (size_t)snprintf(g.bprefix, sizeof g.bprefix, "42[\"%s\",", opt.raw ? opt.event : opt.bevent);
}

static void make_connections(void)
{
    g.n_all = (unsigned)opt.conns + (opt.mode == M_FANOUT ? 1 : 0);
    g.conns = calloc(g.n_all, sizeof *g.conns);
    g.again = calloc(g.n_all, sizeof *g.again);
    if (!g.conns || !g.again)
        die("out of memory");
    for (unsigned i = 0; i < g.n_all; i++) {
        g.conns[i].idx = i;
        g.conns[i].fd = -1;
    }
    if (opt.mode == M_FANOUT) {
        g.publisher = &g.conns[opt.conns];
        g.publisher->pub = true;
    }
    if (!opt.raw)
        make_connect_packets(opt.mode == M_STORM ? 16384 : g.n_all);
    g.ep = epoll_create1(EPOLL_CLOEXEC);
}

static int run_storm(void)
{
    struct snap a, b;
    g.sending = true;
    g.want_hs_lat = true;
    for (unsigned i = 0; i < g.n_all; i++)
        open_conn(&g.conns[i]);
    run_until(now_ns() + (uint64_t)(opt.warmup * 1e9));
    g.c_hs = 0;
    unsigned f0 = g.n_failed;
    take_snap(&a, false);
    g.in_window = true;
    run_until(a.t + (uint64_t)(opt.duration * 1e9));
    g.in_window = false;
    take_snap(&b, false);
    double wall = (double)(b.t - a.t) / 1e9;
    rnum("handshakes", (double)g.c_hs, "");
    rnum("handshakes_per_s", (double)g.c_hs / wall, "/s");
    rnum("errors", g.n_failed - f0, "");
    report_latency("handshake");
    report_cpu(&a, &b, (double)g.c_hs, "handshakes");
    return g.n_failed != f0;
}

static int run_idle(const struct snap *s0)
{
    struct snap a, b;
    report_latency("handshake");
    take_snap(&a, false);
    run_until(a.t + (uint64_t)(opt.duration * 1e9));
    take_snap(&b, true);
    unsigned n = g.n_ready ? g.n_ready : 1;
    rnum("dropped", g.n_dropped, "");
    rnum("server_pings", (double)g.c_pings, "");
    if (opt.npids) {
        rnum("rss_before_kb", (double)s0->rss, "kB");
        rnum("rss_after_kb", (double)b.rss, "kB");
        rnum("pss_after_kb", (double)b.pss, "kB");
        rnum("rss_per_conn_kb", (double)(b.rss - s0->rss) / n, "kB (user space only)");
        rnum("connect_cpu_us", (a.srv_all - s0->srv_all) * 1e6 / n, "us per connection");
    }
    rnum("kernel_tcp_mem_kb", (double)b.tcp_kb, "kB (buffers of all TCP sockets, both ends)");
    report_cpu(&a, &b, n, "conns");
    return g.n_dropped > 0;
}

static void begin_traffic(void)
{
    hist_reset();
    g.want_hs_lat = false;
    run_until(now_ns() + 200000000ull); /* let greetings settle */
    g.sending = true;
    if (opt.rate > 0) {
        g.ol_step = 1e9 / opt.rate;
        g.ol_t0 = now_ns();
        return;
    }
    for (unsigned i = 0; opt.mode == M_ACK && i < g.n_all; i++) {
        if (g.conns[i].state != S_READY)
            continue;
        for (int k = 0; k < opt.inflight; k++)
            put_emit(&g.conns[i], now_ns());
        flush_obuf(&g.conns[i]);
        if (i % 16 == 15)
            pump(0);
    }
}

static bool something_is_under_way(void)
{
    if (opt.mode == M_FANOUT)
        return g.f_deliv < g.f_sent * (uint64_t)opt.conns;
    for (unsigned i = 0; opt.mode == M_ACK && i < g.n_all; i++)
        if (g.conns[i].state == S_READY && g.conns[i].inflight)
            return true;
    return false;
}

static uint64_t intended(const struct conn *c, uint64_t id)
{
    return g.ol_t0 + (uint64_t)((double)(id * (uint64_t)opt.conns + c->idx) * g.ol_step);
}

/* What stays unanswered counts with the latency it has by now. */
static uint64_t count_unanswered(uint64_t t_end)
{
    uint64_t unanswered = 0;
    for (unsigned i = 0; opt.mode == M_ACK && i < g.n_all; i++) {
        struct conn *c = &g.conns[i];
        for (uint64_t id = c->oldest; id < (opt.rate > 0 && c->due > c->next ? c->due : c->next); id++) {
            uint64_t start = id < c->next ? c->ring[id & (c->ring_cap - 1)] : intended(c, id);
            if (!start)
                continue;
            unanswered++;
            if (opt.rate > 0 && start >= g.win_from && start < g.win_to)
                hist_add(t_end - start);
        }
    }
    return unanswered;
}

static int report_acks(const struct snap *a, const struct snap *b, uint64_t sent, uint64_t unanswered)
{
    double wall = (double)(b->t - a->t) / 1e9;
    rnum("msgs", (double)g.c_acks, "");
    rnum("msgs_per_s", (double)g.c_acks / wall, "/s");
    if (opt.rate > 0)
        rnum("offered_per_s", opt.rate, "/s");
    rnum("sent", (double)sent, "");
    rnum("unanswered", (double)unanswered, "");
    rnum("errors", (double)g.c_err_ack, "");
    rnum("dropped", g.n_dropped, "");
    report_latency("lat");
    rnum("reads_per_msg", g.c_acks ? (double)g.c_reads / (double)g.c_acks : 0, "(load generator)");
    report_cpu(a, b, (double)g.c_acks, "msgs");
    return g.c_err_ack || unanswered || g.n_dropped;
}

static int report_deliveries(const struct snap *a, const struct snap *b, uint64_t sent)
{
    double wall = (double)(b->t - a->t) / 1e9;
    uint64_t wanted = g.f_sent * (uint64_t)opt.conns;
    rnum("broadcasts", (double)sent, "");
    rnum("broadcasts_per_s", (double)sent / wall, "/s");
    rnum("deliveries", (double)g.c_deliv, "");
    rnum("deliveries_per_s", (double)g.c_deliv / wall, "/s");
    if (g.publisher)
        rnum("lost", (double)wanted - (double)g.f_deliv, "");
    rnum("dropped", g.n_dropped, "");
    report_latency("lat");
    report_cpu(a, b, (double)g.c_deliv, "deliveries");
    return (g.publisher && wanted != g.f_deliv) || g.n_dropped;
}

static int run_traffic(void)
{
    struct snap a, b;
    begin_traffic();
    run_until(now_ns() + (uint64_t)(opt.warmup * 1e9));
    take_snap(&a, false);
    g.c_acks = g.c_deliv = g.c_sent = g.c_err_ack = g.c_events = g.c_bytes_in = g.c_reads = g.c_writes = 0;
    g.win_from = a.t;
    g.win_to = a.t + (uint64_t)(opt.duration * 1e9);
    g.in_window = true;
    run_until(g.win_to);
    g.in_window = false;
    take_snap(&b, false);
    uint64_t sent = g.c_sent, drain_end = now_ns() + 3 * NSEC;
    g.sending = false;
    while (something_is_under_way() && now_ns() < drain_end)
        run_until(now_ns() + 10000000ull);
    uint64_t unanswered = count_unanswered(now_ns());
    return opt.mode == M_ACK ? report_acks(&a, &b, sent, unanswered) : report_deliveries(&a, &b, sent);
}

static int run_connected(const struct snap *s0)
{
    uint64_t t0 = now_ns();
    g.want_hs_lat = true;
    connect_all();
    rnum("connected", g.n_ready - (g.publisher && g.publisher->state == S_READY), "");
    rnum("connect_failed", g.n_all - g.n_ready, "");
    rnum("connect_s", (double)(now_ns() - t0) / 1e9, "s");
    int rc = g.n_ready < g.n_all;
    if (g.n_ready == 0)
        return 1;
    return (opt.mode == M_IDLE ? run_idle(s0) : run_traffic()) || rc;
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    raise_file_limit();
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    seed(now_ns() ^ (uint64_t)getpid() << 32);
    hum = opt.json ? stderr : stdout;
    setvbuf(hum, NULL, _IOLBF, 0);
    make_message();
    make_connections();
    fprintf(hum, "sioload %s%s%s%s: conns %d, payload %d, %s %.0f, %.1f s after %.1f s\n", opt.mode_name,
            opt.raw ? " raw" : "", *opt.label ? " " : "", opt.label, opt.conns, opt.payload,
            opt.rate > 0 ? "rate" : "inflight", opt.rate > 0 ? opt.rate : (double)opt.inflight, opt.duration,
            opt.warmup);
    jadd("{\"label\":\"%s\",\"mode\":\"%s\",\"raw\":%s,\"conns\":%d,\"payload\":%d,\"inflight\":%d,\"rate\":%.6g,"
         "\"duration\":%.6g",
         opt.label, opt.mode_name, opt.raw ? "true" : "false", opt.conns, opt.payload, opt.inflight, opt.rate,
         opt.duration);
    struct snap s0;
    take_snap(&s0, true);
    int rc = opt.mode == M_STORM ? run_storm() : run_connected(&s0);
    jadd(",\"rc\":%d}", rc);
    if (opt.json)
        puts(js);
    return rc;
}
