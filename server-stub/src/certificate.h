/* The server's certificate: checked before libwebsockets sees it, because libwebsockets does not say when it is bad. */
#ifndef SRV_CERTIFICATE_H
#define SRV_CERTIFICATE_H

#include "config.h"
#include <libwebsockets.h>

struct srv_server;

/* What there is to say of the dates of a certificate and its chain. */
struct srv_tls_dates {
    char notice[400];  /* one line that names SSL_CERT_PATH: over, not begun, or over soon; "" if all is well */
    int64_t not_after; /* when the first of them ends; Unix time, s */
};

/* Loads chain, key, passphrase and CA into a context of its own. false: error says what is wrong, in one line. dates
 * may be NULL: a certificate that is over is no error, since nobody is helped by a server that does not start. */
bool srv_tls_check(const struct srv_config *config, struct srv_tls_dates *dates, char *error, size_t error_size);
/* Checks, then fills the vhost's settings (strings borrowed from config). */
bool srv_tls_prepare(const struct srv_config *config, struct lws_context_creation_info *info, char *error,
                     size_t error_size);
/* libwebsockets made its context: ours to set up, and to load into upon SIGHUP. */
void srv_tls_created(struct srv_server *server, SSL_CTX *ctx);
/* SIGHUP: takes the files' new contents (pair and authorities) for connections to come, or keeps the old ones, logs and
 * counts. */
void srv_tls_reload(struct srv_server *server);

#endif
