#include "uuid.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The example of RFC 9562, appendix A.6, comes out of its own time and random bits, and reads back. */
static void test_rfc_example(void **state)
{
    (void)state;
    struct aivo_uuid_source source = {0};
    const uint64_t random[2] = {0xCC3, 0x18C4DC0C0C07398Fu};
    uint8_t id[AIVO_UUID_BYTES], back[AIVO_UUID_BYTES];
    char text[AIVO_UUID_TEXT];
    aivo_uuid_next(&source, 0x017F22E279B0, random, id);
    aivo_uuid_format(id, text);
    assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_true(aivo_uuid_parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", back));
    assert_memory_equal(id, back, sizeof id);
}

/* The clock stands still, jumps back, and forward: every id is greater than the one before, with version and variant.
 */
static void test_monotonic(void **state)
{
    (void)state;
    struct aivo_uuid_source source = {0};
    uint8_t last[AIVO_UUID_BYTES] = {0}, id[AIVO_UUID_BYTES];
    uint64_t random[2] = {1, 2};
    int64_t now = 1700000000000;
    for (int i = 0; i < 200000; i++) {
        random[0] = random[0] * 6364136223846793005u + 1442695040888963407u;
        random[1] = random[1] * 6364136223846793005u + 1442695040888963407u;
        if (i % 1000 == 999)
            now += (int64_t)(random[0] >> 40) - (1 << 23);
        aivo_uuid_next(&source, now, random, id);
        assert_true(memcmp(id, last, sizeof id) > 0);
        assert_int_equal(id[6] >> 4, 7);
        assert_int_equal(id[8] >> 6, 2);
        memcpy(last, id, sizeof id);
    }
}

/* The random part is at its end and the clock does not move: the id still grows, by borrowing a millisecond. */
static void test_overflow(void **state)
{
    (void)state;
    struct aivo_uuid_source source = {.last_ms = 5, .last_a = 0xfff, .last_b = ~UINT64_C(0) >> 2};
    const uint64_t random[2] = {0, 0};
    uint8_t id[AIVO_UUID_BYTES];
    char text[AIVO_UUID_TEXT];
    aivo_uuid_next(&source, 5, random, id);
    aivo_uuid_format(id, text);
    assert_string_equal(text, "00000000-0006-7000-8000-000000000000");
}

/* A time before 1970 or beyond 48 bits is held within what the format can say. */
static void test_time_bounds(void **state)
{
    (void)state;
    const uint64_t random[2] = {0, 0};
    uint8_t id[AIVO_UUID_BYTES];
    struct aivo_uuid_source early = {0}, late = {0};
    aivo_uuid_next(&early, -7, random, id);
    assert_int_equal(id[0] | id[1] | id[2] | id[3] | id[4] | id[5], 0);
    aivo_uuid_next(&late, INT64_MAX, random, id);
    assert_int_equal(id[0] & id[1] & id[2] & id[3] & id[4] & id[5], 0xff);
}

/* Text that is no UUID is refused and leaves the output alone. */
static void test_bad_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "017f22e2",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e2079b0-7cc3-98c4-dc0c0c07398f",
        "017f22e279b07cc398c4dc0c0c07398f",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t out[AIVO_UUID_BYTES] = {42};
        assert_false(aivo_uuid_parse(bad[i], out));
        assert_int_equal(out[0], 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_example), cmocka_unit_test(test_monotonic), cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_time_bounds), cmocka_unit_test(test_bad_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
