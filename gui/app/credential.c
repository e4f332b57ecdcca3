/* The command line's tokens and payloads, so that both tell a server the same. What it returns is malloc()'s memory,
 * which is g_malloc()'s as well (GLib 2.46 and newer). */
#include "credential.h"
#include "flags.h"
#include "secrets.h"
#include "token.h"
#include "webtoken.h"
#include <string.h>

gint64 aivo_credential_expiry(const char *token)
{
    struct aivo_webtoken parts;
    gint64 expiry = aivo_webtoken_decode(&parts, token, strlen(token)) ? aivo_webtoken_time(&parts, "exp") : 0;
    aivo_webtoken_free(&parts);
    return expiry;
}

char *aivo_credential_payload(const char *token, const char *user)
{
    const struct cli_common common = {.user = user && *user ? user : NULL};
    bool failed;
    char *payload = cli_auth_payload(&common, token && *token ? token : NULL, &failed);
    if (failed)
        g_error("out of memory");
    return payload;
}

char *aivo_credential_signed_payload(const char *secret, const char *user, gint64 now_s, gint64 ttl_s)
{
    char *token = cli_token_mint(secret, user, now_s, ttl_s);
    if (!token)
        g_error("out of memory");
    char *payload = aivo_credential_payload(token, user);
    aivo_secret_free(token);
    return payload;
}
