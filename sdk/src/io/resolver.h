/*
 * Names looked up in worker threads: getaddrinfo() cannot be interrupted, and the loop never waits for it. Look-ups of
 * the same name and port share one call. At most AIVO_RESOLVER_THREADS calls are under way for one resolver, further
 * ones queue. A cancelled look-up is forgotten at once; its thread ends when getaddrinfo() returns and touches nothing
 * but the resolver's own memory, which the last of them frees. So neither cancel nor destroy waits.
 */
#ifndef AIVO_IO_RESOLVER_H
#define AIVO_IO_RESOLVER_H

#include "list.h"
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#define AIVO_RESOLVER_THREADS 8
#define AIVO_MAX_ADDRESSES    16 /* further ones are dropped */

struct aivo_address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at;
};

struct aivo_addresses {
    unsigned count;
    struct aivo_address list[AIVO_MAX_ADDRESSES]; /* families alternating, the resolver's first choice first */
    int error;                                    /* gai code if count is 0 */
    char text[96];                                /* what it means */
};

/* "192.0.2.1:80", "[2001:db8::1]:80" */
#define AIVO_ADDRESS_TEXT 64
void aivo_address_text(const struct aivo_address *address, char out[AIVO_ADDRESS_TEXT]);
/* true: host is numeric and the one address is in *out. No look-up, no wait. */
bool aivo_address_numeric(const char *host, uint16_t port, struct aivo_addresses *out);

/* Blocks; runs on a worker thread. */
typedef void (*aivo_resolve_fn)(const char *host, uint16_t port, struct aivo_addresses *out);
void aivo_resolve_system(const char *host, uint16_t port, struct aivo_addresses *out);

struct aivo_resolver;

/* One request; embedded in its owner. All but notify() is the loop's thread. */
struct aivo_lookup {
    struct aivo_link link;
    void *job; /* NULL: not under way */
    void (*done)(struct aivo_lookup *lookup, const struct aivo_addresses *found);
};

/* notify is called from worker threads when there is something to collect. NULL: out of memory. */
struct aivo_resolver *aivo_resolver_create(aivo_resolve_fn resolve, void (*notify)(void *user), void *user);
void aivo_resolver_destroy(struct aivo_resolver *resolver); /* look-ups are cancelled; NULL is allowed */
void aivo_resolver_use(struct aivo_resolver *resolver, aivo_resolve_fn resolve); /* tests: another way to resolve */
/* false: out of memory, or no thread can be started. done() comes from aivo_resolver_collect(). */
bool aivo_resolver_start(struct aivo_resolver *resolver, const char *host, uint16_t port, struct aivo_lookup *lookup);
void aivo_lookup_cancel(struct aivo_resolver *resolver, struct aivo_lookup *lookup);
void aivo_resolver_collect(struct aivo_resolver *resolver);

#endif
