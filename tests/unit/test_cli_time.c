#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "timetext.h"
#include <cmocka.h>

#define NOW INT64_C(1767225599123)

static int64_t parsed(const char *text)
{
    int64_t out = -1;
    assert_true(cli_time_parse(text, NOW, &out));
    return out;
}

/* So long ago; dates and times with a fraction, with an offset, without a zone. */
static void test_good(void **state)
{
    (void)state;
    assert_int_equal(parsed("90s"), NOW - 90000);
    assert_int_equal(parsed("15m"), NOW - 900000);
    assert_int_equal(parsed("24h"), NOW - 86400000);
    assert_int_equal(parsed("7d"), NOW - 604800000);
    assert_int_equal(parsed("0s"), NOW);
    assert_int_equal(parsed("1970-01-01"), 0);
    assert_int_equal(parsed("2024-02-29"), INT64_C(1709164800000));
    assert_int_equal(parsed("1970-01-02T00:00"), 86400000);
    assert_int_equal(parsed("1970-01-01 00:00:01.5Z"), 1500);
    assert_int_equal(parsed("1970-01-01T01:00:00+01:00"), 0);
    assert_int_equal(parsed("1970-01-01T00:30:00.123456-01:30"), 7200123);
}

/* Half a time, no such day, an unknown unit, something behind it: none of these, and nothing is written. */
static void test_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "now",
                                      "12",
                                      "5w",
                                      "1.5h",
                                      "-5m",
                                      "9999999999s",
                                      "2023-02-29",
                                      "2026-13-01",
                                      "2026-00-10",
                                      "2026-1-1",
                                      "1969-12-31",
                                      "2026-01-01T",
                                      "2026-01-01T25:00",
                                      "2026-01-01T12:60",
                                      "2026-01-01T12:00:00.",
                                      "2026-01-01T12:00X",
                                      "2026-01-01T12:00Zz",
                                      "2026-01-01T12:00+1:00",
                                      "2026-01-01x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t out = 42;
        assert_false(cli_time_parse(bad[i], NOW, &out));
        assert_int_equal(out, 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
