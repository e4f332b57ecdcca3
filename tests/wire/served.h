/*
 * aivo-server in a child process, and a blocking raw client for it: what is sent is exactly what the test says.
 * Every read has a deadline of SERVED_WAIT_MS; nothing polls.
 */
#ifndef AIVO_TESTS_SERVED_H
#define AIVO_TESTS_SERVED_H

#include "server.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SERVED_WAIT_MS 10000
#define SERVED_BUFFER  (256 * 1024)

struct served {
    pid_t pid;
    uint16_t port;
};

/* Runs the server with these settings ("NAME=value"..., NULL), on any port unless they set PORT, with --conformance
 * unless they set NEXTAUTH_SECRET. */
static inline void served_child(const char *const *settings, int report)
{
    struct srv_config config = {0};
    struct srv_config_outcome outcome = {0};
    bool secret = false, port = false;
    for (const char *const *s = settings; *s; s++) {
        secret |= strncmp(*s, "NEXTAUTH_SECRET=", 16) == 0;
        port |= strncmp(*s, "PORT=", 5) == 0;
    }
    const char *argv[] = {"aivo-server", NULL, NULL, NULL};
    int argc = 1;
    if (!port)
        argv[argc++] = "--port=0";
    if (!secret)
        argv[argc++] = "--conformance";
    srv_config_load(&config, argc, argv, settings, &outcome);
    if (outcome.err.len)
        fwrite(outcome.err.data, 1, outcome.err.len, stderr);
    bool run = outcome.action == SRV_CONFIG_RUN;
    srv_config_outcome_free(&outcome);
    static struct srv_server server;
    char error[512] = "";
    if (!run || !srv_server_start(&server, &config, error, sizeof error)) {
        fprintf(stderr, "server: %s\n", error);
        _exit(99);
    }
    if (write(report, &server.port, sizeof server.port) != sizeof server.port)
        _exit(98);
    close(report);
    int code = srv_server_run(&server);
    srv_server_stop(&server);
    srv_config_free(&config);
    exit(code);
}

static inline struct served served_start(const char *const *settings)
{
    static const char *const none[] = {NULL};
    struct served s = {0};
    int report[2];
    assert_int_equal(pipe(report), 0);
    fflush(NULL);
    s.pid = fork();
    assert_true(s.pid >= 0);
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not stop its server: it ends with the test */
        close(report[0]);
        served_child(settings ? settings : none, report[1]);
    }
    close(report[1]);
    assert_int_equal(read(report[0], &s.port, sizeof s.port), sizeof s.port);
    close(report[0]);
    return s;
}

/* SIGTERM; the server must end with 0. */
static inline void served_stop(struct served *s)
{
    int status = -1;
    kill(s->pid, SIGTERM);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static inline uint64_t served_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* CPU time the server has used so far, in ms. */
static inline long served_cpu_ms(const struct served *s)
{
    char path[64], line[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)s->pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    char *p = strrchr(line, ')');
    assert_non_null(p);
    long user = 0, system = 0;
    int field = 2;
    for (char *word = strtok(p + 1, " "); word; word = strtok(NULL, " ")) {
        field++;
        if (field == 14)
            user = atol(word);
        if (field == 15)
            system = atol(word);
    }
    return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

static inline int served_connect(const struct served *s)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&a, sizeof a), 0);
    const int on = 1; /* a frame goes out in two writes: the second must not wait for the delayed ACK of the first */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* The peer may have hung up already: what counts is what it answered. */
static inline void served_send(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        p += n;
        len -= (size_t)n;
    }
}

/* Up to max bytes; 0 at the end (also after a reset), -1 if nothing came in wait_ms. */
static inline ssize_t served_read(int fd, void *out, size_t max, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, wait_ms) <= 0)
        return -1;
    ssize_t n = recv(fd, out, max, 0);
    return n < 0 ? 0 : n;
}

/* --- HTTP --- */

struct served_answer {
    int status; /* 0: the connection ended without an answer; -1: no answer in time */
    char head[4096];
    char body[65536];
    size_t len;
};

/* Reads one answer with a Content-Length (or without a body). */
static inline void served_answer_wait(int fd, struct served_answer *out, int wait_ms)
{
    static char buffer[SERVED_BUFFER];
    size_t len = 0;
    memset(out, 0, sizeof *out);
    for (;;) {
        buffer[len] = '\0';
        char *end = strstr(buffer, "\r\n\r\n");
        if (end) {
            size_t head = (size_t)(end + 4 - buffer), want = 0;
            char *length = strcasestr(buffer, "\r\ncontent-length:");
            if (length && length < end)
                want = (size_t)atol(length + 17);
            if (len >= head + want && want < sizeof out->body && head < sizeof out->head) {
                memcpy(out->head, buffer, head);
                memcpy(out->body, buffer + head, want);
                out->len = want;
                out->status = atoi(buffer + 9);
                return;
            }
        }
        ssize_t n = served_read(fd, buffer + len, sizeof buffer - 1 - len, wait_ms);
        if (n <= 0) {
            out->status = n < 0 ? -1 : 0;
            return;
        }
        len += (size_t)n;
    }
}

static inline void served_answer(int fd, struct served_answer *out)
{
    served_answer_wait(fd, out, SERVED_WAIT_MS);
}

/* Sends a request; body NULL is none. more: further header lines, each with its end. */
static inline void served_request(int fd, const char *method, const char *path, const char *more, const char *body)
{
    char head[2048];
    int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, more ? more : "");
    if (body)
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n", strlen(body));
    n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
    served_send(fd, head, (size_t)n);
    if (body)
        served_send(fd, body, strlen(body));
}

/* The whole exchange on a connection of its own. */
static inline void served_fetch(const struct served *s, const char *method, const char *path, const char *more,
                                const char *body, struct served_answer *out)
{
    int fd = served_connect(s);
    served_request(fd, method, path, more, body);
    served_answer(fd, out);
    close(fd);
}

/* Opens a polling session at base ("/socket.io/" or "/engine.io/"); path receives its path with the sid. */
static inline void served_handshake(const struct served *s, const char *base, char *path, size_t size)
{
    struct served_answer a;
    char first[128];
    snprintf(first, sizeof first, "%s?EIO=4&transport=polling", base);
    served_fetch(s, "GET", first, NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    char *sid = strstr(a.body, "\"sid\":\"");
    assert_non_null(sid);
    snprintf(path, size, "%s&sid=%.20s", first, sid + 7);
}

/* --- WebSocket --- */

struct served_frame {
    int opcode; /* -1: the connection ended; -2: nothing in time */
    char data[65536];
    size_t len;
};

static inline void served_read_all(int fd, void *out, size_t len, int wait_ms, int *opcode)
{
    char *p = out;
    while (len && *opcode >= 0) {
        ssize_t n = served_read(fd, p, len, wait_ms);
        if (n <= 0) {
            *opcode = n < 0 ? -2 : -1;
            return;
        }
        p += n;
        len -= (size_t)n;
    }
}

static inline void served_frame_wait(int fd, struct served_frame *f, int wait_ms)
{
    unsigned char head[10] = {0};
    f->len = 0;
    f->opcode = 0;
    served_read_all(fd, head, 2, wait_ms, &f->opcode);
    size_t len = head[1];
    if (len == 126) {
        served_read_all(fd, head + 2, 2, wait_ms, &f->opcode);
        len = (size_t)head[2] << 8 | head[3];
    } else if (len == 127) {
        served_read_all(fd, head + 2, 8, wait_ms, &f->opcode);
        len = (size_t)head[7] << 16 | (size_t)head[8] << 8 | head[9];
    }
    if (f->opcode < 0)
        return;
    assert_true(len < sizeof f->data);
    served_read_all(fd, f->data, len, wait_ms, &f->opcode);
    f->data[len] = '\0';
    f->len = len;
    if (f->opcode >= 0)
        f->opcode = head[0] & 15;
}

/* The next text frame but Engine.IO pings; the test fails if something else comes. */
static inline void served_text(int fd, struct served_frame *f)
{
    do
        served_frame_wait(fd, f, SERVED_WAIT_MS);
    while (f->opcode == 1 && strcmp(f->data, "2") == 0);
    assert_int_equal(f->opcode, 1);
}

/* The server must close with this code. */
static inline void served_expect_close(int fd, unsigned code)
{
    static struct served_frame f;
    do
        served_frame_wait(fd, &f, SERVED_WAIT_MS);
    while (f.opcode == 1 || f.opcode == 2);
    assert_int_equal(f.opcode, 8);
    assert_int_equal((unsigned)(unsigned char)f.data[0] << 8 | (unsigned char)f.data[1], code);
}

/* A masked frame whose header says claimed bytes. */
static inline void served_frame_claim(int fd, unsigned first_byte, const void *data, size_t len, uint64_t claimed)
{
    unsigned char head[14] = {(unsigned char)first_byte};
    size_t n = 2;
    if (claimed < 126) {
        head[1] = (unsigned char)(0x80 | claimed);
    } else if (claimed < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(claimed >> 8);
        head[3] = (unsigned char)claimed;
        n = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)(claimed >> (56 - 8 * i));
        n = 10;
    }
    memcpy(head + n, "\x11\x22\x33\x44", 4);
    served_send(fd, head, n + 4);
    unsigned char *masked = malloc(len + 1);
    assert_non_null(masked);
    for (size_t i = 0; i < len; i++)
        masked[i] = ((const unsigned char *)data)[i] ^ head[n + (i & 3)];
    served_send(fd, masked, len);
    free(masked);
}

static inline void served_say(int fd, const char *text)
{
    served_frame_claim(fd, 0x81, text, strlen(text), strlen(text));
}

/* Upgrades; the answer's status is returned, its body (of a refusal) is in out. */
static inline int served_upgrade(int fd, const char *path, struct served_answer *out)
{
    char line = 0;
    size_t len = 0;
    served_request(fd, "GET", path,
                   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                   NULL);
    memset(out, 0, sizeof *out);
    while (len < sizeof out->head - 1 && !strstr(out->head, "\r\n\r\n") &&
           served_read(fd, &line, 1, SERVED_WAIT_MS) == 1)
        out->head[len++] = line;
    out->status = len > 12 ? atoi(out->head + 9) : 0;
    if (out->status != 101)
        while (out->len < sizeof out->body - 1 && served_read(fd, out->body + out->len, 1, SERVED_WAIT_MS) == 1)
            out->len++;
    return out->status;
}

/* A WebSocket whose open packet was read. */
static inline int served_ws(const struct served *s, const char *path)
{
    static struct served_answer a;
    static struct served_frame f;
    int fd = served_connect(s);
    assert_int_equal(served_upgrade(fd, path, &a), 101);
    served_text(fd, &f);
    assert_int_equal(f.data[0], '0');
    return fd;
}

#define SERVED_WS "/socket.io/?EIO=4&transport=websocket"

#endif
