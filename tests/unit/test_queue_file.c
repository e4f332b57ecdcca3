/* The queue's file: damaged, foreign, newer, locked, out of reach, and its writer killed. */
#include "queue_bench.h"

#include "queue_internal.h"
#include <dirent.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OK_ANSWER "[{\"success\":true}]"

static void send_numbers(struct bench *b, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char args[300];
        snprintf(args, sizeof args, "[%d,\"%0200d\"]", i, i);
        bench_send(b, args);
    }
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000); /* the queue's own thread may be writing */
    char *message = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* The file that the damaged one was moved to: FILE.corrupt-YYYYMMDDTHHMMSSZ. */
static void find_moved(const struct bench *b, char *out, size_t size)
{
    DIR *dir = opendir(b->dir);
    assert_non_null(dir);
    int found = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        size_t len = strlen(e->d_name);
        if (strncmp(e->d_name, "queue.db.corrupt-", 17) != 0 || e->d_name[len - 1] != 'Z')
            continue;
        found++;
        assert_int_equal(len, strlen("queue.db.corrupt-20260101T000000Z"));
        snprintf(out, size, "%s/%s", b->dir, e->d_name);
    }
    closedir(dir);
    assert_int_equal(found, 1);
}

/* It opens anew with what could be salvaged, says so naming both files, and works. */
static void expect_moved_aside(struct bench *b, char *moved, size_t size, uint64_t least, uint64_t most)
{
    bench_open(b);
    bench_step(b);
    assert_int_equal(b->notice_count, 1);
    assert_int_equal(b->notices[0].status, AIVO_E_CORRUPT);
    find_moved(b, moved, size);
    assert_non_null(strstr(b->notices[0].message, b->path));
    assert_non_null(strstr(b->notices[0].message, moved));
    uint64_t saved = bench_pending(b);
    assert_in_range(saved, least, most);
    bench_send(b, "[\"new\"]");
    b->options.window = 1024;
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->sent_count, saved + 1);
    bench_settle(b);
    for (size_t i = 0; i < b->told_count; i++) /* a row that can be read in part is told as well */
        assert_true(b->told[i].fate == AIVO_FATE_ACKNOWLEDGED || b->told[i].fate == AIVO_FATE_UNREADABLE);
    assert_string_equal(b->sent[saved].args, "[\"new\"]");
    for (size_t i = 0; i < saved; i++) /* whole, and in order */
        assert_true(atoi(b->sent[i].args + 1) > (i > 0 ? atoi(b->sent[i - 1].args + 1) : 0));
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 0);
    bench_step(b);
    assert_int_equal(b->notice_count, 1);
}

/* A text file stands where the queue should, short or long: refused, and left as it is, with nothing beside it. */
static void test_no_database(void **state)
{
    struct bench *b = *state;
    static const char letter[] = "This is no database, but somebody may want to have it back.\n";
    static char text[100 * sizeof letter], after[sizeof text];
    struct aivo_error err;
    char beside[600];
    for (int i = 0; i < 100; i++)
        memcpy(text + (size_t)i * (sizeof letter - 1), letter, sizeof letter);
    for (size_t len = 3; len < sizeof text; len = len < 100 ? 600 : len * 2 + 1) {
        char kept = text[len];
        text[len] = '\0';
        write_file(b->path, text);
        assert_int_equal(bench_try_open(b, &err), AIVO_E_CORRUPT);
        assert_non_null(strstr(err.message, "no database: choose another path"));
        FILE *f = fopen(b->path, "rb");
        assert_non_null(f);
        assert_int_equal(fread(after, 1, sizeof after, f), len);
        fclose(f);
        assert_memory_equal(text, after, len);
        text[len] = kept;
    }
    snprintf(beside, sizeof beside, "test $(ls '%s' | wc -l) = 1", b->dir);
    assert_int_equal(system(beside), 0);
}

/* The first page of a queue is destroyed, and all that was beside it is gone: it is no letter, and is moved aside. */
static void test_first_page(void **state)
{
    struct bench *b = *state;
    char moved[512], other[600], garbage[4096];
    bench_open(b);
    send_numbers(b, 1, 300);
    bench_close(b);
    memset(garbage, 0xa5, sizeof garbage);
    int fd = open(b->path, O_WRONLY);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, 0), sizeof garbage);
    close(fd);
    snprintf(other, sizeof other, "rm -f '%s'-*", b->path);
    assert_int_equal(system(other), 0);
    expect_moved_aside(b, moved, sizeof moved, 0, 300);
}

/* The second half of the file is missing. */
static void test_truncated(void **state)
{
    struct bench *b = *state;
    char moved[512];
    struct stat st;
    bench_open(b);
    send_numbers(b, 1, 300);
    bench_close(b);
    assert_int_equal(stat(b->path, &st), 0);
    assert_int_equal(truncate(b->path, st.st_size / 2), 0);
    expect_moved_aside(b, moved, sizeof moved, 60, 299);
    assert_int_equal(stat(moved, &st), 0);
}

/* The page with message 150 was overwritten: the few that lie on it are lost, all others go on. */
static void test_garbage_inside(void **state)
{
    struct bench *b = *state;
    char moved[512], garbage[4096], needle[220];
    struct stat st;
    bench_open(b);
    send_numbers(b, 1, 300);
    bench_close(b);
    int fd = open(b->path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    char *all = malloc((size_t)st.st_size);
    assert_non_null(all);
    assert_int_equal(pread(fd, all, (size_t)st.st_size, 0), st.st_size);
    snprintf(needle, sizeof needle, "[150,\"%0200d\"]", 150);
    const char *found = memmem(all, (size_t)st.st_size, needle, strlen(needle));
    assert_non_null(found);
    memset(garbage, 0xa5, sizeof garbage);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, (found - all) / 4096 * 4096), sizeof garbage);
    free(all);
    close(fd);
    expect_moved_aside(b, moved, sizeof moved, 280, 299);
}

static void overwrite_index(struct bench *b, const char *name)
{
    char garbage[4096];
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name = ?", -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int page = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    memset(garbage, 0xa5, sizeof garbage);
    int fd = open(b->path, O_WRONLY);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, (off_t)(page - 1) * 4096), sizeof garbage);
    close(fd);
}

/* An index was overwritten: no message is lost. */
static void test_index_damaged(void **state)
{
    struct bench *b = *state;
    char moved[512];
    bench_open(b);
    send_numbers(b, 1, 300);
    bench_close(b);
    overwrite_index(b, "message_order");
    expect_moved_aside(b, moved, sizeof moved, 300, 300);
}

static off_t page_of_number(const char *file, size_t size, int number)
{
    char needle[220];
    snprintf(needle, sizeof needle, "[%d,\"%0200d\"]", number, number);
    const char *found = memmem(file, size, needle, strlen(needle));
    assert_non_null(found);
    return (found - file) / 4096 * 4096;
}

/* A page was written where another belongs: rows come twice and out of order, and all but those of the page that was
 * there go on. */
static void misplace(struct bench *b, int from, int to)
{
    static char all[1 << 20];
    char moved[512];
    bench_open(b);
    send_numbers(b, 1, 300);
    bench_close(b);
    int fd = open(b->path, O_RDWR);
    ssize_t size = pread(fd, all, sizeof all, 0);
    assert_true(size > 4096 && size < (ssize_t)sizeof all);
    const char *page = all + page_of_number(all, (size_t)size, from);
    assert_int_equal(pwrite(fd, page, 4096, page_of_number(all, (size_t)size, to)), 4096);
    close(fd);
    expect_moved_aside(b, moved, sizeof moved, 280, 299);
}

/* An earlier page in a later one's place. */
static void test_page_repeated(void **state)
{
    misplace(*state, 20, 150);
}

/* A later page in an earlier one's place. */
static void test_page_ahead(void **state)
{
    misplace(*state, 280, 40);
}

/* A message that the index of the order does not have would wait for ever: the file is made anew, with all of them. */
static void test_index_incomplete(void **state)
{
    struct bench *b = *state;
    char moved[512];
    bench_open(b);
    send_numbers(b, 1, 2);
    bench_close(b);
    sql(b->path, "PRAGMA writable_schema = ON;"
                 "CREATE TABLE keep AS SELECT * FROM sqlite_schema WHERE name = 'message_order';"
                 "DELETE FROM sqlite_schema WHERE name = 'message_order'");
    sql(b->path, "CREATE TEMP TABLE one AS SELECT * FROM message WHERE seq = 1;"
                 "UPDATE one SET seq = 1000, args = '[3]'; INSERT INTO message SELECT * FROM one");
    sql(b->path, "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM keep; DROP TABLE keep");
    expect_moved_aside(b, moved, sizeof moved, 3, 3);
}

/* What the queue's connection remembers of the file is void: another one writes to it. */
static void forget_pages(const struct bench *b)
{
    sql(b->path, "PRAGMA user_version = 2");
}

/* Damage that appears while the file is in use: the send that meets it is refused; the file is salvaged then and there,
 * and all goes on. */
static void test_damaged_in_use(void **state)
{
    struct bench *b = *state;
    char moved[512], mark[600];
    bench_open(b);
    send_numbers(b, 1, 300);
    bench_close(b);
    bench_open(b);
    bench_settle(b);
    overwrite_index(b, "message_expiry");
    forget_pages(b);
    struct aivo_error err;
    assert_int_equal(aivo_queue_send(b->q, "event", "[1]", NULL, &err), AIVO_E_STORE);
    assert_non_null(strstr(err.message, "damaged"));
    bench_settle(b);
    assert_int_equal(b->notice_count, 1);
    find_moved(b, moved, sizeof moved);
    assert_non_null(strstr(b->notices[0].message, moved));
    snprintf(mark, sizeof mark, "%s-damaged", b->path);
    assert_int_equal(access(mark, F_OK), -1);
    assert_int_equal(bench_pending(b), 300);
    send_numbers(b, 301, 301);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, 301);
    for (int i = 0; i < 301; i++)
        assert_int_equal(atoi(b->sent[i].args + 1), i + 1);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 0);
    bench_settle(b);
    assert_int_equal(b->notice_count, 1);
}

/* Pages with messages go bad during delivery, in a file that is not read through at opening (as one beyond 64 MiB):
 * what they held is lost with a notice, everything else is delivered, in order, each message once, while connected. */
static void test_pages_go_bad_in_use(void **state)
{
    struct bench *b = *state;
    static char all[2 << 20];
    char garbage[4096];
    b->options.window = 8;
    bench_open(b);
    send_numbers(b, 1, 1000);
    bench_close(b);
    bench_open(b);
    bench_settle(b);
    memset(garbage, 0xa5, sizeof garbage);
    int fd = open(b->path, O_RDWR);
    ssize_t size = pread(fd, all, sizeof all, 0);
    assert_true(size > 4096 && size < (ssize_t)sizeof all);
    for (int number = 500; number <= 700; number += 100)
        assert_int_equal(pwrite(fd, garbage, sizeof garbage, page_of_number(all, (size_t)size, number)), 4096);
    close(fd);
    forget_pages(b);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, 940);
    bench_settle(b);
    assert_int_equal(bench_pending(b), 0);
    assert_int_equal(b->notice_count, 1);
    assert_non_null(strstr(b->notices[0].message, "salvaged"));
    assert_int_equal(b->sent_count, b->told_count);
    for (size_t i = 1; i < b->sent_count; i++)
        assert_true(atoi(b->sent[i].args + 1) > atoi(b->sent[i - 1].args + 1));
    assert_int_equal(atoi(b->sent[b->sent_count - 1].args + 1), 1000);
    bench_send(b, "[1001]");
    bench_close(b);
    b->auto_answer = NULL;
    bench_open(b);
    assert_int_equal(bench_pending(b), 1);
}

/* The mark alone is enough: the file is larger than what is read through at opening, say. */
static void test_marked(void **state)
{
    struct bench *b = *state;
    char moved[512], mark[600];
    bench_open(b);
    send_numbers(b, 1, 3);
    bench_close(b);
    snprintf(mark, sizeof mark, "%s-damaged", b->path);
    write_file(mark, "");
    expect_moved_aside(b, moved, sizeof moved, 3, 3);
    assert_int_equal(access(mark, F_OK), -1);
}

/* The tables of a queue are missing though the file says it is one. */
static void test_without_tables(void **state)
{
    struct bench *b = *state;
    char moved[512];
    bench_open(b);
    bench_close(b);
    sql(b->path, "DROP TABLE clock");
    expect_moved_aside(b, moved, sizeof moved, 0, 0);
}

/* Somebody else's database is refused and left exactly as it is. */
static void test_foreign_database(void **state)
{
    struct bench *b = *state;
    struct aivo_error err;
    sql(b->path, "CREATE TABLE bookmarks(url TEXT); INSERT INTO bookmarks VALUES('x')");
    assert_int_equal(bench_try_open(b, &err), AIVO_E_CORRUPT);
    assert_int_equal(err.status, AIVO_E_CORRUPT);
    assert_non_null(strstr(err.message, "no Aivo queue"));
    sql(b->path, "INSERT INTO bookmarks SELECT url FROM bookmarks");
}

/* A file of a newer version is refused with what to do, and left as it is: its own version still opens it. */
static void test_newer_schema(void **state)
{
    struct bench *b = *state;
    struct aivo_error err;
    bench_open(b);
    bench_send(b, "[1]");
    bench_close(b);
    sql(b->path, "PRAGMA user_version = 3");
    assert_int_equal(bench_try_open(b, &err), AIVO_E_STORE);
    assert_non_null(strstr(err.message, "newer version (schema 3"));
    sql(b->path, "PRAGMA user_version = 2");
    bench_open(b);
    assert_int_equal(bench_pending(b), 1);
}

/* A file that the first version wrote (tests/data/queue-v1.sql is its dump: three waiting, one that has left and was
 * not told, a saved clock). */
static void make_first_version(const struct bench *b)
{
    char path[512], *text = calloc(1, 16384);
    assert_non_null(text);
    snprintf(path, sizeof path, "%s/data/queue-v1.sql", AIVO_TEST_DATA);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_true(fread(text, 1, 16383, f) > 100);
    fclose(f);
    sql(b->path, text);
    free(text);
}

static void expect_migrated(struct bench *b)
{
    bench_open(b);
    bench_settle(b);
    assert_int_equal(b->notice_count, 0);
    assert_int_equal(bench_pending(b), 3);
    assert_int_equal(b->told_count, 1);
    assert_string_equal(b->told[0].args, "[\"evicted\"]");
    assert_string_equal(aivo_fate_name(b->told[0].fate), "evicted");
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, 4);
    assert_string_equal(b->sent[0].args, "[\"first\"]");
    assert_string_equal(b->sent[0].id, "018bcfe5-6800-7000-8000-000000000001");
    assert_int_equal(b->sent[1].attempts, 2);
    assert_string_equal(b->sent[2].args, "[{\"third\":true}]");
}

/* A file of the first version is taken over with everything that is in it. */
static void test_migration(void **state)
{
    struct bench *b = *state;
    make_first_version(b);
    expect_migrated(b);
}

/* It was killed in the middle of the change: the next one begins again. */
static void test_migration_interrupted(void **state)
{
    struct bench *b = *state;
    make_first_version(b);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sqlite3 *db;
        if (sqlite3_open(b->path, &db) != SQLITE_OK ||
            sqlite3_exec(db,
                         "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; ALTER TABLE message ADD COLUMN lane INTEGER"
                         " NOT NULL DEFAULT 0; DROP INDEX message_waiting",
                         NULL, NULL, NULL) != SQLITE_OK)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    expect_migrated(b);
}

/* A row whose arguments are no JSON array leaves as unreadable; its neighbours are sent. */
static void test_unreadable_row(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    for (int i = 1; i <= 3; i++)
        bench_send(b, "[1]");
    bench_close(b);
    sql(b->path, "UPDATE message SET args = '{\"half\":' WHERE seq = 2");
    bench_open(b);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 2);
    bench_run_until(b, &b->told_count, 1);
    assert_int_equal(b->told[0].fate, AIVO_FATE_UNREADABLE);
    assert_string_equal(b->told[0].event, "event");
    assert_int_equal(bench_pending(b), 2);
    bench_settle(b);
    assert_int_equal(b->told_count, 1);
}

/* Rows that wait for what never comes: for an earlier one of their key that is not there, at a gate that there is not,
 * in a queue that there is not, until the end of time. All are delivered, and a key stays in order. */
static void test_waits_for_nothing(void **state)
{
    struct bench *b = *state;
    const struct aivo_send keyed = {.size = sizeof keyed, .order_key = "key", .ttl_s = AIVO_TTL_OF_QUEUE};
    bench_open(b);
    for (int i = 1; i <= 8; i++) {
        char args[16];
        snprintf(args, sizeof args, "[%d]", i);
        assert_int_equal(aivo_queue_send_ex(b->q, "event", args, i <= 3 ? &keyed : NULL, NULL, NULL), AIVO_OK);
    }
    bench_close(b);
    sql(b->path, "UPDATE message SET gate = 1 WHERE seq = 1; UPDATE message SET gate = 7 WHERE seq IN (3, 4);"
                 "UPDATE message SET gate = -1 WHERE seq = 5;"
                 "UPDATE message SET gate = 2, due_ms = 9223372036854775807 WHERE seq = 6;"
                 "UPDATE message SET lane = 77 WHERE seq = 7; UPDATE message SET lane = -1, gate = 1 WHERE seq = 8");
    bench_open(b);
    assert_int_equal(bench_pending(b), 8);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, 8);
    assert_int_equal(bench_pending(b), 0);
    assert_int_equal(b->sent_count, 8);
    int of_key = 0;
    for (size_t i = 0; i < 8; i++) {
        int number = atoi(b->sent[i].args + 1);
        assert_true(number > 3 || number == ++of_key);
    }
    assert_int_equal(of_key, 3);
    assert_int_equal(b->notice_count, 0);
}

/* A second writer is refused, in the same process and in another, which is told the first one's id, also through a
 * symbolic link; a reader works beside the writer; after the close another may have it. */
static void test_lock(void **state)
{
    struct bench *b = *state;
    struct aivo_error err;
    struct aivo_queue *second = NULL;
    char link[192], pid[32];
    bench_open(b);
    bench_send(b, "[1]");
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(aivo_queue_open(&b->options, NULL, NULL, NULL, &second, &err), AIVO_E_LOCKED);
    assert_null(second);
    snprintf(link, sizeof link, "%s/other-name", b->dir);
    assert_int_equal(symlink(b->path, link), 0);
    struct aivo_queue_options by_link = b->options;
    by_link.path = link;
    assert_int_equal(aivo_queue_open(&by_link, NULL, NULL, NULL, &second, &err), AIVO_E_LOCKED);
    assert_non_null(strstr(err.message, pid));

    sqlite3 *reader;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open_v2(b->path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(reader, "SELECT COUNT(*) FROM message", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(s, 0), 1);
    bench_send(b, "[2]"); /* while the reader still looks */
    sqlite3_finalize(s);
    sqlite3_close(reader);
    bench_close(b);
    assert_int_equal(aivo_queue_open(&by_link, NULL, NULL, NULL, &second, &err), AIVO_OK);
    aivo_queue_close(second);
}

/* Paths that cannot be: each with its own words. */
static void test_out_of_reach(void **state)
{
    struct bench *b = *state;
    struct aivo_error err;
    char path[160];
    b->options.path = path;
    snprintf(path, sizeof path, "%s/no/such/queue.db", b->dir);
    assert_int_equal(bench_try_open(b, &err), AIVO_E_STORE);
    assert_non_null(strstr(err.message, "directory does not exist"));
    snprintf(path, sizeof path, "%s", b->dir);
    assert_int_equal(bench_try_open(b, &err), AIVO_E_STORE);
    assert_non_null(strstr(err.message, "no regular file"));
    snprintf(path, sizeof path, "%s/", b->dir);
    assert_int_equal(bench_try_open(b, &err), AIVO_E_STORE);
    snprintf(path, sizeof path, "/dev/null");
    assert_int_equal(bench_try_open(b, &err), AIVO_E_STORE);
    snprintf(path, sizeof path, "/proc/queue.db");
    assert_int_equal(bench_try_open(b, &err), AIVO_E_STORE);
    if (geteuid() == 0) {
        print_message("SKIPPED: root may write everywhere, so a directory without write permission is not tested\n");
        return;
    }
    snprintf(path, sizeof path, "%s/queue.db", b->dir);
    chmod(b->dir, 0500);
    enum aivo_status status = bench_try_open(b, &err);
    chmod(b->dir, 0700);
    assert_int_equal(status, AIVO_E_STORE);
    assert_non_null(strstr(err.message, "not writable"));
}

/* The file is nobody else's to read. */
static void test_private(void **state)
{
    struct bench *b = *state;
    struct stat st;
    bench_open(b);
    bench_send(b, "[1]");
    assert_int_equal(stat(b->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

struct victim {
    struct bench *b;
    int pipe;
};

static void *send_and_report(void *user)
{
    struct victim *v = user;
    for (;;) {
        struct aivo_message_id id;
        if (aivo_queue_send(v->b->q, "event", "[{\"some\":\"data\"}]", &id, NULL) != AIVO_OK)
            _exit(3);
        /* Shorter than PIPE_BUF: never mixed with another thread's. */
        if (write(v->pipe, id.text, 36) != 36)
            _exit(4);
    }
}

static void be_killed(struct bench *b, int pipe)
{
    struct aivo_error err;
    struct victim v = {.b = b, .pipe = pipe};
    pthread_t threads[4];
    if (bench_try_open(b, &err) != AIVO_OK)
        _exit(1);
    for (int i = 0; i < 4; i++) {
        if (pthread_create(&threads[i], NULL, send_and_report, &v) != 0)
            _exit(2);
    }
    pthread_join(threads[0], NULL);
    _exit(5);
}

static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, 36);
}

/* kill -9 in the middle of the sends of four threads, three times in a row on the same file: every message whose id
 * came out of the process is sent afterwards. */
static void test_kill(void **state)
{
    struct bench *b = *state;
    enum { REPORTS = 3 * 600 };
    char(*ids)[36] = calloc(REPORTS, sizeof *ids);
    assert_non_null(ids);
    size_t have = 0;
    for (int round = 1; round <= 3; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(ends[0]);
            be_killed(b, ends[1]);
        }
        close(ends[1]);
        /* Some more than 500 are read: the kill falls somewhere in the middle of further sends. */
        while (have < (size_t)round * 500 && read(ends[0], ids[have], 36) == 36)
            have++;
        kill(pid, SIGKILL);
        while (have < (size_t)round * 600 && read(ends[0], ids[have], 36) == 36)
            have++;
        close(ends[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_true(have >= (size_t)round * 500);
    }
    bench_open(b);
    size_t pending = (size_t)bench_pending(b);
    assert_true(pending >= have && pending <= SEEN_MAX);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, pending);
    assert_int_equal(b->sent_count, pending);
    assert_int_equal(b->notice_count, 0);
    char(*sent)[36] = calloc(pending, sizeof *sent);
    assert_non_null(sent);
    for (size_t i = 0; i < pending; i++)
        memcpy(sent[i], b->sent[i].id, 36);
    qsort(sent, pending, 36, by_text);
    for (size_t i = 0; i < have; i++)
        assert_non_null(bsearch(ids[i], sent, pending, 36, by_text));
    free(sent);
    free(ids);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kill), /* first: it forks, and there was no thread yet */
        TEST(test_no_database),
        TEST(test_first_page),
        TEST(test_truncated),
        TEST(test_garbage_inside),
        TEST(test_index_damaged),
        TEST(test_page_repeated),
        TEST(test_page_ahead),
        TEST(test_marked),
        TEST(test_index_incomplete),
        TEST(test_damaged_in_use),
        TEST(test_pages_go_bad_in_use),
        TEST(test_without_tables),
        TEST(test_migration),
        TEST(test_migration_interrupted),
        TEST(test_foreign_database),
        TEST(test_newer_schema),
        TEST(test_unreadable_row),
        TEST(test_waits_for_nothing),
        TEST(test_lock),
        TEST(test_out_of_reach),
        TEST(test_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
