/* JSON Web Tokens, as far as a monitor has to: sign one for a development server, and say when one ends. */
#ifndef AIVO_APP_TOKEN_H
#define AIVO_APP_TOKEN_H

#include <glib.h>

G_BEGIN_DECLS

/* An HS256 token for user, valid for ttl_s from now_s (Unix time) on. The caller frees it. */
char *aivo_token_sign(const char *secret, const char *user, gint64 now_s, gint64 ttl_s);
/* When the token ends, Unix time in s; 0: it does not say, or is no token. Its signature is not looked at. */
gint64 aivo_token_expiry(const char *token);
/* Does it look like a token: three parts of base64url? */
gboolean aivo_token_is_well_formed(const char *token);
/* The CONNECT payload. token and user may be NULL or ""; NULL if both are. The caller frees it. */
char *aivo_token_payload(const char *token, const char *user);

G_END_DECLS
#endif
