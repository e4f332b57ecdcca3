#include "store_file.h"

#include "../error_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* "DIR/NAME" of a file that need not be there: the directory is resolved. */
static char *resolve_new(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (*name == '\0') {
        errno = EISDIR;
        return NULL;
    }
    char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    char *real = dir ? realpath(dir, NULL) : NULL;
    free(dir);
    if (!real)
        return NULL;
    char *out = NULL;
    if (asprintf(&out, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) < 0)
        out = NULL;
    free(real);
    return out;
}

static enum aivo_status refuse(const char *path, int error, struct aivo_error *err)
{
    if (error == ENOENT || error == ENOTDIR)
        return aivo_error_set(err, AIVO_E_STORE, error, "the queue's directory does not exist: %s", path);
    if (error == EACCES || error == EROFS || error == EPERM)
        return aivo_error_set(err, AIVO_E_STORE, error, "the queue's file or directory is not writable: %s (%s)", path,
                              strerror(error));
    if (error == ENOSPC || error == EDQUOT)
        return aivo_error_set(err, AIVO_E_STORE, error, "disk full: cannot make the queue's file %s", path);
    return aivo_error_set(err, AIVO_E_STORE, error, "cannot open the queue's file %s: %s", path, strerror(error));
}

enum aivo_status aivo_store_file_path(const char *path, char **out, struct aivo_error *err)
{
    char *real = realpath(path, NULL);
    if (!real && errno == ENOENT)
        real = resolve_new(path);
    if (!real)
        return refuse(path, errno, err);
    /* A file that is there is not opened: closing it again would take this process' own locks of it away. */
    struct stat st;
    bool there = stat(real, &st) == 0;
    bool regular = there && S_ISREG(st.st_mode);
    int fd = there ? -1 : open(real, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 || (regular && access(real, R_OK | W_OK) == 0)) {
        *out = real;
        return AIVO_OK;
    }
    int error = errno;
    free(real);
    if (!there || regular)
        return refuse(path, error, err);
    return aivo_error_set(err, AIVO_E_STORE, 0, "the queue's file is no regular file: %s", path);
}

static enum aivo_status locked(const char *path, int fd, struct aivo_error *err)
{
    char pid[16] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return aivo_error_set(err, AIVO_E_LOCKED, 0, "the queue's file %s is in use by another writer%s%s", path,
                          *pid ? ", process " : "", pid);
}

enum aivo_status aivo_store_file_lock(const char *path, int *fd, struct aivo_error *err)
{
    char *name = NULL;
    if (asprintf(&name, "%s-lock", path) < 0)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue's lock");
    int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = errno;
    free(name);
    if (lock < 0)
        return refuse(path, error, err);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        error = errno;
        enum aivo_status status = error == EWOULDBLOCK
                                      ? locked(path, lock, err)
                                      : aivo_error_set(err, AIVO_E_STORE, error, "cannot lock the queue's file %s: %s",
                                                       path, strerror(error));
        close(lock);
        return status;
    }
    /* Only for the other one's message: nothing is lost if it cannot be written. */
    char pid[16];
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) == 0 && pwrite(lock, pid, (size_t)len, 0) < 0)
        errno = 0;
    *fd = lock;
    return AIVO_OK;
}

enum aivo_status aivo_store_file_identify(const char *path, struct aivo_store_identity *out, struct aivo_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return refuse(path, errno, err);
    if (st.st_nlink > 1)
        return aivo_error_set(err, AIVO_E_STORE, 0,
                              "the queue's file %s has a second name (a hard link): remove one, or copy the file",
                              path);
    *out = (struct aivo_store_identity){.dev = st.st_dev, .ino = st.st_ino};
    return AIVO_OK;
}

/* Asks for the number of the file alone. stat() asks for its times too, and a kernel with fine-grained timestamps
 * (Linux 6.13) then has the next write change the inode and the next sync write it out: a fourth of a send's time. */
static bool identity_of(const char *path, struct aivo_store_identity *out)
{
    struct statx st;
    if (statx(AT_FDCWD, path, 0, STATX_INO, &st) != 0)
        return false;
    *out = (struct aivo_store_identity){.dev = makedev(st.stx_dev_major, st.stx_dev_minor), .ino = st.stx_ino};
    return true;
}

static bool same_file(const char *path, const struct aivo_store_identity *as)
{
    struct aivo_store_identity now;
    return identity_of(path, &now) && now.dev == as->dev && now.ino == as->ino;
}

enum aivo_status aivo_store_file_unchanged(const char *path, const struct aivo_store_identity *file,
                                           struct aivo_store_identity *log, struct aivo_error *err)
{
    char name[PATH_MAX + 8];
    if (!same_file(path, file))
        return aivo_error_set(
            err, AIVO_E_STORE, 0,
            "the queue's file %s was deleted or replaced while it was in use: nothing more can be kept", path);
    if ((size_t)snprintf(name, sizeof name, "%s-wal", path) >= sizeof name)
        return AIVO_OK;
    if ((log->ino != 0 || identity_of(name, log)) && !same_file(name, log))
        return aivo_error_set(
            err, AIVO_E_STORE, 0,
            "the queue's log %s was deleted or replaced while it was in use: nothing more can be kept", name);
    return AIVO_OK;
}

static bool reserve_name(const char *path, char out[PATH_MAX + 16])
{
    return (size_t)snprintf(out, PATH_MAX + 16, "%s-reserve", path) < PATH_MAX + 16;
}

bool aivo_store_file_keep_reserve(const char *path, uint32_t bytes)
{
    char name[PATH_MAX + 16];
    struct stat st;
    if (!reserve_name(path, name))
        return false;
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return false;
    bool there = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    bool kept = there && ((uint64_t)st.st_blocks * 512 >= bytes || posix_fallocate(fd, 0, (off_t)bytes) == 0);
    if (there && !kept)
        unlink(name); /* it may hold a part */
    close(fd);
    return kept;
}

void aivo_store_file_free_reserve(const char *path)
{
    char name[PATH_MAX + 16];
    if (reserve_name(path, name))
        unlink(name);
}

static bool mark_name(const char *path, char name[PATH_MAX + 16])
{
    return (size_t)snprintf(name, PATH_MAX + 16, "%s-damaged", path) < PATH_MAX + 16;
}

void aivo_store_file_mark(const char *path)
{
    char name[PATH_MAX + 16];
    int fd = mark_name(path, name) ? open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600) : -1;
    if (fd >= 0)
        close(fd);
}

bool aivo_store_file_marked(const char *path)
{
    char name[PATH_MAX + 16];
    return mark_name(path, name) && access(name, F_OK) == 0;
}
