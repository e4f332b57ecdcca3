#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX  64
#define CHUNK      16384
#define CHUNKS_MAX 2048 /* on their way in one direction; then it is not read */

struct chunk {
    struct chunk *next;
    int64_t due_us;
    size_t len, sent;
    char data[CHUNK];
};
struct direction {
    int from, to;
    struct chunk *first, **last;
    size_t count;
    bool ended; /* the sender has; the rest is still delivered */
};
struct pair {
    struct direction way[2];
};
struct relay {
    int listener, wake;
    uint16_t port, to_port;
    int64_t delay_us;
    pthread_t thread;
    atomic_bool stalled, cut, stopped;
    struct pair pairs[PAIRS_MAX];
    size_t pair_count;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void end_pair(struct relay *r, size_t index)
{
    struct pair *p = &r->pairs[index];
    for (int i = 0; i < 2; i++) {
        while (p->way[i].first) {
            struct chunk *next = p->way[i].first->next;
            free(p->way[i].first);
            p->way[i].first = next;
        }
    }
    close(p->way[0].from);
    close(p->way[0].to);
    r->pairs[index] = r->pairs[--r->pair_count];
    for (int i = 0; i < 2; i++) {
        struct direction *d = &r->pairs[index].way[i];
        if (!d->first)
            d->last = &d->first;
    }
}

static void accept_one(struct relay *r)
{
    int near = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (near < 0)
        return;
    struct sockaddr_in to = loopback(r->to_port);
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->pair_count == PAIRS_MAX || far < 0 || connect(far, (struct sockaddr *)&to, sizeof to) != 0) {
        close(near);
        if (far >= 0)
            close(far);
        return;
    }
    int one = 1;
    setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct pair *p = &r->pairs[r->pair_count++];
    p->way[0] = (struct direction){.from = near, .to = far};
    p->way[1] = (struct direction){.from = far, .to = near};
    p->way[0].last = &p->way[0].first;
    p->way[1].last = &p->way[1].first;
}

/* false: the connection is over. */
static bool take(struct relay *r, struct direction *d)
{
    struct chunk *c = malloc(sizeof *c);
    if (!c)
        return false;
    ssize_t n = recv(d->from, c->data, sizeof c->data, MSG_DONTWAIT);
    if (n <= 0) {
        free(c);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        d->ended = true;
        return n == 0;
    }
    c->next = NULL;
    c->len = (size_t)n;
    c->sent = 0;
    c->due_us = now_us() + r->delay_us;
    *d->last = c;
    d->last = &c->next;
    d->count++;
    return true;
}

static bool give(struct direction *d, int64_t at_us)
{
    while (d->first && d->first->due_us <= at_us) {
        struct chunk *c = d->first;
        ssize_t n = send(d->to, c->data + c->sent, c->len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->sent += (size_t)n;
        if (c->sent < c->len)
            return true;
        d->first = c->next;
        if (!d->first)
            d->last = &d->first;
        d->count--;
        free(c);
    }
    return !(d->ended && !d->first);
}

static void *run(void *user)
{
    struct relay *r = user;
    while (!atomic_load(&r->stopped)) {
        struct pollfd fds[2 + 2 * PAIRS_MAX];
        size_t n = 0;
        bool stalled = atomic_load(&r->stalled);
        int64_t due_us = INT64_MAX;
        fds[n++] = (struct pollfd){.fd = r->wake, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = r->listener, .events = POLLIN};
        for (size_t i = 0; i < r->pair_count; i++) {
            for (int w = 0; w < 2; w++) {
                struct direction *d = &r->pairs[i].way[w];
                bool reads = !stalled && !d->ended && d->count < CHUNKS_MAX;
                fds[n++] = (struct pollfd){.fd = reads ? d->from : -1, .events = POLLIN};
                if (!stalled && d->first && d->first->due_us < due_us)
                    due_us = d->first->due_us;
            }
        }
        int64_t wait_us = due_us == INT64_MAX ? 1000000 : due_us - now_us();
        wait_us = wait_us < 0 ? 0 : wait_us;
        struct timespec timeout = {.tv_sec = (time_t)(wait_us / 1000000), .tv_nsec = (long)(wait_us % 1000000) * 1000};
        if (ppoll(fds, n, &timeout, NULL) < 0 && errno != EINTR)
            break;
        uint64_t value;
        if (fds[0].revents && read(r->wake, &value, sizeof value) < 0)
            continue;
        size_t known = r->pair_count;
        if (fds[1].revents)
            accept_one(r);
        bool cut = atomic_exchange(&r->cut, false);
        stalled = atomic_load(&r->stalled);
        for (size_t i = r->pair_count; i-- > 0;) {
            struct pair *p = &r->pairs[i];
            bool alive = !cut;
            for (int w = 0; alive && !stalled && w < 2; w++) {
                if (i < known && fds[2 + 2 * i + (size_t)w].revents)
                    alive = take(r, &p->way[w]);
                alive = alive && give(&p->way[w], now_us());
            }
            if (!alive)
                end_pair(r, i);
        }
    }
    while (r->pair_count > 0)
        end_pair(r, 0);
    return NULL;
}

struct relay *relay_start(uint16_t to_port, uint32_t round_trip_ms)
{
    struct relay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof at;
    r->to_port = to_port;
    r->delay_us = (int64_t)round_trip_ms * 500;
    r->wake = eventfd(0, EFD_CLOEXEC);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->wake < 0 || r->listener < 0 || bind(r->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(r->listener, 16) != 0 || getsockname(r->listener, (struct sockaddr *)&at, &len) != 0 ||
        pthread_create(&r->thread, NULL, run, r) != 0) {
        close(r->wake);
        close(r->listener);
        free(r);
        return NULL;
    }
    r->port = ntohs(at.sin_port);
    return r;
}

uint16_t relay_port(const struct relay *r)
{
    return r->port;
}

static void wake(struct relay *r)
{
    uint64_t one = 1;
    while (write(r->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void relay_stall(struct relay *r, bool stalled)
{
    atomic_store(&r->stalled, stalled);
    wake(r);
}

void relay_cut(struct relay *r)
{
    atomic_store(&r->cut, true);
    wake(r);
}

void relay_stop(struct relay *r)
{
    if (!r)
        return;
    atomic_store(&r->stopped, true);
    wake(r);
    pthread_join(r->thread, NULL);
    close(r->listener);
    close(r->wake);
    free(r);
}
