/*
 * A scripted server for tests: listens on loopback, port 0, and runs a function for each connection in a thread of its
 * own. Everything in a script blocks, up to 20 s, or until peer_stop().
 */
#ifndef AIVO_TESTS_PEER_H
#define AIVO_TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct peer;

struct peer_conn {
    struct peer *peer;
    int fd;
    void *ssl;       /* SSL *, after peer_tls() */
    char head[8192]; /* the request that peer_head() read */
    size_t begun;    /* bytes read beyond the head, in ahead */
    char ahead[8192];
};

struct peer_frame {
    unsigned opcode;
    bool fin, masked;
    char *data; /* NUL-terminated; freed by the next peer_recv() or peer_frame_free() */
    size_t len;
};

typedef void (*peer_script)(struct peer_conn *c, void *user);

struct peer *peer_start(peer_script script, void *user);
struct peer *peer_start_at(const char *ip, peer_script script, void *user); /* NULL: that address is not there */
uint16_t peer_port(const struct peer *peer);
unsigned peer_accepted(struct peer *peer); /* connections so far */
/* Cuts every connection, lets every script return, waits for their threads. */
void peer_stop(struct peer *peer);
/* Accepts no more, and waits until every script has returned by itself. peer_stop() still has to follow. */
void peer_finish(struct peer *peer);

/* Inside a script. false or <= 0: the connection is over. */
ssize_t peer_read(struct peer_conn *c, void *data, size_t len);
bool peer_read_all(struct peer_conn *c, void *data, size_t len);
bool peer_write(struct peer_conn *c, const void *data, size_t len);
bool peer_text(struct peer_conn *c, const char *text);
bool peer_head(struct peer_conn *c);    /* reads up to the empty line, into c->head */
bool peer_upgrade(struct peer_conn *c); /* head, and 101 with the right accept and no subprotocol */
bool peer_upgrade_with(struct peer_conn *c, const char *more_headers); /* each "Name: value\r\n" */
bool peer_recv(struct peer_conn *c, struct peer_frame *frame);
void peer_frame_free(struct peer_frame *frame);
bool peer_send(struct peer_conn *c, unsigned opcode, bool fin, const void *data, size_t len);
bool peer_close_frame(struct peer_conn *c, unsigned code, const char *reason);
void peer_echo(struct peer_conn *c);  /* echoes messages, answers pings, until a close frame, which it answers */
void peer_hang(struct peer_conn *c);  /* reads nothing, until the peer is stopped or the other side hangs up */
bool peer_drain(struct peer_conn *c); /* reads and drops until the end */
void peer_cut(struct peer_conn *c);   /* closes with a reset */
bool peer_stopping(struct peer_conn *c);

/* A TLS server's part on the connection; files are PEM. client_ca: a client certificate of it is demanded. */
struct peer_tls_files {
    const char *cert, *key, *client_ca;
};
bool peer_tls(struct peer_conn *c, const struct peer_tls_files *files);

#endif
