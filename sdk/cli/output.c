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
        write_out("\r\033[K");
        cli_out_flush();
    }
    fprintf(stderr, "aivo: %s\n", line);
    if (live_on) {
        write_out(live_text);
        cli_out_flush();
    }
}

void cli_out_buffered(const char *line)
{
    write_out(line);
    write_out("\n");
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

bool cli_out_is_live(void)
{
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term && *term && strcmp(term, "dumb") != 0;
}

struct cli_look cli_out_look(void)
{
    struct cli_look look = {.columns = 80, .colour = true, .unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        look.columns = size.ws_col;
    }
    return look;
}

void cli_live_show(const char *line)
{
    snprintf(live_text, sizeof(live_text), "%s", line);
    live_on = true;
    write_out("\r\033[K");
    write_out(live_text);
    cli_out_flush();
}

void cli_live_end(void)
{
    if (live_on) {
        live_on = false;
        write_out("\n");
        cli_out_flush();
    }
}
