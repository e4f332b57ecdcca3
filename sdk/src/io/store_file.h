/* What the queue's file needs from the file system: its true name, whether it is still the same, the reserve,
 * the mark. */
#ifndef AIVO_IO_STORE_FILE_H
#define AIVO_IO_STORE_FILE_H

#include <aivo/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The absolute path without symbolic links, so that two names of one file share one lock. The file need not be there,
 * its directory must. Makes the file (mode 0600) if it is not there. *out is malloc'ed. */
enum aivo_status aivo_store_file_path(const char *path, char **out, struct aivo_error *err);

/* AIVO_E_STORE with what errno means for a file of the queue's. */
enum aivo_status aivo_store_file_refuse(const char *path, int error, struct aivo_error *err);

/* Which file a name stands for. */
struct aivo_store_identity {
    uint64_t dev, ino; /* ino 0: not known */
};
/* AIVO_E_STORE: the file has a second name. Each name would have a log and a lock of its own, and two writers would
 * destroy it. */
enum aivo_status aivo_store_file_identify(const char *path, struct aivo_store_identity *out, struct aivo_error *err);
/* Whether PATH, PATH-lock and PATH-wal still are the files they were: what is written to one that was deleted or
 * replaced would be lost, and without its lock a second writer gets in. The log's identity is filled in when it is
 * there for the first time. */
enum aivo_status aivo_store_file_unchanged(const char *path, const struct aivo_store_identity *file,
                                           const struct aivo_store_identity *lock, struct aivo_store_identity *log,
                                           struct aivo_error *err);

/* PATH-reserve: bytes on the disk that are given free when it is full, so that what was delivered can be removed. keep:
 * makes it if it is not there; false: there is no room for it. */
bool aivo_store_file_keep_reserve(const char *path, uint32_t bytes);
void aivo_store_file_free_reserve(const char *path);

/* Whether a file that SQLite does not take for a database was a queue all the same, so that it may be moved aside: it
 * has SQLite's first bytes or our mark in its first page, or pages like a database's further on, or our files beside
 * it. Else somebody gave the wrong path. The lock is held, and nobody has the file open. */
bool aivo_store_file_was_queue(const char *path, uint32_t application);

/* PATH-damaged says that its writer met damage which no check at opening may find: opened next, it is moved aside. */
void aivo_store_file_mark(const char *path);
bool aivo_store_file_marked(const char *path);
void aivo_store_file_unmark(const char *path);

#endif
