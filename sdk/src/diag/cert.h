/* What a TLS connection, or the attempt at one, says about itself. */
#ifndef AIVO_DIAG_CERT_H
#define AIVO_DIAG_CERT_H

#include "facts.h"
#include "stream.h"

/* After diag_stream_tls(): how it ended, and the server's certificates in any case. */
void diag_tls_facts(const struct diag_stream *s, enum diag_how how, const struct aivo_tls_options *options,
                    struct diag_tls *out);
/* The server wants, or has taken, a client certificate: what it thinks of that comes after the handshake. */
bool diag_tls_was_asked(const struct diag_stream *s);

#endif
