/** @file loop.h  One service thread shared by many clients. */
#ifndef AIVO_LOOP_H
#define AIVO_LOOP_H

#include <aivo/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A service thread with its event loop. A client without one makes its own; a program with many clients saves memory
 * and threads by giving them all the same loop. What each client does is unaffected by the others.
 */
struct aivo_loop;

/**
 * Start a service thread.
 * @param out  receives the loop; the caller owns it
 * @param err  may be NULL
 * @return AIVO_OK, AIVO_E_INVALID, AIVO_E_MEMORY or AIVO_E_SYSTEM. Thread-safe.
 */
AIVO_API enum aivo_status aivo_loop_create(struct aivo_loop **out, struct aivo_error *err);

/**
 * Give the loop up. The thread ends when the last client on it is destroyed as well.
 * NULL is allowed. Thread-safe; may be called from a callback. In a forked child it does nothing.
 */
AIVO_API void aivo_loop_destroy(struct aivo_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
