#include "store_lock.h"

#include "../error_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 100

struct aivo_store_lock {
    struct aivo_store_lock *next;
    int fd;    /* -1: in a forked child */
    bool made; /* there was no such file */
    pid_t owner;
    struct aivo_store_identity file;
};

/* Those of this process, for fork(). */
static struct {
    pthread_mutex_t mutex;
    pthread_once_t once;
    struct aivo_store_lock *first;
} held = {.mutex = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static void before_fork(void)
{
    pthread_mutex_lock(&held.mutex);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&held.mutex);
}

static void in_child(void)
{
    for (struct aivo_store_lock *l = held.first; l; l = l->next) {
        close(l->fd);
        l->fd = -1;
    }
    held.first = NULL;
    pthread_mutex_unlock(&held.mutex);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, in_child);
}

static void remember(struct aivo_store_lock *lock)
{
    pthread_once(&held.once, watch_forks);
    pthread_mutex_lock(&held.mutex);
    lock->next = held.first;
    held.first = lock;
    pthread_mutex_unlock(&held.mutex);
}

static void forget(struct aivo_store_lock *lock)
{
    pthread_mutex_lock(&held.mutex);
    struct aivo_store_lock **at = &held.first;
    while (*at && *at != lock)
        at = &(*at)->next;
    if (*at)
        *at = lock->next;
    pthread_mutex_unlock(&held.mutex);
}

static enum aivo_status in_use(const char *path, int fd, struct aivo_error *err)
{
    char pid[16] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return aivo_error_set(err, AIVO_E_LOCKED, 0, "the queue's file %s is in use by another writer%s%s", path,
                          *pid ? ", process " : "", pid);
}

/* Only for the other one's message: nothing is lost if it cannot be written. */
static void write_owner(int fd)
{
    char pid[16];
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)len, 0) < 0)
        errno = 0;
}

/* Whether the locked file still has its name: it may have been deleted before it was locked. */
static bool still_named(const char *name, int fd, struct aivo_store_identity *file)
{
    struct stat mine, now;
    if (fstat(fd, &mine) != 0 || lstat(name, &now) != 0 || mine.st_dev != now.st_dev || mine.st_ino != now.st_ino)
        return false;
    *file = (struct aivo_store_identity){.dev = mine.st_dev, .ino = mine.st_ino};
    return true;
}

/* lock->fd: -1 with AIVO_OK: once more. */
static enum aivo_status try_once(const char *path, const char *name, struct aivo_store_lock *lock,
                                 struct aivo_error *err)
{
    enum aivo_status status = AIVO_OK;
    int *fd = &lock->fd;
    *fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    lock->made = *fd >= 0;
    if (*fd < 0 && errno == EEXIST)
        *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return aivo_store_file_refuse(path, errno, err);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0) {
        if (still_named(name, *fd, &lock->file))
            return AIVO_OK;
    } else if (errno == EWOULDBLOCK) {
        status = in_use(path, *fd, err);
    } else {
        const int error = errno;
        status = aivo_error_set(err, AIVO_E_STORE, error, "cannot lock the queue's file %s: %s", path, strerror(error));
    }
    close(*fd);
    *fd = -1;
    return status;
}

enum aivo_status aivo_store_lock_take(const char *path, struct aivo_store_lock **out, struct aivo_error *err)
{
    struct aivo_store_lock *lock = calloc(1, sizeof *lock);
    char *name = NULL;
    if (!lock || asprintf(&name, "%s-lock", path) < 0) {
        free(lock);
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue's lock");
    }
    enum aivo_status status = AIVO_OK;
    lock->fd = -1;
    for (int i = 0; status == AIVO_OK && lock->fd < 0 && i < TRIES; i++)
        status = try_once(path, name, lock, err);
    free(name);
    if (status == AIVO_OK && lock->fd < 0)
        status = aivo_error_set(err, AIVO_E_STORE, 0,
                                "cannot lock the queue's file %s: its lock is deleted again and"
                                " again",
                                path);
    if (status != AIVO_OK) {
        free(lock);
        return status;
    }
    write_owner(lock->fd);
    lock->owner = getpid();
    remember(lock);
    *out = lock;
    return AIVO_OK;
}

bool aivo_store_lock_is_ours(const struct aivo_store_lock *lock)
{
    return lock->owner == getpid();
}

const struct aivo_store_identity *aivo_store_lock_file(const struct aivo_store_lock *lock)
{
    return &lock->file;
}

void aivo_store_lock_undo(struct aivo_store_lock *lock, const char *path)
{
    char *name = NULL;
    if (lock && lock->made && aivo_store_lock_is_ours(lock) && asprintf(&name, "%s-lock", path) >= 0)
        unlink(name); /* who has just opened it finds out that it has lost its name */
    free(name);
    aivo_store_lock_release(lock);
}

void aivo_store_lock_release(struct aivo_store_lock *lock)
{
    if (!lock)
        return;
    forget(lock);
    if (lock->fd >= 0) {
        if (aivo_store_lock_is_ours(lock)) /* not in a child that was made without fork()'s handlers */
            flock(lock->fd, LOCK_UN);
        close(lock->fd);
    }
    free(lock);
}
