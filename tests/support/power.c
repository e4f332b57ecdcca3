#include "power.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A change that no sync has followed. */
struct change {
    struct change *next; /* the one before it */
    int64_t at, old_size;
    int len, old_len;
    bool truncation;
    char *data, *old;
};
struct track {
    struct track *next;
    char *path;
    struct change *last;
};
struct power_file {
    sqlite3_file base;
    struct track *track; /* NULL: not one that lasts */
    sqlite3_file *real;
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *below;
    struct track *tracks;
    unsigned operations, fails_at, bad_syncs;
    uint64_t seed;
    bool off;
} p = {.lock = PTHREAD_MUTEX_INITIALIZER};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct power_file *)f)->real;
}

static uint64_t rnd(void)
{
    uint64_t z = (p.seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    return z ^ (z >> 31);
}

/* true: the power is off. Locked. */
static bool one_operation(void)
{
    p.operations++;
    if (p.fails_at > 0 && p.operations >= p.fails_at)
        p.off = true;
    return p.off;
}

static void forget(struct track *t)
{
    while (t->last) {
        struct change *c = t->last;
        t->last = c->next;
        free(c->data);
        free(c->old);
        free(c);
    }
}

static void remember(struct power_file *f, int64_t at, const void *data, int len, bool truncation)
{
    sqlite3_int64 size = 0;
    if (!f->track)
        return;
    f->real->pMethods->xFileSize(f->real, &size);
    struct change *c = calloc(1, sizeof *c);
    int64_t end = truncation ? size : at + len;
    c->at = at;
    c->old_size = size;
    c->truncation = truncation;
    c->old_len = (int)((end < size ? end : size) - at);
    c->old_len = c->old_len > 0 ? c->old_len : 0;
    c->old = malloc((size_t)c->old_len + 1);
    if (c->old_len > 0)
        f->real->pMethods->xRead(f->real, c->old, c->old_len, at);
    c->len = len;
    c->data = malloc((size_t)len + 1);
    if (len > 0)
        memcpy(c->data, data, (size_t)len);
    c->next = f->track->last;
    f->track->last = c;
}

static int on_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
    struct power_file *f = (struct power_file *)file;
    pthread_mutex_lock(&p.lock);
    bool off = p.off;
    if (!off) {
        remember(f, at, data, len, false); /* the one at which the power fails may be there as well */
        off = one_operation();
    }
    int code = off ? SQLITE_IOERR_WRITE : f->real->pMethods->xWrite(f->real, data, len, at);
    pthread_mutex_unlock(&p.lock);
    return code;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct power_file *f = (struct power_file *)file;
    pthread_mutex_lock(&p.lock);
    bool off = one_operation();
    if (!off)
        remember(f, size, NULL, 0, true);
    int code = off ? SQLITE_IOERR_TRUNCATE : f->real->pMethods->xTruncate(f->real, size);
    pthread_mutex_unlock(&p.lock);
    return code;
}

static int on_sync(sqlite3_file *file, int flags)
{
    struct power_file *f = (struct power_file *)file;
    (void)flags;
    pthread_mutex_lock(&p.lock);
    int code = one_operation() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
    if (code == SQLITE_OK && p.bad_syncs > 0) {
        p.bad_syncs--;
        code = SQLITE_IOERR_FSYNC;
    }
    if (code == SQLITE_OK && f->track)
        forget(f->track);
    pthread_mutex_unlock(&p.lock);
    return code;
}

static int on_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}
static int on_read(sqlite3_file *f, void *data, int len, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), data, len, at);
}
static int on_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}
static int on_lock(sqlite3_file *f, int lock)
{
    return real_of(f)->pMethods->xLock(real_of(f), lock);
}
static int on_unlock(sqlite3_file *f, int lock)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), lock);
}
static int on_check(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int on_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int on_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}
static int on_device(sqlite3_file *f)
{
    (void)f;
    return 0; /* no promises */
}
static int on_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), region, size, extend, out);
}
static int on_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}
static void on_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}
static int on_shm_unmap(sqlite3_file *f, int remove)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_device,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static struct track *track_of(const char *path)
{
    pthread_mutex_lock(&p.lock);
    struct track *t = p.tracks;
    while (t && strcmp(t->path, path) != 0)
        t = t->next;
    if (!t) {
        t = calloc(1, sizeof *t);
        t->path = strdup(path);
        t->next = p.tracks;
        p.tracks = t;
    }
    pthread_mutex_unlock(&p.lock);
    return t;
}

static int on_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    struct power_file *f = (struct power_file *)file;
    (void)vfs;
    f->real = (sqlite3_file *)(f + 1);
    f->track = name ? track_of(name) : NULL;
    int code = p.below->xOpen(p.below, name, f->real, flags, out_flags);
    f->base.pMethods = f->real->pMethods ? &methods : NULL;
    return code;
}

/* Without power nothing is deleted: a log stays with what is in it. */
static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    pthread_mutex_lock(&p.lock);
    bool off = one_operation();
    pthread_mutex_unlock(&p.lock);
    if (off)
        return SQLITE_IOERR_DELETE;
    forget(track_of(name));
    return p.below->xDelete(p.below, name, sync_dir);
}

void power_install(void)
{
    p.below = sqlite3_vfs_find(NULL);
    p.vfs = *p.below;
    p.vfs.zName = "power";
    p.vfs.pNext = NULL;
    p.vfs.szOsFile = (int)sizeof(struct power_file) + p.below->szOsFile;
    p.vfs.xOpen = on_open;
    p.vfs.xDelete = on_delete;
    sqlite3_vfs_register(&p.vfs, 1);
}

void power_fails_at(unsigned operations, uint64_t seed)
{
    pthread_mutex_lock(&p.lock);
    p.operations = 0;
    p.fails_at = operations;
    p.seed = seed;
    p.off = false;
    pthread_mutex_unlock(&p.lock);
}

bool power_is_off(void)
{
    pthread_mutex_lock(&p.lock);
    bool off = p.off;
    pthread_mutex_unlock(&p.lock);
    return off;
}

unsigned power_operations(void)
{
    return p.operations;
}

void power_syncs_fail(unsigned count)
{
    pthread_mutex_lock(&p.lock);
    p.bad_syncs = count;
    pthread_mutex_unlock(&p.lock);
}

static void must_write(int fd, const void *data, int len, int64_t at)
{
    if (pwrite(fd, data, (size_t)len, at) != len) {
        perror("power: pwrite");
        abort();
    }
}

/* Each change, the first one first: it reached the disk, or did not, or up to a sector's end. */
static void redo_some(int fd, const struct change *c)
{
    if (!c)
        return;
    redo_some(fd, c->next);
    uint64_t how = rnd() % 4;
    if (how == 0)
        return;
    if (c->truncation) {
        if (ftruncate(fd, c->at) != 0)
            abort();
        return;
    }
    must_write(fd, c->data, how == 1 ? c->len / 512 / 2 * 512 : c->len, c->at);
}

void power_returns(void)
{
    for (struct track *t = p.tracks; t; t = t->next) {
        int fd = t->last ? open(t->path, O_RDWR | O_CREAT, 0600) : -1;
        for (const struct change *c = t->last; c; c = c->next) {
            must_write(fd, c->old, c->old_len, c->at);
            if (ftruncate(fd, c->old_size) != 0)
                abort();
        }
        if (fd >= 0) {
            redo_some(fd, t->last);
            close(fd);
        }
        forget(t);
        char shm[600];
        snprintf(shm, sizeof shm, "%s-shm", t->path);
        unlink(shm);
    }
    power_fails_at(0, 0);
}
