#include "store_replace.h"

#include "../error_internal.h"
#include "store_file.h"
#include "store_log.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES_MOST 1000 /* tried for one file */

static enum aivo_status failed(const char *path, const char *what, int error, struct aivo_error *err)
{
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return aivo_error_set(err, AIVO_E_STORE, error, "disk full: cannot %s the damaged queue file %s", what, path);
    return aivo_error_set(err, AIVO_E_STORE, error, "cannot %s the damaged queue file %s: %s", what, path,
                          strerror(error));
}

static bool join(char out[PATH_MAX], const char *path, const char *suffix)
{
    if ((size_t)snprintf(out, PATH_MAX, "%s%s", path, suffix) < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

static bool there(const char *path, const char *suffix)
{
    char name[PATH_MAX];
    struct stat st;
    return join(name, path, suffix) && lstat(name, &st) == 0;
}

static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

/* Not onto a file that is there. */
static bool rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS) /* such a file system, such a kernel */
        return false;
    if (there(to, "")) {
        errno = EEXIST;
        return false;
    }
    return rename(from, to) == 0;
}

/* PATH with this suffix, if it is there, to moved with the same, or to that with a number behind it. */
static bool move_one(const char *path, const char *moved, const char *suffix)
{
    char from[PATH_MAX], to[PATH_MAX], numbered[PATH_MAX];
    if (!join(from, path, suffix) || !join(to, moved, suffix))
        return false;
    if (rename_new(from, to) || errno == ENOENT)
        return true;
    for (int n = 2; n <= NAMES_MOST && errno == EEXIST; n++) {
        char number[8];
        snprintf(number, sizeof number, ".%d", n);
        if (!join(numbered, to, number))
            return false;
        if (rename_new(from, numbered) || errno == ENOENT)
            return true;
    }
    return false;
}

static bool choose_name(const char *path, int64_t unix_ms, char moved[PATH_MAX])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    char stamp[32] = "";
    if (!gmtime_r(&seconds, &utc) || strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc) == 0)
        snprintf(stamp, sizeof stamp, "unknown");
    for (int n = 1; n <= NAMES_MOST; n++) {
        char again[8] = "", suffix[64];
        if (n > 1)
            snprintf(again, sizeof again, "-%d", n);
        snprintf(suffix, sizeof suffix, ".corrupt-%s%s", stamp, again);
        if (!join(moved, path, suffix))
            return false;
        if (!there(moved, "") && !there(moved, "-wal") && !there(moved, "-shm"))
            return true;
    }
    errno = EEXIST;
    return false;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool write_synced(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    const size_t len = strlen(text);
    errno = ENOSPC; /* what a short write means */
    bool ok = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return ok;
}

/* All of it is there, or nothing. */
static bool write_plan(const char *path, const struct aivo_store_replaced *r)
{
    char plan[PATH_MAX], fresh[PATH_MAX], text[PATH_MAX + 32];
    if (!join(plan, path, "-replace") || !join(fresh, path, "-replace-new"))
        return false;
    snprintf(text, sizeof text, "%s\n%" PRIu64 "\n", base_of(r->moved), r->saved);
    bool ok = write_synced(fresh, text) && rename(fresh, plan) == 0;
    int error = errno;
    if (ok)
        sync_directory(path);
    else
        unlink(fresh);
    errno = error;
    return ok;
}

/* false: there is none. Where it cannot be understood the name is chosen again. */
static bool read_plan(const char *path, int64_t unix_ms, struct aivo_store_replaced *r)
{
    char plan[PATH_MAX], text[PATH_MAX + 32] = "";
    if (!join(plan, path, "-replace"))
        return false;
    int fd = open(plan, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *end = strchr(text, '\n'), *rest = NULL;
    r->saved = end ? strtoull(end + 1, &rest, 10) : 0;
    if (end)
        *end = '\0';
    const size_t dir = (size_t)(base_of(path) - path), base = strlen(base_of(path));
    bool ok = end && !strchr(text, '/') && strncmp(text, base_of(path), base) == 0 &&
              strncmp(text + base, ".corrupt-", 9) == 0 && dir + strlen(text) < sizeof r->moved;
    if (ok) {
        memcpy(r->moved, path, dir);
        memcpy(r->moved + dir, text, strlen(text) + 1);
    }
    return ok || choose_name(path, unix_ms, r->moved);
}

static void remove_one(const char *path, const char *suffix)
{
    char name[PATH_MAX];
    if (join(name, path, suffix))
        unlink(name);
}

/* An earlier version makes an empty file where none is. */
static bool is_empty_newcomer(const char *path, const char *moved)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 && there(moved, "");
}

/* Steps 3 to 5, as far as they are not done. */
static enum aivo_status carry_out(const char *path, const char *moved, struct aivo_error *err)
{
    char scratch[PATH_MAX];
    if (there(path, "-salvage")) {
        if (!move_one(path, moved, "-wal") || !move_one(path, moved, "-shm") ||
            (!is_empty_newcomer(path, moved) && !move_one(path, moved, "")))
            return failed(path, "move aside", errno, err);
        sync_directory(path);
        if (!join(scratch, path, "-salvage") || rename(scratch, path) != 0)
            return failed(path, "replace", errno, err);
    }
    sync_directory(path);
    remove_one(path, "-damaged");
    remove_one(path, "-replace");
    sync_directory(path);
    return AIVO_OK;
}

void aivo_store_replace_drop(const char *path)
{
    remove_one(path, "-salvage-journal");
    remove_one(path, "-salvage");
}

enum aivo_status aivo_store_replace_finish(const char *path, int64_t unix_ms, struct aivo_store_replaced *out,
                                           struct aivo_error *err)
{
    *out = (struct aivo_store_replaced){.saved = 0};
    aivo_store_log_unmend(path); /* it died while it read the log */
    if (read_plan(path, unix_ms, out))
        return carry_out(path, out->moved, err);
    out->moved[0] = '\0';
    remove_one(path, "-replace-new");
    aivo_store_replace_drop(path);
    return AIVO_OK;
}

enum aivo_status aivo_store_replace_begin(const char *path, char scratch[PATH_MAX], struct aivo_error *err)
{
    aivo_store_replace_drop(path);
    int fd = join(scratch, path, "-salvage") ? open(scratch, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return failed(path, "salvage", errno, err);
    close(fd);
    return AIVO_OK;
}

enum aivo_status aivo_store_replace_commit(const char *path, int64_t unix_ms, struct aivo_store_replaced *out,
                                           struct aivo_error *err)
{
    char scratch[PATH_MAX];
    if (!choose_name(path, unix_ms, out->moved))
        return failed(path, "find a name for", errno, err);
    int fd = join(scratch, path, "-salvage") ? open(scratch, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    bool synced = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (!synced)
        return failed(path, "salvage", error, err);
    if (!write_plan(path, out))
        return failed(path, "salvage", errno, err);
    return carry_out(path, out->moved, err);
}
