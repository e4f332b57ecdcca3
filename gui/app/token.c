#include "token.h"
#include "json-text.h"
#include <string.h>

#define TOKEN_MAX 65536 /* bytes; a longer text is no token */

static char *base64url(const void *data, gsize len)
{
    char *text = g_base64_encode(data, len);
    for (char *p = text; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
    return text;
}

char *aivo_token_sign(const char *secret, const char *user, gint64 now_s, gint64 ttl_s)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    g_autoptr(GString) claims = g_string_new("{\"sub\":");
    aivo_json_append_string(claims, user);
    g_string_append(claims, ",\"userId\":");
    aivo_json_append_string(claims, user);
    g_string_append_printf(claims, ",\"iat\":%" G_GINT64_FORMAT ",\"exp\":%" G_GINT64_FORMAT "}", now_s, now_s + ttl_s);

    g_autofree char *first = base64url(header, sizeof header - 1);
    g_autofree char *second = base64url(claims->str, claims->len);
    g_autofree char *body = g_strconcat(first, ".", second, NULL);
    guint8 digest[32];
    gsize len = sizeof digest;
    g_autoptr(GHmac) hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)secret, strlen(secret));
    g_hmac_update(hmac, (const guchar *)body, -1);
    g_hmac_get_digest(hmac, digest, &len);
    g_autofree char *signature = base64url(digest, len);
    return g_strconcat(body, ".", signature, NULL);
}

gboolean aivo_token_is_well_formed(const char *token)
{
    int dots = 0;
    const char *p = token;
    for (; *p && p - token <= TOKEN_MAX; p++) {
        if (*p == '.')
            dots++;
        else if (!g_ascii_isalnum(*p) && *p != '-' && *p != '_')
            return FALSE;
    }
    return !*p && dots == 2 && *token != '.' && p[-1] != '.';
}

gint64 aivo_token_expiry(const char *token)
{
    if (!aivo_token_is_well_formed(token))
        return 0;
    const char *begin = strchr(token, '.') + 1;
    g_autofree char *part = g_strndup(begin, strcspn(begin, "."));
    gsize len = strlen(part);
    g_autofree char *padded = g_strconcat(part, len % 4 == 2 ? "==" : len % 4 == 3 ? "=" : "", NULL);
    for (char *p = padded; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    gsize size = 0;
    g_autofree guchar *raw = g_base64_decode(padded, &size);
    g_autofree char *claims = g_strndup((const char *)raw, size);
    g_autoptr(GRegex) regex = g_regex_new("\"exp\"\\s*:\\s*([0-9]{1,12})", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    if (!g_utf8_validate(claims, -1, NULL) || !g_regex_match(regex, claims, 0, &match))
        return 0;
    g_autofree char *number = g_match_info_fetch(match, 1);
    return g_ascii_strtoll(number, NULL, 10);
}

char *aivo_token_payload(const char *token, const char *user)
{
    gboolean has_token = token && *token, has_user = user && *user;
    if (!has_token && !has_user)
        return NULL;
    GString *out = g_string_new("{");
    if (has_token) {
        g_string_append(out, "\"token\":");
        aivo_json_append_string(out, token);
    }
    if (has_user) {
        g_string_append(out, has_token ? ",\"learnerId\":" : "\"learnerId\":");
        aivo_json_append_string(out, user);
    }
    g_string_append_c(out, '}');
    return g_string_free(out, FALSE);
}
