/* A damaged queue file is salvaged by a process that dies on the way, at each of its steps, or whose disk is full. */
#include "queue_bench.h"

#include "queue_internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OK_ANSWER "[{\"success\":true}]"
#define MESSAGES  90

/* What the process does to the file system is counted; before step number dies_at it is killed. These stand in for the
 * C library's; SQLite's own come by its table of system calls. */
static unsigned steps, dies_at;
static void one_step(void)
{
    if (++steps == dies_at)
        kill(getpid(), SIGKILL);
}

int rename(const char *from, const char *to)
{
    one_step();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    one_step();
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int unlink(const char *path)
{
    one_step();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* No power fails here: what these wait for is not needed. */
int fsync(int fd)
{
    (void)fd;
    one_step();
    return 0;
}

__attribute__((visibility("default"))) int fdatasync(int fd) /* SQLite's too */
{
    return fsync(fd);
}

/* Of its many writes each tenth is enough. */
static ssize_t step_and_write(int fd, const void *data, size_t len, off_t at)
{
    static unsigned writes;
    if (++writes % 10 == 1)
        one_step();
    return pwrite(fd, data, len, at);
}

static void count_writes_of_sqlite(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr fn = (sqlite3_syscall_ptr)(void (*)(void))step_and_write;
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", fn), SQLITE_OK);
    vfs->xSetSystemCall(vfs, "pwrite64", fn); /* where there is such a one */
    fn = (sqlite3_syscall_ptr)(void (*)(void))unlink;
    assert_int_equal(vfs->xSetSystemCall(vfs, "unlink", fn), SQLITE_OK);
}

static void run(const char *format, ...)
{
    char command[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

/* A queue whose process was killed, with messages in the file and in the log, kept as DIR/kept. */
static void make_killed_queue(struct bench *b)
{
    bench_open(b);
    for (int i = 1; i <= MESSAGES; i++) {
        char args[300];
        snprintf(args, sizeof args, "[%d,\"%0200d\"]", i, i);
        bench_send(b, args);
        if (i == MESSAGES / 2) {
            bench_close(b);
            bench_open(b);
        }
    }
    run("mkdir '%s/kept' && cp '%s' '%s-wal' '%s/kept'", b->dir, b->path, b->path, b->dir);
    bench_close(b);
}

static void put_back(const struct bench *b)
{
    run("rm -f '%s'* && cp '%s/kept/'* '%s'", b->path, b->dir, b->dir);
}

static void write_at(const struct bench *b, const char *name, off_t at, const void *data, size_t len)
{
    char path[256];
    snprintf(path, sizeof path, "%s/kept/%s", b->dir, name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, at), len);
    close(fd);
}

/* The root of an index is overwritten, in the file and wherever the log has it: all messages can be read. */
static void spoil_an_index(struct bench *b)
{
    char path[256], garbage[4096];
    uint8_t head[24];
    sqlite3 *db;
    sqlite3_stmt *s;
    put_back(b);
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name = 'message_collapse'", -1, &s, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    uint32_t page = (uint32_t)sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    memset(garbage, 0xa5, sizeof garbage);
    write_at(b, "queue.db", (off_t)(page - 1) * 4096, garbage, sizeof garbage);
    snprintf(path, sizeof path, "%s/kept/queue.db-wal", b->dir);
    int fd = open(path, O_RDONLY);
    for (off_t at = 32; pread(fd, head, sizeof head, at) == (ssize_t)sizeof head; at += 24 + 4096)
        assert_true(head[3] != page); /* no message had a key to collapse by */
    close(fd);
}

static void spoil_the_log(struct bench *b)
{
    write_at(b, "queue.db-wal", 32 + 5 * (24 + 4096) + 4, "\377",
             1); /* a header: the page stands in later frames too */
}

/* All are there, each once and in order; the damaged file is kept, with the log as it was found. */
static void expect_all(struct bench *b, unsigned at, size_t least)
{
    char command[1000];
    b->sent_count = b->answered_count = b->told_count = b->notice_count = 0;
    bench_open(b);
    bench_settle(b);
    size_t pending = (size_t)bench_pending(b);
    if (pending < least || pending > MESSAGES)
        fail_msg("killed at step %u: %zu messages", at, pending);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, pending);
    for (size_t i = 1; i < pending; i++)
        assert_true(atoi(b->sent[i].args + 1) > atoi(b->sent[i - 1].args + 1));
    bench_disconnect(b);
    bench_close(b);
    snprintf(command, sizeof command,
             "cmp -s '%s'.corrupt-*Z '%s/kept/queue.db' && cmp -s '%s'.corrupt-*Z-wal '%s/kept/queue.db-wal' &&"
             " test $(ls -d '%s'* | grep -c -e salvage -e replace -e damaged -e found -e mended) = 0",
             b->path, b->dir, b->path, b->dir, b->path);
    if (system(command) != 0) {
        run("ls -l '%s'", b->dir);
        fail_msg("killed at step %u: what was found is not kept", at);
    }
}

static bool opens_and_dies(struct bench *b, unsigned at)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct aivo_error err;
        steps = 0;
        dies_at = at;
        _exit(bench_try_open(b, &err) == AIVO_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void die_at_each_step(struct bench *b, size_t least)
{
    unsigned at = 1;
    put_back(b);
    while (opens_and_dies(b, at)) {
        /* And its successor dies as well, somewhere else. */
        if (at % 3 == 0)
            opens_and_dies(b, at / 3);
        expect_all(b, at, least);
        put_back(b);
        at++;
    }
    expect_all(b, at, least);
    assert_in_range(at, 20, 400);
}

/* kill -9 before any step of a salvage, also of the one that finishes what another left: every message is there
 * afterwards, those of the log too. */
static void test_killed(void **state)
{
    struct bench *b = *state;
    make_killed_queue(b);
    spoil_an_index(b);
    die_at_each_step(b, MESSAGES);
}

/* The same where it is the log that is damaged. */
static void test_killed_with_log(void **state)
{
    struct bench *b = *state;
    make_killed_queue(b);
    spoil_the_log(b);
    die_at_each_step(b, MESSAGES);
}

/* What was salvaged is as private as what it comes from. */
static void test_private(void **state)
{
    struct bench *b = *state;
    struct stat st;
    make_killed_queue(b);
    spoil_an_index(b);
    put_back(b);
    mode_t before = umask(022);
    bench_open(b);
    umask(before);
    bench_step(b);
    assert_int_equal(b->notice_count, 1);
    assert_int_equal(stat(b->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* Files of the same second that are in the way are left alone. */
static void test_names_taken(void **state)
{
    struct bench *b = *state;
    make_killed_queue(b);
    spoil_an_index(b);
    put_back(b);
    run("for s in $(seq -60 60); do n='%s'.corrupt-$(date -u -d \"$s seconds\" +%%Y%%m%%dT%%H%%M%%SZ);"
        " echo evidence > $n-wal; done",
        b->path);
    bench_open(b);
    bench_step(b);
    assert_int_equal(b->notice_count, 1);
    assert_int_equal(bench_pending(b), MESSAGES);
    run("test $(cat '%s'.corrupt-*Z-wal | sort -u) = evidence && cmp '%s'.corrupt-*Z-2-wal '%s/kept/queue.db-wal'",
        b->path, b->path, b->dir);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_killed),
        TEST(test_killed_with_log),
        TEST(test_private),
        TEST(test_names_taken),
    };
    count_writes_of_sqlite();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
