/* aivo queue retry, purge: they need the file for themselves. */
#include "queuecmd.h"
#include "report.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_MESSAGES 256

/* ---- the messages that the filters mean ---- */

struct counting {
    const struct queue_flags *flags;
    int64_t now_ms;
    uint32_t in_page;
    uint64_t count, limit;
};

static bool on_listed(void *user, const struct aivo_queued *message)
{
    struct counting *counting = user;
    counting->in_page++;
    counting->count += queue_matches(counting->flags, message, counting->now_ms);
    return counting->count < counting->limit;
}

/* How many messages do the flags mean? */
static enum aivo_status count_picked(struct queue_run *run, enum aivo_outbox_kind kind, uint64_t *count)
{
    struct counting counting = {.flags = &run->flags, .now_ms = queue_now_ms(), .limit = UINT64_MAX};
    int64_t cursor = 0;
    if (run->flags.limit >= 0) {
        counting.limit = (uint64_t)run->flags.limit;
    }
    do {
        counting.in_page = 0;
        enum aivo_status status = aivo_outbox_list(run->outbox, kind, queue_name(&run->flags), &cursor, PAGE_MESSAGES,
                                                   on_listed, &counting, &run->error);
        if (status != AIVO_OK) {
            return status;
        }
    } while (counting.in_page == PAGE_MESSAGES && counting.count < counting.limit);
    *count = counting.count;
    return AIVO_OK;
}

static struct aivo_outbox_filter filter_of(const struct queue_flags *flags)
{
    struct aivo_outbox_filter filter;
    aivo_outbox_filter_init(&filter);
    filter.queue = queue_name(flags);
    filter.event = flags->event;
    filter.not_after = flags->older_s >= 0 ? queue_now_ms() - flags->older_s * 1000 : 0;
    filter.limit = flags->limit >= 0 ? (uint64_t)flags->limit : 0;
    return filter;
}

/* Do the file's own figures say how many they are? */
static bool counted_already(const struct queue_flags *flags)
{
    return !queue_filters(flags) && flags->limit < 0;
}

static int report(const struct queue_run *run, const char *key, const char *done, uint64_t count)
{
    char line[128];
    if (run->flags.json) {
        snprintf(line, sizeof(line), "{\"%s\":%" PRIu64 "}", key, count);
    } else {
        snprintf(line, sizeof(line), "%" PRIu64 " %s", count, done);
    }
    cli_out_line(line);
    return CLI_EXIT_OK;
}

static int open_for_change(struct queue_run *run, const struct cli_command *self, int argc, char **argv)
{
    int code = queue_parse(run, self, argc, argv, NULL, NULL);
    if (code < 0 && run->flags.limit == 0) {
        run->flags.limit = -1; /* as for list: no limit */
    }
    return code;
}

/* ---- retry ---- */

static int run_retry(const struct cli_command *self, int argc, char **argv)
{
    struct queue_run run;
    int code = open_for_change(&run, self, argc, argv);
    if (code < 0) {
        code = queue_open(&run, true);
    }
    if (code >= 0) {
        return code;
    }
    uint64_t count = 0;
    const struct aivo_outbox_filter filter = filter_of(&run.flags);
    enum aivo_status status = run.flags.id ? aivo_outbox_retry(run.outbox, run.flags.id, &count, &run.error)
                                           : aivo_outbox_retry_where(run.outbox, &filter, &count, &run.error);
    code = status == AIVO_OK ? report(&run, "retried", "put back to be sent again", count) : queue_failed(&run);
    aivo_outbox_close(run.outbox);
    return code;
}

/* ---- purge ---- */

static bool on_shown(void *user, const struct aivo_queued *message)
{
    *(enum aivo_queued_state *)user = message->state;
    return false;
}

/* Is --id a dead letter? With --dead it has to be one. */
static enum aivo_status kind_of_id(struct queue_run *run, enum aivo_outbox_kind *kind)
{
    enum aivo_queued_state state = AIVO_QUEUED_WAITING;
    enum aivo_status status = aivo_outbox_show(run->outbox, run->flags.id, on_shown, &state, &run->error);
    *kind = state == AIVO_QUEUED_DEAD ? AIVO_OUTBOX_DEAD : AIVO_OUTBOX_PENDING;
    if (status == AIVO_OK && run->flags.dead && *kind != AIVO_OUTBOX_DEAD) {
        run->error = (struct aivo_error){.status = AIVO_E_NOT_FOUND};
        snprintf(run->error.message, sizeof(run->error.message), "%s is no dead letter: it waits", run->flags.id);
        return AIVO_E_NOT_FOUND;
    }
    return status;
}

/* How many would go? */
static enum aivo_status count_them(struct queue_run *run, enum aivo_outbox_kind *kind, uint64_t *count)
{
    *count = 0;
    if (run->flags.id) {
        *count = 1;
        return kind_of_id(run, kind);
    }
    if (!counted_already(&run->flags)) {
        return count_picked(run, *kind, count);
    }
    struct aivo_queue_stats stats;
    enum aivo_status status = aivo_outbox_stats(run->outbox, queue_name(&run->flags), &stats, &run->error);
    *count = *kind == AIVO_OUTBOX_DEAD ? stats.dead : stats.pending;
    return status;
}

static enum aivo_status purge(struct queue_run *run, enum aivo_outbox_kind kind, uint64_t *count)
{
    *count = 0;
    if (run->flags.id) {
        enum aivo_status status = kind_of_id(run, &kind);
        return status == AIVO_OK ? aivo_outbox_purge(run->outbox, kind, NULL, run->flags.id, count, &run->error)
                                 : status;
    }
    const struct aivo_outbox_filter filter = filter_of(&run->flags);
    return aivo_outbox_purge_where(run->outbox, kind, &filter, count, &run->error);
}

static void describe(const struct queue_run *run, enum aivo_outbox_kind kind, uint64_t count, char *out, size_t size)
{
    const char *what = kind == AIVO_OUTBOX_DEAD ? "dead letter" : "waiting message";
    snprintf(out, size, "%" PRIu64 " %s%s of %.300s", count, what, count == 1 ? "" : "s", run->path);
}

static bool user_agrees(const char *question)
{
    char answer[16] = "";
    fprintf(stderr, "%s for ever? [y/N] ", question);
    fflush(stderr);
    if (!fgets(answer, sizeof(answer), stdin)) {
        fputc('\n', stderr);
        return false;
    }
    answer[strcspn(answer, "\r\n")] = '\0';
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

/* Without --yes: says what would go, and asks where somebody can answer. The file is only read meanwhile, so that no
 * program is kept waiting by a question. Returns -1 to go on. */
static int ask(struct queue_run *run, enum aivo_outbox_kind kind)
{
    uint64_t count;
    int code = queue_open(run, false);
    if (code >= 0) {
        return code;
    }
    enum aivo_status status = count_them(run, &kind, &count);
    code = status == AIVO_OK ? -1 : queue_failed(run);
    aivo_outbox_close(run->outbox);
    run->outbox = NULL;
    if (code >= 0 || count == 0) {
        return code >= 0 ? code : report(run, "purged", "removed", 0);
    }
    char what[400], question[440];
    describe(run, kind, count, what, sizeof(what));
    if (!isatty(STDIN_FILENO)) {
        return cli_usage_error(run->self, "this would remove %s: --yes does it", what);
    }
    snprintf(question, sizeof(question), "remove %s", what);
    for (char *c = question; *c; c++) {
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    }
    if (!user_agrees(question)) {
        cli_say(CLI_LOG_ERROR, "nothing was removed");
        return CLI_EXIT_PROBLEM;
    }
    return -1;
}

static int run_purge(const struct cli_command *self, int argc, char **argv)
{
    struct queue_run run;
    int code = open_for_change(&run, self, argc, argv);
    enum aivo_outbox_kind kind = AIVO_OUTBOX_PENDING;
    if (code < 0) {
        kind = run.flags.dead ? AIVO_OUTBOX_DEAD : AIVO_OUTBOX_PENDING;
        code = run.flags.yes ? -1 : ask(&run, kind);
    }
    if (code < 0) {
        code = queue_open(&run, true);
    }
    if (code >= 0) {
        return code;
    }
    uint64_t count;
    enum aivo_status status = purge(&run, kind, &count);
    code = status == AIVO_OK ? report(&run, "purged", "removed", count) : queue_failed(&run);
    aivo_outbox_close(run.outbox);
    return code;
}

/* ---- their tables ---- */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct cli_flag retry_flags[] = {
    QUEUE_FLAG_ID("only this one"),
    QUEUE_FLAG_DEAD("dead letters: no others can be retried, so it may be left out"),
    QUEUE_FLAG_QUEUE,
    QUEUE_FLAG_EVENT,
    QUEUE_FLAG_OLDER,
    QUEUE_FLAG_LIMIT("at most N, the oldest first; 0: all (default)"),
    QUEUE_FLAG_JSON,
};
static const struct cli_flag purge_flags[] = {
    QUEUE_FLAG_DEAD("the dead letters, not what waits"),
    QUEUE_FLAG_ID("only this one, whether it waits or is dead"),
    QUEUE_FLAG_QUEUE,
    QUEUE_FLAG_EVENT,
    QUEUE_FLAG_OLDER,
    QUEUE_FLAG_LIMIT("at most N, the oldest first; 0: all (default)"),
    {"yes", CLI_FLAG_BOOL, QUEUE_AT(yes), NULL, "do not ask", 0, 0, NULL},
    QUEUE_FLAG_JSON,
};

const struct cli_command cli_queue_retry = {
    .name = "queue retry",
    .usage = "FILE [--id ID] [--queue NAME] [--event NAME] [--older S] [--limit N] [--json]",
    .summary = "put dead letters back into their queues",
    .text = "A dead letter goes to the end of its queue, with no failed attempts, and its time to live begins anew. "
            "Without\n"
            "a filter all of them do.\n"
            "\nexit: 0, 1 no such message or queue, 66 no such file, 73 the file cannot be used, or a program has it\n",
    .examples = "  aivo queue retry queue.db\n"
                "  aivo queue retry queue.db --event agent:tutor --limit 10\n",
    .flags = retry_flags,
    .flag_count = COUNT(retry_flags),
    .run = run_retry,
};

const struct cli_command cli_queue_purge = {
    .name = "queue purge",
    .usage = "FILE [--dead] [--id ID] [--queue NAME] [--event NAME] [--older S] [--limit N] [--yes] [--json]",
    .summary = "delete messages that wait, or dead letters, for ever",
    .text =
        "Without --yes it says how many would go and asks; where nobody can answer (standard input is no terminal) it\n"
        "ends with 64 and removes nothing.\n"
        "\nexit: 0, 1 the answer was no, or no such message or queue, 64 --yes is missing, 66 no such file, 73 the "
        "file\n"
        "cannot be used, or a program has it\n",
    .examples = "  aivo queue purge queue.db --dead --older 604800\n"
                "  aivo queue purge queue.db --id 0192d5a8-7c3e-7f11-9a6b-3f2f0c1d2e3f --yes\n",
    .flags = purge_flags,
    .flag_count = COUNT(purge_flags),
    .run = run_purge,
};
