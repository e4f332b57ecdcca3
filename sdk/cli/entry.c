/* How a program that is a command line of ours begins and ends. */
#include "entry.h"
#include "report.h"
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

/* A descriptor that was closed would be given to the next file that is opened: a signalfd in the place of standard
 * input, a database that standard error is written into. Standard output stays one that cannot be written. */
static bool open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        bool closed = fcntl(fd, F_GETFD) < 0 && errno == EBADF;
        if (closed && open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) != fd) {
            return false;
        }
    }
    return true;
}

bool cli_begin(void)
{
    if (!open_standard()) {
        return false;
    }
    setlocale(LC_CTYPE, "");  /* the terminal's character set; numbers keep their point */
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is seen as a failed write */
    signal(SIGXFSZ, SIG_IGN); /* and so is a limit on the size of files */
    return true;
}

int cli_end(int code)
{
    cli_out_flush();
    if (!cli_out_failed() || cli_out_closed()) {
        return code;
    }
    cli_say(CLI_LOG_ERROR, "standard output cannot be written");
    return CLI_EXIT_IOERR;
}
