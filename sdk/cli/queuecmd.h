/* aivo queue, from inside: what its commands share. */
#ifndef CLI_QUEUECMD_H
#define CLI_QUEUECMD_H

#include "cli.h"
#include <aivo/outbox.h>

/* Flags of the commands on a file; each takes those that its table has. */
struct queue_flags {
    bool json, dead, yes;
    const char *queue, *id, *event;
    int64_t older_s, limit; /* -1: not given */
};

/* A command on a file, while it runs. */
struct queue_run {
    const struct cli_command *self;
    struct queue_flags flags;
    const char *path;
    struct aivo_outbox *outbox;
    struct aivo_error error; /* of the last call that failed */
};

/* Parses flags and words: FILE and, where word is given, one more that the usage calls what. Returns -1 to go on, else
 * the exit code. */
int queue_parse(struct queue_run *run, const struct cli_command *self, int argc, char **argv, const char *what,
                const char **word);
/* Opens run->path. Returns -1, or the exit code after saying why not. */
int queue_open(struct queue_run *run, bool writable);
/* Says run->error, and gives the exit code: 1 for what is not there, 73 for a file that cannot be used, 70. */
int queue_failed(const struct queue_run *run);
/* Is this message one that --event and --older mean? (--queue and --dead are the library's business.) */
bool queue_matches(const struct queue_flags *flags, const struct aivo_queued *message, int64_t now_ms);
/* Is there a filter that the library does not know? */
bool queue_filters(const struct queue_flags *flags);
/* The --queue that the library understands: "default" is "", NULL is all of them. */
const char *queue_name(const struct queue_flags *flags);
int64_t queue_now_ms(void); /* Unix time */

/* The rows of a flag table, for queue_flags. */
#define QUEUE_AT(member) offsetof(struct queue_flags, member)
#define QUEUE_FLAG_JSON                                                                                                \
    {                                                                                                                  \
        "json", CLI_FLAG_BOOL, QUEUE_AT(json), NULL, "machine-readable output, one JSON value a line", 0, 0, NULL      \
    }
#define QUEUE_FLAG_QUEUE                                                                                               \
    {                                                                                                                  \
        "queue", CLI_FLAG_TEXT, QUEUE_AT(queue), "NAME", "only of this queue; \"default\" is the one without a name",  \
            0, 0, NULL                                                                                                 \
    }
#define QUEUE_FLAG_EVENT                                                                                               \
    {                                                                                                                  \
        "event", CLI_FLAG_TEXT, QUEUE_AT(event), "NAME", "only those with this event", 0, 0, NULL                      \
    }
#define QUEUE_FLAG_OLDER                                                                                               \
    {                                                                                                                  \
        "older", CLI_FLAG_NUMBER, QUEUE_AT(older_s), "S", "only those that were queued at least S seconds ago", 0,     \
            INT32_MAX, NULL                                                                                            \
    }
#define QUEUE_FLAG_ID(help)                                                                                            \
    {                                                                                                                  \
        "id", CLI_FLAG_TEXT, QUEUE_AT(id), "ID", help, 0, 0, NULL                                                      \
    }
#define QUEUE_FLAG_DEAD(help)                                                                                          \
    {                                                                                                                  \
        "dead", CLI_FLAG_BOOL, QUEUE_AT(dead), NULL, help, 0, 0, NULL                                                  \
    }
#define QUEUE_FLAG_LIMIT(help)                                                                                         \
    {                                                                                                                  \
        "limit", CLI_FLAG_NUMBER, QUEUE_AT(limit), "N", help, 0, INT32_MAX, NULL                                       \
    }

extern const struct cli_command cli_queue_stats, cli_queue_list, cli_queue_show, cli_queue_retry, cli_queue_purge,
    cli_queue_export, cli_queue_send;

#endif
