/* The output half of report.h: standard output, standard error, the live line. */
#include "report.h"
#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The process has one standard output and one standard error: their state is the process's. */
static enum cli_log say_level = CLI_LOG_INFO;
static int out_errno; /* why standard output failed; 0 as long as it works */
static bool live_on;  /* a live line stands on the terminal, the cursor at its end */
static bool live_err; /* on standard error, not on standard output */
static char live_text[CLI_LINE_MAX];

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

void cli_out_flush(void)
{
    if (out_errno == 0) {
        note_failure(fflush(stdout) == EOF);
    }
}

/* A piece of the live line. Standard error has nobody to tell of a failure. */
static void write_live(const char *text)
{
    if (live_err) {
        fputs(text, stderr);
        return;
    }
    write_out(text);
    cli_out_flush();
}

void cli_say(enum cli_log level, const char *format, ...)
{
    if (level > say_level) {
        return;
    }
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    if (live_on) {
        write_live("\r\033[K");
    }
    fprintf(stderr, "aivo: %s\n", line);
    if (live_on) {
        write_live(live_text);
    }
}

void cli_out_buffered(const char *line)
{
    write_out(line);
    write_out("\n");
}

void cli_out_bytes(const char *text, size_t len)
{
    if (out_errno == 0) {
        note_failure(fwrite(text, 1, len, stdout) != len);
    }
}

void cli_out_line(const char *line)
{
    cli_out_buffered(line);
    cli_out_flush();
}

bool cli_out_failed(void)
{
    return out_errno != 0;
}

bool cli_out_closed(void)
{
    return out_errno == EPIPE;
}

static bool is_live(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && !getenv("NO_COLOR") && term && *term && strcmp(term, "dumb") != 0;
}

static struct cli_look look_of(int fd)
{
    struct cli_look look = {.columns = 80, .colour = true, .unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        look.columns = size.ws_col;
    }
    return look;
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

void cli_live_show(const char *line)
{
    snprintf(live_text, sizeof(live_text), "%s", line);
    live_on = true;
    write_live("\r\033[K");
    write_live(live_text);
}

void cli_live_end(void)
{
    if (live_on) {
        live_on = false;
        write_live("\n");
    }
}

void cli_live_remove(void)
{
    if (live_on) {
        live_on = false;
        write_live("\r\033[K");
    }
}
