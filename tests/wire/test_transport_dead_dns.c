#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "wire.h"
#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct aivo_transport *const t = &aivo_transport_lws;

enum { GOOD = 0, NO_NAMESPACE = 77 };

static void echo_script(struct peer_conn *c, void *user)
{
    (void)user;
    if (peer_upgrade(c))
        peer_echo(c);
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A network of its own with nothing but loopback, and an /etc/resolv.conf that points at a port that never answers. */
static bool enter_namespace(const char *resolv_conf)
{
    char map[32];
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0)
        return false;
    snprintf(map, sizeof map, "0 %u 1", uid);
    if (!write_file("/proc/self/uid_map", map) || !write_file("/proc/self/setgroups", "deny"))
        return false;
    snprintf(map, sizeof map, "0 %u 1", gid);
    if (!write_file("/proc/self/gid_map", map))
        return false;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(resolv_conf, "/etc/resolv.conf", NULL, MS_BIND, NULL) != 0)
        return false;
    struct ifreq lo = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    lo.ifr_flags = IFF_UP | IFF_RUNNING;
    bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    close(fd);
    struct sockaddr_in dns = {.sin_family = AF_INET, .sin_port = htons(53)};
    dns.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_DGRAM, 0); /* open until the process ends, and never read */
    return up && fd >= 0 && bind(fd, (struct sockaddr *)&dns, sizeof dns) == 0;
}

/* In the namespace: what is wrong, or GOOD. */
static int measure(void)
{
    struct peer *peer = peer_start(echo_script, NULL);
    struct wire stuck, w;
    struct aivo_net *net = wire_net();
    struct aivo_transport_request request = wire_request(peer_port(peer));
    wire_start(&stuck, net);
    wire_start(&w, net);
    wire_connect(&w, &request);
    request.host = "dead.example";
    request.connect_timeout_ms = 1000;
    wire_connect(&stuck, &request);
    int64_t worst_us = 0;
    while (!w.opened && !w.closed)
        t->turn(net, INT64_MAX);
    for (unsigned i = 1; !stuck.closed && !w.closed; i++) {
        int64_t sent_us = aivo_clock_us();
        t->ping(w.conn, &i, sizeof i);
        while (w.pongs < i && !w.closed)
            t->turn(net, INT64_MAX);
        worst_us = w.pong_us - sent_us > worst_us ? w.pong_us - sent_us : worst_us;
        wire_turn_ms(&w, 5);
    }
    /* A loop that waited for the resolver would be gone for its 5 s and more; a busy machine alone is not that slow. */
    if (w.closed || w.pongs < 3)
        return 2;
    if (worst_us > 900000)
        return 3;
    if (stuck.why.status != AIVO_E_TIMEOUT || !strstr(stuck.why.message, "looking up the name of dead.example:")) {
        fprintf(stderr, "%s\n", stuck.why.message);
        return 4;
    }
    wire_free(&w);
    int64_t from_us = aivo_clock_us();
    t->destroy(net);
    return aivo_clock_us() - from_us > 2000000 ? 5 : GOOD;
}

/* The system's own resolver, with a name server that never answers: pings of another connection stay fast, the look-up
 * ends with its own time-out, and destroying the loop does not wait for getaddrinfo(). */
static void test_dead_name_server(void **state)
{
    (void)state;
    char path[] = "/tmp/aivo-resolv-XXXXXX";
    int fd = mkstemp(path), status = 0;
    assert_true(fd >= 0);
    close(fd);
    assert_true(write_file(path, "nameserver 127.0.0.1\n"));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(enter_namespace(path) ? measure() : NO_NAMESPACE);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unlink(path);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_NAMESPACE) {
        print_message("SKIP: no unprivileged user, mount and network namespaces\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dead_name_server)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
