/* What a connection is told of who the user is: the CONNECT payload, and how long a token is good for. */
#ifndef AIVO_APP_CREDENTIAL_H
#define AIVO_APP_CREDENTIAL_H

#include <glib.h>

G_BEGIN_DECLS

/* When the token ends, Unix time in s; 0: it does not say, or is no token. Its signature is not looked at. */
gint64 aivo_credential_expiry(const char *token);
/* The CONNECT payload. token and user may be NULL or ""; NULL if both are. The caller frees it with
 * aivo_secret_free(). */
char *aivo_credential_payload(const char *token, const char *user);
/* The same with a token for user, signed here with secret and valid for ttl_s from now_s (Unix time) on. */
char *aivo_credential_signed_payload(const char *secret, const char *user, gint64 now_s, gint64 ttl_s);

G_END_DECLS
#endif
