/*
 * TLS for one connection's socket, without waiting. Certificate checks: the system's CAs or the given file's, the host
 * name (or IP address), and pins; every failure has a line that says what and what to do.
 */
#ifndef AIVO_IO_TLS_H
#define AIVO_IO_TLS_H

#include <aivo/options.h>
#include <sys/types.h>

/* CAs, client certificate, pins: made once for all connections with the same options. */
struct aivo_tls_context;

/* One for each loop: contexts by their options, remade when one of the files has changed. Loop's thread only. */
struct aivo_tls_cache;

struct aivo_tls_cache *aivo_tls_cache_create(void);
void aivo_tls_cache_destroy(struct aivo_tls_cache *cache); /* NULL is allowed */
enum aivo_status aivo_tls_cache_get(struct aivo_tls_cache *cache, const struct aivo_tls_options *options,
                                    struct aivo_tls_context **out, struct aivo_error *err);
void aivo_tls_context_release(struct aivo_tls_context *context); /* NULL is allowed */

struct aivo_tls;

/* host: the name that is sent (SNI) and checked. The socket stays the caller's. */
struct aivo_tls *aivo_tls_create(struct aivo_tls_context *context, int fd, const char *host, struct aivo_error *err);
void aivo_tls_destroy(struct aivo_tls *tls); /* sends close_notify if that is possible at once; NULL is allowed */

enum { AIVO_IO_AGAIN = 0, AIVO_IO_END = -1, AIVO_IO_ERROR = -2 };

/* 1: done; AIVO_IO_AGAIN: call again when readable, or writable if aivo_tls_wants_write(); AIVO_IO_ERROR: err filled.
 */
int aivo_tls_handshake(struct aivo_tls *tls, struct aivo_error *err);
/* Bytes moved (> 0), AIVO_IO_AGAIN, AIVO_IO_END (the peer closed), AIVO_IO_ERROR (err filled). */
ssize_t aivo_tls_read(struct aivo_tls *tls, char *data, size_t len, struct aivo_error *err);
ssize_t aivo_tls_write(struct aivo_tls *tls, const char *data, size_t len, struct aivo_error *err);
bool aivo_tls_wants_write(const struct aivo_tls *tls);

#endif
