#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "layers.h"
#include "pace.h"
#include "verdict.h"
#include <cmocka.h>
#include <math.h>

#define MS ((int64_t)1000)

/* Every rule of the verdict, on both sides of its bound. */
static void test_verdict(void **state)
{
    (void)state;
    const struct aivo_path quiet = {
        .rtt_us = 50000, .rttvar_us = 5000, .last_data_recv_ms = 9999, .last_ack_recv_ms = 9999};
    struct aivo_path slow = quiet, once = quiet, thrice = quiet, heard = quiet, acked = quiet, upload = quiet, young;
    slow.rtt_us = 900000;
    once.retransmits = 1;
    thrice.retransmits = 3;
    thrice.last_data_sent_ms = 63; /* a quarter more than a round trip: the last could be answered */
    young = thrice;
    young.last_data_sent_ms = 62;
    heard = thrice;
    heard.last_data_recv_ms = 2999;
    acked = thrice;
    acked.last_ack_recv_ms = 2999;
    upload.notsent_bytes = 1;
    upload.last_ack_recv_ms = 100;
    const struct {
        int64_t waiting_ms, probe_ms;
        bool answers;
        const struct aivo_path *path;
        enum aivo_verdict verdict;
    } cases[] = {
        {-1, -1, true, NULL, AIVO_VERDICT_FINE},
        {1000, 1000, true, NULL, AIVO_VERDICT_FINE},
        {1001, 1001, true, NULL, AIVO_VERDICT_SUSPECT},
        {1001, 1001, true, &quiet, AIVO_VERDICT_SUSPECT},
        {1119, 1119, true, &slow, AIVO_VERDICT_FINE}, /* 900 + 4 x 5 + 200 */
        {1121, 1121, true, &slow, AIVO_VERDICT_SUSPECT},
        {10, 10, true, &once, AIVO_VERDICT_SUSPECT},
        {10, -1, true, &once, AIVO_VERDICT_SUSPECT}, /* the program's bytes */
        {-1, -1, true, &once, AIVO_VERDICT_FINE},
        {2999, 2999, true, &thrice, AIVO_VERDICT_SUSPECT},
        {3000, 3000, true, &thrice, AIVO_VERDICT_DEAD},
        {3000, -1, true, &thrice, AIVO_VERDICT_DEAD},
        {3000, -1, true, &young, AIVO_VERDICT_SUSPECT},
        {3000, 3000, true, &heard, AIVO_VERDICT_SUSPECT},
        {3000, 3000, true, &acked, AIVO_VERDICT_SUSPECT},
        {4999, 4999, true, NULL, AIVO_VERDICT_SUSPECT},
        {5000, 5000, true, NULL, AIVO_VERDICT_DEAD},
        {5000, 5000, false, NULL, AIVO_VERDICT_SUSPECT}, /* this peer never answered: no news */
        {5000, 5000, true, &quiet, AIVO_VERDICT_DEAD},
        {5000, 5000, true, &heard, AIVO_VERDICT_SUSPECT},
        {5000, 5000, true, &upload, AIVO_VERDICT_SUSPECT}, /* behind a long queue that moves */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct aivo_verdict_input in = {cases[i].waiting_ms < 0 ? -1 : cases[i].waiting_ms * MS,
                                              cases[i].probe_ms < 0 ? -1 : cases[i].probe_ms * MS,
                                              5000 * MS,
                                              0,
                                              cases[i].answers,
                                              cases[i].path};
        if (aivo_verdict_of(&in) != cases[i].verdict)
            fail_msg("case %zu: %d", i, (int)aivo_verdict_of(&in));
    }
}

/* Where a tail loss probe came before the time-outs, the latest need not have been answered yet. */
static void test_verdict_tail_probe(void **state)
{
    (void)state;
    const struct aivo_path path = {.rtt_us = 200000,
                                   .retransmits = 3,
                                   .last_data_recv_ms = 9999,
                                   .last_ack_recv_ms = 9999,
                                   .last_data_sent_ms = 10};
    struct aivo_verdict_input in = {3200 * MS, 3200 * MS, 5000 * MS, 4, true, &path};
    assert_int_equal(aivo_verdict_of(&in), AIVO_VERDICT_DEAD);
    in.resent = 3;
    assert_int_equal(aivo_verdict_of(&in), AIVO_VERDICT_SUSPECT);
}

/* Every 2 s for the first 20 s, then as configured, 1 s in doubt, never slower than configured, +-10 % and not always
 * the same. */
static void test_pace(void **state)
{
    (void)state;
    static const int64_t cases[][4] = {/* interval, since the begin, in doubt, expected: ms */
                                       {10000, 0, 0, 2000},  {10000, 19999, 0, 2000},     {10000, 20000, 0, 10000},
                                       {10000, 0, 1, 1000},  {10000, 60000, 1, 1000},     {500, 0, 0, 500},
                                       {500, 60000, 1, 500}, {3600000, 30000, 0, 3600000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_pace p = {.random = 0};
        int64_t least = INT64_MAX, most = 0, sum = 0;
        aivo_pace_begin(&p, 777, cases[i][0] * MS);
        for (int k = 0; k < 1000; k++) {
            int64_t us = aivo_pace_next(&p, 777 + cases[i][1] * MS, cases[i][2]);
            least = us < least ? us : least;
            most = us > most ? us : most;
            sum += us;
        }
        int64_t expected = cases[i][3] * MS;
        assert_true(least >= expected * 9 / 10 && least < expected * 92 / 100);
        assert_true(most <= expected * 11 / 10 && most > expected * 108 / 100);
        assert_true(sum / 1000 > expected * 98 / 100 && sum / 1000 < expected * 102 / 100);
    }
}

/* The handler's share is the median of its last eight answers; the clocks' difference is of the exchange that took
 * least, and each way's queue is what the latest took beyond the best. */
static void test_layers(void **state)
{
    (void)state;
    struct aivo_layers l = {.handler_len = 0};
    struct aivo_layers_figures f;
    aivo_layers_figures(&l, &f);
    assert_true(isnan(f.handler) && isnan(f.clock_offset) && isnan(f.up_queue) && isnan(f.down_queue));
    for (int i = 0; i < 8; i++)
        aivo_layers_handler(&l, i == 3 ? 900 : i == 4 ? -5 : 300);
    aivo_layers_figures(&l, &f);
    assert_true(f.handler == 300);
    for (int i = 0; i < 8; i++)
        aivo_layers_handler(&l, 20);
    aivo_layers_figures(&l, &f);
    assert_true(f.handler == 20);
    /* the server is 5,000 ms ahead, 20 ms each way; then 70 more on the way up, then 30 more on the way down */
    aivo_layers_times(&l, 1000, 6020, 6021, 1041);
    aivo_layers_figures(&l, &f);
    assert_true(f.clock_offset == 5000 && f.up_queue == 0 && f.down_queue == 0);
    aivo_layers_times(&l, 2000, 7090, 7090, 2110);
    aivo_layers_figures(&l, &f);
    assert_true(f.clock_offset == 5000 && f.up_queue == 70 && f.down_queue == 0);
    aivo_layers_times(&l, 3000, 8020, 8020, 3070);
    aivo_layers_figures(&l, &f);
    assert_true(f.clock_offset == 5000 && f.up_queue == 0 && f.down_queue == 30);
    for (int i = 0; i < 16; i++) /* the clock was set: after 16 answers only the new difference is known */
        aivo_layers_times(&l, 9000, 9020, 9020, 9040);
    aivo_layers_figures(&l, &f);
    assert_true(f.clock_offset == 0 && f.up_queue == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_verdict_tail_probe),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
