/*
 * A network that is a script: the client under test believes it talks to a server, and the test says what that server
 * does. Everything happens in memory; the test's calls wait (up to 10 s) for what they name and fail the test
 * otherwise. For several clients on one loop the connections are numbered in the order of their connect().
 */
#ifndef AIVO_TEST_SCRIPTED_H
#define AIVO_TEST_SCRIPTED_H

#include <aivo/aivo.h>

struct scripted;

/* A loop over a scripted network. The network lives as long as the loop. */
struct aivo_loop *scripted_loop(struct scripted **out);

/* Waits for the next connect() and returns its number, from 0. */
int scripted_wait_connect(struct scripted *s);
void scripted_open(struct scripted *s, int conn);
void scripted_say(struct scripted *s, int conn, const char *text);
void scripted_say_binary(struct scripted *s, int conn, const void *data, size_t len);
void scripted_pong(struct scripted *s, int conn, const char *payload);
void scripted_cut(struct scripted *s, int conn, enum aivo_status why);
/* open, the Engine.IO handshake, and the CONNECT's answer; returns the connection's number. */
int scripted_accept(struct scripted *s);

/* What the client wrote next on this connection, without pings: "T<text>", "B<bytes>", "C" for a close, "A" for an
 * abort. Valid until the next call. Fails the test after 10 s. */
const char *scripted_hear(struct scripted *s, int conn);
/* The same for pings: their payload. */
const char *scripted_hear_ping(struct scripted *s, int conn);
void scripted_expect(struct scripted *s, int conn, const char *written);
/* The number of things written and not yet heard, and whether reading is paused. */
size_t scripted_written(struct scripted *s, int conn);
bool scripted_wait_paused(struct scripted *s, int conn, bool paused);

#endif
