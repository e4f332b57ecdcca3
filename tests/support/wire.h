/* One connection under test: turns the loop and notes what happened. */
#ifndef AIVO_TESTS_WIRE_H
#define AIVO_TESTS_WIRE_H

#include "peer.h"
#include "transport.h"

#define WIRE_MESSAGES 64

struct wire {
    struct aivo_net *net;
    struct aivo_conn *conn; /* NULL once closed() came */
    unsigned opened, messages, pongs, closed;
    struct aivo_error why;
    struct {
        char *data;
        size_t len;
        bool binary;
    } got[WIRE_MESSAGES]; /* the first ones */
    char pong[126];
    size_t pong_len;
    int64_t open_us, pong_us, closed_us;
    void (*on_open)(struct wire *w);
    void (*on_message)(struct wire *w, const char *data, size_t len);
    void (*on_pong)(struct wire *w);
    void (*on_closed)(struct wire *w);
    void *user;
};

/* A request to 127.0.0.1 with plain defaults, 5 s to connect, no proxy. */
struct aivo_transport_request wire_request(uint16_t port);
void wire_start(struct wire *w, struct aivo_net *net); /* zeroes it; net NULL: makes one */
struct aivo_net *wire_net(void);
void wire_connect(struct wire *w, const struct aivo_transport_request *request); /* fails the test if it is refused */
/* Turns until *counter is at least n; fails the test after 10 s. */
#define wire_until(w, counter, n) wire_until_((w), &(w)->counter, (n), #counter, __FILE__, __LINE__)
void wire_until_(struct wire *w, const unsigned *counter, unsigned n, const char *what, const char *file, int line);
void wire_turn_ms(struct wire *w, unsigned ms);
void wire_free(struct wire *w); /* what was noted; aborts the connection if it stands */

#endif
