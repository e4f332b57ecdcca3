/* SQLite's write-ahead log, looked at with our own eyes. SQLite reads it up to the first frame that is not whole and
 * takes what stands behind for the rest of a commit that did not come to its end. That is right after a crash; where a
 * byte went bad on the disk it drops commits that had been synced, without a word. Format:
 * sqlite.org/fileformat2.html#walformat */
#ifndef AIVO_IO_STORE_LOG_H
#define AIVO_IO_STORE_LOG_H

#include <stdbool.h>

/* Whether PATH-wal holds whole commits behind a bad place: two or more (each was synced before the next began, so one
 * alone may be what a power cut left of the last), or any at all where its first bytes are bad. Reads it once; no lock
 * is taken. */
bool aivo_store_log_broken(const char *path);

/* Replaces PATH-wal by what it would be without its bad frames, and keeps it as PATH-wal-found.
 * false: nothing was changed. _unmend puts it back, if there is something to put back. Nobody has the file open. */
bool aivo_store_log_mend(const char *path);
void aivo_store_log_unmend(const char *path);

#endif
