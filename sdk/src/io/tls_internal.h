/* Shared by tls.c (contexts) and tls_session.c (connections). */
#ifndef AIVO_IO_TLS_INTERNAL_H
#define AIVO_IO_TLS_INTERNAL_H

#include "list.h"
#include "tls.h"
#include <openssl/ssl.h>
#include <stdint.h>

#define AIVO_TLS_PINS      16
#define AIVO_TLS_PIN_BYTES 32 /* SHA-256 */

/* What tells that a file has been replaced. */
struct aivo_file_stamp {
    int64_t inode, size, seconds, nanoseconds;
};

struct aivo_tls_context {
    struct aivo_link link;
    unsigned references; /* the cache's, and one for each user; under the cache's lock */
    SSL_CTX *ctx;
    bool insecure, has_cert;
    unsigned pins;
    uint8_t pin[AIVO_TLS_PINS][AIVO_TLS_PIN_BYTES];
    char *ca_file, *cert_file, *key_file, *pin_text;
    struct aivo_file_stamp stamps[3];
};

struct aivo_tls_context *aivo_tls_context_hold(struct aivo_tls_context *context); /* one reference more */

/* For who looks closer. The server's certificates as it sent them, its own first; also if the check refused one. NULL:
 * none came. Both borrowed. */
SSL *aivo_tls_ssl(const struct aivo_tls *tls);
STACK_OF(X509) * aivo_tls_chain(const struct aivo_tls *tls);
/* The server asked for a client certificate, whether there was one to give or not. */
bool aivo_tls_was_asked(const struct aivo_tls *tls);

/* The verify and client certificate callbacks of every context, in tls_session.c. */
int aivo_tls_verify(int ok, X509_STORE_CTX *store);
int aivo_tls_cert_asked(SSL *ssl, X509 **cert, EVP_PKEY **key);

/* The reason of the newest error in OpenSSL's queue; the queue is emptied. out is returned. */
const char *aivo_tls_reason(char out[120]);

#endif
