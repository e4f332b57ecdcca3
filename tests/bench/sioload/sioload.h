/*
 * sioload: a load generator for Socket.IO servers (Engine.IO v4 over WebSocket, Socket.IO v5). One thread, epoll, libc
 * only. One read and at most one send for each readiness event; frames are built and masked in one shared buffer, so
 * the steady state allocates nothing.
 *
 *   ack               emit with acknowledgement; closed loop (--inflight), or open loop (--rate; latency counted from
 *                     the intended send time, so a stalled server cannot hide its stalls)
 *   idle              open --conns connections, hold them, report memory
 *   storm             connect, handshake, authenticate, close, again and again
 *   fanout            one publisher, --conns listeners, count deliveries
 *   broadcast-listen  listeners only (the publisher is somewhere else)
 *
 * --raw speaks plain WebSocket echo instead of Socket.IO, with the same frame sizes.
 */
#ifndef SIOLOAD_H
#define SIOLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define MAX_PIDS  16
#define RBUF_SIZE (1u << 20)
#define OBUF_SIZE (1u << 20)
#define NSEC      1000000000ull
#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="     /* RFC 6455 section 1.3 */
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* the matching answer */

enum mode { M_ACK, M_IDLE, M_STORM, M_FANOUT, M_LISTEN };
enum state { S_NONE, S_CONNECTING, S_HTTP, S_EIO, S_SIO, S_READY, S_CLOSING, S_DEAD };
enum closing { CLOSE_WS, CLOSE_RST };

/* What the command line says. */
struct options {
    const char *host, *path, *secret, *event, *bevent, *expect, *label, *mode_name;
    int port, pub_port, conns, payload, inflight, npids, ramp, src_addrs;
    int max_outstanding, pending_max;
    double duration, warmup, rate;
    enum mode mode;
    enum closing close;
    bool raw, json, spin;
    pid_t pids[MAX_PIDS];
};
extern struct options opt;
void read_options(int argc, char **argv);

struct conn {
    int fd;
    uint8_t state;
    bool want_out, pub;
    uint32_t idx;
    uint8_t *in;
    uint32_t in_len, in_cap;
    uint8_t *out;
    uint32_t out_off, out_len, out_cap;
    uint8_t *frag; /* message being reassembled */
    uint32_t frag_len, frag_cap;
    uint64_t *ring; /* start times of outstanding acknowledgements: over [oldest, next) by id; 0 is answered */
    uint32_t ring_cap;
    uint64_t oldest, next;
    uint32_t inflight;
    uint64_t due; /* open loop: messages due so far */
    uint64_t t_start;
};

/* What the parts share while it runs. */
struct load {
    int ep;
    struct conn *conns, *publisher;
    unsigned n_all; /* conns plus the publisher */
    unsigned n_ready, n_opened, n_pending, n_failed, n_dropped;
    char *msg_tail; /* ["event",{...}] */
    size_t msg_tail_len;
    char bprefix[128]; /* 42["bench:event", */
    size_t bprefix_len;
    bool sending, in_window, want_hs_lat;
    uint64_t win_from, win_to; /* latency window (intended times) */
    uint64_t ol_t0;            /* open loop: origin, */
    double ol_step;            /* ns between messages, */
    uint64_t ol_next;          /* number of the next one */
    uint64_t c_acks, c_sent, c_err_ack, c_events, c_deliv, c_hs, c_bytes_in, c_pings, c_reads, c_writes;
    uint64_t f_sent, f_deliv; /* fan-out totals since the start */
    struct conn **again;      /* storm: to be reopened after this pass */
    size_t n_again;
    double spin_idle_s;
};
extern struct load g;

/* main.c */
uint64_t now_ns(void);
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xrealloc(void *p, size_t n);

/* token.c: "40{...}" with a token of its own, for each of n */
extern char **connect_pkt;
extern unsigned n_connect_pkt;
void make_connect_packets(unsigned n);

/* histogram.c */
extern uint64_t hist_n, hist_max;
extern long double hist_sum;
void hist_add(uint64_t v);
double hist_us(double q); /* upper edge of the bucket */
void hist_reset(void);

/* measure.c */
struct snap {
    uint64_t t;
    double srv[MAX_PIDS], srv_all, self, busy_all, steal;
    double spin_idle;
    long rss, pss, tcp_kb;
};
void take_snap(struct snap *s, bool mem);

/* connection.c */
void seed(uint64_t value);
void open_conn(struct conn *c);
void on_event(struct conn *c, uint32_t ev);
void put_frame(struct conn *c, int opcode, const char *a, size_t an, const char *b, size_t bn);
void put_emit(struct conn *c, uint64_t t); /* stamped with its start time */
void flush_obuf(struct conn *c);

/* load.c */
void pump(uint64_t wait_ns); /* one pass of the event loop; waits at most so long */
void run_until(uint64_t end);
void connect_all(void); /* everything that should stay open, never too many at once */

/* report.c */
extern FILE *hum;
extern char js[8192];
void jadd(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void rnum(const char *name, double v, const char *unit);
void report_latency(const char *prefix);
void report_cpu(const struct snap *a, const struct snap *b, double units, const char *unit);

#endif
