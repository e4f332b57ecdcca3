#include "prng.h"
#include "seqmap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RANGE 3000

/* Random puts, removals and looks against a plain array. */
static void test_against_an_array(void **state)
{
    (void)state;
    static uint32_t known[RANGE + 1]; /* 0: not there */
    struct aivo_seqmap m = {0};
    struct prng r = {.state = 7};
    size_t count = 0;
    for (int i = 0; i < 400000; i++) {
        int64_t seq = 1 + (int64_t)(prng_next(&r) % RANGE);
        uint32_t value = 1 + (uint32_t)(prng_next(&r) % 1000), found = 0;
        if (prng_next(&r) % 5 < (uint64_t)(i / 50000 % 2 ? 3 : 2)) {
            count += known[seq] == 0;
            known[seq] = value;
            assert_true(aivo_seqmap_put(&m, seq, value));
        } else {
            count -= known[seq] != 0;
            known[seq] = 0;
            aivo_seqmap_remove(&m, seq);
        }
        int64_t other = 1 + (int64_t)(prng_next(&r) % RANGE);
        assert_int_equal(aivo_seqmap_get(&m, other, &found), known[other] != 0);
        assert_int_equal(found, known[other]);
        assert_int_equal(m.count, count);
    }
    aivo_seqmap_free(&m);
    assert_false(aivo_seqmap_get(&m, 1, NULL));
    aivo_seqmap_remove(&m, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_an_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
