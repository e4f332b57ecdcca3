/* Delays between attempts: range, spread, and that clients do not fall into step. */
#include "backoff.h"
#include "prng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct aivo_backoff usual = {.floor_ms = 250, .base_ms = 1000, .cap_ms = 30000};

/* The ends of the random numbers give the ends of each attempt's range, whatever the attempt's number. */
static void test_range(void **state)
{
    (void)state;
    static const struct {
        uint32_t attempt, upper_ms;
    } rows[] = {{0, 1000}, {1, 2000}, {2, 4000}, {4, 16000}, {5, 30000}, {31, 30000}, {32, 30000}, {UINT32_MAX, 30000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(aivo_backoff_us(&usual, rows[i].attempt, 0), 250 * 1000);
        assert_int_equal(aivo_backoff_us(&usual, rows[i].attempt, UINT64_MAX), (int64_t)rows[i].upper_ms * 1000);
    }
}

/* Options at the edge: a base below the floor keeps a range, floor equal to cap is a fixed delay, cap below floor is
 * the floor, and the largest numbers do not overflow. */
static void test_odd_options(void **state)
{
    (void)state;
    struct aivo_backoff low_base = {.floor_ms = 500, .base_ms = 100, .cap_ms = 30000};
    assert_int_equal(aivo_backoff_us(&low_base, 0, 0), 500 * 1000);
    assert_int_equal(aivo_backoff_us(&low_base, 0, UINT64_MAX), 1000 * 1000);
    struct aivo_backoff fixed = {.floor_ms = 500, .base_ms = 1000, .cap_ms = 500};
    assert_int_equal(aivo_backoff_us(&fixed, 7, UINT64_MAX), 500 * 1000);
    struct aivo_backoff inverted = {.floor_ms = 500, .base_ms = 1000, .cap_ms = 100};
    assert_int_equal(aivo_backoff_us(&inverted, 7, UINT64_MAX), 500 * 1000);
    struct aivo_backoff nothing = {0};
    assert_int_equal(aivo_backoff_us(&nothing, 3, UINT64_MAX), 0);
    struct aivo_backoff huge = {.floor_ms = 0, .base_ms = UINT32_MAX, .cap_ms = UINT32_MAX};
    assert_int_equal(aivo_backoff_us(&huge, 40, UINT64_MAX), (int64_t)UINT32_MAX * 1000);
}

/* Pearson's chi-square over 100 equal cells of the range. */
static double chi_square(uint32_t attempt, int64_t low_us, int64_t high_us, uint64_t first)
{
    struct prng seed = {first};
    enum { CELLS = 100, DRAWS = 100000 };
    double sum = 0;
    unsigned counts[CELLS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        int64_t delay = aivo_backoff_us(&usual, attempt, prng_next(&seed));
        assert_true(delay >= low_us && delay <= high_us);
        counts[(delay - low_us) * CELLS / (high_us - low_us + 1)]++;
    }
    for (int i = 0; i < CELLS; i++)
        sum += pow(counts[i] - (double)DRAWS / CELLS, 2) / ((double)DRAWS / CELLS);
    return sum;
}

/* Every attempt's delays are spread evenly, at the cap too. 99 degrees of freedom: 149 is passed once in 1,000. */
static void test_even(void **state)
{
    (void)state;
    for (uint32_t attempt = 0; attempt < 10; attempt++) {
        int64_t upper = attempt < 5 ? (int64_t)1000000 << attempt : 30000000;
        assert_true(chi_square(attempt, 250000, upper, 42 + attempt) < 149);
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/*
 * A server is down for 24 hours and 1,000 clients lost it in the same microsecond. Each one's schedule is its sum of
 * delays. No two schedules are the same; and once the cap is reached, the attempts of any second are a fair share of
 * all (no crowd forms).
 */
static void test_outage(void **state)
{
    (void)state;
    enum { CLIENTS = 1000, SECONDS = 24 * 3600 };
    const int64_t end = (int64_t)SECONDS * 1000000;
    unsigned *per_second = calloc(SECONDS, sizeof(*per_second));
    int64_t last[CLIENTS], hash[CLIENTS], second[CLIENTS];
    assert_non_null(per_second);

    for (int c = 0; c < CLIENTS; c++) {
        struct prng seed = {1000 + (uint64_t)c};
        uint64_t h = 0;
        int64_t at = 0;
        last[c] = second[c] = 0;
        for (uint32_t attempt = 0; at < end; attempt++) {
            last[c] = at;
            if (attempt == 2)
                second[c] = at;
            per_second[at / 1000000]++;
            at += aivo_backoff_us(&usual, attempt, prng_next(&seed));
            h = (h ^ (uint64_t)at) * 0x100000001b3u;
        }
        hash[c] = (int64_t)(h >> 1);
    }
    qsort(hash, CLIENTS, sizeof(hash[0]), compare);
    for (int c = 1; c < CLIENTS; c++)
        assert_true(hash[c] != hash[c - 1]);

    /* From the 10th minute on: mean delay 15.125 s, so 66 attempts a second; 6 standard deviations are 49. */
    for (int i = 600; i < SECONDS - 60; i++)
        assert_in_range(per_second[i], 66 - 49, 66 + 49);
    free(per_second);

    /* Nor do any two meet at the very microsecond where the crowd began: of 1,000 second attempts spread over 3 s at
     * most a few share one by chance. */
    int shared = 0;
    qsort(second, CLIENTS, sizeof(second[0]), compare);
    for (int c = 1; c < CLIENTS; c++)
        shared += second[c] == second[c - 1];
    assert_true(shared <= 3);
    /* The last attempts before the end lie within one cap, and are as widely spread. */
    qsort(last, CLIENTS, sizeof(last[0]), compare);
    assert_true(last[0] > end - 30000000);
    assert_true(last[CLIENTS - 1] - last[0] > 20000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_odd_options),
        cmocka_unit_test(test_even),
        cmocka_unit_test(test_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
