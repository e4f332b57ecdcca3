/* One connection: its frames out and in, its acknowledgements, its beginning and end. */
#include "sioload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t rbuf[RBUF_SIZE + 65536];
static uint8_t obuf[OBUF_SIZE];
static size_t obuf_len;

static uint64_t rng = 0x9e3779b97f4a7c15ull;

void seed(uint64_t value)
{
    rng ^= value;
}

static inline uint32_t rnd32(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 16);
}

static void set_out(struct conn *c, bool on)
{
    if (c->want_out == on)
        return;
    c->want_out = on;
    struct epoll_event ev = {.events = EPOLLIN | (on ? (uint32_t)EPOLLOUT : 0u), .data.ptr = c};
    epoll_ctl(g.ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void conn_fail(struct conn *c)
{
    if (c->state == S_DEAD)
        return;
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    if (c->state == S_READY) {
        g.n_ready--;
        g.n_dropped++;
    } else if (c->state != S_DEAD && c->state != S_CLOSING) {
        g.n_pending--;
        g.n_failed++;
    }
    c->state = S_DEAD;
    c->in_len = c->frag_len = 0;
    c->out_len = c->out_off = 0;
    if (opt.mode == M_STORM)
        g.again[g.n_again++] = c;
}

static void conn_write(struct conn *c, const uint8_t *p, size_t n)
{
    if (!n)
        return;
    if (c->out_len == c->out_off) {
        g.c_writes++;
        ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (w < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                conn_fail(c);
                return;
            }
            w = 0;
        }
        p += w;
        n -= (size_t)w;
        if (!n)
            return;
        c->out_off = c->out_len = 0;
    }
    if (c->out_off && c->out_len + n > c->out_cap) {
        memmove(c->out, c->out + c->out_off, c->out_len - c->out_off);
        c->out_len -= c->out_off;
        c->out_off = 0;
    }
    if (c->out_len + n > c->out_cap) {
        c->out_cap = (uint32_t)((c->out_len + n) * 2);
        c->out = xrealloc(c->out, c->out_cap);
    }
    memcpy(c->out + c->out_len, p, n);
    c->out_len += (uint32_t)n;
    set_out(c, true);
}

void flush_obuf(struct conn *c)
{
    size_t n = obuf_len;
    obuf_len = 0;
    if (c->state != S_DEAD && c->fd >= 0)
        conn_write(c, obuf, n);
}

static void conn_writable(struct conn *c)
{
    while (c->out_off < c->out_len) {
        ssize_t w = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (w < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                return;
            conn_fail(c);
            return;
        }
        c->out_off += (uint32_t)w;
    }
    c->out_off = c->out_len = 0;
    set_out(c, false);
}

/* Append one masked frame made of two pieces to obuf. */
void put_frame(struct conn *c, int opcode, const char *a, size_t an, const char *b, size_t bn)
{
    size_t n = an + bn;
    if (obuf_len + n + 32 > sizeof obuf)
        flush_obuf(c);
    uint8_t *p = obuf + obuf_len;
    *p++ = (uint8_t)(0x80 | opcode);
    if (n < 126)
        *p++ = (uint8_t)(0x80 | n);
    else if (n < 65536) {
        *p++ = 0x80 | 126;
        *p++ = (uint8_t)(n >> 8);
        *p++ = (uint8_t)n;
    } else {
        *p++ = 0x80 | 127;
        for (int i = 7; i >= 0; i--)
            *p++ = (uint8_t)((uint64_t)n >> (8 * i));
    }
    uint32_t mask = rnd32();
    uint64_t m8 = (uint64_t)mask << 32 | mask;
    memcpy(p, &mask, 4);
    p += 4;
    memcpy(p, a, an);
    if (bn)
        memcpy(p + an, b, bn);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        v ^= m8;
        memcpy(p + i, &v, 8);
    }
    for (; i < n; i++)
        p[i] ^= ((uint8_t *)&mask)[i & 3];
    obuf_len = (size_t)(p + n - obuf);
}

static size_t put_dec(char *p, uint64_t v)
{
    char t[24];
    size_t n = 0;
    do
        t[n++] = (char)('0' + v % 10);
    while (v /= 10);
    for (size_t i = 0; i < n; i++)
        p[i] = t[n - 1 - i];
    return n;
}

/* Append one emit (with acknowledgement id) stamped with its start time. */
void put_emit(struct conn *c, uint64_t t)
{
    if (c->next - c->oldest >= c->ring_cap) {
        uint32_t cap = c->ring_cap ? c->ring_cap * 2 : 4;
        uint64_t *r = xrealloc(NULL, cap * sizeof *r);
        for (uint64_t i = c->oldest; i < c->next; i++)
            r[i & (cap - 1)] = c->ring[i & (c->ring_cap - 1)];
        free(c->ring);
        c->ring = r;
        c->ring_cap = cap;
    }
    char head[32] = "42";
    size_t n = 2 + put_dec(head + 2, c->next);
    c->ring[c->next & (c->ring_cap - 1)] = t;
    c->next++;
    c->inflight++;
    g.c_sent++;
    put_frame(c, 1, head, n, g.msg_tail, g.msg_tail_len);
}

/* ---------------------------------------------------------------- input */

static void become_ready(struct conn *c)
{
    c->state = S_READY;
    g.n_ready++;
    g.n_pending--;
    g.c_hs++;
    uint64_t t = now_ns();
    if (g.want_hs_lat && (opt.mode != M_STORM || g.in_window))
        hist_add(t - c->t_start);
    if (opt.mode == M_STORM) {
        g.n_ready--;
        if (opt.close == CLOSE_RST) {
            struct linger l = {1, 0};
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
            c->state = S_CLOSING;
            conn_fail(c);
            return;
        }
        put_frame(c, 8, "\x03\xe8", 2, NULL, 0);
        c->state = S_CLOSING;
    }
}

static void on_ack(struct conn *c, const char *p, size_t n, uint64_t t)
{
    uint64_t id = 0;
    size_t i = 2;
    while (i < n && p[i] >= '0' && p[i] <= '9')
        id = id * 10 + (uint64_t)(p[i++] - '0');
    if (i == 2 || i >= n || p[i] != '[' || id < c->oldest || id >= c->next) {
        g.c_err_ack++;
        return;
    }
    uint64_t *slot = &c->ring[id & (c->ring_cap - 1)];
    if (!*slot) {
        g.c_err_ack++;
        return;
    }
    if (opt.expect && !memmem(p + i, n - i, opt.expect, strlen(opt.expect)))
        g.c_err_ack++;
    uint64_t start = *slot;
    *slot = 0;
    c->inflight--;
    while (c->oldest < c->next && !c->ring[c->oldest & (c->ring_cap - 1)])
        c->oldest++;
    if (g.in_window)
        g.c_acks++;
    if (opt.rate > 0 ? (g.win_from && start >= g.win_from && start < g.win_to) : g.in_window)
        hist_add(t > start ? t - start : 0);
    if (!g.sending)
        return;
    if (opt.rate <= 0)
        put_emit(c, t);
    else if (c->next < c->due) /* held back by --max-outstanding */
        put_emit(c, g.ol_t0 + (uint64_t)((double)(c->next * (uint64_t)opt.conns + c->idx) * g.ol_step));
}

static void on_text(struct conn *c, const char *p, size_t n, uint64_t t)
{
    if (opt.raw) {
        if (opt.mode == M_FANOUT || opt.mode == M_LISTEN)
            goto event;
        on_ack(c, p, n, t);
        return;
    }
    if (!n)
        return;
    switch (p[0]) {
    case '0':
        if (c->state == S_EIO) {
            const char *s = connect_pkt[c->idx % n_connect_pkt];
            put_frame(c, 1, s, strlen(s), NULL, 0);
            c->state = S_SIO;
        }
        return;
    case '2':
        put_frame(c, 1, "3", 1, NULL, 0);
        g.c_pings++;
        return;
    case '4':
        break;
    case '1':
        conn_fail(c);
        return;
    default:
        return;
    }
    if (n < 2)
        return;
    switch (p[1]) {
    case '0':
        if (c->state == S_SIO)
            become_ready(c);
        return;
    case '3':
        on_ack(c, p, n, t);
        return;
    case '2':
    event:
        g.c_events++;
        if (c->pub || n < g.bprefix_len || memcmp(p, g.bprefix, g.bprefix_len))
            return;
        g.f_deliv++;
        if (g.in_window) {
            g.c_deliv++;
            const char *q = memmem(p, n, "\"ts\":", 5);
            if (q) {
                uint64_t ts = strtoull(q + 5, NULL, 10);
                if (ts && ts <= t)
                    hist_add(t - ts);
            }
        }
        return;
    case '1':
    case '4':
        if (g.n_failed < 3)
            fprintf(stderr, "sioload: server refused: %.*s\n", (int)(n < 120 ? n : 120), p);
        conn_fail(c);
        return;
    }
}

static void on_frame(struct conn *c, int op, bool fin, const uint8_t *p, size_t n, uint64_t t)
{
    switch (op) {
    case 9:
        put_frame(c, 10, (const char *)p, n, NULL, 0);
        return;
    case 10:
        return;
    case 8:
        if (c->state == S_CLOSING)
            return; /* wait for the server's FIN */
        conn_fail(c);
        return;
    }
    if (fin && op && !c->frag_len) {
        on_text(c, (const char *)p, n, t);
        return;
    }
    if (c->frag_len + n > c->frag_cap) {
        c->frag_cap = (uint32_t)(c->frag_len + n) * 2 + 64;
        c->frag = xrealloc(c->frag, c->frag_cap);
    }
    memcpy(c->frag + c->frag_len, p, n);
    c->frag_len += (uint32_t)n;
    if (fin) {
        size_t fn = c->frag_len;
        c->frag_len = 0;
        on_text(c, (const char *)c->frag, fn, t);
    }
}

static size_t consume(struct conn *c, uint8_t *b, size_t len, uint64_t t)
{
    size_t off = 0;
    if (c->state == S_HTTP) {
        uint8_t *e = memmem(b, len, "\r\n\r\n", 4);
        if (!e)
            return 0;
        if (len < 12 || memcmp(b, "HTTP/1.1 101", 12) || !memmem(b, (size_t)(e - b), WS_ACCEPT, sizeof WS_ACCEPT - 1)) {
            if (g.n_failed < 3)
                fprintf(stderr, "sioload: bad upgrade answer: %.40s\n", (char *)b);
            conn_fail(c);
            return len;
        }
        off = (size_t)(e - b) + 4;
        if (opt.raw)
            become_ready(c);
        else
            c->state = S_EIO;
    }
    while (len - off >= 2 && c->state != S_DEAD) {
        uint8_t *p = b + off;
        size_t h = 2, n = p[1] & 127;
        if (n == 126) {
            if (len - off < 4)
                break;
            n = (size_t)p[2] << 8 | p[3];
            h = 4;
        } else if (n == 127) {
            if (len - off < 10)
                break;
            n = 0;
            for (int i = 2; i < 10; i++)
                n = n << 8 | p[i];
            h = 10;
        }
        if (len - off < h + n)
            break;
        off += h + n;
        on_frame(c, p[0] & 15, p[0] & 0x80, p + h, n, t);
    }
    return off;
}

static void conn_readable(struct conn *c)
{
    size_t have = c->in_len;
    if (have > RBUF_SIZE / 2) {
        conn_fail(c);
        return;
    }
    if (have)
        memcpy(rbuf, c->in, have);
    g.c_reads++;
    ssize_t r = recv(c->fd, rbuf + have, RBUF_SIZE - have, MSG_DONTWAIT);
    if (r <= 0) {
        if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        conn_fail(c);
        return;
    }
    g.c_bytes_in += (uint64_t)r;
    uint64_t t = now_ns();
    size_t len = have + (size_t)r;
    size_t used = consume(c, rbuf, len, t);
    flush_obuf(c);
    if (c->state == S_DEAD)
        return;
    c->in_len = (uint32_t)(len - used);
    if (c->in_len) {
        if (c->in_len > c->in_cap) {
            c->in_cap = c->in_len * 2;
            c->in = xrealloc(c->in, c->in_cap);
        }
        memcpy(c->in, rbuf + used, c->in_len);
    }
}

static void send_upgrade(struct conn *c)
{
    char b[512];
    int n = snprintf(b, sizeof b,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
                     opt.path, opt.host, opt.port);
    c->state = S_HTTP;
    conn_write(c, (uint8_t *)b, (size_t)n);
}

void open_conn(struct conn *c)
{
    static unsigned src;
    struct sockaddr_in a = {.sin_family = AF_INET};
    c->t_start = now_ns();
    c->state = S_CONNECTING;
    c->want_out = false;
    c->in_len = c->out_len = c->out_off = c->frag_len = 0;
    g.n_opened++;
    g.n_pending++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (opt.src_addrs > 1) {
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + src++ % (unsigned)opt.src_addrs);
        if (bind(c->fd, (struct sockaddr *)&a, sizeof a) < 0)
            die("bind: %s", strerror(errno));
    }
    a.sin_port = htons((uint16_t)(c->pub ? opt.pub_port : opt.port));
    if (inet_pton(AF_INET, opt.host, &a.sin_addr) != 1)
        die("--host must be an IPv4 address");
    int r = connect(c->fd, (struct sockaddr *)&a, sizeof a);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (r == 0) {
        ev.events = EPOLLIN;
        epoll_ctl(g.ep, EPOLL_CTL_ADD, c->fd, &ev);
        send_upgrade(c);
        return;
    }
    if (errno != EINPROGRESS)
        die("connect: %s", strerror(errno));
    c->want_out = true;
    epoll_ctl(g.ep, EPOLL_CTL_ADD, c->fd, &ev);
}

void on_event(struct conn *c, uint32_t ev)
{
    if (c->state == S_DEAD || c->fd < 0)
        return;
    if (c->state == S_CONNECTING) {
        int err = 0;
        socklen_t l = sizeof err;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
        if (err) {
            if (g.n_failed < 3)
                fprintf(stderr, "sioload: connect: %s\n", strerror(err));
            conn_fail(c);
            return;
        }
        if (!(ev & EPOLLOUT))
            return;
        set_out(c, false);
        send_upgrade(c);
        return;
    }
    if (ev & EPOLLOUT)
        conn_writable(c);
    if (c->state != S_DEAD && (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        conn_readable(c);
}
