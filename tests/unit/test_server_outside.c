/* What an outside agent is told of an event. */
#include "buf.h"
#include "outside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

static const struct srv_outside_ids ids = {"learner \"1\"", "user", "sid"};

static void expect_body(const char *array, const struct aivo_bytes *attachments, unsigned count,
                        const struct srv_outside_ids *who, const char *expected)
{
    struct aivo_json data = aivo_json_parse(array, strlen(array), NULL);
    struct aivo_buf out;
    aivo_buf_init(&out);
    assert_int_equal(data.type, AIVO_JSON_ARRAY);
    assert_true(srv_outside_body(&out, "agent:speech", &data, attachments, count, who));
    assert_string_equal(out.data, expected);
    assert_int_equal(aivo_json_parse(out.data, out.len, NULL).type, AIVO_JSON_OBJECT);
    aivo_buf_free(&out);
}

/* The first argument goes as it is, byte for byte; nothing is null; further arguments are left out. */
static void text_arguments(void **state)
{
    (void)state;
    expect_body("[\"e\", {\"a\" : 1.50,\"a\":\"\\u00e9\"} ,2]", NULL, 0, &ids,
                "{\"event\":\"agent:speech\",\"data\":{\"a\" : 1.50,\"a\":\"\\u00e9\"},\"learnerId\":\"learner "
                "\\\"1\\\"\",\"userId\":\"user\",\"socketId\":\"sid\"}");
    expect_body("[\"e\"]", NULL, 0, &ids,
                "{\"event\":\"agent:speech\",\"data\":null,\"learnerId\":\"learner \\\"1\\\"\",\"userId\":\"user\","
                "\"socketId\":\"sid\"}");
    /* A text packet's object that looks like a placeholder is the peer's own. */
    expect_body("[\"e\",{\"_placeholder\":true,\"num\":0}]", NULL, 0, &(struct srv_outside_ids){"", "u", "s"},
                "{\"event\":\"agent:speech\",\"data\":{\"_placeholder\":true,\"num\":0},\"learnerId\":\"u\",\"userId\":"
                "\"u\",\"socketId\":\"s\"}");
    expect_body("[\"e\",1]", NULL, 0, &(struct srv_outside_ids){NULL, NULL, "s"},
                "{\"event\":\"agent:speech\",\"data\":1,\"learnerId\":null,\"userId\":null,\"socketId\":\"s\"}");
}

#define TAIL ",\"learnerId\":\"u\",\"userId\":\"u\",\"socketId\":\"s\"}"

/* Attachments stand as base64 where their placeholders stood, at any depth and in any order; of one inside another the
 * outer one counts. */
static void attachments(void **state)
{
    (void)state;
    static const struct srv_outside_ids who = {NULL, "u", "s"};
    const struct aivo_bytes bytes[] = {{"\xfb\xff", 2}, {"", 0}, {"abc", 3}};
    expect_body("[\"e\",{\"_placeholder\":true,\"num\":0}]", bytes, 1, &who,
                "{\"event\":\"agent:speech\",\"data\":\"+/8=\"" TAIL);
    expect_body("[\"e\",[{\"num\":2,\"_placeholder\":true},{\"x\":[{\"_placeholder\":true,\"num\":0}]},"
                "{\"_placeholder\": true ,\"num\":1},{\"_placeholder\":false,\"num\":1}]]",
                bytes, 3, &who,
                "{\"event\":\"agent:speech\",\"data\":[\"YWJj\",{\"x\":[\"+/8=\"]},\"\","
                "{\"_placeholder\":false,\"num\":1}]" TAIL);
    expect_body("[\"e\",{\"a\":{\"_placeholder\":true,\"num\":2,\"in\":{\"_placeholder\":true,\"num\":0}}}]", bytes, 3,
                &who, "{\"event\":\"agent:speech\",\"data\":{\"a\":\"YWJj\"}" TAIL);
}

/* What can stand in AGENT_URL and AGENT_TOKEN. */
static void settings(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum srv_outside_url is;
    } urls[] = {
        {"http://127.0.0.1:8080/x", SRV_OUTSIDE_URL_GOOD},
        {"http://localhost", SRV_OUTSIDE_URL_GOOD},
        {"http://[::1]:80/", SRV_OUTSIDE_URL_GOOD},
        {"https://a.example/x?y=z", SRV_OUTSIDE_URL_GOOD},
        {"http://a.example/", SRV_OUTSIDE_URL_PLAIN},
        {"http://[2001:db8::1]/", SRV_OUTSIDE_URL_PLAIN},
        {"http://10.0.0.1/", SRV_OUTSIDE_URL_PLAIN},
        {"", SRV_OUTSIDE_URL_BAD},
        {"a.example", SRV_OUTSIDE_URL_BAD},
        {"file:///etc/passwd", SRV_OUTSIDE_URL_BAD},
        {"http://", SRV_OUTSIDE_URL_BAD},
        {"http://u@a.example/", SRV_OUTSIDE_URL_BAD},
        {"http://a.example:99999/", SRV_OUTSIDE_URL_BAD},
        {"https://u:p@a.example/", SRV_OUTSIDE_URL_BAD},
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        char error[256] = "";
        assert_int_equal(srv_outside_check_url(urls[i].url, error, sizeof error), urls[i].is);
        assert_int_equal(error[0] != '\0', urls[i].is == SRV_OUTSIDE_URL_BAD);
    }
    assert_true(srv_outside_check_token("abc.DEF-1~"));
    assert_false(srv_outside_check_token("a\r\nX: y"));
    assert_false(srv_outside_check_token("a b"));
    assert_false(srv_outside_check_token("\xc3\xa9"));
    char *token = malloc(SRV_OUTSIDE_MAX_TOKEN + 2);
    assert_non_null(token);
    memset(token, 'a', SRV_OUTSIDE_MAX_TOKEN + 1);
    token[SRV_OUTSIDE_MAX_TOKEN + 1] = '\0';
    assert_false(srv_outside_check_token(token));
    assert_true(srv_outside_check_token(token + 1));
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_arguments),
        cmocka_unit_test(attachments),
        cmocka_unit_test(settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
