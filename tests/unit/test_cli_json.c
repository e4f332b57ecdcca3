#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "jsontext.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every kind of value, with white space and depth up to the bound, is JSON. */
static void test_good(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0",
        "-0.5e+10",
        " [ ] ",
        "{}",
        "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":\"\\u00e9\\n\"}",
        "\"\xc3\xa9\xf0\x9f\x98\x80\"",
        "true",
        "false",
        "null",
        "[[[]],[[]]]",
        "[\r\n1\t,2]",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cli_json_error error;
        if (!cli_json_check(good[i], strlen(good[i]), &error)) {
            fail_msg("%s: %s at %zu", good[i], error.what, error.byte);
        }
    }
    char deep[2 * CLI_JSON_MAX_DEPTH + 1];
    memset(deep, '[', CLI_JSON_MAX_DEPTH);
    memset(deep + CLI_JSON_MAX_DEPTH, ']', CLI_JSON_MAX_DEPTH);
    struct cli_json_error error;
    assert_true(cli_json_check(deep, 2 * CLI_JSON_MAX_DEPTH, &error));
}

/* Each kind of mistake is found at its byte (1 is the first) and named. */
static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len, byte;
        const char *what;
    } rows[] = {
        {"", 0, 1, "the text ends too early"},
        {"  ", 2, 3, "the text ends too early"},
        {"{a", 2, 2, "a member's name is missing"},
        {"{\"a\" 1}", 7, 6, "':' is missing"},
        {"[1 2]", 5, 4, "',' or ']' is missing"},
        {"{\"a\":1]", 7, 7, "',' or '}' is missing"},
        {"[1,]", 4, 4, "no JSON value"},
        {"{\"a\":1,}", 8, 8, "a member's name is missing"},
        {"1 2", 3, 3, "something follows the value"},
        {"01", 2, 2, "a number with a leading zero"},
        {"-x", 2, 2, "a digit is missing"},
        {"1.x", 3, 3, "a digit is missing"},
        {"1e", 2, 3, "the text ends too early"},
        {"tru", 3, 4, "the text ends too early"},
        {"nuLl", 4, 3, "no JSON value"},
        {"NaN", 3, 1, "no JSON value"},
        {"'a'", 3, 1, "no JSON value"},
        {"\"a", 2, 3, "the text ends too early"},
        {"\"a\nb\"", 5, 3, "a control character in a string"},
        {"\"a\0b\"", 5, 3, "a control character in a string"},
        {"\"\\x\"", 4, 3, "an unknown escape"},
        {"\"\\\0\"", 4, 3, "an unknown escape"},
        {"\"\\u12g4\"", 8, 6, "a hexadecimal digit is missing"},
        {"\"\xff\"", 3, 2, "no UTF-8"},
        {"\"\xc0\xaf\"", 4, 2, "no UTF-8"},
        {"\"\xed\xa0\x80\"", 5, 2, "no UTF-8"},
        {"\"\xf4\x90\x80\x80\"", 6, 2, "no UTF-8"},
        {"]", 1, 1, "no JSON value"},
        {"[}", 2, 2, "no JSON value"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cli_json_error error = {0};
        assert_false(cli_json_check(rows[i].text, rows[i].len, &error));
        assert_int_equal(error.byte, rows[i].byte);
        assert_string_equal(error.what, rows[i].what);
    }
    char deep[CLI_JSON_MAX_DEPTH + 2];
    memset(deep, '[', sizeof(deep));
    struct cli_json_error error;
    assert_false(cli_json_check(deep, sizeof(deep), &error));
    assert_int_equal(error.byte, CLI_JSON_MAX_DEPTH + 1);
    assert_string_equal(error.what, "nested too deep");
}

static char *args_of(const char *args, const struct aivo_attachment *attachments, size_t count, bool plain)
{
    struct aivo_message message = {
        .args = args, .args_len = args ? strlen(args) : 0, .attachments = attachments, .attachment_count = count};
    char *text = cli_message_args(&message, plain);
    assert_non_null(text);
    return text;
}

static void expect_args(const char *args, const struct aivo_attachment *attachments, size_t count, bool plain,
                        const char *expected)
{
    char *text = args_of(args, attachments, count, plain);
    assert_string_equal(text, expected);
    free(text);
}

/* Without attachments the text is passed on byte for byte, long numbers and spaces included; nothing that could drive
 * a terminal or break the line comes through. */
static void test_text_args(void **state)
{
    (void)state;
    expect_args("[12345678901234567890, 1.10]", NULL, 0, false, "[12345678901234567890, 1.10]");
    expect_args("[1,\r\n2]", NULL, 0, false, "[1,  2]");
    expect_args("[\"\x7f\xc2\x9b\xc3\xa9\"]", NULL, 0, false, "[\"\\u007f\\u009b\xc3\xa9\"]");
    expect_args(NULL, NULL, 0, false, "[]");
    expect_args("[{\"_placeholder\":true,\"num\":0}]", NULL, 0, false, "[{\"_placeholder\":true,\"num\":0}]");
}

/* Attachments stand in their placeholders' places, at any depth and in any order; a number without one stays. */
static void test_binary_args(void **state)
{
    (void)state;
    const struct aivo_attachment two[] = {{"\0\xff", 2}, {"", 0}};
    expect_args("[{\"_placeholder\":true,\"num\":0}]", two, 2, false, "[{\"_base64\":\"AP8=\"}]");
    expect_args("[1,{\"a\":[{\"num\":1,\"_placeholder\":true}],\"b\":{\"_placeholder\":true,\"num\":0},\"c\":2}]", two,
                2, false, "[1,{\"a\":[{\"_base64\":\"\"}],\"b\":{\"_base64\":\"AP8=\"},\"c\":2}]");
    expect_args(
        "[{\"_placeholder\":true,\"num\":2},{\"_placeholder\":true,\"num\":-1},{\"_placeholder\":1,\"num\":0}]", two, 2,
        false, "[{\"_placeholder\":true,\"num\":2},{\"_placeholder\":true,\"num\":-1},{\"_placeholder\":1,\"num\":0}]");
}

/* A plain WebSocket's message is one string or one binary argument. */
static void test_plain_args(void **state)
{
    (void)state;
    const struct aivo_attachment one[] = {{"abc", 3}};
    expect_args("say \"hi\"\n", NULL, 0, true, "[\"say \\\"hi\\\"\\n\"]");
    expect_args(NULL, one, 1, true, "[{\"_base64\":\"YWJj\"}]");
}

/* What counts as an answer that reports an error. */
static void test_answer_is_error(void **state)
{
    (void)state;
    assert_true(cli_answer_is_error("[{\"error\":\"Unknown action\"}]"));
    assert_true(cli_answer_is_error("[{\"error\":{}},1]"));
    assert_true(cli_answer_is_error("[{\"error\":true,\"rateLimited\":true}]"));
    assert_false(cli_answer_is_error("[{\"error\":null}]"));
    assert_false(cli_answer_is_error("[{\"error\":false}]"));
    assert_false(cli_answer_is_error("[{\"error\":\"\"}]"));
    assert_false(cli_answer_is_error("[{\"success\":true}]"));
    assert_false(cli_answer_is_error("[1,{\"error\":\"x\"}]"));
    assert_false(cli_answer_is_error("[]"));
    assert_false(cli_answer_is_error(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_bad),        cmocka_unit_test(test_text_args),
        cmocka_unit_test(test_binary_args), cmocka_unit_test(test_plain_args), cmocka_unit_test(test_answer_is_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
