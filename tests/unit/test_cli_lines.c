#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "input.h"
#include "jobs.h"
#include "token.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lines come out whole however the bytes arrive; the last needs no end; numbers count every line. */
static void test_lines(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct cli_input input;
    cli_input_init(&input, fds[0]);
    const char *text;
    size_t len;
    assert_int_equal(cli_input_next(&input, &text, &len), CLI_INPUT_WAIT);
    assert_int_equal(write(fds[1], "ab", 2), 2);
    assert_true(cli_input_fill(&input));
    assert_int_equal(cli_input_next(&input, &text, &len), CLI_INPUT_WAIT);
    assert_int_equal(write(fds[1], "c\n\nlast", 7), 7);
    close(fds[1]);
    assert_true(cli_input_fill(&input));
    assert_int_equal(cli_input_next(&input, &text, &len), CLI_INPUT_LINE);
    assert_int_equal(len, 3);
    assert_memory_equal(text, "abc", 3);
    assert_int_equal(input.line, 1);
    assert_int_equal(cli_input_next(&input, &text, &len), CLI_INPUT_LINE);
    assert_int_equal(len, 0);
    assert_int_equal(cli_input_next(&input, &text, &len), CLI_INPUT_WAIT);
    assert_true(cli_input_fill(&input));
    assert_int_equal(cli_input_next(&input, &text, &len), CLI_INPUT_LINE);
    assert_memory_equal(text, "last", 4);
    assert_int_equal(input.line, 3);
    assert_int_equal(cli_input_next(&input, &text, &len), CLI_INPUT_END);
    assert_int_equal(cli_input_next(&input, &text, &len), CLI_INPUT_END);
    cli_input_free(&input);
    close(fds[0]);
}

/* A line beyond the bound is skipped and numbered, takes no more memory than the bound, and the next one is whole. */
static void test_long_line(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    static char block[65536];
    memset(block, 'x', sizeof(block));
    for (size_t i = 0; i < 4 * CLI_INPUT_LINE_MAX / sizeof(block); i++) {
        assert_int_equal(fwrite(block, 1, sizeof(block), file), sizeof(block));
    }
    fputs("\nnext\n", file);
    fflush(file);
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    struct cli_input input;
    cli_input_init(&input, fileno(file));
    const char *text;
    size_t len;
    enum cli_input_result result;
    while ((result = cli_input_next(&input, &text, &len)) == CLI_INPUT_WAIT) {
        assert_true(cli_input_fill(&input));
    }
    assert_int_equal(result, CLI_INPUT_TOO_LONG);
    assert_int_equal(input.line, 1);
    assert_true(input.size <= 4 * CLI_INPUT_LINE_MAX);
    while ((result = cli_input_next(&input, &text, &len)) == CLI_INPUT_WAIT) {
        assert_true(cli_input_fill(&input));
    }
    assert_int_equal(result, CLI_INPUT_LINE);
    assert_int_equal(len, 4);
    assert_memory_equal(text, "next", 4);
    cli_input_free(&input);
    fclose(file);
}

static void expect_take(struct cli_jobs *jobs, const char *expected)
{
    char *output = NULL;
    assert_true(cli_jobs_take(jobs, &output));
    assert_string_equal(output, expected);
    free(output);
}

/* Jobs end in any order and leave in the order in which they came, while the ring grows and turns. */
static void test_jobs_in_order(void **state)
{
    (void)state;
    struct cli_jobs jobs;
    cli_jobs_init(&jobs);
    uint64_t number, first = 0, next = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 30 + round; i++) {
            assert_true(cli_jobs_add(&jobs, 0, &number));
            assert_int_equal(number, next++);
        }
        for (uint64_t n = next; n-- > first;) { /* newest first */
            char *output;
            assert_false(cli_jobs_take(&jobs, &output));
            struct cli_job *job = cli_jobs_get(&jobs, n);
            job->done = true;
            assert_true(asprintf(&job->output, "%llu", (unsigned long long)n) > 0);
        }
        for (; first < next; first++) {
            char text[24];
            snprintf(text, sizeof(text), "%llu", (unsigned long long)first);
            expect_take(&jobs, text);
            assert_null(cli_jobs_get(&jobs, first));
        }
    }
    cli_jobs_free(&jobs);
}

/* A durable message's job is found by its id until it is done; the bound is kept. */
static void test_jobs_find(void **state)
{
    (void)state;
    struct cli_jobs jobs;
    cli_jobs_init(&jobs);
    uint64_t number;
    for (int i = 0; i < CLI_JOBS_MAX; i++) {
        assert_true(cli_jobs_add(&jobs, (uint64_t)i, &number));
        snprintf(cli_jobs_get(&jobs, number)->id, 37, "id-%d", i);
    }
    assert_false(cli_jobs_add(&jobs, 0, &number));
    struct cli_job *job = cli_jobs_find(&jobs, "id-17");
    assert_int_equal(job->line, 17);
    job->done = true;
    job->output = strdup("kept until freed");
    assert_null(cli_jobs_find(&jobs, "id-17"));
    assert_null(cli_jobs_find(&jobs, "id-x"));
    cli_jobs_free(&jobs);
}

/* A token is what any other implementation makes of the same header, claims and secret. */
static void test_token(void **state)
{
    (void)state;
    char *token = cli_token_mint("secret", "learner-1", 1700000000, 3600);
    assert_string_equal(token, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
                               "eyJzdWIiOiJsZWFybmVyLTEiLCJ1c2VySWQiOiJsZWFybmVyLTEiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTc"
                               "wMDAwMzYwMH0.8eUcmbEef--_l0gcReM6v83a0745kU_uhoz5rbpaROw");
    free(token);
    assert_true(cli_token_user_valid("\xc3\xa9"));
    assert_false(cli_token_user_valid(""));
    assert_false(cli_token_user_valid("\xff"));
    char user[258];
    memset(user, 'u', sizeof(user));
    user[257] = '\0';
    assert_false(cli_token_user_valid(user));
    assert_true(cli_token_user_valid(user + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_long_line), cmocka_unit_test(test_jobs_in_order),
        cmocka_unit_test(test_jobs_find), cmocka_unit_test(test_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
