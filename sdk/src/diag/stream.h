/* A socket, perhaps with TLS on it, as calls that wait: up to a deadline, and no longer than the diagnosis is wanted.
 */
#ifndef AIVO_DIAG_STREAM_H
#define AIVO_DIAG_STREAM_H

#include "buf.h"
#include "facts.h"
#include "resolver.h"
#include "tls.h"

#define DIAG_READ_BYTES 16384 /* one read */

/* When every wait ends at once. */
struct diag_stop {
    int cancel_fd;    /* readable: the diagnosis is cancelled */
    int64_t total_us; /* monotonic: the whole is over; AIVO_NEVER */
};

/* Waits for poll() events. DIAG_DONE, DIAG_TIMEOUT or DIAG_CANCELLED. fd -1: for the deadline alone. */
enum diag_how diag_wait(const struct diag_stop *stop, int fd, short events, int64_t deadline_us);
bool diag_stopped(const struct diag_stop *stop);

struct diag_stream {
    const struct diag_stop *stop;
    int fd; /* -1: none */
    struct aivo_tls *tls;
    int64_t deadline_us;     /* of every call below */
    struct aivo_buf in;      /* what was read and not yet used */
    struct aivo_error error; /* after DIAG_ERROR */
};

/* A socket that does not wait, connecting to address; -1 and errno. */
int diag_dial(const struct aivo_address *address);
/* 0 once connected, EINPROGRESS, or the error; fd must be ready to be written. */
int diag_dialled(int fd);

void diag_stream_init(struct diag_stream *s, const struct diag_stop *stop, int fd);
enum diag_how diag_stream_connect(struct diag_stream *s, const struct aivo_address *address);
enum diag_how diag_stream_tls(struct diag_stream *s, struct aivo_tls_context *context, const char *host);
enum diag_how diag_stream_write(struct diag_stream *s, const char *data, size_t len);
/* Appends at least one byte to in. */
enum diag_how diag_stream_read(struct diag_stream *s);
/* Bytes of in that were used. */
void diag_stream_used(struct diag_stream *s, size_t len);
void diag_stream_close(struct diag_stream *s); /* frees everything; may be called twice */

#endif
