#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "error_internal.h"
#include <cmocka.h>
#include <string.h>

/* What the list says, read a second time: enum, text and name cannot drift from it. */
static const struct {
    enum aivo_status status;
    int value;
    const char *name, *text;
} list[] = {
#define ROW(name, value, text) {name, value, #name, text},
    AIVO_STATUS_LIST(ROW)
#undef ROW
};
#define ROWS (sizeof(list) / sizeof(list[0]))

/* Every status has its own value, 0 for success and below it for errors, its own name and its own text. */
static void test_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(list[i].status, list[i].value);
        assert_int_equal(list[i].value, -(int)i);
        assert_string_equal(aivo_status_name(list[i].status), list[i].name);
        assert_string_equal(aivo_strerror(list[i].status), list[i].text);
        assert_true(strlen(list[i].text) > 0);
        assert_ptr_equal(strchr(list[i].text, '\n'), NULL);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(list[i].text, list[j].text);
    }
    assert_string_equal(aivo_status_name(AIVO_E_TLS), "AIVO_E_TLS");
    assert_int_equal(AIVO_OK, 0);
}

/* Numbers that are no status still have a text. */
static void test_unknown(void **state)
{
    (void)state;
    static const int unknown[] = {1, 1000, -(int)ROWS, -1000000};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_non_null(aivo_strerror((enum aivo_status)unknown[i]));
        assert_string_equal(aivo_strerror((enum aivo_status)unknown[i]), "unknown status");
        assert_string_equal(aivo_status_name((enum aivo_status)unknown[i]), "AIVO_E_UNKNOWN");
    }
}

/* Setting fills all fields and returns the status; without an error struct it only returns it. */
static void test_set(void **state)
{
    (void)state;
    struct aivo_error err = {0};
    assert_int_equal(aivo_error_set(&err, AIVO_E_STORE, 13, "cannot open %s: %d", "a file", 7), AIVO_E_STORE);
    assert_int_equal(err.status, AIVO_E_STORE);
    assert_int_equal(err.code, 13);
    assert_string_equal(err.message, "cannot open a file: 7");
    assert_int_equal(aivo_error_set(NULL, AIVO_E_TLS, 1, "%s", "unseen"), AIVO_E_TLS);
}

/* A message may be wrapped in a further one, which is made of it. */
static void test_wrap(void **state)
{
    (void)state;
    struct aivo_error err = {0};
    aivo_error_set(&err, AIVO_E_TLS, 1, "inner");
    aivo_error_set(&err, AIVO_E_CONNECT, 2, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
}

/* Too long a message is cut to the field, whole characters only, and stays one line. */
static void test_long(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t c = 0; c < 4; c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[1024] = "";
            struct aivo_error err = {0};
            size_t width = strlen(characters[c]);
            for (size_t i = 0; i < shift; i++)
                strcat(text, "-");
            while (strlen(text) < 600)
                strcat(text, characters[c]);
            aivo_error_set(&err, AIVO_E_HTTP, 0, "%s", text);
            size_t len = strlen(err.message);
            assert_true(len < sizeof(err.message) && len > sizeof(err.message) - 1 - width);
            assert_int_equal((len - shift) % width, 0);
            assert_memory_equal(err.message, text, len);
        }
    }
    struct aivo_error err = {0};
    aivo_error_set(&err, AIVO_E_HTTP, 0, "one\r\ntwo\nthree");
    assert_string_equal(err.message, "one  two three");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list), cmocka_unit_test(test_unknown), cmocka_unit_test(test_set),
        cmocka_unit_test(test_wrap), cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
