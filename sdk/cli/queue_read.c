/* aivo queue stats, list, show, export: they read, beside whatever program has the file. */
#include "queuecmd.h"
#include "queuetext.h"
#include "report.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE_MESSAGES   256 /* listed a call: no snapshot of the file is held for longer */
#define QUEUES_MAX      1024
#define LIST_TEXT_LIMIT 100

static int out_of_memory(void)
{
    cli_say(CLI_LOG_ERROR, "out of memory");
    return CLI_EXIT_SOFTWARE;
}

/* Prints and frees; NULL: says that memory is short. */
static int print(char *text)
{
    if (!text) {
        return out_of_memory();
    }
    cli_out_buffered(text);
    free(text);
    return CLI_EXIT_OK;
}

/* ---- stats ---- */

struct names {
    struct cli_queue_figures *queue;
    size_t count;
    bool failed;
};

static bool on_name(void *user, const char *name)
{
    struct names *names = user;
    if (names->count % 16 == 0) {
        struct cli_queue_figures *more = realloc(names->queue, (names->count + 16) * sizeof(*more));
        names->failed = more == NULL;
        if (names->failed) {
            return false;
        }
        names->queue = more;
    }
    struct cli_queue_figures *queue = &names->queue[names->count++];
    *queue = (struct cli_queue_figures){0};
    snprintf(queue->name, sizeof(queue->name), "%s", name);
    return names->count < QUEUES_MAX;
}

/* The file and the log that SQLite keeps beside it. */
static uint64_t bytes_on_disk(const char *path)
{
    static const char *const suffixes[] = {"", "-wal"};
    uint64_t bytes = 0;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char name[4096];
        struct stat status;
        int len = snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        if (len > 0 && (size_t)len < sizeof(name) && stat(name, &status) == 0) {
            bytes += (uint64_t)status.st_size;
        }
    }
    return bytes;
}

static int read_figures(struct queue_run *run, struct names *names, struct aivo_queue_stats *all)
{
    const char *only = queue_name(&run->flags);
    if (only) {
        on_name(names, only);
    } else if (aivo_outbox_queues(run->outbox, on_name, names, &run->error) != AIVO_OK) {
        return queue_failed(run);
    }
    if (names->failed) {
        return out_of_memory();
    }
    if (aivo_outbox_stats(run->outbox, only, all, &run->error) != AIVO_OK) {
        return queue_failed(run);
    }
    for (size_t i = 0; i < names->count; i++) {
        if (aivo_outbox_stats(run->outbox, names->queue[i].name, &names->queue[i].stats, &run->error) != AIVO_OK) {
            return queue_failed(run);
        }
    }
    return -1;
}

static int run_stats(const struct cli_command *self, int argc, char **argv)
{
    struct queue_run run;
    int code = queue_parse(&run, self, argc, argv, NULL, NULL);
    if (code < 0) {
        code = queue_open(&run, false);
    }
    if (code >= 0) {
        return code;
    }
    struct names names = {0};
    struct cli_file_figures figures = {.path = run.path, .file_bytes = bytes_on_disk(run.path)};
    code = read_figures(&run, &names, &figures.all);
    if (code < 0) {
        figures.queue = names.queue;
        figures.queue_count = names.count;
        code = print(run.flags.json ? cli_figures_json(&figures) : cli_figures_text(&figures, queue_now_ms()));
    }
    free(names.queue);
    aivo_outbox_close(run.outbox);
    return code;
}

/* ---- list ---- */

struct list {
    const struct queue_run *run;
    int64_t now_ms;
    struct cli_list_look look;
    uint64_t limit;         /* 0: none */
    uint64_t shown, beyond; /* beyond the limit there were more */
    uint32_t in_page;
    bool failed;
};

static bool on_listed(void *user, const struct aivo_queued *message)
{
    struct list *list = user;
    list->in_page++;
    if (!queue_matches(&list->run->flags, message, list->now_ms)) {
        return true;
    }
    if (list->limit > 0 && list->shown == list->limit) {
        list->beyond++;
        return false;
    }
    if (list->shown++ == 0 && list->look.columns > 0 && print(cli_list_head(&list->look)) != CLI_EXIT_OK) {
        list->failed = true;
        return false;
    }
    char *line = list->run->flags.json ? cli_queued_json(message) : cli_list_line(message, list->now_ms, &list->look);
    list->failed = print(line) != CLI_EXIT_OK;
    return !list->failed && !cli_out_failed();
}

static bool second_name(void *user, const char *name)
{
    struct cli_list_look *look = user;
    look->queue_names = look->queue_names || *name != '\0';
    return !look->queue_names;
}

static int print_list(struct queue_run *run, struct list *list)
{
    if (!run->flags.json && !run->flags.queue &&
        aivo_outbox_queues(run->outbox, second_name, &list->look, &run->error) != AIVO_OK) {
        return queue_failed(run);
    }
    int64_t cursor = 0;
    do {
        list->in_page = 0;
        enum aivo_status status =
            aivo_outbox_list(run->outbox, run->flags.dead ? AIVO_OUTBOX_DEAD : AIVO_OUTBOX_PENDING,
                             queue_name(&run->flags), &cursor, PAGE_MESSAGES, on_listed, list, &run->error);
        if (status != AIVO_OK) {
            return queue_failed(run);
        }
        if (list->failed) {
            return CLI_EXIT_SOFTWARE;
        }
    } while (list->in_page == PAGE_MESSAGES && list->beyond == 0 && !cli_out_failed());
    cli_out_flush();
    if (list->beyond > 0 && !run->flags.json && run->flags.limit < 0) {
        cli_say(CLI_LOG_INFO, "the first %" PRIu64 ", and there are more: --limit 0 shows all", list->shown);
    } else if (list->shown == 0 && !run->flags.json) {
        cli_say(CLI_LOG_INFO, "%s: %s", run->path, run->flags.dead ? "no dead letter" : "nothing waits");
    }
    return CLI_EXIT_OK;
}

static int run_list(const struct cli_command *self, int argc, char **argv)
{
    struct queue_run run;
    int code = queue_parse(&run, self, argc, argv, NULL, NULL);
    if (code < 0) {
        code = queue_open(&run, false);
    }
    if (code >= 0) {
        return code;
    }
    struct list list = {.run = &run, .now_ms = queue_now_ms(), .look = {.unicode = cli_out_look().unicode}};
    if (cli_out_is_terminal() && !run.flags.json) { /* also what makes a heading worth while */
        list.look.columns = cli_out_look().columns;
    }
    list.limit = run.flags.limit >= 0 ? (uint64_t)run.flags.limit : run.flags.json ? 0 : LIST_TEXT_LIMIT;
    code = print_list(&run, &list);
    aivo_outbox_close(run.outbox);
    return code;
}

/* ---- show ---- */

struct show {
    const struct queue_run *run;
    int code;
};

static bool on_shown(void *user, const struct aivo_queued *message)
{
    struct show *show = user;
    show->code = print(show->run->flags.json ? cli_queued_json(message) : cli_queued_text(message, queue_now_ms()));
    return false;
}

static int run_show(const struct cli_command *self, int argc, char **argv)
{
    struct queue_run run;
    const char *id;
    int code = queue_parse(&run, self, argc, argv, "ID", &id);
    if (code < 0) {
        code = queue_open(&run, false);
    }
    if (code >= 0) {
        return code;
    }
    struct show show = {.run = &run, .code = CLI_EXIT_OK};
    if (aivo_outbox_show(run.outbox, id, on_shown, &show, &run.error) != AIVO_OK) {
        show.code = queue_failed(&run);
    }
    aivo_outbox_close(run.outbox);
    return show.code;
}

/* ---- export ---- */

static bool on_line(void *user, const char *line, size_t len)
{
    (void)user;
    cli_out_bytes(line, len);
    return !cli_out_failed();
}

static int run_export(const struct cli_command *self, int argc, char **argv)
{
    struct queue_run run;
    int code = queue_parse(&run, self, argc, argv, NULL, NULL);
    if (code < 0) {
        code = queue_open(&run, false);
    }
    if (code >= 0) {
        return code;
    }
    code = CLI_EXIT_OK;
    if (aivo_outbox_export(run.outbox, on_line, NULL, &run.error) != AIVO_OK && run.error.status != AIVO_E_CANCELLED) {
        code = queue_failed(&run);
    }
    aivo_outbox_close(run.outbox);
    return code;
}

/* ---- their tables ---- */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct cli_flag stats_flags[] = {QUEUE_FLAG_QUEUE, QUEUE_FLAG_JSON};
static const struct cli_flag list_flags[] = {
    QUEUE_FLAG_DEAD("the dead letters, not what waits"),
    QUEUE_FLAG_QUEUE,
    QUEUE_FLAG_EVENT,
    QUEUE_FLAG_OLDER,
    QUEUE_FLAG_LIMIT("at most N; 0: all (default: 100, with --json all)"),
    QUEUE_FLAG_JSON,
};
static const struct cli_flag show_flags[] = {QUEUE_FLAG_JSON};
/* Its output is JSON anyway: the flag is taken, and changes nothing. */
static const struct cli_flag export_flags[] = {QUEUE_FLAG_JSON};

const struct cli_command cli_queue_stats = {
    .name = "queue stats",
    .usage = "FILE [--queue NAME] [--json]",
    .summary = "how many messages wait and died, how much, since when",
    .text = "WAITING is all that is still to be delivered; LATER of these wait for a further attempt, BEHIND for an\n"
            "earlier message with the same order key. DEAD are kept dead letters. SIZE is that of the events and\n"
            "arguments that wait, OLDEST the age of the oldest.\n"
            "\nexit: 0, 1 no such queue, 66 no such file, 73 the file cannot be used\n",
    .examples = "  aivo queue stats queue.db\n"
                "  aivo queue stats queue.db --json | jq .pending\n",
    .flags = stats_flags,
    .flag_count = COUNT(stats_flags),
    .run = run_stats,
};

const struct cli_command cli_queue_list = {
    .name = "queue list",
    .usage = "FILE [--dead] [--queue NAME] [--event NAME] [--older S] [--limit N] [--json]",
    .summary = "the messages that wait, or the dead letters, a line each",
    .text =
        "Oldest first; on a terminal each line is cut to its width. A dead letter shows its error where others show\n"
        "their arguments. With --json a line is an object, as 'aivo queue export' writes it, with next_attempt and\n"
        "died besides.\n"
        "\nexit: 0 (also when there is none), 1 no such queue, 66 no such file, 73 the file cannot be used\n",
    .examples = "  aivo queue list queue.db\n"
                "  aivo queue list queue.db --dead --event agent:tutor\n"
                "  aivo queue list queue.db --older 3600 --json | jq -r .id\n",
    .flags = list_flags,
    .flag_count = COUNT(list_flags),
    .run = run_list,
};

const struct cli_command cli_queue_show = {
    .name = "queue show",
    .usage = "FILE ID [--json]",
    .summary = "one message whole: attempts, last error, expiry, arguments",
    .text = "ID is that of a message that waits or of a dead letter, as 'aivo queue list' shows it.\n"
            "\nexit: 0, 1 no such message, 66 no such file, 73 the file cannot be used\n",
    .examples = "  aivo queue show queue.db 0192d5a8-7c3e-7f11-9a6b-3f2f0c1d2e3f\n",
    .flags = show_flags,
    .flag_count = COUNT(show_flags),
    .run = run_show,
};

const struct cli_command cli_queue_export = {
    .name = "queue export",
    .usage = "FILE",
    .summary = "everything as lines of JSON",
    .text =
        "Writes what waits and then the dead letters, oldest first, an object a line: id, queue, state, event, args,\n"
        "priority, order_key, collapse_key, created, expires, attempts, last_error. 'aivo queue list --json' has the\n"
        "same with filters.\n"
        "\nexit: 0, 66 no such file, 73 the file cannot be used, 74 standard output cannot be written\n",
    .examples = "  aivo queue export queue.db >queue.jsonl\n"
                "  aivo queue export queue.db | jq -c 'select(.event==\"agent:tutor\").args' |\n"
                "      aivo emit https://aivo.example agent:tutor - --args --durable other.db --token-file token.jwt\n",
    .flags = export_flags,
    .flag_count = COUNT(export_flags),
    .run = run_export,
};
