/*
 * TLS for one connection's socket, without waiting. Certificate checks: the system's CAs or the given file's, the host
 * name (or IP address), and pins; every failure has a line that says what and what to do.
 */
#ifndef AIVO_IO_TLS_H
#define AIVO_IO_TLS_H

#include <aivo/options.h>
#include <sys/types.h>

/* CAs, client certificate and pins: loaded once, and shared by all connections of the process with the same options.
 * Loading a CA bundle takes tens of milliseconds and a megabyte; aivo_tls_check() does it on the caller's thread,
 * before the loop's thread asks for it. */
struct aivo_tls_context;

/* Thread-safe. Loads anew when one of the files was replaced since. */
enum aivo_status aivo_tls_context_get(const struct aivo_tls_options *options, struct aivo_tls_context **out,
                                      struct aivo_error *err);
void aivo_tls_context_release(struct aivo_tls_context *context); /* thread-safe; NULL is allowed */

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
/* What kind of failure the last error was. */
enum aivo_tls_trouble {
    AIVO_TLS_FINE,
    AIVO_TLS_BAD_CERT,    /* we refused the certificate: the error's code is the X509 error */
    AIVO_TLS_BAD_PIN,     /* its key is not the pinned one */
    AIVO_TLS_CERT_WANTED, /* the server refused us, and had asked for a certificate that we have not */
    AIVO_TLS_ALERT,       /* the server refused us: the code is the alert */
    AIVO_TLS_NOT_TLS,     /* what answers is no TLS */
    AIVO_TLS_CUT,         /* hung up, or the socket failed */
    AIVO_TLS_OTHER
};
enum aivo_tls_trouble aivo_tls_trouble(const struct aivo_tls *tls);

void aivo_tls_finish(struct aivo_tls *tls); /* close_notify: nothing more will be written */
bool aivo_tls_wants_write(const struct aivo_tls *tls);

#endif
