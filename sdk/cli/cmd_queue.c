/* aivo queue: the offline queue's file, seen and changed from outside. */
#include "queuecmd.h"
#include "report.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t queue_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int queue_parse(struct queue_run *run, const struct cli_command *self, int argc, char **argv, const char *what,
                const char **word)
{
    *run = (struct queue_run){.self = self, .flags = {.older_s = -1, .limit = -1}};
    struct cli_words words;
    int code = cli_command_parse(self, argc, argv, &run->flags, NULL, &words);
    if (code >= 0) {
        return code;
    }
    size_t wanted = word ? 2 : 1;
    if (words.count < wanted) {
        return cli_usage_error(self, "the %s is missing", words.count == 0 ? "FILE" : what);
    }
    if (words.count > wanted) {
        return cli_usage_error(self, "'%.60s' is one word too many", words.word[wanted]);
    }
    run->path = words.word[0];
    if (word) {
        *word = words.word[1];
    }
    const struct queue_flags *flags = &run->flags;
    if (flags->id && (flags->queue || flags->event || flags->older_s >= 0 || flags->limit >= 0)) {
        return cli_usage_error(self, "--id names one message: no further filter goes with it");
    }
    return -1;
}

/* What the file system has to say comes first: SQLite calls most of it "unable to open". */
static int check_path(const char *path, bool writable)
{
    struct stat status;
    int why = stat(path, &status) != 0 ? errno : 0;
    if (why == 0 && S_ISDIR(status.st_mode)) {
        why = EISDIR;
    } else if (why == 0 && !S_ISREG(status.st_mode)) {
        cli_say(CLI_LOG_ERROR, "%s: no regular file", path);
        return CLI_EXIT_CANTCREAT;
    } else if (why == 0 && access(path, writable ? R_OK | W_OK : R_OK) != 0) {
        why = errno;
    }
    if (why == 0) {
        return -1;
    }
    cli_say(CLI_LOG_ERROR, "%s: %s", path, strerror(why));
    return why == ENOENT || why == ENOTDIR ? CLI_EXIT_NOINPUT : CLI_EXIT_CANTCREAT;
}

int queue_failed(const struct queue_run *run)
{
    const char *path = strstr(run->error.message, run->path) ? "" : run->path;
    cli_say(CLI_LOG_ERROR, "%s%s%s", path, *path ? ": " : "", run->error.message);
    switch (run->error.status) {
    case AIVO_E_NOT_FOUND:
        return CLI_EXIT_PROBLEM;
    case AIVO_E_MEMORY:
    case AIVO_E_SYSTEM:
        return CLI_EXIT_SOFTWARE;
    default:
        return CLI_EXIT_CANTCREAT;
    }
}

int queue_open(struct queue_run *run, bool writable)
{
    int code = check_path(run->path, writable);
    if (code >= 0) {
        return code;
    }
    enum aivo_status status = aivo_outbox_open(run->path, writable, &run->outbox, &run->error);
    if (status == AIVO_OK) {
        return -1;
    }
    code = queue_failed(run);
    return status == AIVO_E_NOT_FOUND ? CLI_EXIT_NOINPUT : code; /* it went just now */
}

bool queue_filters(const struct queue_flags *flags)
{
    return flags->event || flags->older_s >= 0;
}

bool queue_matches(const struct queue_flags *flags, const struct aivo_queued *message, int64_t now_ms)
{
    return (!flags->event || strcmp(flags->event, message->event) == 0) &&
           (flags->older_s < 0 || now_ms - message->created_ms >= flags->older_s * 1000);
}

const char *queue_name(const struct queue_flags *flags)
{
    return flags->queue && strcmp(flags->queue, "default") == 0 ? "" : flags->queue;
}

static const struct cli_command *const verbs[] = {
    &cli_queue_stats, &cli_queue_list,   &cli_queue_show, &cli_queue_retry,
    &cli_queue_purge, &cli_queue_export, &cli_queue_send, NULL};

const struct cli_command cli_queue = {
    .name = "queue",
    .usage = "COMMAND FILE [ARGUMENTS] [FLAGS]",
    .summary = "look into an offline queue's file, change it, send what waits",
    .text =
        "FILE is the SQLite file that a program queues its durable messages in (queue.path in the library, --durable\n"
        "of 'aivo emit'). stats, list, show and export read it beside a program that is using it. retry, purge and\n"
        "send need it for themselves, and say so when another program has it.\n",
    .examples = "  aivo queue stats queue.db\n"
                "  aivo queue list queue.db --dead\n"
                "  aivo queue send queue.db https://aivo.example --token-file token.jwt\n",
    .verbs = verbs,
};
