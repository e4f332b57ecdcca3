/* A salvaged file takes the place of the damaged one, such that a process that dies at any instant loses nothing:
 *
 *   1. What can be read is brought into PATH-salvage, which is synced. PATH is as it was.
 *   2. PATH-replace says so; it holds the name that the damaged file gets. From here on the work is finished, by
 *      whoever opens the queue next.
 *   3. PATH-wal, PATH-shm and PATH are renamed to PATH.corrupt-YYYYMMDDTHHMMSSZ (-2, -3, ... if that is taken).
 *   4. PATH-salvage is renamed to PATH, which so never stands beside a log that is not its own.
 *   5. PATH-damaged and PATH-replace are removed.
 *
 * The directory is synced between the steps. Nothing that is found is ever overwritten. The lock is held. */
#ifndef AIVO_IO_STORE_REPLACE_H
#define AIVO_IO_STORE_REPLACE_H

#include <aivo/error.h>
#include <limits.h>
#include <stdint.h>

struct aivo_store_replaced {
    char moved[PATH_MAX]; /* where the damaged file is; "": nothing was replaced */
    uint64_t saved;       /* messages and dead letters that were brought over */
};

/* Before PATH is opened: finishes what an earlier process left at step 2 to 5, and removes what it left at step 1. */
enum aivo_status aivo_store_replace_finish(const char *path, int64_t unix_ms, struct aivo_store_replaced *out,
                                           struct aivo_error *err);

/* An empty PATH-salvage (mode 0600), to be filled and closed. */
enum aivo_status aivo_store_replace_begin(const char *path, char scratch[PATH_MAX], struct aivo_error *err);
void aivo_store_replace_drop(const char *path);
/* out->saved is given, out->moved is filled in. Nobody has one of the files open. Upon failure it may be half done:
 * _finish() goes on. */
enum aivo_status aivo_store_replace_commit(const char *path, int64_t unix_ms, struct aivo_store_replaced *out,
                                           struct aivo_error *err);

#endif
