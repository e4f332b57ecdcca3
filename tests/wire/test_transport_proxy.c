#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "certs.h"
#include "net.h"
#include "wire.h"
#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct aivo_transport *const t = &aivo_transport_lws;
static struct certs certs;

static void echo_script(struct peer_conn *c, void *user)
{
    if ((!user || peer_tls(c, user)) && peer_upgrade(c))
        peer_echo(c);
}

/* What the scripted proxy does, and what it saw. */
struct proxy {
    const char *answer; /* NULL: 200 and a tunnel; "": none, ever */
    char seen[8192];
};

/* Copies both ways until either side ends. */
static void relay(struct peer_conn *c, int other)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    char data[4096];
    while (!peer_stopping(c) && poll(p, 2, 100) >= 0)
        for (int i = 0; i < 2; i++) {
            if (!p[i].revents)
                continue;
            ssize_t n = recv(p[i].fd, data, sizeof data, 0);
            if (n <= 0 || send(p[1 - i].fd, data, (size_t)n, MSG_NOSIGNAL) != n)
                return;
        }
}

static void proxy_script(struct peer_conn *c, void *user)
{
    struct proxy *proxy = user;
    unsigned port = 0;
    if (!peer_head(c))
        return;
    snprintf(proxy->seen, sizeof proxy->seen, "%s", c->head);
    if (proxy->answer && !*proxy->answer) {
        peer_hang(c);
        return;
    }
    if (proxy->answer) {
        peer_text(c, proxy->answer);
        peer_drain(c);
        return;
    }
    /* wherever the name may point, the test's server is on this machine */
    const char *colon = strchr(c->head, ':');
    sscanf(colon ? colon : ":0", ":%u", &port);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(other, (struct sockaddr *)&at, sizeof at) == 0 &&
        peer_text(c, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"))
        relay(c, other);
    close(other);
}

static char *proxy_url(struct peer *peer, const char *credentials)
{
    static char url[128];
    snprintf(url, sizeof url, "http://%s127.0.0.1:%u", credentials, peer_port(peer));
    return url;
}

static void echo_through(struct wire *w)
{
    wire_until(w, opened, 1);
    assert_int_equal(t->send(w->conn, "through", 7, false), AIVO_OK);
    wire_until(w, messages, 1);
    assert_string_equal(w->got[0].data, "through");
}

/* ws and wss through CONNECT, with the name as the proxy shall resolve it, and with credentials. */
static void test_tunnel(void **state)
{
    (void)state;
    struct peer_tls_files files = {.cert = certs.name_only, .key = certs.key};
    struct proxy proxy = {0};
    for (int tls = 0; tls < 2; tls++) {
        struct peer *server = peer_start(echo_script, tls ? &files : NULL);
        struct peer *peer = peer_start(proxy_script, &proxy);
        struct wire w;
        char wanted[128];
        wire_start(&w, NULL);
        struct aivo_transport_request request = wire_request(peer_port(server));
        request.proxy = proxy_url(peer, tls ? "joe:p%40ss@" : "");
        request.host = "good.example"; /* no look-up of it is made here */
        request.tls = tls;
        request.tls_options.ca_file = certs.ca;
        wire_connect(&w, &request);
        echo_through(&w);
        snprintf(wanted, sizeof wanted, "CONNECT good.example:%u HTTP/1.1\r\nHost: good.example:%u\r\n",
                 peer_port(server), peer_port(server));
        assert_int_equal(strncmp(proxy.seen, wanted, strlen(wanted)), 0);
        if (tls)
            assert_non_null(strstr(proxy.seen, "\r\nProxy-Authorization: Basic am9lOnBAc3M=\r\n"));
        else
            assert_null(strstr(proxy.seen, "Proxy-Authorization"));
        assert_int_equal(peer_accepted(server), 1);
        wire_free(&w);
        t->destroy(w.net);
        peer_stop(peer);
        peer_stop(server);
    }
}

static void refused_by(struct proxy *proxy, const char *credentials, enum aivo_status status, int code,
                       const char *text)
{
    struct peer *peer = peer_start(proxy_script, proxy);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(4003);
    request.host = "good.example";
    request.proxy = proxy_url(peer, credentials);
    request.connect_timeout_ms = 300;
    wire_connect(&w, &request);
    wire_until(&w, closed, 1);
    if (w.why.status != status || w.why.code != code || !strstr(w.why.message, text))
        fail_msg("%d %d %s", w.why.status, w.why.code, w.why.message);
    assert_null(strstr(w.why.message, "secret"));
    wire_free(&w);
    t->destroy(w.net);
    peer_stop(peer);
}

/* A proxy that refuses, babbles, hangs up, speaks out of turn or never answers. */
static void test_refusals(void **state)
{
    (void)state;
    refused_by(&(struct proxy){.answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"}, "",
               AIVO_E_PROXY, 407, "answered 407 Proxy Authentication Required; it wants a user name and password");
    refused_by(&(struct proxy){.answer = "HTTP/1.0 407 Auth\r\n\r\n"}, "joe:secret@", AIVO_E_PROXY, 407,
               "its user name or password is wrong");
    refused_by(&(struct proxy){.answer = "HTTP/1.1 403 Forbidden\r\n\r\n<html>"}, "", AIVO_E_PROXY, 403,
               "403 Forbidden; its rules forbid this host or port");
    refused_by(&(struct proxy){.answer = "HTTP/1.1 503 No\r\n\r\n"}, "", AIVO_E_PROXY, 503, "answered 503 No");
    refused_by(&(struct proxy){.answer = "\x05\xff"}, "", AIVO_E_PROXY, 0, "does not answer as an HTTP proxy");
    refused_by(&(struct proxy){.answer = "HTTP/1.1 200 OK\r\n\r\nsurprise"}, "", AIVO_E_PROXY, 200,
               "sent something before we did");
    refused_by(&(struct proxy){.answer = ""}, "", AIVO_E_TIMEOUT, 0,
               "timed out after 300 ms waiting for the answer to CONNECT of the proxy 127.0.0.1:");
}

/* A proxy that is not there, or whose name is not: both are the proxy's fault, not the server's. */
static void test_no_proxy_there(void **state)
{
    (void)state;
    struct peer *peer = peer_start(echo_script, NULL);
    char *url = proxy_url(peer, "");
    peer_stop(peer);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(4003);
    request.proxy = url;
    wire_connect(&w, &request);
    wire_until(&w, closed, 1);
    assert_int_equal(w.why.status, AIVO_E_PROXY);
    assert_int_equal(w.why.code, ECONNREFUSED);
    assert_non_null(strstr(w.why.message, "cannot connect to the proxy 127.0.0.1:"));
    wire_free(&w);
    struct aivo_error err = {0};
    request.proxy = "socks5://127.0.0.1:1";
    static const struct aivo_transport_events none = {0};
    assert_int_equal(t->connect(w.net, &request, &none, NULL, &w.conn, &err), AIVO_E_INVALID);
    t->destroy(w.net);
}

/* The environment: its proxy is used, not for hosts in no_proxy, not for loopback, not if the option says none. */
static void test_environment(void **state)
{
    (void)state;
    struct proxy proxy = {0};
    struct peer *server = peer_start(echo_script, NULL), *peer = peer_start(proxy_script, &proxy);
    static const char *const names[] = {"http_proxy",  "https_proxy", "no_proxy",      "HTTP_PROXY",
                                        "HTTPS_PROXY", "NO_PROXY",    "REQUEST_METHOD"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    static const struct {
        const char *variable, *no_proxy, *method, *host, *option;
        bool used;
    } rows[] = {
        {"http_proxy", NULL, NULL, "good.example", NULL, true},
        {"HTTP_PROXY", NULL, NULL, "good.example", NULL, true},
        {"HTTP_PROXY", NULL, "GET", "good.example", NULL, false},
        {"https_proxy", NULL, NULL, "good.example", NULL, false}, /* the request is plain ws */
        {"http_proxy", "example", NULL, "good.example", NULL, false},
        {"http_proxy", "other.example", NULL, "good.example", NULL, true},
        {"http_proxy", NULL, NULL, "127.0.0.1", NULL, false},
        {"http_proxy", NULL, NULL, "good.example", "", false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned before = peer_accepted(peer);
        setenv(rows[i].variable, proxy_url(peer, ""), 1);
        if (rows[i].no_proxy)
            setenv("NO_PROXY", rows[i].no_proxy, 1);
        if (rows[i].method)
            setenv("REQUEST_METHOD", rows[i].method, 1);
        struct wire w;
        wire_start(&w, NULL);
        struct aivo_transport_request request = wire_request(peer_port(server));
        request.host = rows[i].host;
        request.proxy = rows[i].option;
        request.connect_timeout_ms = 1000;
        wire_connect(&w, &request);
        while (!w.opened && !w.closed)
            t->turn(w.net, INT64_MAX);
        if ((peer_accepted(peer) > before) != rows[i].used)
            fail_msg("row %u: %s", i, w.why.message);
        wire_free(&w);
        t->destroy(w.net);
        unsetenv(rows[i].variable);
        unsetenv("NO_PROXY");
        unsetenv("REQUEST_METHOD");
    }
    peer_stop(peer);
    peer_stop(server);
}

/* ---- tinyproxy: a proxy that nobody here wrote ---- */

static pid_t tinyproxy(const char *rules, uint16_t *port)
{
    char config[96], text[512];
    snprintf(config, sizeof config, "%s/tinyproxy.conf", certs.dir);
    struct peer *free_port = peer_start(echo_script, NULL); /* tinyproxy cannot bind port 0 and say which */
    *port = peer_port(free_port);
    peer_stop(free_port);
    FILE *file = fopen(config, "w");
    assert_non_null(file);
    snprintf(text, sizeof text, "Port %u\nListen 127.0.0.1\nTimeout 60\nMaxClients 10\nAllow 127.0.0.1\n%s", *port,
             rules);
    fputs(text, file);
    fclose(file);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        dup2(null, 2);
        execlp("tinyproxy", "tinyproxy", "-d", "-c", config, (char *)NULL);
        _exit(127);
    }
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 250; i++) { /* until it listens */
        int status, fd = socket(AF_INET, SOCK_STREAM, 0);
        int connected = connect(fd, (struct sockaddr *)&at, sizeof at);
        close(fd);
        if (connected == 0)
            return pid;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return 0;
        usleep(20000);
    }
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return 0;
}

static void end(pid_t pid)
{
    char config[96];
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    snprintf(config, sizeof config, "%s/tinyproxy.conf", certs.dir);
    unlink(config);
}

/* Through tinyproxy with a password: wss works; a wrong password and a forbidden port are told apart. */
static void test_tinyproxy(void **state)
{
    (void)state;
    struct peer_tls_files files = {.cert = certs.server, .key = certs.key};
    struct peer *server = peer_start(echo_script, &files);
    char rules[128], url[128];
    uint16_t port;
    snprintf(rules, sizeof rules, "BasicAuth joe secret\nConnectPort %u\n", peer_port(server));
    pid_t pid = tinyproxy(rules, &port);
    if (!pid) {
        peer_stop(server);
        print_message("SKIP: tinyproxy is not installed\n");
        skip();
    }
    static const struct {
        const char *credentials;
        bool other_port;
        int code; /* 0: it opens */
    } rows[] = {{"joe:secret@", false, 0}, {"joe:wrong@", false, 401}, {"", false, 407}, {"joe:secret@", true, 403}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire w;
        wire_start(&w, NULL);
        struct aivo_transport_request request = wire_request(rows[i].other_port ? 1 : peer_port(server));
        snprintf(url, sizeof url, "http://%s127.0.0.1:%u", rows[i].credentials, port);
        request.proxy = url;
        request.tls = true;
        request.tls_options.ca_file = certs.ca;
        wire_connect(&w, &request);
        if (rows[i].code == 0) {
            echo_through(&w);
        } else {
            wire_until(&w, closed, 1);
            if (w.why.status != AIVO_E_PROXY || w.why.code != rows[i].code)
                fail_msg("row %u: %d %d %s", i, w.why.status, w.why.code, w.why.message);
        }
        wire_free(&w);
        t->destroy(w.net);
    }
    end(pid);
    peer_stop(server);
}

static int setup(void **state)
{
    (void)state;
    certs_make(&certs);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    certs_free(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel),      cmocka_unit_test(test_refusals),  cmocka_unit_test(test_no_proxy_there),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_tinyproxy),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
