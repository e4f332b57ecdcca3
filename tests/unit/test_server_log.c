#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../server-stub/src/log.h" /* the SDK has a log.h too */
#include "json.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char line[SRV_LOG_MAX_LINE + 1];

static const char *format(bool json, const char *message, const struct srv_log_field *fields, unsigned count)
{
    struct aivo_buf out;
    aivo_buf_init(&out);
    srv_log_format(&out, json, SRV_LOG_WARN, 1709210096789, message, fields, count);
    assert_false(out.failed);
    assert_true(out.len <= SRV_LOG_MAX_LINE);
    memcpy(line, out.data, out.len + 1);
    aivo_buf_free(&out);
    /* One line, whatever was in the message. */
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    return line;
}

static struct aivo_json format_json(const char *message, const struct srv_log_field *fields, unsigned count)
{
    const char *text = format(true, message, fields, count);
    struct aivo_json json = aivo_json_parse(text, strlen(text), NULL);
    assert_int_equal(json.type, AIVO_JSON_OBJECT);
    return json;
}

static int members(const struct aivo_json *object)
{
    struct aivo_json key, value;
    size_t pos = 0;
    int count = 0;
    while (aivo_json_next_member(object, &pos, &key, &value))
        count++;
    return count;
}

/* The time of a leap day, the epoch, and one beyond the year 9999. */
static void test_time(void **state)
{
    (void)state;
    char out[SRV_LOG_TIME_SIZE];
    srv_log_time(out, 1709210096789);
    assert_string_equal(out, "2024-02-29T12:34:56.789Z");
    srv_log_time(out, 0);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    srv_log_time(out, UINT64_MAX);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
}

/* Text lines with and without fields; a value is quoted where it would be read wrongly otherwise. */
static void test_text(void **state)
{
    (void)state;
    const struct srv_log_field fields[] = {SRV_LOG_FIELD("reason", "bad signature"), SRV_LOG_FIELD("socket", "abc"),
                                           SRV_LOG_FIELD("absent", NULL), SRV_LOG_FIELD("empty", ""),
                                           SRV_LOG_FIELD("quote", "a\"b")};
    assert_string_equal(format(false, "hello", NULL, 0), "2024-02-29T12:34:56.789Z warn: hello\n");
    assert_string_equal(format(false, "token refused", fields, 5),
                        "2024-02-29T12:34:56.789Z warn: token refused reason=\"bad signature\" socket=abc empty=\"\" "
                        "quote=\"a\\\"b\"\n");
}

/* What a peer sent cannot forge a line, colour the terminal or move its cursor. */
static void test_text_is_clean(void **state)
{
    (void)state;
    assert_string_equal(format(false, "a\nb\x1b[31m\x7f", NULL, 0),
                        "2024-02-29T12:34:56.789Z warn: a\\x0ab\\x1b[31m\\x7f\n");
    assert_string_equal(format(false, "caf\xc3\xa9 \xc2\x9b", NULL, 0),
                        "2024-02-29T12:34:56.789Z warn: caf\xc3\xa9 \\xc2\\x9b\n");
    assert_string_equal(format(false, "\xff\x9b", NULL, 0), "2024-02-29T12:34:56.789Z warn: \\xff\\x9b\n");
}

/* JSON lines parse, and hold what was given. */
static void test_json(void **state)
{
    (void)state;
    const struct srv_log_field fields[] = {SRV_LOG_FIELD("user", "a\"\n\x01"), SRV_LOG_FIELD("absent", NULL)};
    struct aivo_json json = format_json("x \xff y", fields, 2);
    struct aivo_json value = aivo_json_get(&json, "time");
    assert_true(aivo_json_string_is(&value, "2024-02-29T12:34:56.789Z"));
    value = aivo_json_get(&json, "level");
    assert_true(aivo_json_string_is(&value, "warn"));
    value = aivo_json_get(&json, "message");
    assert_true(aivo_json_string_is(&value, "x \xef\xbf\xbd y"));
    value = aivo_json_get(&json, "user");
    assert_true(aivo_json_string_is(&value, "a\"\n\x01"));
    assert_int_equal(members(&json), 4);
}

/* Messages and fields far over the bound, of bytes that grow sixfold in JSON: still one line, still an object. */
static void test_bounds(void **state)
{
    (void)state;
    char huge[10000], controls[3000];
    struct srv_log_field fields[SRV_LOG_MAX_FIELDS + 3];
    memset(huge, 'x', sizeof huge);
    huge[sizeof huge - 1] = '\0';
    memset(controls, 1, sizeof controls);
    controls[sizeof controls - 1] = '\0';
    for (size_t i = 0; i < SRV_LOG_MAX_FIELDS + 3; i++)
        fields[i] = SRV_LOG_FIELD("name", i % 2 == 0 ? controls : huge);
    format(false, huge, fields, SRV_LOG_MAX_FIELDS + 3);
    assert_string_equal(line + SRV_LOG_MAX_LINE - 4, "...\n");
    format_json(huge, fields, SRV_LOG_MAX_FIELDS + 3);
    format_json(controls, fields, SRV_LOG_MAX_FIELDS + 3);
    for (size_t i = 0; i < SRV_LOG_MAX_FIELDS + 3; i++)
        fields[i].value = "v";
    struct aivo_json json = format_json("m", fields, SRV_LOG_MAX_FIELDS + 3);
    assert_int_equal(members(&json), 3 + SRV_LOG_MAX_FIELDS);
}

/* A cut never splits a character. */
static void test_cut_at_character(void **state)
{
    (void)state;
    char text[6000];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        for (size_t i = 0; i < 1900; i++)
            memcpy(text + shift + i * 3, "\xe2\x82\xac", 3);
        text[shift + 5700] = '\0';
        format(false, text, NULL, 0);
        assert_true(aivo_utf8_valid(line, strlen(line)));
        struct aivo_json json = format_json(text, NULL, 0);
        assert_null(strstr(json.text, "\xef\xbf\xbd"));
    }
}

/* The level decides what is written at all, and each line is one write. */
static void test_level(void **state)
{
    (void)state;
    int ends[2];
    char got[4096];
    assert_int_equal(pipe(ends), 0);
    struct srv_log log;
    srv_log_init(&log, SRV_LOG_INFO, false);
    assert_int_equal(log.fd, STDERR_FILENO);
    log.fd = ends[1];
    srv_log(&log, SRV_LOG_DEBUG, "not %d", 1);
    srv_log(&log, SRV_LOG_INFO, "yes %d", 2);
    struct srv_log_field field = SRV_LOG_FIELD("a", "b");
    srv_log_fields(&log, SRV_LOG_ERROR, "also", &field, 1);
    srv_log_fields(&log, SRV_LOG_DEBUG, "neither", &field, 1);
    close(ends[1]);
    ssize_t n = read(ends[0], got, sizeof got - 1);
    close(ends[0]);
    assert_true(n > 0);
    got[n] = '\0';
    assert_non_null(strstr(got, " info: yes 2\n"));
    assert_non_null(strstr(got, " error: also a=b\n"));
    assert_null(strstr(got, "not"));
    assert_null(strstr(got, "neither"));
}

/* Two lines a minute: the third is left out, and the first of a later minute says how many were. */
static void test_bound(void **state)
{
    (void)state;
    struct srv_log_bound bound = {0};
    unsigned left_out = 99;
    assert_true(srv_log_bounded(&bound, 2, 1000, &left_out));
    assert_int_equal(left_out, 0);
    assert_true(srv_log_bounded(&bound, 2, 1000, &left_out));
    for (int i = 0; i < 3; i++)
        assert_false(srv_log_bounded(&bound, 2, 60999, &left_out));
    assert_true(srv_log_bounded(&bound, 2, 61000, &left_out));
    assert_int_equal(left_out, 3);
    assert_true(srv_log_bounded(&bound, 2, 61000, &left_out));
    assert_int_equal(left_out, 0);
    assert_false(srv_log_bounded(&bound, 2, 61001, &left_out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_is_clean),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_cut_at_character),
        cmocka_unit_test(test_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
