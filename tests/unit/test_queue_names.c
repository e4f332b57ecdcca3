/* The queue's file and its log under a running writer: deleted, replaced, linked; and a log that is damaged. */
#include "queue_bench.h"

#include "queue_internal.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* The lock is deleted, and a second writer gets in: the first one is refused with the reason, the second works, and
 * what each was told is there is there. */
static void test_lock_deleted(void **state)
{
    struct bench *b = *state;
    struct aivo_error err = {.message = ""};
    struct aivo_queue *second = NULL;
    char lock[256];
    bench_open(b);
    bench_send(b, "[1]");
    bench_settle(b);
    name_of(b, "-lock", lock);
    assert_int_equal(unlink(lock), 0);
    expect_refused(b, "lock");
    assert_int_equal(aivo_queue_open(&b->options, NULL, NULL, NULL, &second, &err), AIVO_OK);
    assert_int_equal(aivo_queue_send(second, "event", "[3]", NULL, &err), AIVO_OK);
    expect_refused(b, "was deleted or replaced");
    bench_close(b);
    assert_int_equal(aivo_queue_send(second, "event", "[4]", NULL, &err), AIVO_OK);
    aivo_queue_close(second);
    bench_open(b);
    assert_int_equal(bench_pending(b), 3);
}

static int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int use_as_child(struct bench *b)
{
    struct aivo_error err = {.message = ""};
    uint64_t count;
    alarm(10);
    if (aivo_queue_send(b->q, "event", "[2]", NULL, &err) != AIVO_E_STATE || !strstr(err.message, "forked child"))
        return 1;
    if (aivo_queue_send_async(b->q, "event", "[2]", NULL, NULL, NULL, NULL, &err) != AIVO_E_STATE)
        return 2;
    if (aivo_queue_purge(b->q, NULL, &count, &err) != AIVO_E_STATE)
        return 3;
    aivo_queue_close(b->q);
    return 0;
}

/* A forked child uses its parent's queue: refused with the reason, and the parent's goes on. */
static void test_used_by_child(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    bench_send(b, "[1]");
    bench_settle(b);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(use_as_child(b));
    assert_int_equal(status_of(pid), 0);
    bench_send(b, "[2]");
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 2);
}

/* A forked child that has nothing to do with the queue lives on: its parent closes the queue and opens it again. */
static void test_child_lives(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    struct aivo_error err = {.message = ""};
    bench_close(b);
    enum aivo_status status = bench_try_open(b, &err);
    kill(pid, SIGKILL);
    assert_int_equal(status_of(pid), -SIGKILL);
    if (status != AIVO_OK)
        fail_msg("%s", err.message);
    bench_send(b, "[1]");
}

/* It outlives its parent, which is killed: the next program opens the file. */
static void test_child_outlives(void **state)
{
    struct bench *b = *state;
    struct aivo_error err = {.message = ""};
    int ends[2];
    pid_t child = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (bench_try_open(b, &err) != AIVO_OK || aivo_queue_send(b->q, "event", "[1]", NULL, &err) != AIVO_OK)
            _exit(1);
        if (fork() == 0) {
            child = getpid();
            if (write(ends[1], &child, sizeof child) != sizeof child)
                _exit(2);
        }
        pause();
        _exit(0);
    }
    assert_int_equal(read(ends[0], &child, sizeof child), sizeof child);
    kill(pid, SIGKILL);
    assert_int_equal(status_of(pid), -SIGKILL);
    close(ends[0]);
    close(ends[1]);
    enum aivo_status status = bench_try_open(b, &err);
    kill(child, SIGKILL);
    if (status != AIVO_OK)
        fail_msg("%s", err.message);
    assert_int_equal(bench_pending(b), 1);
}

#define LOGGED 120

/* A queue whose process was killed: its file and its log, as PATH.killed and PATH.killed-wal. */
static void killed_queue(struct bench *b, char path[256], char log[256])
{
    char from[256];
    bench_open(b);
    for (int i = 1; i <= LOGGED; i++) {
        char args[64];
        snprintf(args, sizeof args, "[%d,\"forty bytes of something to be said....\"]", i);
        bench_send(b, args);
    }
    name_of(b, ".killed", path);
    name_of(b, ".killed-wal", log);
    name_of(b, "-wal", from);
    copy_file(b->path, path);
    copy_file(from, log);
    bench_close(b);
    memcpy(b->path, path, strlen(path) + 1);
}

/* A byte of the log goes bad. */
static void spoil(const char *log, off_t at)
{
    char byte;
    int fd = open(log, O_RDWR);
    assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte = (char)(byte ^ 0x20);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static uint32_t page_of_frame(const char *log, off_t frame)
{
    uint8_t page[4] = {0};
    int fd = open(log, O_RDONLY);
    assert_true(fd >= 0);
    pread(fd, page, 4, 32 + frame * (24 + 4096));
    close(fd);
    return (uint32_t)page[0] << 24 | (uint32_t)page[1] << 16 | (uint32_t)page[2] << 8 | page[3];
}

static bool written_again(const char *log, off_t frame, off_t frames)
{
    for (off_t later = frame + 1; later < frames; later++) {
        if (page_of_frame(log, later) == page_of_frame(log, frame))
            return true;
    }
    return false;
}

/* What waits is delivered in order, each once. How many. */
static size_t deliver_all(struct bench *b)
{
    size_t left = (size_t)bench_pending(b), sent = b->sent_count, told = b->told_count;
    bench_send(b, "[1000]");
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, told + left + 1);
    for (int last = 0; sent < b->sent_count; sent++) {
        assert_true(atoi(b->sent[sent].args + 1) > last);
        last = atoi(b->sent[sent].args + 1);
    }
    assert_int_equal(atoi(b->sent[b->sent_count - 1].args + 1), 1000);
    bench_disconnect(b);
    bench_close(b);
    return left;
}

static void remove_all(const struct bench *b)
{
    char command[300];
    snprintf(command, sizeof command, "rm -f '%s'*", b->path);
    assert_int_equal(system(command), 0);
}

/* The log of a process that was killed has a bad byte somewhere. Every commit but the last two shows it: the file is
 * moved aside with a notice, and the commits behind the bad place are there too. Nothing is lost but what stood in that
 * one page and nowhere else; the log is kept as it was found. */
static void test_log_damaged(void **state)
{
    struct bench *b = *state;
    char path[256], log[256], kept[256], kept_log[256], command[600];
    struct stat st;
    killed_queue(b, path, log);
    assert_int_equal(stat(log, &st), 0);
    const off_t frames = (st.st_size - 32) / (24 + 4096);
    assert_true(frames > 3 * LOGGED / 2);
    snprintf(kept, sizeof kept, "%s/kept", b->dir);
    copy_file(path, kept);
    snprintf(kept_log, sizeof kept_log, "%s/kept-wal", b->dir);
    copy_file(log, kept_log);
    size_t whole = 0;
    for (off_t at = 3; at < st.st_size - 10 * (24 + 4096); at += at < 32 ? 8 : 49999) {
        remove_all(b);
        copy_file(kept, path);
        copy_file(kept_log, log);
        spoil(log, at);
        const off_t frame = (at - 32) / (24 + 4096);
        const bool only_in_header = at < 32;
        b->notice_count = b->sent_count = b->answered_count = b->told_count = 0;
        bench_open(b);
        bench_settle(b);
        assert_int_equal(b->notice_count, 1);
        assert_non_null(strstr(b->notices[0].message, "amaged"));
        size_t left = deliver_all(b);
        if (only_in_header || written_again(kept_log, frame, frames))
            assert_in_range(left, only_in_header ? LOGGED - 1 : LOGGED, LOGGED);
        else
            assert_in_range(left, LOGGED / 2, LOGGED);
        whole += left == LOGGED;
        snprintf(command, sizeof command, "test $(cat '%s'.corrupt-*Z-wal | cmp -l - '%s-wal' | wc -l) = 1", path,
                 kept);
        assert_int_equal(system(command), 0); /* and by nothing else */
    }
    assert_true(whole > 12);
}

/* The last commit alone is not whole, as a power cut leaves it: no damage, nothing is moved, what stands before is
 * there. */
static void test_log_unfinished(void **state)
{
    struct bench *b = *state;
    char path[256], log[256];
    struct stat st;
    killed_queue(b, path, log);
    assert_int_equal(stat(log, &st), 0);
    spoil(log, st.st_size - 100);
    bench_open(b);
    bench_settle(b);
    assert_int_equal(b->notice_count, 0);
    assert_int_equal(deliver_all(b), LOGGED - 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_child_outlives), /* first: it forks, and there was no thread yet */
                                       TEST(test_used_by_child),  TEST(test_child_lives), TEST(test_lock_deleted),
                                       TEST(test_deleted),        TEST(test_replaced),    TEST(test_log_deleted),
                                       TEST(test_hard_link),      TEST(test_log_damaged), TEST(test_log_unfinished)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
