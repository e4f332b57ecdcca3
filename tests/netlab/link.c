#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MTU_MAX 2048

struct packet {
    int64_t due_us;
    uint64_t order;
    uint16_t len;
    bool up;
    unsigned char data[MTU_MAX];
};

struct way_state {
    bool bad;        /* Gilbert-Elliott */
    int64_t last_us; /* the packet before is delivered then */
    int64_t free_us; /* the rate's line is free then */
    uint32_t end;    /* of the TCP data seen so far */
};

struct flow {
    struct link_count count[2]; /* 0 down, 1 up */
    struct way_state state[2];
    bool hole;
    int64_t hole_us;
};

struct link {
    int fd[2]; /* 0 near, 1 far */
    int wake[2];
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    struct link_way way[LINK_CONDITIONS][2];
    struct flow flow[LINK_CONDITIONS][LINK_FLOWS];
    uint64_t random, order, overflow;
    struct packet *packets; /* LINK_PACKETS of them */
    uint32_t *heap, *spare; /* indices: on their way by due time; unused */
    size_t heap_len, spare_len;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* 0..1, splitmix64 */
static double chance(struct link *l)
{
    uint64_t x = l->random += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (double)((x ^ x >> 31) >> 11) / 9007199254740992.0;
}

/* ---- the packets on their way: a heap by due time ---- */

static bool before(const struct link *l, uint32_t a, uint32_t b)
{
    const struct packet *p = &l->packets[a], *q = &l->packets[b];
    return p->due_us != q->due_us ? p->due_us < q->due_us : p->order < q->order;
}

static void heap_push(struct link *l, uint32_t index)
{
    size_t at = l->heap_len++;
    for (; at > 0 && before(l, index, l->heap[(at - 1) / 2]); at = (at - 1) / 2)
        l->heap[at] = l->heap[(at - 1) / 2];
    l->heap[at] = index;
}

static uint32_t heap_pop(struct link *l)
{
    uint32_t top = l->heap[0], last = l->heap[--l->heap_len];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= l->heap_len)
            break;
        if (child + 1 < l->heap_len && before(l, l->heap[child + 1], l->heap[child]))
            child++;
        if (!before(l, l->heap[child], last))
            break;
        l->heap[at] = l->heap[child];
        at = child;
    }
    l->heap[at] = last;
    return top;
}

/* ---- what becomes of a packet ---- */

struct tcp {
    uint32_t seq, bytes; /* of data */
    bool syn;
};

/* Conditions and flow of an IPv4 packet, and what TCP says in it; false: it is none of ours. */
static bool classify(const unsigned char *p, size_t len, bool up, int *conditions, int *flow, struct tcp *tcp)
{
    if (len < 20 || p[0] >> 4 != 4)
        return false;
    const unsigned char *far = up ? p + 16 : p + 12;
    size_t ip_len = (size_t)(p[0] & 15) * 4, total = (size_t)p[2] << 8 | p[3];
    if (far[0] != 10 || far[1] != 77 || far[2] >= LINK_CONDITIONS || far[3] >= LINK_FLOWS || total > len)
        return false;
    *conditions = far[2];
    *flow = far[3];
    *tcp = (struct tcp){.bytes = 0};
    if (p[9] != IPPROTO_TCP || total < ip_len + 20)
        return true;
    const unsigned char *head = p + ip_len;
    size_t data_at = ip_len + (size_t)(head[12] >> 4) * 4;
    tcp->seq = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
    tcp->bytes = total > data_at ? (uint32_t)(total - data_at) : 0;
    tcp->syn = head[13] & 2;
    return true;
}

static bool is_lost(struct link *l, const struct link_way *way, struct way_state *state)
{
    if (way->burst_begin > 0)
        state->bad = state->bad ? chance(l) >= way->burst_end : chance(l) < way->burst_begin;
    return chance(l) < (state->bad ? way->burst_loss : way->loss);
}

/* When it arrives; -1: the rate's buffer is full. */
static int64_t arrival(struct link *l, const struct link_way *way, struct way_state *state, size_t len, int64_t now)
{
    int64_t start = now;
    if (way->rate_bps > 0) {
        if (state->free_us < now)
            state->free_us = now;
        double waiting_bytes = (double)(state->free_us - now) * way->rate_bps / 8e6;
        if (waiting_bytes + (double)len > way->buffer_bytes)
            return -1;
        state->free_us += (int64_t)((double)len * 8e6 / way->rate_bps);
        start = state->free_us;
    }
    double delay_ms = way->delay_ms + (2 * chance(l) - 1) * way->jitter_ms;
    if (way->reorder > 0 && chance(l) < way->reorder)
        return start + (int64_t)(delay_ms * 500);
    int64_t due = start + (int64_t)(delay_ms * 1000);
    if (due < state->last_us)
        due = state->last_us;
    state->last_us = due;
    return due;
}

static void take_in(struct link *l, const unsigned char *data, size_t len, bool up, int64_t now)
{
    int conditions, flow;
    struct tcp tcp;
    if (!classify(data, len, up, &conditions, &flow, &tcp))
        return;
    bool payload = tcp.bytes > 0;
    struct flow *f = &l->flow[conditions][flow];
    struct link_count *count = &f->count[up];
    const struct link_way *way = &l->way[conditions][up];
    count->packets++;
    count->data += payload;
    if (tcp.syn) /* a connection begins, with sequence numbers of its own */
        f->state[up].end = tcp.seq + 1;
    bool first = payload && (int32_t)(tcp.seq - f->state[up].end) >= 0;
    count->first += first;
    if (first)
        f->state[up].end = tcp.seq + tcp.bytes;
    if (f->hole && payload && !f->hole_us) /* a lost answer: its question was sent before */
        f->hole_us = up ? now : now - (int64_t)(l->way[conditions][1].delay_ms * 1000);
    int64_t due = f->hole || is_lost(l, way, &f->state[up]) ? -1 : arrival(l, way, &f->state[up], len, now);
    if (due >= 0 && l->spare_len == 0) {
        l->overflow++;
        due = -1;
    }
    if (due < 0) {
        count->dropped++;
        count->data_dropped += payload;
        count->first_dropped += first;
        return;
    }
    uint32_t index = l->spare[--l->spare_len];
    struct packet *p = &l->packets[index];
    p->due_us = due;
    p->order = l->order++;
    p->up = up;
    p->len = (uint16_t)len;
    memcpy(p->data, data, len);
    heap_push(l, index);
}

static void read_all(struct link *l, bool up)
{
    unsigned char data[MTU_MAX];
    for (int i = 0; i < 256; i++) {
        ssize_t n = read(l->fd[up ? 0 : 1], data, sizeof data);
        if (n <= 0)
            return;
        pthread_mutex_lock(&l->lock);
        take_in(l, data, (size_t)n, up, now_us());
        pthread_mutex_unlock(&l->lock);
    }
}

/* Delivers what is due; returns how many us until the next, -1: nothing is on its way. */
static int64_t deliver(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    int64_t left = -1;
    while (l->heap_len > 0) {
        const struct packet *p = &l->packets[l->heap[0]];
        left = p->due_us - now_us();
        if (left > 0)
            break;
        uint32_t index = heap_pop(l);
        p = &l->packets[index];
        ssize_t n = write(l->fd[p->up ? 1 : 0], p->data, p->len);
        (void)n; /* a device that is down drops it */
        l->spare[l->spare_len++] = index;
        left = -1;
    }
    pthread_mutex_unlock(&l->lock);
    return left;
}

static void *run(void *user)
{
    struct link *l = user;
    for (;;) {
        int64_t left = deliver(l);
        struct timespec wait = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
        struct pollfd fds[3] = {{l->fd[0], POLLIN, 0}, {l->fd[1], POLLIN, 0}, {l->wake[0], POLLIN, 0}};
        if (ppoll(fds, 3, left < 0 ? NULL : &wait, NULL) < 0 && errno != EINTR)
            return NULL;
        if (fds[2].revents)
            return NULL;
        if (fds[0].revents & POLLIN)
            read_all(l, true);
        if (fds[1].revents & POLLIN)
            read_all(l, false);
    }
}

struct link *link_create(int near, int far, uint64_t seed)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->fd[0] = near;
    l->fd[1] = far;
    l->random = seed;
    l->packets = calloc(LINK_PACKETS, sizeof *l->packets);
    l->heap = calloc(LINK_PACKETS, sizeof *l->heap);
    l->spare = calloc(LINK_PACKETS, sizeof *l->spare);
    pthread_mutex_init(&l->lock, NULL);
    for (; l->spare && l->spare_len < LINK_PACKETS; l->spare_len++)
        l->spare[l->spare_len] = (uint32_t)l->spare_len;
    if (!l->packets || !l->heap || !l->spare || pipe(l->wake) != 0) {
        free(l->packets);
        free(l->heap);
        free(l->spare);
        free(l);
        return NULL;
    }
    if (pthread_create(&l->thread, NULL, run, l) != 0)
        abort(); /* a test program without threads is of no use */
    return l;
}

void link_destroy(struct link *l)
{
    if (!l)
        return;
    ssize_t n = write(l->wake[1], "", 1);
    (void)n;
    pthread_join(l->thread, NULL);
    for (int i = 0; i < 2; i++) {
        close(l->fd[i]);
        close(l->wake[i]);
    }
    pthread_mutex_destroy(&l->lock);
    free(l->packets);
    free(l->heap);
    free(l->spare);
    free(l);
}

void link_set(struct link *l, int conditions, const struct link_way *up, const struct link_way *down)
{
    pthread_mutex_lock(&l->lock);
    l->way[conditions][1] = *up;
    l->way[conditions][0] = *down;
    pthread_mutex_unlock(&l->lock);
}

void link_hole(struct link *l, int conditions, int flow, bool on)
{
    pthread_mutex_lock(&l->lock);
    l->flow[conditions][flow].hole = on;
    l->flow[conditions][flow].hole_us = 0;
    pthread_mutex_unlock(&l->lock);
}

int64_t link_hole_us(struct link *l, int conditions, int flow)
{
    pthread_mutex_lock(&l->lock);
    int64_t us = l->flow[conditions][flow].hole_us;
    pthread_mutex_unlock(&l->lock);
    return us;
}

void link_count(struct link *l, int conditions, int flow, struct link_count *up, struct link_count *down)
{
    pthread_mutex_lock(&l->lock);
    *up = l->flow[conditions][flow].count[1];
    *down = l->flow[conditions][flow].count[0];
    pthread_mutex_unlock(&l->lock);
}

uint64_t link_overflow(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    uint64_t overflow = l->overflow;
    pthread_mutex_unlock(&l->lock);
    return overflow;
}
