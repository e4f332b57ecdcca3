#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "flags.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

struct values {
    bool on;
    const char *text, *any;
    int64_t number;
    int choice;
};

static const char *const choices[] = {"one", "two", NULL};
static const struct cli_flag flags[] = {
    {"on", CLI_FLAG_BOOL, offsetof(struct values, on), NULL, "", 0, 0, NULL},
    {"text", CLI_FLAG_TEXT, offsetof(struct values, text), "T", "", 0, 0, NULL},
    {"any", CLI_FLAG_ANY, offsetof(struct values, any), "A", "", 0, 0, NULL},
    {"number", CLI_FLAG_NUMBER, offsetof(struct values, number), "N", "", 10, 99, NULL},
    {"choice", CLI_FLAG_CHOICE, offsetof(struct values, choice), "C", "", 0, 0, choices},
};

/* Splits at spaces (a '_' stands for an empty word) and parses. */
static enum cli_parse parse(const char *line, struct values *values, struct cli_words *words, char *error)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;
    snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
    }
    struct cli_flag_table table = {.flags = flags, .count = 5, .target = values};
    return cli_flags_parse(&table, 1, argc, argv, words, error);
}

/* Both spellings of a value, words between flags, and the last of a repeated flag: each lands where it belongs. */
static void test_good(void **state)
{
    (void)state;
    struct values v = {.number = 1};
    struct cli_words words;
    char error[CLI_ERROR_MAX];
    assert_int_equal(parse("a --on --text x b --number=42 --choice two c --text=y=z", &v, &words, error), CLI_PARSE_OK);
    assert_true(v.on);
    assert_string_equal(v.text, "y=z");
    assert_null(v.any);
    assert_int_equal(v.number, 42);
    assert_int_equal(v.choice, 1);
    assert_int_equal(words.count, 3);
    assert_string_equal(words.word[0], "a");
    assert_string_equal(words.word[1], "b");
    assert_string_equal(words.word[2], "c");
}

/* A lone dash and a negative number are words, "--" makes words of all that follows, and a value may look like a flag.
 */
static void test_words(void **state)
{
    (void)state;
    struct values v = {0};
    struct cli_words words;
    char error[CLI_ERROR_MAX];
    assert_int_equal(parse("- -5 --text --on --any _ -- --on -x", &v, &words, error), CLI_PARSE_OK);
    assert_false(v.on);
    assert_string_equal(v.text, "--on");
    assert_string_equal(v.any, "");
    assert_int_equal(words.count, 4);
    assert_string_equal(words.word[0], "-");
    assert_string_equal(words.word[1], "-5");
    assert_string_equal(words.word[2], "--on");
    assert_string_equal(words.word[3], "-x");
}

/* Whatever makes no sense is named, and fields that were not reached keep their value. */
static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *line, *error;
    } rows[] = {
        {"--nope", "unknown flag --nope"},
        {"--nope=3", "unknown flag --nope"},
        {"-x", "unknown flag -x"},
        {"-on", "unknown flag -on"},
        {"--onn", "unknown flag --onn"},
        {"--=3", "unknown flag --"},
        {"--on=1", "--on takes no value"},
        {"--text", "--text needs a value: T"},
        {"--text=", "--text: the value is empty"},
        {"--text _", "--text: the value is empty"},
        {"--number 9", "--number: '9' is not a whole number of 10 to 99"},
        {"--number 100", "--number: '100' is not a whole number of 10 to 99"},
        {"--number 1e1", "--number: '1e1' is not a whole number of 10 to 99"},
        {"--number -20", "--number: '-20' is not a whole number of 10 to 99"},
        {"--number=", "--number: '' is not a whole number of 10 to 99"},
        {"--number 99999999999999999999", "--number: '99999999999999999999' is not a whole number of 10 to 99"},
        {"--choice three", "--choice: 'three' is none of: one, two"},
        {"--choice=a\tb\033[2J", "--choice: 'a?b?[2J' is none of: one, two"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct values v = {.number = 7, .choice = 5};
        struct cli_words words;
        char error[CLI_ERROR_MAX];
        assert_int_equal(parse(rows[i].line, &v, &words, error), CLI_PARSE_ERROR);
        assert_string_equal(error, rows[i].error);
        assert_int_equal(v.number, 7);
        assert_int_equal(v.choice, 5);
        assert_false(v.on);
    }
}

/* --help wins over what follows, but not over an error before it. */
static void test_help(void **state)
{
    (void)state;
    struct values v = {0};
    struct cli_words words;
    char error[CLI_ERROR_MAX];
    assert_int_equal(parse("a --help --nope", &v, &words, error), CLI_PARSE_HELP);
    assert_int_equal(parse("-h", &v, &words, error), CLI_PARSE_HELP);
    assert_int_equal(parse("--nope --help", &v, &words, error), CLI_PARSE_ERROR);
    assert_int_equal(parse("--text --help", &v, &words, error), CLI_PARSE_OK);
}

/* What is shown of a URL holds neither user info nor query. */
static void test_public_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *shown;
    } rows[] = {
        {"http://h:1/a", "http://h:1/a"},         {"wss://u:p@h/a?token=x", "wss://h/a"},
        {"https://a@b@h#frag", "https://h"},      {"u:secret@h", "u:secret@h"},
        {"http://h?x=http://u@g", "http://h"},    {"HTTP://h/u@x", "HTTP://h/u@x"},
        {"ws://[::1]:4003/", "ws://[::1]:4003/"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char shown[64];
        cli_url_public(rows[i].url, shown, sizeof(shown));
        if (strcmp(rows[i].url, "u:secret@h") == 0) {
            assert_string_equal(shown, "h"); /* without a scheme as well */
            continue;
        }
        assert_string_equal(shown, rows[i].shown);
    }
    char tight[8];
    cli_url_public("http://host", tight, sizeof(tight));
    assert_string_equal(tight, "http://");
}

/* The payload is --auth's members with token and learner's id in their place, or nothing at all. */
static void test_payload(void **state)
{
    (void)state;
    struct cli_common common = {0};
    bool failed = true;
    assert_null(cli_auth_payload(&common, NULL, &failed));
    assert_false(failed);
    static const struct {
        const char *auth, *user, *token, *payload;
    } rows[] = {
        {NULL, NULL, "t", "{\"token\":\"t\"}"},
        {NULL, "u\"v", NULL, "{\"learnerId\":\"u\\\"v\"}"},
        {NULL, "u", "t", "{\"token\":\"t\",\"learnerId\":\"u\"}"},
        {"{\"a\":[1],\"token\":\"old\"}", "u", "t", "{\"a\":[1],\"token\":\"t\",\"learnerId\":\"u\"}"},
        {"{\"token\":\"mine\"}", NULL, NULL, "{\"token\":\"mine\"}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        common.auth = rows[i].auth;
        common.user = rows[i].user;
        char *payload = cli_auth_payload(&common, rows[i].token, &failed);
        assert_false(failed);
        assert_string_equal(payload, rows[i].payload);
        free(payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_words),      cmocka_unit_test(test_bad),
        cmocka_unit_test(test_help), cmocka_unit_test(test_public_url), cmocka_unit_test(test_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
