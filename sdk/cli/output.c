/* The output half of report.h: standard output, standard error, the live line. */
#include "render.h"
#include "report.h"
#include "text.h"
#include <errno.h>
#include <langinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The process has one standard output and one standard error: their state is the process's. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the library's log comes from its own thread */
static enum cli_log say_level = CLI_LOG_INFO;
static int out_errno; /* why standard output failed; 0 as long as it works */
static bool live_on;  /* a live line stands on the terminal, the cursor at its end */
static bool live_err; /* on standard error, not on standard output */
static char live_text[CLI_LIVE_MAX];

void cli_say_level(enum cli_log level)
{
    say_level = level;
}

static void note_failure(bool failed)
{
    if (failed && out_errno == 0) {
        out_errno = errno ? errno : EIO;
    }
}

static void write_out(const char *text)
{
    if (out_errno == 0) {
        note_failure(fputs(text, stdout) == EOF);
    }
}

static void flush_out(void)
{
    if (out_errno == 0) {
        note_failure(fflush(stdout) == EOF);
    }
}

void cli_out_flush(void)
{
    pthread_mutex_lock(&lock);
    flush_out();
    pthread_mutex_unlock(&lock);
}

static struct cli_look look_of(int fd)
{
    struct cli_look look = {
        .columns = 80, .rows = 24, .colour = true, .unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    struct winsize size;
    bool ok = ioctl(fd, TIOCGWINSZ, &size) == 0;
    if (ok && size.ws_col > 0) {
        look.columns = size.ws_col;
    }
    if (ok && size.ws_row > 0) {
        look.rows = size.ws_row;
    }
    return look;
}

/* A piece of the live lines. Standard error has nobody to tell of a failure. */
static void write_live(const char *text)
{
    if (live_err) {
        fputs(text, stderr);
        return;
    }
    write_out(text);
}

static void flush_live(void)
{
    if (!live_err) {
        flush_out();
    }
}

/* Rows that the live lines take up in a terminal of so many columns: one that became narrower has broken them. */
static size_t live_rows(size_t columns)
{
    size_t rows = 0;
    for (const char *line = live_text;;) {
        char piece[CLI_LINE_MAX];
        size_t len = strcspn(line, "\n");
        snprintf(piece, sizeof(piece), "%.*s", (int)len, line);
        size_t used = cli_columns(piece);
        rows += used > columns && columns > 0 ? (used + columns - 1) / columns : 1;
        if (line[len] == '\0') {
            return rows;
        }
        line += len + 1;
    }
}

/* The cursor goes to where the first of the live lines began, and what stood from there on is gone. */
static void clear_live(void)
{
    size_t rows = live_rows(look_of(live_err ? STDERR_FILENO : STDOUT_FILENO).columns);
    if (rows > 1) {
        char up[32];
        snprintf(up, sizeof(up), "\r\033[%zuA\033[J", rows - 1);
        write_live(up);
    } else {
        write_live("\r\033[K");
    }
}

void cli_say(enum cli_log level, const char *format, ...)
{
    if (level > say_level) {
        return;
    }
    char text[1024], line[1024]; /* what a peer said may hold a token, or drive the terminal */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    aivo_render_clean(text, line, sizeof(line));
    pthread_mutex_lock(&lock);
    if (live_on) {
        clear_live();
        flush_live(); /* before what comes by the other stream */
    }
    fprintf(stderr, "aivo: %s\n", line);
    if (live_on) {
        write_live(live_text);
        flush_live();
    }
    pthread_mutex_unlock(&lock);
}

void cli_out_buffered(const char *line)
{
    pthread_mutex_lock(&lock);
    write_out(line);
    write_out("\n");
    pthread_mutex_unlock(&lock);
}

void cli_out_bytes(const char *text, size_t len)
{
    pthread_mutex_lock(&lock);
    if (out_errno == 0) {
        note_failure(fwrite(text, 1, len, stdout) != len);
    }
    pthread_mutex_unlock(&lock);
}

void cli_out_line(const char *line)
{
    cli_out_buffered(line);
    cli_out_flush();
}

static int failure(void)
{
    pthread_mutex_lock(&lock);
    int why = out_errno;
    pthread_mutex_unlock(&lock);
    return why;
}

bool cli_out_failed(void)
{
    return failure() != 0;
}

bool cli_out_closed(void)
{
    return failure() == EPIPE;
}

static bool is_live(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && !getenv("NO_COLOR") && term && *term && strcmp(term, "dumb") != 0;
}

bool cli_out_is_live(void)
{
    return is_live(STDOUT_FILENO);
}

bool cli_out_is_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

bool cli_err_is_live(void)
{
    return is_live(STDERR_FILENO);
}

struct cli_look cli_out_look(void)
{
    return look_of(STDOUT_FILENO);
}

struct cli_look cli_err_look(void)
{
    return look_of(STDERR_FILENO);
}

void cli_live_on_err(void)
{
    live_err = true;
}

void cli_live_show(const char *text)
{
    pthread_mutex_lock(&lock);
    if (live_on) {
        clear_live();
    } else {
        write_live("\r\033[K");
    }
    snprintf(live_text, sizeof(live_text), "%s", text);
    live_on = true;
    write_live(live_text);
    flush_live();
    pthread_mutex_unlock(&lock);
}

void cli_live_end(void)
{
    pthread_mutex_lock(&lock);
    if (live_on) {
        live_on = false;
        write_live("\n");
        flush_live();
    }
    pthread_mutex_unlock(&lock);
}

void cli_live_remove(void)
{
    pthread_mutex_lock(&lock);
    if (live_on) {
        live_on = false;
        clear_live();
        flush_live();
    }
    pthread_mutex_unlock(&lock);
}
