/* A full disk: a small tmpfs filled to the brim, in a mount namespace of its own where that is permitted, and
 * everywhere a limit on the size of files (RLIMIT_FSIZE), with which no write to a file succeeds. */
#include "queue_bench.h"

#include "queue_internal.h"
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
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OK_ANSWER "[{\"success\":true}]"
#define THREADS   16

static bool on_tmpfs;

/* From now on no file of the queue can grow. */
static void fill_disk(const struct bench *b)
{
    if (!on_tmpfs) {
        struct rlimit limit;
        getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = 0;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        return;
    }
    char path[200], block[512] = {0};
    snprintf(path, sizeof path, "%s/ballast", b->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
}

static void make_room(const struct bench *b)
{
    if (!on_tmpfs) {
        struct rlimit limit;
        getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        return;
    }
    char path[200];
    snprintf(path, sizeof path, "%s/ballast", b->dir);
    assert_int_equal(unlink(path), 0);
}

static void make_args(char args[600], int number)
{
    snprintf(args, 600, "[%d,\"%0500d\"]", number, 0);
}

static int number_of(const char *args)
{
    return atoi(args + 1);
}

/* Sends until one is refused; returns how many were accepted. */
static int send_until_refused(struct bench *b, int from)
{
    for (int n = from; n < from + 10000; n++) {
        char args[600];
        struct aivo_error err = {.message = ""};
        struct aivo_message_id id = {"untouched"};
        make_args(args, n);
        enum aivo_status status = aivo_queue_send(b->q, "event", args, &id, &err);
        if (status == AIVO_OK)
            continue;
        assert_int_equal(status, AIVO_E_STORE);
        assert_int_equal(err.status, AIVO_E_STORE);
        assert_memory_equal(err.message, "disk full", 9);
        assert_int_not_equal(err.code, 0);
        assert_string_equal(id.text, "untouched");
        return n - from;
    }
    fail_msg("the disk is never full");
    return 0;
}

/* Sends fail with the reason while the disk is full, succeed again when there is room, and only what was accepted is in
 * the file. */
static void test_send(void **state)
{
    struct bench *b = *state;
    char args[600];
    bench_open(b);
    for (int i = 0; i < 5; i++) {
        make_args(args, i);
        bench_send(b, args);
    }
    fill_disk(b);
    int accepted = 5 + send_until_refused(b, 5);
    assert_int_equal(send_until_refused(b, 5000), 0);
    assert_int_equal(bench_pending(b), accepted);
    make_room(b);
    make_args(args, 9999);
    bench_send(b, args);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), accepted + 1);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, (size_t)accepted + 1);
    for (int i = 0; i < accepted; i++)
        assert_int_equal(number_of(b->sent[i].args), i);
    assert_int_equal(number_of(b->sent[accepted].args), 9999);
}

struct sender {
    struct bench *b;
    pthread_t thread;
    int number;
    bool accepted[64];
};

static void *send_some(void *user)
{
    struct sender *s = user;
    for (int i = 0; i < 64; i++) {
        char args[600];
        struct aivo_error err;
        make_args(args, s->number * 64 + i);
        s->accepted[i] = aivo_queue_send(s->b->q, "event", args, NULL, &err) == AIVO_OK;
        if (!s->accepted[i] && (err.status != AIVO_E_STORE || strncmp(err.message, "disk full", 9) != 0))
            return "another error";
    }
    return NULL;
}

/* Sixteen threads run into the full disk together: what each was told is true of the file. */
static void test_threads(void **state)
{
    struct bench *b = *state;
    struct sender *senders = calloc(THREADS, sizeof *senders);
    assert_non_null(senders);
    bench_open(b);
    bench_send(b, "[-1]");
    fill_disk(b);
    for (int i = 0; i < THREADS; i++) {
        senders[i].b = b;
        senders[i].number = i;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_some, &senders[i]), 0);
    }
    size_t accepted = 1;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(senders[i].thread, &result);
        assert_null(result);
        for (int k = 0; k < 64; k++)
            accepted += senders[i].accepted[k];
    }
    assert_true(accepted < THREADS * 64);
    make_room(b);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), accepted);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, accepted);
    for (size_t i = 0; i < accepted; i++) {
        int n = number_of(b->sent[i].args);
        assert_true(n == -1 || senders[n / 64].accepted[n % 64]);
    }
    free(senders);
}

/* There is a reserve for it: the rows go although the disk is full, twice, so that a restart sends none of them again.
 * When there is room messages are accepted, and the reserve is there again. */
static void expect_removed(struct bench *b, size_t pending)
{
    char reserve[200];
    snprintf(reserve, sizeof reserve, "%s-reserve", b->path);
    bench_settle(b);
    assert_int_equal(b->q->backlog, 0);
    assert_int_equal(b->notice_count, 0);
    assert_int_equal(b->sent_count, pending);
    fill_disk(b); /* what the log gave back */
    send_until_refused(b, 9000);
    size_t more = (size_t)bench_pending(b);
    bench_run_until(b, &b->told_count, pending + more);
    bench_settle(b);
    assert_int_equal(b->notice_count, 0);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 0);
    make_room(b);
    bench_send(b, "[1]");
    bench_close(b);
    bench_open(b);
    bench_send(b, "[2]");
    assert_int_equal(bench_pending(b), 2);
    assert_int_equal(access(reserve, F_OK), 0);
}

/* Messages are acknowledged while their rows cannot be removed (as under a limit, which no reserve helps against): each
 * is sent and told once, also over a reconnect, the trouble is reported once, and when there is room the rows go. */
static void test_removal(void **state)
{
    struct bench *b = *state;
    char args[600];
    bench_open(b);
    for (int i = 0; i < 300; i++) {
        make_args(args, i);
        bench_send(b, args);
    }
    bench_settle(b);
    fill_disk(b);
    send_until_refused(b, 300);
    size_t pending = (size_t)bench_pending(b);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, pending);
    if (on_tmpfs) {
        expect_removed(b, pending);
        return;
    }
    bench_run_until(b, &b->notice_count, 1);
    bench_disconnect(b);
    bench_connect(b);
    b->ahead_us += 5000000;
    bench_step(b);
    send_until_refused(b, 9000);
    bench_step(b);
    assert_int_equal(b->sent_count, pending);
    assert_int_equal(b->told_count, pending);
    assert_int_equal(b->notice_count, 1);
    assert_int_equal(b->notices[0].status, AIVO_E_STORE);
    assert_memory_equal(b->notices[0].message, "disk full", 9);
    make_room(b);
    bench_settle(b);
    assert_int_equal(b->q->backlog, 0);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 0);
    assert_int_equal(b->notice_count, 1);
}

/* No room for the file at all: a clear refusal, and no crash. */
static void test_open(void **state)
{
    struct bench *b = *state;
    struct aivo_error err;
    if (!on_tmpfs)
        return; /* the limit would have to be lower than the file's own */
    fill_disk(b);
    enum aivo_status status = bench_try_open(b, &err);
    assert_int_equal(status, AIVO_E_STORE);
    assert_memory_equal(err.message, "disk full", 9);
    make_room(b);
    bench_open(b);
    bench_send(b, "[1]");
}

/* The root of an index is overwritten: the file is damaged, all messages can be read. */
static void spoil_an_index(const struct bench *b)
{
    char garbage[4096];
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name = 'message_order'", -1, &s, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    off_t at = (off_t)(sqlite3_column_int(s, 0) - 1) * 4096;
    sqlite3_finalize(s);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    memset(garbage, 0xa5, sizeof garbage);
    int fd = open(b->path, O_WRONLY);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), sizeof garbage);
    close(fd);
}

/* A damaged file is opened while there is no room to salvage it: refused, and the file stays where it is, with all that
 * is in it. With room it is salvaged. */
static void test_salvage(void **state)
{
    struct bench *b = *state;
    struct aivo_error err;
    struct stat before, after;
    char args[600];
    bench_open(b);
    for (int i = 0; i < 200; i++) {
        make_args(args, i);
        bench_send(b, args);
    }
    bench_close(b);
    spoil_an_index(b);
    assert_int_equal(stat(b->path, &before), 0);
    fill_disk(b);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bench_try_open(b, &err), AIVO_E_STORE);
        if (strncmp(err.message, "disk full", 9) != 0)
            fail_msg("%s", err.message);
        assert_int_equal(stat(b->path, &after), 0);
        assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
    }
    make_room(b);
    bench_open(b);
    bench_settle(b);
    assert_int_equal(bench_pending(b), 200);
    assert_int_equal(b->notice_count, 1);
    assert_non_null(strstr(b->notices[0].message, "200 messages salvaged"));
}

/* Damage is met while the disk is full: refused, and said that the queue has stopped; what is in the file stays, and is
 * salvaged at the next start. */
static void test_damaged_in_use(void **state)
{
    struct bench *b = *state;
    struct aivo_error err;
    char args[600];
    bench_open(b);
    for (int i = 0; i < 200; i++) {
        make_args(args, i);
        bench_send(b, args);
    }
    bench_close(b);
    bench_open(b);
    bench_settle(b);
    spoil_an_index(b); /* by way of another connection: what this one remembers is void */
    fill_disk(b);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aivo_queue_send(b->q, "event", "[1]", NULL, &err), AIVO_E_STORE);
        bench_settle(b);
    }
    assert_in_range(b->notice_count, 1, 2);
    if (!strstr(b->notices[0].message, "has stopped until"))
        fail_msg("%s", b->notices[0].message);
    assert_non_null(strstr(b->notices[0].message, "disk full"));
    bench_close(b);
    make_room(b);
    b->notice_count = 0;
    bench_open(b);
    bench_settle(b);
    assert_int_equal(bench_pending(b), 200);
    assert_non_null(strstr(b->notices[0].message, "200 messages salvaged"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

static int run_here(void)
{
    const struct CMUnitTest tests[] = {TEST(test_send), TEST(test_threads), TEST(test_removal),
                                       TEST(test_open), TEST(test_salvage), TEST(test_damaged_in_use)};
    return cmocka_run_group_tests_name(on_tmpfs ? "full tmpfs" : "file size limit", tests, NULL, NULL);
}

/* In a mount namespace that ends with this process. */
static int run_on_tmpfs(void)
{
    char dir[] = "/tmp/aivo-tmpfs-XXXXXX";
    if (!mkdtemp(dir) || mount("none", dir, "tmpfs", 0, "size=12m") != 0) {
        perror("mounting a tmpfs");
        return 1;
    }
    setenv("TMPDIR", dir, 1);
    on_tmpfs = true;
    int failed = run_here();
    umount(dir);
    rmdir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "--tmpfs") == 0)
        return run_on_tmpfs();
    int failed = run_here();
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max; /* a failed test may have left it behind */
    setrlimit(RLIMIT_FSIZE, &limit);
    const char *way = system("unshare --mount true 2>/dev/null") == 0 ? "--mount"
                      : system("unshare --user --map-root-user --mount true 2>/dev/null") == 0
                          ? "--user --map-root-user --mount"
                          : NULL;
    if (!way) {
        printf("SKIPPED: mount namespaces are not permitted here, the full tmpfs is not tested\n");
        return failed;
    }
    char command[4096];
    snprintf(command, sizeof command, "exec unshare %s '%s' --tmpfs", way, argv[0]);
    return system(command) != 0 || failed;
}
