#include "msgid.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct aivo_msgid_place find(const char *text)
{
    struct aivo_msgid_place place;
    struct aivo_json json = aivo_json_parse(text, strlen(text), NULL);
    assert_int_equal(json.type, AIVO_JSON_ARRAY);
    aivo_msgid_find(&json, "messageId", &place);
    return place;
}

static void expect_insert(const char *text, size_t at, bool comma)
{
    struct aivo_msgid_place place = find(text);
    assert_int_equal(place.kind, AIVO_MSGID_INSERT);
    assert_int_equal(place.at, at);
    assert_int_equal(place.comma, comma);
}

/* Into the first argument that is an object, empty or not, wherever it stands. */
static void test_insert(void **state)
{
    (void)state;
    expect_insert("[{}]", 2, false);
    expect_insert("[{ }]", 2, false);
    expect_insert("[{\"a\":1}]", 2, true);
    expect_insert("[1,[{\"messageId\":\"inner\"}],{\"a\":{\"messageId\":\"deeper\"}},{\"messageId\":\"later\"}]", 28,
                  true);
}

/* The sender's own: a string of 1 to 36 bytes. Anything else under the key is left alone. */
static void test_own(void **state)
{
    (void)state;
    struct aivo_msgid_place place = find("[{\"a\":1,\"messageId\":\"order-17\"}]");
    assert_int_equal(place.kind, AIVO_MSGID_OWN);
    assert_string_equal(place.own, "order-17");
    assert_int_equal(find("[{\"messageId\":\"123456789012345678901234567890123456\"}]").kind, AIVO_MSGID_OWN);
    assert_int_equal(find("[{\"messageId\":\"1234567890123456789012345678901234567\"}]").kind, AIVO_MSGID_NONE);
    assert_int_equal(find("[{\"messageId\":\"\"}]").kind, AIVO_MSGID_NONE);
    assert_int_equal(find("[{\"messageId\":17}]").kind, AIVO_MSGID_NONE);
    assert_int_equal(find("[{\"messageId\":null}]").kind, AIVO_MSGID_NONE);
    assert_int_equal(find("[{\"messageId\":\"a\\u0000b\"}]").kind, AIVO_MSGID_NONE);
}

/* No argument is an object. */
static void test_nowhere(void **state)
{
    (void)state;
    assert_int_equal(find("[]").kind, AIVO_MSGID_NONE);
    assert_int_equal(find("[1,\"{}\",[{}],null]").kind, AIVO_MSGID_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_insert), cmocka_unit_test(test_own),
                                       cmocka_unit_test(test_nowhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
