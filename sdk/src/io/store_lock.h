/* The lock against a second writer of a queue's file: flock on PATH-lock, which stays behind; readers do not ask for
 * it. It belongs to the process that took it. A forked child has the same open file, and with it a lock would outlive
 * its process for as long as some child lives: so the child closes it in fork(), and who gives it back says so to the
 * kernel, whoever else still has it open. */
#ifndef AIVO_IO_STORE_LOCK_H
#define AIVO_IO_STORE_LOCK_H

#include "store_file.h"

struct aivo_store_lock;

/* PATH is absolute. AIVO_E_LOCKED names the process that has it. */
enum aivo_status aivo_store_lock_take(const char *path, struct aivo_store_lock **out, struct aivo_error *err);
/* NULL: nothing. In a forked child it only forgets. */
void aivo_store_lock_release(struct aivo_store_lock *lock);
/* Removes PATH-lock first, if it was made by taking it. */
void aivo_store_lock_undo(struct aivo_store_lock *lock, const char *path);
/* Whether this process took it. */
bool aivo_store_lock_is_ours(const struct aivo_store_lock *lock);
/* Of PATH-lock: while another file has that name, somebody else may hold a lock too. */
const struct aivo_store_identity *aivo_store_lock_file(const struct aivo_store_lock *lock);

#endif
