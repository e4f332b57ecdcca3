/*
 * What people and programs see. The functions of the first half are pure: figures in, text out.
 *
 * Standard output has the results and nothing else; progress and errors go to standard error. Text is plain (no escape
 * sequences, a line a sample) where standard output is no terminal or NO_COLOR is set.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "flags.h"
#include "render/render.h"
#include <aivo/client.h>
#include <aivo/quality.h>

#define CLI_LINE_MAX 2048 /* bytes of a live line or sample line, escape sequences and NUL included */

/* A snapshot with what the quality alone does not say. */
struct cli_snapshot {
    struct aivo_quality quality;
    enum aivo_state state;
    const char *url; /* without secrets */
    const char *why; /* text only: why it is not connected; NULL: nothing to say */
};

/* ---- pure ---- */

/* aivo_render_json_figure() for CSV, where what is not known is nothing. */
const char *cli_figure_csv(double value, char out[AIVO_RENDER_FIGURE_MAX]);
/* The snapshot as one line of JSON with exactly the keys of docs/cli.md; unknown is null. Owned by the caller; NULL
 * when memory is short. */
char *cli_snapshot_json(const struct cli_snapshot *snapshot);
/* The same members as comma-separated values; what is not known is nothing, causes are joined with spaces. */
extern const char cli_snapshot_csv_names[];
void cli_snapshot_csv(const struct cli_snapshot *snapshot, char out[CLI_LINE_MAX]);
/* The snapshot as a line of plain text, e.g. for a pipe; with_url where there are several. */
void cli_snapshot_text(const struct cli_snapshot *snapshot, bool with_url, char out[CLI_LINE_MAX]);
/* The whole run in a line, by its last snapshot. */
void cli_summary_text(const struct cli_snapshot *snapshot, char out[CLI_LINE_MAX]);

/* Pieces of these. */
struct cli_text;
void cli_put_latency(struct cli_text *text, const struct aivo_quality *q);
/* In doubt, and what cost most, where it cost a whole point; each after two spaces. */
void cli_put_cause(struct cli_text *text, const struct cli_snapshot *snapshot);
const char *cli_stability(const struct aivo_quality *q);

/* The latest latencies, as many as the percentiles are of; NAN is a lost probe or a time without connection. */
#define CLI_RECENT_MAX 256
struct cli_recent {
    double value[CLI_RECENT_MAX];
    size_t count, next;
};
void cli_recent_add(struct cli_recent *recent, double latency_ms);
/* The value that is index steps from the oldest of the last count. */
double cli_recent_at(const struct cli_recent *recent, size_t count, size_t index);
/* Least and greatest of those that are known. False: none is. */
bool cli_recent_range(const struct cli_recent *recent, double *least, double *greatest);

/* The last width values, least to greatest drawn as eight heights (Unicode blocks, or ASCII); NAN is a cross.
 * Writes at most size - 1 bytes and whole characters. Returns the columns used. */
size_t cli_sparkline(const struct cli_recent *recent, size_t width, bool unicode, char *out, size_t size);

/* How often each latency was: width columns from low_ms to high_ms (logarithmic, or linear where they are near), the
 * highest reaching the top of height rows. */
#define CLI_HISTOGRAM_MAX 80 /* columns */
struct cli_histogram {
    size_t width, count[CLI_HISTOGRAM_MAX], most;
    double low_ms, high_ms;
};
/* False: there are less than two samples, or no columns. */
bool cli_histogram_of(const struct cli_recent *recent, size_t width, double low_ms, double high_ms,
                      struct cli_histogram *out);
/* The column that a latency belongs to. */
size_t cli_histogram_at(const struct cli_histogram *histogram, double ms);
/* Row 0 is the top one of height. */
void cli_histogram_row(const struct cli_histogram *histogram, size_t row, size_t height, bool unicode, char *out,
                       size_t size);

/* How a live line may look. */
struct cli_look {
    size_t columns, rows; /* of the terminal; a line uses at most one less than its columns */
    bool colour, unicode;
};
const char *cli_level_colour(enum aivo_level level);
/* A figure for where every column counts; "-" when it is not known. */
const char *cli_figure_short(double value, char out[AIVO_RENDER_FIGURE_MAX]);
/* The live line, without a line break. What does not fit is left out, the least important first. */
void cli_live_line(const struct cli_snapshot *snapshot, const struct cli_recent *recent, const struct cli_look *look,
                   char out[CLI_LINE_MAX]);

/* Some live lines: the first is as above, the others are the histogram. */
#define CLI_LIVE_MAX 65536 /* bytes of all lines, escape sequences and NUL included */
void cli_live_one(const struct cli_snapshot *snapshot, const struct cli_recent *recent, const struct cli_look *look,
                  char out[CLI_LIVE_MAX]);

/* Several connections under one another in a table whose columns can be compared, and how often each latency was, on
 * one scale for all. snapshot.url is what a line begins with. */
struct cli_live_row {
    struct cli_snapshot snapshot;
    const struct cli_recent *recent;
    bool known; /* there is a snapshot */
};
void cli_live_table(const struct cli_live_row *rows, size_t count, const struct cli_look *look, char out[CLI_LIVE_MAX]);

/* ---- output ---- */

/* Messages above this level are dropped; CLI_LOG_INFO at first. */
void cli_say_level(enum cli_log level);
/* One line on standard error: "aivo: ...". Control characters become '?'. From any thread. */
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
/* Replaces the live lines (text may hold line breaks; none ends it). cli_say() and cli_live_end() keep clear of them.
 */
void cli_live_show(const char *text);
/* Keeps the last live lines and goes on below them. */
void cli_live_end(void);
/* Takes the live lines away. */
void cli_live_remove(void);

#endif
