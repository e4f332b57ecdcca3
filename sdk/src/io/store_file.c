#include "store_file.h"

#include "../error_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

enum aivo_status aivo_store_file_refuse(const char *path, int error, struct aivo_error *err)
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
        return aivo_store_file_refuse(path, errno, err);
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
        return aivo_store_file_refuse(path, error, err);
    return aivo_error_set(err, AIVO_E_STORE, 0, "the queue's file is no regular file: %s", path);
}

enum aivo_status aivo_store_file_identify(const char *path, struct aivo_store_identity *out, struct aivo_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return aivo_store_file_refuse(path, errno, err);
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

/* PATH with a suffix is the file that it was. A name that is too long never was one. */
static bool same_beside(const char *path, const char *suffix, const struct aivo_store_identity *as)
{
    char name[PATH_MAX + 8];
    return (size_t)snprintf(name, sizeof name, "%s%s", path, suffix) >= sizeof name || same_file(name, as);
}

static bool log_is_there(const char *path, struct aivo_store_identity *log)
{
    char name[PATH_MAX + 8];
    return log->ino != 0 ||
           ((size_t)snprintf(name, sizeof name, "%s-wal", path) < sizeof name && identity_of(name, log));
}

enum aivo_status aivo_store_file_unchanged(const char *path, const struct aivo_store_identity *file,
                                           const struct aivo_store_identity *lock, struct aivo_store_identity *log,
                                           struct aivo_error *err)
{
    if (!same_file(path, file))
        return aivo_error_set(
            err, AIVO_E_STORE, 0,
            "the queue's file %s was deleted or replaced while it was in use: nothing more can be kept", path);
    if (!same_beside(path, "-lock", lock))
        return aivo_error_set(
            err, AIVO_E_STORE, 0,
            "the queue's lock %s-lock was deleted or replaced while it was in use: another writer may "
            "have the file, nothing more can be kept",
            path);
    if (log_is_there(path, log) && !same_beside(path, "-wal", log))
        return aivo_error_set(
            err, AIVO_E_STORE, 0,
            "the queue's log %s-wal was deleted or replaced while it was in use: nothing more can be kept", path);
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

void aivo_store_file_unmark(const char *path)
{
    char name[PATH_MAX + 16];
    if (mark_name(path, name))
        unlink(name);
}

#define PAGE       4096 /* what SQLite takes where nobody says otherwise, and so our files' */
#define PAGES_SEEN 64

static uint32_t number_at(const uint8_t *p, size_t bytes)
{
    uint32_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | p[i];
    return n;
}

/* A page of a table or an index with something on it (sqlite.org/fileformat2.html#b_tree_pages). */
static bool is_tree_page(const uint8_t page[PAGE])
{
    const bool inner = page[0] == 2 || page[0] == 5;
    const uint32_t head = inner ? 12 : 8, cells = number_at(page + 3, 2), content = number_at(page + 5, 2);
    if ((!inner && page[0] != 10 && page[0] != 13) || cells == 0 || head + 2 * cells > content || content >= PAGE)
        return false;
    for (uint32_t i = 0; i < cells; i++) {
        uint32_t at = number_at(page + head + 2 * i, 2);
        if (at < content || at >= PAGE)
            return false;
    }
    return true;
}

static bool has_beside(const char *path, const char *suffix, off_t least)
{
    char name[PATH_MAX + 16];
    struct stat st;
    return (size_t)snprintf(name, sizeof name, "%s%s", path, suffix) < sizeof name && lstat(name, &st) == 0 &&
           S_ISREG(st.st_mode) && st.st_size >= least;
}

bool aivo_store_file_was_queue(const char *path, uint32_t application)
{
    static const char magic[16] = "SQLite format 3";
    uint8_t page[PAGE] = {0};
    if (has_beside(path, "-reserve", 1) || has_beside(path, "-wal", 32))
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return true; /* not ours to judge: what follows says why */
    bool ours = pread(fd, page, sizeof page, 0) >= 0 &&
                (memcmp(page, magic, sizeof magic) == 0 || number_at(page + 68, 4) == application);
    for (off_t i = 1; !ours && i < PAGES_SEEN && pread(fd, page, sizeof page, i * PAGE) == PAGE; i++)
        ours = is_tree_page(page);
    close(fd);
    return ours;
}
