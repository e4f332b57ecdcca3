#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "env.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the whole text and writes what came as "line:name=value;" or "line!status;". */
static char seen[8192];
static const char *read_bounded(const char *text, size_t len, size_t max_line)
{
    struct srv_env_reader r;
    struct srv_env_entry e;
    enum srv_env_status status;
    size_t n = 0;
    seen[0] = '\0';
    srv_env_reader_init(&r, text, len, max_line);
    while ((status = srv_env_next(&r, &e)) != SRV_ENV_END) {
        if (status == SRV_ENV_ENTRY)
            n += (size_t)snprintf(seen + n, sizeof seen - n, "%zu:%.*s=%s;", e.line, (int)e.name_len, e.name, e.value);
        else
            n += (size_t)snprintf(seen + n, sizeof seen - n, "%zu!%s;", e.line, srv_env_strerror(status));
        assert_true(n < sizeof seen);
    }
    srv_env_reader_free(&r);
    return seen;
}

static const char *read(const char *text)
{
    return read_bounded(text, strlen(text), 4096);
}

/* The forms that people write. */
static void test_forms(void **state)
{
    (void)state;
    assert_string_equal(read("A=1\nB = two words \n\n# comment\n  C=3"), "1:A=1;2:B=two words;5:C=3;");
    assert_string_equal(read("export A=1\nexport\tB=2\nexport=3\nexport = 4\n"), "1:A=1;2:B=2;3:export=3;4:export=4;");
    assert_string_equal(read("A=\nB=''\nC=\"\"\nD"), "1:A=;2:B=;3:C=;4!expected NAME=value;");
    assert_string_equal(read("A=x=y==\nB=\"a=b\"\n"), "1:A=x=y==;2:B=a=b;");
    assert_string_equal(read("\xef\xbb\xbf"
                             "A=1"),
                        "1:A=1;");
    assert_string_equal(read(""), "");
    assert_string_equal(read("#only"), "");
}

/* A '#' begins a comment after white space or at the value's start, but not inside a word or quotes. */
static void test_comments(void **state)
{
    (void)state;
    assert_string_equal(read("A=a#b\nB=a #b\nC=#c\nD='a # b' # c\nE=\"#\"#x\n"), "1:A=a#b;2:B=a;3:C=;4:D=a # b;5:E=#;");
}

/* Quotes: escapes in the double ones only, and several lines in both; the lines after are counted on. */
static void test_quotes(void **state)
{
    (void)state;
    assert_string_equal(read("A=\"a\\nb\\t\\\"q\\\" \\\\ \\$x \\z\"\nB='a\\nb'\n"),
                        "1:A=a\nb\t\"q\" \\ $x \\z;2:B=a\\nb;");
    assert_string_equal(read("K=\"one\ntwo\r\nthree\rfour\"\nL='x\ny'\nM=1"),
                        "1:K=one\ntwo\nthree\nfour;5:L=x\ny;7:M=1;");
    assert_string_equal(read("A='it is' \t\nB=it's\n"), "1:A=it is;2:B=it's;");
}

/* Line ends of every kind, and lines counted the same. */
static void test_line_ends(void **state)
{
    (void)state;
    assert_string_equal(read("A=1\r\nB=2\r\n\r\nC=3\r\n"), "1:A=1;2:B=2;4:C=3;");
    assert_string_equal(read("A=1\rB=2\r\rC=3"), "1:A=1;2:B=2;4:C=3;");
}

/* Each mistake has its own words and its line, and what follows is read all the same. */
static void test_mistakes(void **state)
{
    (void)state;
    assert_string_equal(read("A 1\nB=2\n"), "1!expected NAME=value;2:B=2;");
    assert_string_equal(read("1A=1\nB=2\n"), "1!expected NAME=value;2:B=2;");
    assert_string_equal(read("=1\nB=2\n"), "1!expected NAME=value;2:B=2;");
    assert_string_equal(read("A-B=1\n"), "1!expected NAME=value;");
    assert_string_equal(read("B=2\nA='x' y\nC=3"), "1:B=2;2!unexpected text after the closing quote;3:C=3;");
    assert_string_equal(read("B=2\nA=\"x\ny\n"), "1:B=2;2!the quote is never closed;");
    assert_string_equal(read("A=\"\\"), "1!the quote is never closed;");
    assert_string_equal(read_bounded("A=x\0y\nB=2", 9, 4096), "1!a NUL byte;2:B=2;");
    assert_string_equal(read_bounded("A=\"x\0y\"\nB=2", 11, 4096), "1!a NUL byte;2:B=2;");
    assert_string_equal(read_bounded("A\0=x", 4, 4096), "1!a NUL byte;");
}

/* Lines at and over the bound, quoted ones over several lines and comments included. */
static void test_line_bound(void **state)
{
    (void)state;
    assert_string_equal(read_bounded("A=345678\nB=1", 12, 8), "1:A=345678;2:B=1;");
    assert_string_equal(read_bounded("A=3456789\nB=1", 13, 8), "1!the line is too long;2:B=1;");
    assert_string_equal(read_bounded("A=3 #6789\nB=1", 13, 8), "1!the line is too long;2:B=1;");
    assert_string_equal(read_bounded("#23456789\nB=1", 13, 8), "1!the line is too long;2:B=1;");
    assert_string_equal(read_bounded("#2345678\nB=1", 12, 8), "2:B=1;");
    assert_string_equal(read_bounded("         \nB=1", 13, 8), "1!the line is too long;2:B=1;");
    assert_string_equal(read_bounded("A='4\n67'\nB=1", 12, 8), "1:A=4\n67;3:B=1;");
    assert_string_equal(read_bounded("A='4\n678'\nB=1", 13, 8), "1!the line is too long;3:B=1;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),     cmocka_unit_test(test_comments), cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_line_ends), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_line_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
