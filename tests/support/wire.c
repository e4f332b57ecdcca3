#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#include "clock.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct aivo_transport *const t = &aivo_transport_lws;

struct aivo_transport_request wire_request(uint16_t port)
{
    return (struct aivo_transport_request){.host = "127.0.0.1",
                                           .port = port,
                                           .path = "/",
                                           .proxy = "",
                                           .connect_timeout_ms = 5000,
                                           .max_message_bytes = 4 << 20,
                                           .max_unsent_bytes = 4 << 20};
}

struct aivo_net *wire_net(void)
{
    struct aivo_net *net = NULL;
    struct aivo_error err = {0};
    if (t->create(&net, &err) != AIVO_OK)
        fail_msg("%s", err.message);
    return net;
}

void wire_start(struct wire *w, struct aivo_net *net)
{
    *w = (struct wire){.net = net ? net : wire_net()};
}

static void opened(void *user)
{
    struct wire *w = user;
    w->opened++;
    w->open_us = aivo_clock_us();
    if (w->on_open)
        w->on_open(w);
}

static void message(void *user, const char *data, size_t len, bool binary)
{
    struct wire *w = user;
    if (w->messages < WIRE_MESSAGES) {
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, data, len);
        copy[len] = 0;
        w->got[w->messages].data = copy;
        w->got[w->messages].len = len;
        w->got[w->messages].binary = binary;
    }
    w->messages++;
    if (w->on_message)
        w->on_message(w, data, len);
}

static void pong(void *user, const void *payload, size_t len)
{
    struct wire *w = user;
    w->pong_us = aivo_clock_us();
    w->pong_len = len;
    memcpy(w->pong, payload, len);
    w->pongs++;
    if (w->on_pong)
        w->on_pong(w);
}

static void closed(void *user, const struct aivo_error *why)
{
    struct wire *w = user;
    w->closed++;
    w->closed_us = aivo_clock_us();
    w->why = *why;
    if (w->on_closed)
        w->on_closed(w);
    w->conn = NULL;
}

void wire_connect(struct wire *w, const struct aivo_transport_request *request)
{
    static const struct aivo_transport_events events = {opened, message, pong, closed};
    struct aivo_error err = {0};
    if (t->connect(w->net, request, &events, w, &w->conn, &err) != AIVO_OK)
        fail_msg("connect: %s", err.message);
}

void wire_until_(struct wire *w, const unsigned *counter, unsigned n, const char *what, const char *file, int line)
{
    int64_t limit_us = aivo_clock_us() + 10000000;
    while (*counter < n) {
        if (aivo_clock_us() >= limit_us || (w->closed && counter != &w->closed)) {
            print_error("%s:%d: waiting for %u x %s, had %u; closed: %s\n", file, line, n, what, *counter,
                        w->closed ? w->why.message : "no");
            _fail(file, line);
        }
        t->turn(w->net, limit_us);
    }
}

void wire_turn_ms(struct wire *w, unsigned ms)
{
    int64_t until_us = aivo_clock_us() + (int64_t)ms * 1000;
    while (aivo_clock_us() < until_us)
        t->turn(w->net, until_us);
}

void wire_free(struct wire *w)
{
    t->abort(w->conn);
    w->conn = NULL;
    for (unsigned i = 0; i < WIRE_MESSAGES; i++)
        free(w->got[i].data);
}
