/* The table of acknowledgements, against a plain list that does the same slowly. */
#include "ack.h"
#include "prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct prng seed = {1};
static uint64_t next(void)
{
    return prng_next(&seed);
}

/* ---- the model: entries in order of age ---- */

enum { MODEL_MAX = 4096 };
static struct aivo_ack model[MODEL_MAX];
static size_t model_len;

static void model_remove(size_t index)
{
    memmove(&model[index], &model[index + 1], (model_len - index - 1) * sizeof(model[0]));
    model_len--;
}

/* The earliest deadline, the oldest of equals; model_len: none. */
static size_t model_first(void)
{
    size_t first = model_len;
    for (size_t i = 0; i < model_len; i++) {
        if (model[i].deadline_us != AIVO_NEVER &&
            (first == model_len || model[i].deadline_us < model[first].deadline_us))
            first = i;
    }
    return first;
}

static void same(const struct aivo_ack *a, const struct aivo_ack *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->deadline_us, b->deadline_us);
    assert_int_equal(a->sent_us, b->sent_us);
    assert_int_equal(a->cookie, b->cookie);
    assert_int_equal(a->kind, b->kind);
    assert_ptr_equal(a->user, b->user);
    assert_ptr_equal(a->fn, b->fn);
}

static void op_add(struct aivo_acks *acks, int64_t now)
{
    struct aivo_ack entry = {.deadline_us = next() % 5 ? now + (int64_t)(next() % 1000) : AIVO_NEVER,
                             .sent_us = now,
                             .cookie = next(),
                             .kind = (int)(next() % 100),
                             .user = model};
    assert_true(aivo_acks_add(acks, &entry));
    model[model_len++] = entry;
}

static void op_take(struct aivo_acks *acks, uint64_t id)
{
    struct aivo_ack got, untouched;
    memset(&got, 0x5a, sizeof(got));
    untouched = got;
    bool found = aivo_acks_take(acks, id, &got);
    for (size_t i = 0; i < model_len; i++) {
        if (model[i].id == id) {
            assert_true(found);
            same(&got, &model[i]);
            model_remove(i);
            return;
        }
    }
    assert_false(found);
    assert_memory_equal(&got, &untouched, sizeof(got));
}

static void op_expire(struct aivo_acks *acks, int64_t now)
{
    struct aivo_ack got;
    size_t first = model_first();
    bool due = first < model_len && model[first].deadline_us <= now;
    assert_int_equal(aivo_acks_expire(acks, now, &got), due);
    if (due) {
        same(&got, &model[first]);
        model_remove(first);
    }
}

static void op_drain(struct aivo_acks *acks)
{
    struct aivo_ack got;
    assert_int_equal(aivo_acks_drain(acks, &got), model_len > 0);
    if (model_len > 0) {
        same(&got, &model[0]);
        model_remove(0);
    }
}

/* 200,000 random operations, in waves that grow the table and empty it: it always does what the list does. */
static void test_random(void **state)
{
    (void)state;
    struct aivo_acks *acks = aivo_acks_create();
    uint64_t last_id = 0;
    int64_t now = 0;
    assert_non_null(acks);
    for (int i = 0; i < 200000; i++) {
        bool growing = i / 4000 % 2 == 0;
        uint64_t what = next() % 16;
        now += (int64_t)(next() % 3);
        if (what < (growing ? 8u : 4u) && model_len < MODEL_MAX) {
            op_add(acks, now);
            assert_true(model_len == 1 || model[model_len - 1].id > last_id);
            last_id = model[model_len - 1].id;
        } else if (what < 9 && model_len > 0) {
            op_take(acks, model[next() % model_len].id);
        } else if (what == 9) {
            op_take(acks, next() % (last_id + 100));
        } else if (what < 14) {
            op_expire(acks, now);
        } else if (!growing || what == 15) {
            op_drain(acks);
        }
        size_t first = model_first();
        assert_int_equal(aivo_acks_count(acks), model_len);
        assert_int_equal(aivo_acks_deadline(acks), first < model_len ? model[first].deadline_us : AIVO_NEVER);
    }
    aivo_acks_destroy(acks);
}

/* The table is full at its bound, refuses, and takes entries again once one has left. Ids go on rising. */
static void test_bound(void **state)
{
    (void)state;
    struct aivo_acks *acks = aivo_acks_create();
    struct aivo_ack entry = {.deadline_us = AIVO_NEVER}, got;
    for (uint64_t i = 0; i < AIVO_ACK_MAX; i++) {
        entry.deadline_us = i % 2 ? (int64_t)(AIVO_ACK_MAX - i) : AIVO_NEVER;
        assert_true(aivo_acks_add(acks, &entry));
        assert_int_equal(entry.id, i);
    }
    assert_false(aivo_acks_add(acks, &entry));
    assert_int_equal(aivo_acks_count(acks), AIVO_ACK_MAX);
    assert_int_equal(aivo_acks_deadline(acks), 1);

    assert_true(aivo_acks_take(acks, 12345, &got));
    assert_false(aivo_acks_take(acks, 12345, &got)); /* twice is once */
    assert_true(aivo_acks_add(acks, &entry));
    assert_int_equal(entry.id, AIVO_ACK_MAX);
    assert_false(aivo_acks_add(acks, &entry));

    for (uint64_t expected = 0; aivo_acks_drain(acks, &got); expected++) {
        if (expected == 12345)
            expected++;
        assert_int_equal(got.id, expected);
    }
    assert_int_equal(aivo_acks_count(acks), 0);
    assert_int_equal(aivo_acks_deadline(acks), AIVO_NEVER);
    aivo_acks_destroy(acks);
}

/* An entry without a deadline never expires, one with a deadline not before it. */
static void test_deadlines(void **state)
{
    (void)state;
    struct aivo_acks *acks = aivo_acks_create();
    struct aivo_ack forever = {.deadline_us = AIVO_NEVER}, soon = {.deadline_us = 100}, got;
    assert_false(aivo_acks_expire(acks, INT64_MAX, &got));
    assert_true(aivo_acks_add(acks, &forever));
    assert_false(aivo_acks_expire(acks, INT64_MAX, &got));
    assert_true(aivo_acks_add(acks, &soon));
    assert_false(aivo_acks_expire(acks, 99, &got));
    assert_true(aivo_acks_expire(acks, 100, &got));
    assert_int_equal(got.id, soon.id);
    aivo_acks_destroy(acks);
    aivo_acks_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
