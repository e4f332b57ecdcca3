#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter_http.h"
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct exporter_request request;

static int parse(const char *head)
{
    return exporter_parse(head, strlen(head), &request);
}

/* A head is complete with its blank line, not before. */
static void test_head(void **state)
{
    (void)state;
    static const char head[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\nbody";
    for (size_t len = 0; len < sizeof(head) - 1; len++) {
        assert_int_equal(exporter_head_len(head, len), len < 27 ? 0 : 27);
    }
}

/* Paths, a target that is percent-encoded, the time that the scrape has. */
static void test_good(void **state)
{
    (void)state;
    assert_int_equal(parse("GET /metrics HTTP/1.1\r\nX-Prometheus-Scrape-Timeout-Seconds: 9.5\r\nHost: h\r\n\r\n"), 0);
    assert_int_equal(request.path, EXPORTER_METRICS);
    assert_int_equal(request.timeout_ms, 9500);
    assert_int_equal(parse("GET /probe?a=b&target=https%3A%2F%2Fh%3A1%2F&c HTTP/1.0\r\n\r\n"), 0);
    assert_int_equal(request.path, EXPORTER_PROBE);
    assert_true(request.has_target);
    assert_string_equal(request.target, "https://h:1/");
    assert_int_equal(parse("HEAD / HTTP/1.1\r\n\r\n"), 0);
    assert_true(request.head && request.path == EXPORTER_ROOT);
    assert_int_equal(parse("GET /probe HTTP/1.1\r\n\r\n"), 0);
    assert_false(request.has_target);
    assert_int_equal(parse("GET /metrics/ HTTP/1.1\r\nx-prometheus-scrape-timeout-seconds: soon\r\n\r\n"), 0);
    assert_int_equal(request.path, EXPORTER_NOTHING);
    assert_int_equal(request.timeout_ms, 0);
}

/* What is no request, another method, an escape that is none, a control character: a status each, nothing read beyond.
 */
static void test_bad(void **state)
{
    (void)state;
    assert_int_equal(parse("\r\n\r\n"), 400);
    assert_int_equal(parse("GET\r\n\r\n"), 400);
    assert_int_equal(parse("GET /\r\n\r\n"), 400);
    assert_int_equal(parse("GET / HTTP/2\r\n\r\n"), 400);
    assert_int_equal(parse("GET metrics HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(parse("POST /metrics HTTP/1.1\r\n\r\n"), 405);
    assert_int_equal(parse("GET /probe?target=%4 HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(parse("GET /probe?target=%zz HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(parse("GET /probe?target=a%0Ab HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(parse("GET /probe?target=a% HTTP/1.1\r\n\r\n"), 400);
    char big[EXPORTER_TARGET_MAX + 64];
    int used = snprintf(big, sizeof(big), "GET /probe?target=%0*d HTTP/1.1\r\n\r\n", EXPORTER_TARGET_MAX, 0);
    assert_int_equal(exporter_parse(big, (size_t)used, &request), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_head), cmocka_unit_test(test_good),
                                       cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
