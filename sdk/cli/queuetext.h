/*
 * What `aivo queue` shows, as text and as JSON. Pure: figures in, text out.
 *
 * Names, keys and errors come from files and peers: nothing of them reaches the terminal as a control character.
 */
#ifndef CLI_QUEUETEXT_H
#define CLI_QUEUETEXT_H

#include <aivo/outbox.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_SPAN_MAX 32
/* A length of time in one unit: "0 s", "59 s", "3 min", "5 h", "12 d". Negative (a clock set back) is "0 s". */
void cli_span_text(int64_t ms, char out[CLI_SPAN_MAX]);
/* "412 B", "1.5 KiB", "23 MiB" */
void cli_bytes_text(uint64_t bytes, char out[CLI_SPAN_MAX]);
/* "1,234,567" */
void cli_count_text(uint64_t count, char out[CLI_SPAN_MAX]);

/* Shortens UTF-8 text in place to at most so many columns, whole characters only. Where something was cut off, the last
 * column says so: "…", or "~" where unicode is false. room: bytes that text may take, its NUL included. */
void cli_cut(char *text, size_t room, size_t columns, bool unicode);

/* How a list may look. */
struct cli_list_look {
    size_t columns;   /* a line's length at most; 0: whatever is needed */
    bool unicode;     /* of the mark where a line is cut */
    bool queue_names; /* a column for them */
};

/* The line above a list, and a message's line in it, without a line break. Owned by the caller; NULL: memory is short.
 * A dead letter shows its error where others show their arguments, of these the id that the library put in is left out.
 */
char *cli_list_head(const struct cli_list_look *look);
char *cli_list_line(const struct aivo_queued *message, int64_t now_ms, const struct cli_list_look *look);
/* A message whole, a member a line, the last line break left out. As above. */
char *cli_queued_text(const struct aivo_queued *message, int64_t now_ms);
/* A message as an object on one line: the members of aivo_outbox_export(), then "next_attempt" and "died". As above. */
char *cli_queued_json(const struct aivo_queued *message);

/* One queue's figures. */
struct cli_queue_figures {
    char name[65]; /* "": the default one */
    struct aivo_queue_stats stats;
};
/* A file's figures. */
struct cli_file_figures {
    const char *path;
    uint64_t file_bytes; /* on disk, its log included */
    struct aivo_queue_stats all;
    const struct cli_queue_figures *queue;
    size_t queue_count;
};
char *cli_figures_text(const struct cli_file_figures *figures, int64_t now_ms);
char *cli_figures_json(const struct cli_file_figures *figures);

/* A run of `aivo queue send`. */
struct cli_sending {
    uint64_t delivered, expired, evicted, dead, replaced; /* in this run */
    uint64_t left;
    int64_t ms;      /* the run's length so far */
    double per_s;    /* delivered a second, lately; 0: unknown */
    bool connected;  /* now */
    int64_t wait_ms; /* the server's rate limit holds for so long; 0: it does not */
};
/* The live line, cut to columns. */
#define CLI_SENDING_MAX 320
void cli_sending_line(const struct cli_sending *run, size_t columns, char out[CLI_SENDING_MAX]);
/* The run in a line, and as an object. */
void cli_sending_summary(const struct cli_sending *run, char out[CLI_SENDING_MAX]);
void cli_sending_json(const struct cli_sending *run, char out[CLI_SENDING_MAX]);

#endif
