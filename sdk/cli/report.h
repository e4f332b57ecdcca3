/*
 * What people and programs see. The functions of the first half are pure: figures in, text out.
 *
 * Standard output has the results and nothing else; progress and errors go to standard error. Text is plain (no escape
 * sequences, a line a sample) where standard output is no terminal or NO_COLOR is set.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "flags.h"
#include <aivo/client.h>
#include <aivo/quality.h>

#define CLI_LINE_MAX 2048 /* bytes of a live line or sample line, escape sequences and NUL included */

/* A snapshot with what the quality alone does not say. */
struct cli_snapshot {
    struct aivo_quality quality;
    enum aivo_state state;
    const char *url;                      /* without secrets */
    const struct aivo_queue_stats *queue; /* NULL: there is none */
    const char *why;                      /* text only: why it is not connected; NULL: nothing to say */
};

/* ---- pure ---- */

/* "2026-01-31T12:00:00.123Z" */
#define CLI_TIME_MAX 32
void cli_time_text(int64_t unix_ms, char out[CLI_TIME_MAX]);
/* The snapshot as one line of JSON with exactly the keys of docs/cli.md; unknown is null. Owned by the caller; NULL
 * when memory is short. */
char *cli_snapshot_json(const struct cli_snapshot *snapshot);
/* The snapshot as a line of plain text, e.g. for a pipe. */
void cli_snapshot_text(const struct cli_snapshot *snapshot, char out[CLI_LINE_MAX]);
/* The whole run in a line, by its last snapshot. */
void cli_summary_text(const struct cli_snapshot *snapshot, char out[CLI_LINE_MAX]);

/* The latest latencies, for the sparkline; NAN is a lost probe or a time without connection. */
#define CLI_HISTORY_MAX 128
struct cli_history {
    double value[CLI_HISTORY_MAX];
    size_t count, next;
};
void cli_history_add(struct cli_history *history, double latency_ms);

/* The last width values, least to greatest drawn as eight heights (Unicode blocks, or ASCII); NAN is a cross.
 * Writes at most size - 1 bytes and whole characters. Returns the columns used. */
size_t cli_sparkline(const struct cli_history *history, size_t width, bool unicode, char *out, size_t size);

/* How a live line may look. */
struct cli_look {
    size_t columns; /* of the terminal; the line uses at most one less */
    bool colour, unicode;
};
/* The live line, without a line break. What does not fit is left out, the least important first. */
void cli_live_line(const struct cli_snapshot *snapshot, const struct cli_history *history, const struct cli_look *look,
                   char out[CLI_LINE_MAX]);

/* ---- output ---- */

/* Messages above this level are dropped; CLI_LOG_INFO at first. */
void cli_say_level(enum cli_log level);
/* One line on standard error: "aivo: ...". Control characters become '?'. */
void cli_say(enum cli_log level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line on standard output, flushed. After a failure (the reader of the pipe is gone, a full disk) nothing more is
 * written, and cli_out_failed() says so. */
void cli_out_line(const char *line);
/* The same, but left in the buffer until cli_out_flush(). */
void cli_out_buffered(const char *line);
void cli_out_flush(void);
/* Text with its own line breaks, left in the buffer. */
void cli_out_bytes(const char *text, size_t len);
bool cli_out_failed(void);
/* Failed because nobody reads any more: no error, the reader has had enough. */
bool cli_out_closed(void);

/* Is standard output a terminal that understands escape sequences, and wants them? */
bool cli_out_is_live(void);
/* Is it a terminal at all? */
bool cli_out_is_terminal(void);
/* Its present width and abilities. */
struct cli_look cli_out_look(void);
/* The same of standard error. */
bool cli_err_is_live(void);
struct cli_look cli_err_look(void);
/* The live line belongs on standard error from now on: standard output is for results. */
void cli_live_on_err(void);
/* Replaces the live line. cli_say() and cli_live_end() keep clear of it. */
void cli_live_show(const char *line);
/* Keeps the last live line and goes on below it. */
void cli_live_end(void);
/* Takes the live line away. */
void cli_live_remove(void);

#endif
