/* The queue's file and its log under a running writer: deleted, replaced, linked; and a log that is damaged. */
#include "queue_bench.h"

#include "queue_internal.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OK_ANSWER "[{\"success\":true}]"

static void name_of(const struct bench *b, const char *suffix, char out[256])
{
    snprintf(out, 256, "%s%s", b->path, suffix);
}

static void copy_file(const char *from, const char *to)
{
    char command[600];
    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static void expect_refused(struct bench *b, const char *words)
{
    struct aivo_error err = {.message = ""};
    assert_int_equal(aivo_queue_send(b->q, "event", "[2]", NULL, &err), AIVO_E_STORE);
    if (!strstr(err.message, words))
        fail_msg("%s", err.message);
}

/* The file is deleted while it is in use: the next send is refused with the reason, and what was accepted before is
 * still delivered. */
static void test_deleted(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    bench_send(b, "[1]");
    bench_settle(b);
    assert_int_equal(unlink(b->path), 0);
    expect_refused(b, "was deleted or replaced");
    expect_refused(b, "was deleted or replaced");
    assert_int_equal(bench_pending(b), 1);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, 1);
    bench_run_until(b, &b->notice_count, 1); /* its row cannot be removed */
    assert_non_null(strstr(b->notices[0].message, "was deleted or replaced"));
}

/* Another file is moved into its place: likewise, and that file is not touched. Put back, all goes on. */
static void test_replaced(void **state)
{
    struct bench *b = *state;
    char other[256], kept[256];
    struct stat st;
    bench_open(b);
    bench_send(b, "[1]");
    bench_settle(b);
    name_of(b, ".other", other);
    name_of(b, ".kept", kept);
    assert_int_equal(rename(b->path, kept), 0);
    assert_int_equal(close(open(b->path, O_WRONLY | O_CREAT, 0600)), 0);
    expect_refused(b, "was deleted or replaced");
    assert_int_equal(stat(b->path, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(rename(kept, b->path), 0);
    bench_send(b, "[3]");
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 2);
}

/* The log is deleted: what would be written to it would be lost with the process, so it is refused; what was in it is
 * still there after the close. */
static void test_log_deleted(void **state)
{
    struct bench *b = *state;
    char log[256];
    bench_open(b);
    bench_send(b, "[1]");
    bench_settle(b);
    name_of(b, "-wal", log);
    assert_int_equal(unlink(log), 0);
    expect_refused(b, "log");
    assert_int_equal(bench_pending(b), 1);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 1);
    bench_send(b, "[2]");
}

/* A second name of the file would have a log and a lock of its own: refused, through either name. */
static void test_hard_link(void **state)
{
    struct bench *b = *state;
    struct aivo_error err = {.message = ""};
    char other[256];
    bench_open(b);
    bench_send(b, "[1]");
    name_of(b, ".link", other);
    assert_int_equal(link(b->path, other), 0);
    struct aivo_queue_options options = b->options;
    struct aivo_queue *second = NULL;
    options.path = other;
    assert_int_equal(aivo_queue_open(&options, NULL, NULL, NULL, &second, &err), AIVO_E_STORE);
    assert_non_null(strstr(err.message, "hard link"));
    bench_send(b, "[2]"); /* a backup that links does not stop the writer */
    bench_close(b);
    assert_int_equal(bench_try_open(b, &err), AIVO_E_STORE);
    assert_int_equal(unlink(other), 0);
    bench_open(b);
    assert_int_equal(bench_pending(b), 2);
}

/* The log of a process that was killed has a bad byte in its middle: what stands before it is there, in order, the file
 * is not given up, and it works. */
static void test_log_damaged(void **state)
{
    struct bench *b = *state;
    char log[256], file_copy[256], log_copy[256], byte;
    struct stat st;
    bench_open(b);
    for (int i = 1; i <= 50; i++) {
        char args[32];
        snprintf(args, sizeof args, "[%d]", i);
        bench_send(b, args);
    }
    name_of(b, "-wal", log);
    snprintf(file_copy, sizeof file_copy, "%s/copy", b->dir);
    snprintf(log_copy, sizeof log_copy, "%s/copy-wal", b->dir);
    copy_file(b->path, file_copy);
    copy_file(log, log_copy);
    bench_close(b);
    int fd = open(log_copy, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(pread(fd, &byte, 1, st.st_size / 2), 1);
    byte = (char)(byte ^ 0x20);
    assert_int_equal(pwrite(fd, &byte, 1, st.st_size / 2), 1);
    close(fd);
    snprintf(b->path, sizeof b->path, "%s/copy", b->dir);
    bench_open(b);
    bench_step(b);
    size_t left = (size_t)bench_pending(b);
    assert_in_range(left, 10, 49);
    bench_send(b, "[51]");
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, left + 1);
    for (size_t i = 0; i < left; i++)
        assert_int_equal(atoi(b->sent[i].args + 1), i + 1);
    assert_string_equal(b->sent[left].args, "[51]");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_deleted), TEST(test_replaced), TEST(test_log_deleted),
                                       TEST(test_hard_link), TEST(test_log_damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
