#include "packet_text.h"

#include "engineio.h"
#include "socketio.h"
#include <stdio.h>
#include <string.h>

#define NAME_SHOWN 48 /* bytes of an event's name or of a namespace */

static const char *const engineio_names[] = {"open", "close", "ping", "pong", "message", "upgrade", "noop"};
static const char *const socketio_names[] = {"CONNECT",       "DISCONNECT",   "EVENT",     "ACK",
                                             "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK"};

struct cursor {
    const char *at, *end;
};

static size_t digits(struct cursor *c)
{
    size_t n = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        c->at++;
        n++;
    }
    return n;
}

/* Up to a stop, without what could drive a terminal. */
static void copy_name(struct cursor *c, char stop, char out[NAME_SHOWN + 1])
{
    size_t n = 0;
    for (; c->at < c->end && *c->at != stop; c->at++)
        if (n < NAME_SHOWN)
            out[n++] = (unsigned char)*c->at < 0x20 || *c->at == 0x7f ? '?' : *c->at;
    out[n] = '\0';
}

static void socketio_text(struct cursor c, size_t len, char out[AIVO_PACKET_TEXT_MAX])
{
    char nsp[NAME_SHOWN + 1] = "", event[NAME_SHOWN + 1] = "";
    unsigned type = (unsigned)(*c.at++ - '0');
    struct cursor start = c;
    if (digits(&c) == 0 || c.at == c.end || *c.at != '-')
        c = start; /* no attachments announced: those were an ack id's digits */
    else
        c.at++;
    if (c.at < c.end && *c.at == '/') {
        copy_name(&c, ',', nsp);
        c.at += c.at < c.end;
    }
    const char *id = c.at;
    size_t id_len = digits(&c);
    if ((type == AIVO_SIO_EVENT || type == AIVO_SIO_BINARY_EVENT) && c.end - c.at > 2 && memcmp(c.at, "[\"", 2) == 0) {
        c.at += 2;
        copy_name(&c, '"', event);
    }
    snprintf(out, AIVO_PACKET_TEXT_MAX, "%s%s%s%s%s%.*s%s%s, %zu bytes", socketio_names[type], *event ? " \"" : "",
             event, *event ? "\"" : "", id_len ? ", ack " : "", (int)(id_len > 20 ? 20 : id_len), id,
             *nsp ? ", namespace " : "", nsp, len);
}

void aivo_packet_text(const char *frame, size_t len, bool binary, char out[AIVO_PACKET_TEXT_MAX])
{
    if (binary || len == 0) {
        snprintf(out, AIVO_PACKET_TEXT_MAX, "%s, %zu bytes", binary ? "binary attachment" : "empty frame", len);
        return;
    }
    struct cursor c = {frame + 1, frame + len};
    bool message = frame[0] == '4';
    if (message && c.at < c.end && *c.at >= '0' && *c.at <= '6')
        socketio_text(c, len, out);
    else if (frame[0] >= '0' && frame[0] <= '6')
        snprintf(out, AIVO_PACKET_TEXT_MAX, "%s, %zu bytes", engineio_names[frame[0] - '0'], len);
    else
        snprintf(out, AIVO_PACKET_TEXT_MAX, "no Engine.IO packet, %zu bytes", len);
}
