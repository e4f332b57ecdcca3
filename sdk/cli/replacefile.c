#include "diagnose.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(fd, text, len);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        if (wrote > 0) {
            text += wrote;
            len -= (size_t)wrote;
        }
    }
    return true;
}

bool diagnose_replace_file(const char *path, const char *text, size_t len, char error[CLI_ERROR_MAX])
{
    char *beside;
    if (asprintf(&beside, "%s.XXXXXX", path) < 0) {
        return cli_fail(error, "out of memory");
    }
    int fd = mkostemp(beside, O_CLOEXEC);
    /* Readable for the exporter, which is another user. The data is on disk before the name is. */
    bool good = fd >= 0 && write_all(fd, text, len) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        good = false;
        why = errno;
    }
    if (good && rename(beside, path) != 0) {
        good = false;
        why = errno;
    }
    if (!good && fd >= 0) {
        unlink(beside);
    }
    free(beside);
    return good || cli_fail(error, "%.200s: %s", path, strerror(why));
}
