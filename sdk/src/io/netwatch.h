/* Network-change notices of the system: an address, a link or a default route came or went. */
#ifndef AIVO_IO_NETWATCH_H
#define AIVO_IO_NETWATCH_H

#include <aivo/error.h>

struct aivo_netwatch;

/* changed is called on a thread of the watch, at most once in 250 ms, and must only wake somebody.
 * AIVO_E_SYSTEM where the system cannot tell. */
enum aivo_status aivo_netwatch_open(void (*changed)(void *user), void *user, struct aivo_netwatch **out,
                                    struct aivo_error *err);
/* No call of changed is under way any more when it returns. NULL is allowed. */
void aivo_netwatch_close(struct aivo_netwatch *watch);

#endif
