/* The power fails while the queue writes, and a sync that fails. */
#include "power.h"
#include "queue_bench.h"

#include "queue_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS    150
#define OK_ANSWER "[{\"success\":true}]"

static bool was_sent(const struct bench *b, const char *id)
{
    for (size_t i = 0; i < b->sent_count; i++) {
        if (strcmp(b->sent[i].id, id) == 0)
            return true;
    }
    return false;
}

/* Sends until the power fails (or enough is sent); the ids of those that were accepted. */
static size_t send_until_dark(struct bench *b, struct aivo_message_id *ids, size_t most)
{
    size_t count = 0;
    while (count < most && !power_is_off()) {
        char args[600];
        snprintf(args, sizeof args, "[%zu,\"%0500d\"]", count, 7);
        if (aivo_queue_send(b->q, "event", args, &ids[count], NULL) == AIVO_OK)
            count++;
    }
    return count;
}

/* The power fails at a random write or sync, 150 times; what had not been synced is on the disk, or is not, or in part.
 * Every message that was accepted is there afterwards, and the file is whole (nothing is moved aside). */
static void test_power_fails(void **state)
{
    struct bench *b = *state;
    enum { MOST = 40 };
    struct aivo_message_id ids[MOST];
    size_t accepted = 0;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        struct aivo_error err;
        size_t count = 0;
        /* Every third time it also fails while the file is being opened (and made, at first). */
        unsigned at = round % 3 == 0 ? 1 + round / 3 : 20 + round * 7 % 160;
        power_fails_at(at, round);
        if (bench_try_open(b, &err) == AIVO_OK) {
            count = send_until_dark(b, ids, MOST);
            bench_close(b);
        }
        power_fails_at(1, round); /* whatever was still to come */
        power_returns();
        b->sent_count = b->told_count = b->answered_count = 0;
        bench_open(b);
        bench_step(b);
        if (b->notice_count > 0)
            fail_msg("round %u: %s", round, b->notices[0].message);
        b->auto_answer = OK_ANSWER;
        size_t pending = (size_t)bench_pending(b);
        assert_true(pending >= count);
        bench_connect(b);
        bench_run_until(b, &b->told_count, pending);
        for (size_t i = 0; i < count; i++)
            assert_true(was_sent(b, ids[i].text));
        bench_close(b);
        accepted += count;
    }
    assert_true(accepted > ROUNDS); /* it was not always dark from the start */
}

/* A sync fails: the sender is told that it is not on disk; the next one is accepted, and only that one is there after
 * the power has failed. */
static void test_sync_fails(void **state)
{
    struct bench *b = *state;
    struct aivo_message_id id;
    struct aivo_error err;
    bench_open(b);
    bench_settle(b);
    for (int i = 0; i < 20; i++) {
        power_fails_at(0, 0);
        power_syncs_fail(1);
        assert_int_equal(aivo_queue_send(b->q, "event", "[\"refused\"]", NULL, &err), AIVO_E_STORE);
        assert_non_null(strstr(err.message, "may be there afterwards"));
        assert_int_equal(aivo_queue_send(b->q, "event", "[\"accepted\"]", &id, &err), AIVO_OK);
    }
    power_fails_at(1, 3);
    bench_close(b);
    power_returns();
    bench_open(b);
    assert_int_equal(bench_pending(b), 20);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, 20);
    for (size_t i = 0; i < 20; i++)
        assert_string_equal(b->sent[i].args, "[\"accepted\"]");
    assert_true(was_sent(b, id.text));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_power_fails), TEST(test_sync_fails)};
    power_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
