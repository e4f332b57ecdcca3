/* What is sent when: the event loop, the open and the closed loop, the fan-out. */
#include "sioload.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

/* One pass of the event loop; waits at most wait_ns. */
void pump(uint64_t wait_ns)
{
    static struct epoll_event ev[2048];
    int n;
    if (opt.spin) {
        uint64_t t = now_ns();
        n = epoll_wait(g.ep, ev, 2048, 0);
        if (n <= 0) {
            g.spin_idle_s += (double)(now_ns() - t) / 1e9;
            return;
        }
    } else {
        struct timespec ts = {(time_t)(wait_ns / NSEC), (long)(wait_ns % NSEC)};
        n = epoll_pwait2(g.ep, ev, 2048, &ts, NULL);
    }
    for (int i = 0; i < n; i++)
        on_event(ev[i].data.ptr, ev[i].events);
    if (g.n_again && g.sending) {
        size_t m = g.n_again;
        g.n_again = 0;
        for (size_t i = 0; i < m; i++)
            open_conn(g.again[i]);
    }
}

static void open_loop_send(uint64_t t)
{
    uint64_t last = (uint64_t)((double)(t - g.ol_t0) / g.ol_step);
    while (g.ol_next <= last) {
        struct conn *c = &g.conns[g.ol_next % (uint64_t)opt.conns];
        uint64_t when = g.ol_t0 + (uint64_t)((double)g.ol_next * g.ol_step);
        g.ol_next++;
        c->due++;
        if (c->state != S_READY || c->inflight >= (unsigned)opt.max_outstanding)
            continue;
        if (c->next + 1 != c->due)
            continue; /* behind; on_ack catches up in order */
        put_emit(c, when);
        flush_obuf(c);
    }
}

static void fanout_send(void)
{
    if (!g.publisher || g.publisher->state != S_READY)
        return;
    uint64_t n = (uint64_t)opt.conns;
    for (;;) {
        uint64_t when;
        if (opt.rate > 0) {
            when = g.ol_t0 + (uint64_t)((double)g.ol_next * g.ol_step);
            if (when > now_ns())
                break;
            g.ol_next++;
        } else {
            if (g.f_sent * n - g.f_deliv > (uint64_t)(opt.inflight - 1) * n)
                break;
            when = now_ns();
        }
        char head[256];
        int k = snprintf(head, sizeof head, "42[\"%s\",{\"ts\":%" PRIu64 ",", opt.event, when);
        put_frame(g.publisher, 1, head, (size_t)k, g.msg_tail, g.msg_tail_len);
        g.f_sent++;
        if (g.in_window)
            g.c_sent++;
    }
    flush_obuf(g.publisher);
}

void run_until(uint64_t end)
{
    for (;;) {
        uint64_t t = now_ns();
        if (t >= end)
            return;
        uint64_t wait = end - t;
        if (g.sending && opt.rate > 0) {
            if (opt.mode == M_ACK)
                open_loop_send(t);
            else
                fanout_send();
            uint64_t nxt = g.ol_t0 + (uint64_t)((double)g.ol_next * g.ol_step);
            t = now_ns();
            wait = nxt > t ? (nxt - t < wait ? nxt - t : wait) : 0;
        } else if (g.sending && opt.mode == M_FANOUT)
            fanout_send();
        pump(wait > 100000000ull ? 100000000ull : wait);
    }
}

/* Open everything that should stay open, never too many at once. */
void connect_all(void)
{
    uint64_t t0 = now_ns(), give_up = t0 + (uint64_t)(30 + g.n_all / 100) * NSEC;
    unsigned next = 0;
    while (g.n_ready + g.n_failed + g.n_dropped < g.n_all) {
        uint64_t t = now_ns();
        unsigned may = (unsigned)((double)(t - t0) / 1e9 * opt.ramp) + 1;
        while (next < g.n_all && next < may && g.n_pending < (unsigned)opt.pending_max)
            open_conn(&g.conns[next++]);
        pump(1000000);
        if (t > give_up)
            break;
    }
}
