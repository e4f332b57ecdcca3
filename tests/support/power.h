/* A file system for SQLite that forgets: between two syncs of a file its writes are remembered, and when the power
 * fails each of them may have reached the disk, in part or not at all. One process, registered as SQLite's default. */
#ifndef AIVO_TEST_POWER_H
#define AIVO_TEST_POWER_H

#include <stdbool.h>
#include <stdint.h>

void power_install(void);
/* The power fails at this write, sync or truncation from now on (0: never); from then on every one fails. */
void power_fails_at(unsigned operations, uint64_t seed);
bool power_is_off(void);
/* What is on the disk when it comes back: changes the files as they would be found. Nothing may be open. */
void power_returns(void);
/* So many syncs fail from now on, the power being on. */
void power_syncs_fail(unsigned count);
unsigned power_operations(void); /* since power_fails_at() */

#endif
