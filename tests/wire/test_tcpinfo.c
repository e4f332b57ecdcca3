#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpinfo.h"
#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection over loopback: what is sent is counted, nothing of it is lost, and the round trip is known. */
static void test_counts(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, len), 0);
    int server = accept(listener, NULL, NULL);
    struct aivo_path before, after;
    assert_true(aivo_tcpinfo_read(client, &before));
    for (int i = 0; i < 3; i++) {
        char byte;
        assert_int_equal(write(client, "x", 1), 1);
        assert_int_equal(read(server, &byte, 1), 1);
        assert_int_equal(write(server, "y", 1), 1);
        assert_int_equal(read(client, &byte, 1), 1);
    }
    assert_true(aivo_tcpinfo_read(client, &after));
    assert_int_equal(after.data_segs_out - before.data_segs_out, 3);
    assert_int_equal(after.total_retrans, before.total_retrans);
    assert_int_equal(after.notsent_bytes, 0);
    assert_true(after.rtt_us > 0 && after.rtt_us < 1000000);
    assert_true(after.min_rtt_us <= after.rtt_us + after.rttvar_us);
    assert_true(after.last_data_recv_ms < 10000 && after.last_data_sent_ms < 10000);
    close(server);
    close(client);
    close(listener);
}

/* What is no TCP connection is said to be none, and nothing is written. */
static void test_refused(void **state)
{
    (void)state;
    struct aivo_path path = {.rtt_us = 4711};
    int fds[2], udp = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(pipe(fds), 0);
    assert_false(aivo_tcpinfo_read(-1, &path));
    assert_false(aivo_tcpinfo_read(fds[0], &path));
    assert_false(aivo_tcpinfo_read(udp, &path));
    assert_int_equal(path.rtt_us, 4711);
    close(fds[0]);
    close(fds[1]);
    close(udp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
