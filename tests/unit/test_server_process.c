#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "process.h"
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The kernel's line is read by its last bracket, whatever the program is called; one that ends early is none. */
static void test_stat(void **state)
{
    (void)state;
    static const char line[] =
        "1 (a) b (c 9 9 9) S 2 3 4 5 6 7 8 9 10 11 250 150 14 15 16 17 5 19 3000 4096000 77 20 21";
    struct srv_process p;
    memset(&p, 0, sizeof p);
    assert_true(srv_process_parse_stat(line, 100, 4096, 1000.0, &p));
    assert_true(p.cpu_s > 3.999 && p.cpu_s < 4.001);
    assert_true(p.start_s > 1029.99 && p.start_s < 1030.01);
    assert_int_equal(p.threads, 5);
    assert_int_equal(p.virtual_bytes, 4096000);
    assert_int_equal(p.resident_bytes, 77 * 4096);
    assert_false(srv_process_parse_stat("1 (x) S 2 3", 100, 4096, 0, &p));
    assert_false(srv_process_parse_stat("", 100, 4096, 0, &p));
}

/* This process: figures that can be true, and one more descriptor when one more is open. */
static void test_self(void **state)
{
    (void)state;
    struct srv_process before, after;
    assert_true(srv_process_read(&before));
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(srv_process_read(&after));
    close(fd);
    assert_int_equal(after.open_fds, before.open_fds + 1);
    assert_true(after.open_fds <= after.max_fds);
    assert_in_range(after.resident_bytes, 100000, after.virtual_bytes);
    assert_true(after.start_s > 1e9 && after.start_s <= (double)time(NULL) + 2);
    assert_true(after.cpu_s >= 0 && after.cpu_s < 1000);
    assert_true(after.start_s - before.start_s < 0.001); /* it does not move */
}

/* The names that Prometheus' libraries use, each with its type; the histogram adds up. */
static void test_text(void **state)
{
    (void)state;
    struct srv_process p = {.cpu_s = 1.5, .start_s = 1700000000.25, .resident_bytes = 7, .open_fds = 8, .max_fds = 9};
    struct srv_lag lag = {0};
    srv_lag_add(&lag, 0);
    srv_lag_add(&lag, 1000);
    srv_lag_add(&lag, 1001);
    srv_lag_add(&lag, 3000000);
    struct aivo_buf out;
    aivo_buf_init(&out);
    srv_process_text(&p, &lag, &out);
    static const char *const lines[] = {
        "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.500\n",
        "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1700000000.250\n",
        "\nprocess_resident_memory_bytes 7\n",
        "\nprocess_virtual_memory_bytes 0\n",
        "\nprocess_open_fds 8\n",
        "\nprocess_max_fds 9\n",
        "# TYPE event_loop_lag_seconds histogram\n",
        "event_loop_lag_seconds_bucket{le=\"0.001\"} 2\n",
        "event_loop_lag_seconds_bucket{le=\"0.002\"} 3\n",
        "event_loop_lag_seconds_bucket{le=\"1\"} 3\n",
        "event_loop_lag_seconds_bucket{le=\"+Inf\"} 4\n",
        "event_loop_lag_seconds_sum 3.002001\nevent_loop_lag_seconds_count 4\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(out.data, lines[i]))
            fail_msg("no '%s' in:\n%s", lines[i], out.data);
    aivo_buf_clear(&out);
    srv_process_json(&p, &lag, &out);
    assert_non_null(strstr(out.data, "\"cpuSeconds\":1.500,"));
    assert_non_null(strstr(out.data, "\"eventLoopLagMs\":{\"count\":4,\"sum\":3002.001,\"latest\":3000.000}"));
    aivo_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
