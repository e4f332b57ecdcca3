/* The server as a service: systemd's protocol, sockets handed over, several on one port, the drain, JSON logs. */
#include "served.h"

#include "json.h"
#include <fcntl.h>
#include <stddef.h>
#include <sys/un.h>

#define SECRET "a-secret-for-tests-only-0123456789"

static struct served_answer a;
static struct served_frame f;

/* --- systemd --- */

struct manager {
    int fd;
    char path[64];
};

static void manager_open(struct manager *m)
{
    snprintf(m->path, sizeof m->path, "/tmp/aivo-notify-%d", (int)getpid());
    unlink(m->path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", m->path);
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(m->fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", m->path, 1);
}

static void manager_close(struct manager *m)
{
    close(m->fd);
    unlink(m->path);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
}

/* The next datagram that is no sign of life; fails after 5 s. */
static void manager_hears(const struct manager *m, char *out, size_t size)
{
    do {
        ssize_t n = served_read(m->fd, out, size - 1, 5000);
        assert_true(n > 0);
        out[n] = '\0';
    } while (strcmp(out, "WATCHDOG=1") == 0);
}

/* READY when it listens, signs of life at half of the watchdog's time, RELOADING with the time and READY again at
 * SIGHUP, STOPPING at SIGTERM. */
static void notifies(void **state)
{
    (void)state;
    struct manager m;
    char text[256];
    manager_open(&m);
    setenv("WATCHDOG_USEC", "200000", 1);
    struct served s = served_start(NULL);
    char expected[128];
    uint64_t began = served_now_ms();
    manager_hears(&m, text, sizeof text);
    snprintf(expected, sizeof expected, "READY=1\nSTATUS=listening on http://127.0.0.1:%u", (unsigned)s.port);
    assert_string_equal(text, expected);
    for (int i = 0; i < 3; i++) {
        ssize_t n = served_read(m.fd, text, sizeof text - 1, 5000);
        assert_true(n > 0);
        text[n] = '\0';
        assert_string_equal(text, "WATCHDOG=1");
    }
    assert_in_range(served_now_ms() - began, 150, 8000);
    kill(s.pid, SIGHUP);
    manager_hears(&m, text, sizeof text);
    unsigned long long usec = 0;
    assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
    assert_in_range(usec / 1000, began, served_now_ms());
    manager_hears(&m, text, sizeof text);
    assert_string_equal(text, "READY=1");
    served_stop(&s);
    manager_hears(&m, text, sizeof text);
    assert_memory_equal(text, "STOPPING=1", 10);
    manager_close(&m);
}

/* --- a listening socket from elsewhere --- */

static int listening(int port, bool shared, bool listens, uint16_t *bound)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&at, sizeof at), 0);
    if (listens)
        assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&at, &size), 0);
    *bound = ntohs(at.sin_port);
    return fd;
}

/* In a child: with fd as the one that was handed over, what does the server say? 0: it serves, and ends with 0. */
static pid_t hand_over(int fd, int count, bool other_pid, int report)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char number[32];
    int kept = fcntl(report, F_DUPFD_CLOEXEC, 10);
    int given = fcntl(fd, F_DUPFD_CLOEXEC, 11);
    dup2(given, 3);
    snprintf(number, sizeof number, "%d", (int)getpid() + (other_pid ? 1 : 0));
    setenv("LISTEN_PID", number, 1);
    snprintf(number, sizeof number, "%d", count);
    setenv("LISTEN_FDS", number, 1);
    static const char *const settings[] = {"LOG_LEVEL=error", NULL};
    served_child(settings, kept);
    _exit(97);
}

/* A socket that was handed over is served, and stays open for the next one; one that cannot be is an error. */
static void activation(void **state)
{
    (void)state;
    uint16_t port, told = 0;
    int report[2], status = -1, fd = listening(0, false, true, &port);
    assert_int_equal(pipe(report), 0);
    struct served s = {.pid = hand_over(fd, 1, false, report[1]), .port = port};
    assert_int_equal(read(report[0], &told, sizeof told), sizeof told);
    assert_int_equal(told, port);
    served_fetch(&s, "GET", "/healthz", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    kill(s.pid, SIGTERM);
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    int waiting = served_connect(&s); /* nobody serves, yet nobody is refused */
    s.pid = hand_over(fd, 1, false, report[1]);
    assert_int_equal(read(report[0], &told, sizeof told), sizeof told);
    served_request(waiting, "GET", "/healthz", NULL, NULL);
    served_answer(waiting, &a);
    assert_int_equal(a.status, 200);
    close(waiting);
    served_stop(&s);

    pid_t two = hand_over(fd, 2, false, report[1]);
    assert_int_equal(waitpid(two, &status, 0), two);
    assert_int_equal(WEXITSTATUS(status), 99);
    uint16_t ignored;
    int deaf = listening(0, false, false, &ignored);
    pid_t bad = hand_over(deaf, 1, false, report[1]);
    assert_int_equal(waitpid(bad, &status, 0), bad);
    assert_int_equal(WEXITSTATUS(status), 99);

    s.pid = hand_over(fd, 1, true, report[1]); /* meant for another process: it listens for itself */
    assert_int_equal(read(report[0], &told, sizeof told), sizeof told);
    assert_int_not_equal(told, port);
    s.port = told;
    served_stop(&s);
    close(deaf);
    close(fd);
    close(report[0]);
    close(report[1]);
}

/* --- one port --- */

/* Two servers on one port share the connections; when one of them drains, the other gets them all. */
static void one_port(void **state)
{
    (void)state;
    uint16_t port;
    char setting[32];
    int placeholder = listening(0, true, false, &port); /* holds the number, gets no connection */
    snprintf(setting, sizeof setting, "PORT=%u", (unsigned)port);
    const char *const settings[] = {"REUSE_PORT=true", "LOG_LEVEL=error", setting, NULL};
    struct served one = served_start(settings), two = served_start(settings);
    assert_int_equal(one.port, port);
    assert_int_equal(two.port, port);
    enum { CLIENTS = 40 };
    int fds[CLIENTS], first = 0, other = 0;
    for (int i = 0; i < CLIENTS; i++) { /* 2^-39 that all go to the same */
        fds[i] = served_ws(&one, SERVED_WS);
        served_say(fds[i], "40");
        served_text(fds[i], &f);
    }
    for (int i = 0; i < 40; i++) { /* whoever answers says how many it has */
        served_fetch(&one, "GET", "/metrics/prometheus", NULL, NULL, &a);
        int has = atoi(strstr(a.body, "\nwebsocket_connections_total ") + 29);
        assert_in_range(has, 1, CLIENTS - 1);
        first = first ? first : has;
        other = has != first ? has : other;
    }
    assert_true(first + other == CLIENTS || (first == CLIENTS / 2 && !other));
    served_stop(&one);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    for (int i = 0; i < 10; i++) {
        served_fetch(&two, "GET", "/readyz", NULL, NULL, &a);
        assert_int_equal(a.status, 200);
    }
    served_stop(&two);
    close(placeholder);
}

/* --- the drain --- */

/* Eighty clients hear when they will be sent away, and are sent away then: one after the other, not all at once. */
static void spread(void **state)
{
    (void)state;
    enum { CLIENTS = 80 };
    struct served s = served_start((const char *const[]){"NEXTAUTH_SECRET=" SECRET, NULL});
    char *token = srv_auth_mint(SECRET, "u", 0, 0, 0), packet[1024];
    snprintf(packet, sizeof packet, "40{\"token\":\"%s\"}", token);
    free(token);
    int fds[CLIENTS];
    long hint[CLIENTS];
    uint64_t gone[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = served_ws(&s, SERVED_WS);
        served_say(fds[i], packet);
        served_text(fds[i], &f);
        served_text(fds[i], &f);
    }
    uint64_t began = served_now_ms();
    kill(s.pid, SIGTERM);
    for (int i = 0; i < CLIENTS; i++) {
        served_text(fds[i], &f);
        assert_int_equal(sscanf(f.data, "42[\"server:draining\",{\"reconnectAfterMs\":%ld}]", &hint[i]), 1);
    }
    for (int i = 0; i < CLIENTS; i++) { /* the oldest first */
        served_frame_wait(fds[i], &f, SERVED_WAIT_MS);
        gone[i] = served_now_ms() - began;
        assert_int_equal(f.opcode, 8);
        assert_memory_equal(f.data, "\x03\xe9server shutting down", 22);
        assert_in_range(gone[i], hint[i] > 100 ? hint[i] - 100 : 0, hint[i] + 3000);
        close(fds[i]);
    }
    assert_int_equal(hint[0], 0);
    assert_in_range(hint[CLIENTS - 1], 300, 400); /* 80 x 5 ms */
    assert_true(gone[CLIENTS - 1] - gone[0] >= 200);
    int status = -1;
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(served_now_ms() - began < 9500);
}

/* --- logs --- */

/* Each line an object with the same first keys; a flood of refused tokens makes ten lines and no more, and no line has
 * a token in it. */
static void json_log(void **state)
{
    (void)state;
    int log[2], saved = dup(STDERR_FILENO), lines = 0, refused = 0;
    static char text[65536];
    size_t len = 0;
    assert_int_equal(pipe(log), 0);
    dup2(log[1], STDERR_FILENO);
    struct served s = served_start((const char *const[]){"NEXTAUTH_SECRET=" SECRET, "LOG_FORMAT=json", NULL});
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(log[1]);
    int fd = served_ws(&s, SERVED_WS);
    for (int i = 0; i < 50; i++) {
        served_say(fd, "40{\"token\":\"eyJhbGciOiJIUzI1NiJ9.secret-payload.sig\"}");
        served_text(fd, &f);
    }
    close(fd);
    served_stop(&s);
    for (ssize_t n; (n = read(log[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    close(log[0]);
    text[len] = '\0';
    assert_null(strstr(text, "secret-payload"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        struct aivo_json object = aivo_json_parse(line, strlen(line), NULL);
        assert_int_equal(object.type, AIVO_JSON_OBJECT);
        assert_memory_equal(line, "{\"time\":\"", 9);
        assert_non_null(strstr(line, "\",\"level\":\""));
        assert_non_null(strstr(line, "\",\"message\":\""));
        lines++;
        if (strstr(line, "\"event\":\"token_refused\",\"address\":\"127.0.0.1\",\"reason\":\""))
            refused++;
    }
    assert_int_equal(refused, SRV_AUDIT_LINES);
    assert_in_range(lines, SRV_AUDIT_LINES + 2, SRV_AUDIT_LINES + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notifies), cmocka_unit_test(activation), cmocka_unit_test(one_port),
        cmocka_unit_test(spread),   cmocka_unit_test(json_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
