/* A program and a library of different ages: structs that grow at the end. */
#include "settings.h"
#include "sized.h"
#include <aivo/aivo.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A program that was built against a smaller struct asks for the defaults: not a byte behind what it knows is written.
 */
static void test_init_stays_within(void **state)
{
    (void)state;
    unsigned char memory[sizeof(struct aivo_options) + 64];
    for (size_t size = sizeof(size_t); size <= sizeof(struct aivo_options); size += 8) {
        memset(memory, 0xa5, sizeof memory);
        aivo_options_init_sized((struct aivo_options *)(void *)memory, size);
        size_t said;
        memcpy(&said, memory, sizeof said);
        assert_int_equal(said, size);
        for (size_t i = size; i < sizeof memory; i++)
            assert_int_equal(memory[i], 0xa5);
    }
}

/* A program that was built against a larger struct finds zeros where the library knows nothing, and sees so by size. */
static void test_out_to_a_newer_program(void **state)
{
    (void)state;
    struct {
        struct aivo_send known;
        uint64_t further[4];
    } newer;
    memset(&newer, 0xa5, sizeof newer);
    aivo_send_init_sized(&newer.known, sizeof newer);
    assert_int_equal(newer.known.size, sizeof newer.known);
    assert_int_equal(newer.known.ttl_s, AIVO_TTL_OF_QUEUE);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(newer.further[i], 0);
}

/* A later library reads an older program's struct: the new field keeps its default, and the size becomes its own. */
static void test_in_from_an_older_program(void **state)
{
    (void)state;
    struct first {
        size_t size;
        uint32_t a, b;
    } given = {sizeof given, 1, 2};
    struct later {
        size_t size;
        uint32_t a, b, c, d;
    } full = {sizeof full, 10, 20, 30, 40};
    assert_true(aivo_sized_in(&full, sizeof full, &given, given.size, AIVO_SIZE_THROUGH(struct later, b)));
    assert_int_equal(full.size, sizeof full);
    assert_int_equal(full.a, 1);
    assert_int_equal(full.b, 2);
    assert_int_equal(full.c, 30);
    assert_int_equal(full.d, 40);
}

/* A size that no version ever had is a struct that was not initialised: refused, and nothing is taken. */
static void test_sizes_that_never_were(void **state)
{
    (void)state;
    struct aivo_send full, given;
    aivo_send_init(&full);
    given = full;
    given.priority = 5;
    const size_t least = AIVO_SIZE_THROUGH(struct aivo_send, collapse_key), bad[] = {0, 1, least - 1, sizeof full + 8};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(aivo_sized_in(&full, sizeof full, &given, bad[i], least));
    assert_int_equal(full.priority, 0);

    struct aivo_options options;
    aivo_options_init(&options);
    options.url = "http://127.0.0.1:1";
    options.size = 8;
    struct aivo_client *client = NULL;
    struct aivo_error err;
    assert_int_equal(aivo_client_create(&options, &client, &err), AIVO_E_INVALID);
    assert_null(client);
    assert_non_null(strstr(err.message, "aivo_options_init"));
}

/* The policies of further queues: their array's stride is what the first says of its size. */
static void test_policies_of_a_memory_queue(void **state)
{
    (void)state;
    struct aivo_queue_policy policies[2];
    for (size_t i = 0; i < 2; i++)
        aivo_queue_policy_init(&policies[i]);
    policies[0].name = "bulk";
    policies[1].name = "urgent";
    policies[1].max_messages = 7;
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = "http://127.0.0.1:1";
    options.queue.queues = policies;
    options.queue.queue_count = 2;
    struct aivo_settings settings;
    struct aivo_error err;
    assert_int_equal(aivo_settings_init(&settings, &options, &err), AIVO_OK);
    assert_string_equal(settings.options.queue.queues[1].name, "urgent");
    assert_int_equal(settings.options.queue.queues[1].max_messages, 7);
    aivo_settings_free(&settings);

    policies[0].size = 4;
    assert_int_equal(aivo_settings_init(&settings, &options, &err), AIVO_E_INVALID);
    assert_non_null(strstr(err.message, "aivo_queue_policy_init"));
}

/* A snapshot to an older program: its struct's end is not crossed. */
static void test_snapshot_stays_within(void **state)
{
    (void)state;
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = "http://127.0.0.1:1";
    struct aivo_client *client = NULL;
    assert_int_equal(aivo_client_create(&options, &client, NULL), AIVO_OK);
    unsigned char memory[sizeof(struct aivo_quality)];
    memset(memory, 0xa5, sizeof memory);
    const size_t older = offsetof(struct aivo_quality, avg_latency_ms);
    aivo_client_quality_sized(client, (struct aivo_quality *)(void *)memory, older);
    size_t said;
    memcpy(&said, memory, sizeof said);
    assert_int_equal(said, older);
    for (size_t i = older; i < sizeof memory; i++)
        assert_int_equal(memory[i], 0xa5);
    aivo_client_destroy(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_stays_within),          cmocka_unit_test(test_out_to_a_newer_program),
        cmocka_unit_test(test_in_from_an_older_program),   cmocka_unit_test(test_sizes_that_never_were),
        cmocka_unit_test(test_policies_of_a_memory_queue), cmocka_unit_test(test_snapshot_stays_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
