/* A queue's file for tools: beside its writer, and as its writer. */
#include "queue_bench.h"

#include "queue_internal.h"
#include <aivo/outbox.h>
#include <setjmp.h>
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

#define ERROR_ANSWER "[{\"error\":\"no\"}]"

struct seen {
    char lines[4096];
    char id[40]; /* of the last */
    size_t count, most;
};

static bool see(void *user, const struct aivo_queued *m)
{
    struct seen *s = user;
    size_t len = strlen(s->lines);
    snprintf(s->lines + len, sizeof s->lines - len, "%s%s %s %s", s->count ? ", " : "", m->queue[0] ? m->queue : "-",
             aivo_queued_state_name(m->state), m->args);
    snprintf(s->id, sizeof s->id, "%s", m->id.text);
    return ++s->count != s->most;
}

static bool see_name(void *user, const char *name)
{
    strcat(user, name);
    strcat(user, ";");
    return true;
}

static bool see_line(void *user, const char *line, size_t len)
{
    assert_int_equal(line[len - 1], '\n');
    assert_int_equal(aivo_json_parse(line, len, NULL).type, AIVO_JSON_OBJECT);
    ++*(int *)user;
    return true;
}

/* A tool leaves a damaged file as it is: to move it aside is for the program whose file it is. */
static void test_damaged(void **state)
{
    struct bench *b = *state;
    struct aivo_outbox *o = NULL;
    struct aivo_error err;
    char command[600];
    bench_open(b);
    for (int i = 0; i < 200; i++)
        assert_int_equal(aivo_queue_send(b->q, "event", "[\"0123456789012345678901234567890123456789\"]", NULL, NULL),
                         AIVO_OK);
    bench_close(b);
    FILE *f = fopen(b->path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -4096, SEEK_END), 0);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(fputc(0xa5, f), 0xa5);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(aivo_outbox_open(b->path, true, &o, &err), AIVO_E_CORRUPT);
    assert_null(o);
    snprintf(command, sizeof command, "test -s '%s' && ! ls '%s' | grep -q corrupt", b->path, b->dir);
    assert_int_equal(system(command), 0);
}

/* Two dead letters, one waiting, one behind its key, one in a named queue. */
static void fill(struct bench *b)
{
    static struct aivo_queue_policy bulk;
    aivo_queue_policy_init(&bulk);
    bulk.name = "bulk";
    b->options.queues = &bulk;
    b->options.queue_count = 1;
    b->options.max_retries = 1;
    b->options.max_dead = 100;
    bench_open(b);
    b->auto_answer = ERROR_ANSWER;
    bench_send(b, "[\"dead 1\"]");
    bench_send(b, "[\"dead 2\"]");
    bench_connect(b);
    bench_run_until(b, &b->told_count, 2);
    bench_settle(b);
    bench_disconnect(b);
    struct aivo_send how;
    aivo_send_init(&how);
    how.order_key = "k";
    assert_int_equal(aivo_queue_send_ex(b->q, "event", "[1]", &how, NULL, NULL), AIVO_OK);
    assert_int_equal(aivo_queue_send_ex(b->q, "event", "[2]", &how, NULL, NULL), AIVO_OK);
    how.order_key = NULL;
    how.queue = "bulk";
    assert_int_equal(aivo_queue_send_ex(b->q, "event", "[3]", &how, NULL, NULL), AIVO_OK);
}

static void expect_list(struct aivo_outbox *o, enum aivo_outbox_kind kind, const char *queue, const char *lines)
{
    struct seen s = {.lines = ""};
    assert_int_equal(aivo_outbox_list(o, kind, queue, NULL, 100, see, &s, NULL), AIVO_OK);
    assert_string_equal(s.lines, lines);
}

/* Beside the writer: figures, names, lists with a cursor, one by its id, an export; retrying is refused there. */
static void test_beside_the_writer(void **state)
{
    struct bench *b = *state;
    struct aivo_outbox *o = NULL, *second = NULL;
    struct aivo_queue_stats stats;
    struct aivo_error err;
    char names[64] = "";
    int lines = 0;
    fill(b);
    assert_int_equal(aivo_outbox_open(b->path, false, &o, &err), AIVO_OK);
    assert_int_equal(aivo_outbox_stats(o, NULL, &stats, &err), AIVO_OK);
    assert_int_equal(stats.pending, 3);
    assert_int_equal(stats.dead, 2);
    assert_int_equal(stats.behind, 1);
    assert_true(stats.oldest_ms > 0);
    assert_int_equal(aivo_outbox_stats(o, "bulk", &stats, &err), AIVO_OK);
    assert_int_equal(stats.pending, 1);
    assert_int_equal(aivo_outbox_stats(o, "nobody", &stats, &err), AIVO_E_NOT_FOUND);
    assert_int_equal(aivo_outbox_queues(o, see_name, names, &err), AIVO_OK);
    assert_string_equal(names, ";bulk;");
    expect_list(o, AIVO_OUTBOX_PENDING, NULL, "- waiting [1], - behind [2], bulk waiting [3]");
    expect_list(o, AIVO_OUTBOX_PENDING, "", "- waiting [1], - behind [2]");
    expect_list(o, AIVO_OUTBOX_DEAD, NULL, "- dead [\"dead 1\"], - dead [\"dead 2\"]");
    struct seen s = {.lines = ""};
    int64_t cursor = 0;
    assert_int_equal(aivo_outbox_list(o, AIVO_OUTBOX_PENDING, NULL, &cursor, 2, see, &s, &err), AIVO_OK);
    assert_int_equal(s.count, 2);
    assert_int_equal(aivo_outbox_list(o, AIVO_OUTBOX_PENDING, NULL, &cursor, 2, see, &s, &err), AIVO_OK);
    assert_string_equal(s.lines, "- waiting [1], - behind [2], bulk waiting [3]");
    struct seen shown = {.lines = ""};
    assert_int_equal(aivo_outbox_show(o, b->sent[1].id, see, &shown, &err), AIVO_OK);
    assert_string_equal(shown.lines, "- dead [\"dead 2\"]");
    assert_int_equal(aivo_outbox_show(o, "nobody", see, &shown, &err), AIVO_E_NOT_FOUND);
    assert_int_equal(aivo_outbox_export(o, see_line, &lines, &err), AIVO_OK);
    assert_int_equal(lines, 5);
    assert_int_equal(aivo_outbox_retry(o, NULL, NULL, &err), AIVO_E_STATE);
    assert_int_equal(aivo_outbox_open(b->path, true, &second, &err), AIVO_E_LOCKED);
    assert_null(second);
    aivo_outbox_close(o);
}

/* As the writer: dead letters go back and are sent, others are purged. */
static void test_as_the_writer(void **state)
{
    struct bench *b = *state;
    struct aivo_outbox *o = NULL;
    struct aivo_error err;
    uint64_t count = 0;
    fill(b);
    bench_close(b);
    assert_int_equal(aivo_outbox_open(b->path, true, &o, &err), AIVO_OK);
    assert_int_equal(aivo_outbox_retry(o, b->sent[0].id, &count, &err), AIVO_OK);
    assert_int_equal(count, 1);
    assert_int_equal(aivo_outbox_retry(o, b->sent[0].id, &count, &err), AIVO_E_NOT_FOUND);
    expect_list(o, AIVO_OUTBOX_PENDING, "", "- waiting [1], - behind [2], - waiting [\"dead 1\"]");
    struct seen s = {.lines = "", .most = 1};
    assert_int_equal(aivo_outbox_list(o, AIVO_OUTBOX_PENDING, NULL, NULL, 9, see, &s, &err), AIVO_OK);
    assert_int_equal(aivo_outbox_purge(o, AIVO_OUTBOX_PENDING, NULL, s.id, &count, &err), AIVO_OK);
    assert_int_equal(count, 1);
    expect_list(o, AIVO_OUTBOX_PENDING, "", "- waiting [2], - waiting [\"dead 1\"]"); /* the next of its key */
    assert_int_equal(aivo_outbox_purge(o, AIVO_OUTBOX_DEAD, "bulk", NULL, &count, &err), AIVO_OK);
    assert_int_equal(count, 0);
    assert_int_equal(aivo_outbox_purge(o, AIVO_OUTBOX_DEAD, NULL, NULL, &count, &err), AIVO_OK);
    assert_int_equal(count, 1);
    assert_int_equal(aivo_outbox_purge(o, AIVO_OUTBOX_PENDING, "bulk", NULL, &count, &err), AIVO_OK);
    assert_int_equal(count, 1);
    aivo_outbox_close(o);
    bench_open(b);
    assert_int_equal(bench_pending(b), 2);
}

/* No file, no queue: nothing is made and nothing moved. */
static void test_no_queue(void **state)
{
    struct bench *b = *state;
    struct aivo_outbox *o = NULL;
    struct aivo_error err;
    assert_int_equal(aivo_outbox_open(b->path, true, &o, &err), AIVO_E_NOT_FOUND);
    assert_int_not_equal(access(b->path, F_OK), 0);
    FILE *f = fopen(b->path, "w");
    assert_non_null(f);
    fputs("this is some text and surely no database\n", f);
    fclose(f);
    assert_int_equal(aivo_outbox_open(b->path, true, &o, &err), AIVO_E_CORRUPT);
    assert_int_equal(access(b->path, F_OK), 0);
    assert_null(o);
}

static bool take_count(void *user, const struct aivo_queued *m)
{
    (void)m;
    ++*(int *)user;
    return true;
}

/* As a user who may not write there. What went wrong, as an exit status. */
static int look_as_reader(const char *path, bool logged)
{
    struct aivo_outbox *o = NULL;
    struct aivo_error err = {.message = ""};
    struct aivo_queue_stats stats;
    int64_t cursor = 0;
    int rows = 0;
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        return 1;
    enum aivo_status status = aivo_outbox_open(path, false, &o, &err);
    if (logged)
        return status == AIVO_E_STORE && strstr(err.message, "not writable") ? 0 : 2;
    if (status != AIVO_OK || aivo_outbox_stats(o, NULL, &stats, &err) != AIVO_OK || stats.pending != 2)
        return 3;
    if (aivo_outbox_list(o, AIVO_OUTBOX_PENDING, NULL, &cursor, 10, take_count, &rows, &err) != AIVO_OK || rows != 2)
        return 4;
    aivo_outbox_close(o);
    return 0;
}

static int look_as_other(const char *path, bool logged)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(look_as_reader(path, logged));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

/* A file on a medium that cannot be written to can be looked at. Where its log is there too, what to do is said. */
static void test_read_only(void **state)
{
    struct bench *b = *state;
    char path[200], command[800];
    snprintf(path, sizeof path, "%s/50%% of #1?.db", b->dir);
    b->options.path = path;
    bench_open(b);
    bench_send(b, "[1]");
    bench_send(b, "[2]");
    snprintf(command, sizeof command, "cp '%s-wal' '%s/wal'", path, b->dir);
    assert_int_equal(system(command), 0);
    bench_close(b);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(b->dir, 0555), 0);
    int looked = look_as_other(path, false);
    chmod(b->dir, 0755);
    assert_int_equal(looked, 0);
    snprintf(command, sizeof command, "mv '%s/wal' '%s-wal' && chmod 644 '%s-wal' && rm -f '%s-shm'", b->dir, path,
             path, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(chmod(b->dir, 0555), 0);
    looked = look_as_other(path, true);
    chmod(b->dir, 0755);
    assert_int_equal(looked, 0);
}

/* Purging and retrying by a filter: by queue, event, age and number, each in one call; what is not meant stays, and a
 * filter that nobody filled is refused. */
static void test_filters(void **state)
{
    struct bench *b = *state;
    struct aivo_queue_policy named = {.name = "logs", .max_messages = 100, .ttl_s = 60, .max_retries = 1, .window = 4};
    struct aivo_send how = {.size = sizeof how, .queue = "logs", .ttl_s = AIVO_TTL_OF_QUEUE};
    struct aivo_outbox *o;
    struct aivo_outbox_filter filter;
    uint64_t count = 99;
    b->options.queues = &named;
    b->options.queue_count = 1;
    bench_open(b);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(aivo_queue_send(b->q, i % 2 ? "odd" : "even", "[1]", NULL, NULL), AIVO_OK);
        assert_int_equal(aivo_queue_send_ex(b->q, "odd", "[2]", &how, NULL, NULL), AIVO_OK);
    }
    bench_close(b);
    assert_int_equal(aivo_outbox_open(b->path, true, &o, NULL), AIVO_OK);
    aivo_outbox_filter_init(&filter);
    filter.event = "even";
    filter.limit = 2;
    assert_int_equal(aivo_outbox_purge_where(o, AIVO_OUTBOX_PENDING, &filter, &count, NULL), AIVO_OK);
    assert_int_equal(count, 2);
    filter.limit = 0;
    filter.not_after = 1000; /* long before any */
    assert_int_equal(aivo_outbox_purge_where(o, AIVO_OUTBOX_PENDING, &filter, &count, NULL), AIVO_OK);
    assert_int_equal(count, 0);
    filter.not_after = bench_now(b).unix_ms + 1000;
    assert_int_equal(aivo_outbox_purge_where(o, AIVO_OUTBOX_PENDING, &filter, &count, NULL), AIVO_OK);
    assert_int_equal(count, 1);
    filter.event = "odd";
    filter.queue = "logs";
    assert_int_equal(aivo_outbox_purge_where(o, AIVO_OUTBOX_PENDING, &filter, &count, NULL), AIVO_OK);
    assert_int_equal(count, 6);
    filter.queue = "none";
    assert_int_equal(aivo_outbox_purge_where(o, AIVO_OUTBOX_PENDING, &filter, &count, NULL), AIVO_E_NOT_FOUND);
    struct aivo_queue_stats stats;
    assert_int_equal(aivo_outbox_stats(o, NULL, &stats, NULL), AIVO_OK);
    assert_int_equal(stats.pending, 3);
    filter.size = 1;
    assert_int_equal(aivo_outbox_retry_where(o, &filter, &count, NULL), AIVO_E_INVALID);
    aivo_outbox_close(o);
    /* The three die; one is retried, the others are deleted. */
    b->options.max_retries = 1;
    b->options.max_dead = 10;
    bench_open(b);
    b->auto_answer = "[{\"error\":\"no\"}]";
    bench_connect(b);
    bench_run_until(b, &b->told_count, 3);
    bench_close(b);
    assert_int_equal(aivo_outbox_open(b->path, true, &o, NULL), AIVO_OK);
    aivo_outbox_filter_init(&filter);
    filter.queue = "logs";
    assert_int_equal(aivo_outbox_retry_where(o, &filter, &count, NULL), AIVO_OK);
    assert_int_equal(count, 0);
    filter.queue = "";
    filter.event = "odd";
    filter.limit = 1;
    assert_int_equal(aivo_outbox_retry_where(o, &filter, &count, NULL), AIVO_OK);
    assert_int_equal(count, 1);
    assert_int_equal(aivo_outbox_purge_where(o, AIVO_OUTBOX_DEAD, NULL, &count, NULL), AIVO_OK);
    assert_int_equal(count, 2);
    assert_int_equal(aivo_outbox_stats(o, NULL, &stats, NULL), AIVO_OK);
    assert_int_equal(stats.pending, 1);
    assert_int_equal(stats.dead, 0);
    aivo_outbox_close(o);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_read_only), TEST(test_beside_the_writer), TEST(test_as_the_writer),
                                       TEST(test_no_queue),  TEST(test_filters),           TEST(test_damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
