#include "token.h"

#include "webtoken.h"
#include <stdio.h>
#include <string.h>

static void copy_text(const struct aivo_json *object, const char *key, char *out, size_t room)
{
    struct aivo_buf text = {0};
    struct aivo_json value = aivo_json_get(object, key);
    if (value.type == AIVO_JSON_ARRAY)
        value = aivo_json_at(&value, 0);
    if (aivo_json_string(&value, &text) && text.data)
        snprintf(out, room, "%s", text.data);
    aivo_buf_free(&text);
}

static bool decode(const char *text, size_t len, struct diag_token *out)
{
    struct aivo_webtoken jwt;
    bool ok = aivo_webtoken_decode(&jwt, text, len);
    if (ok) {
        copy_text(&jwt.header, "alg", out->algorithm, sizeof out->algorithm);
        out->exp_s = aivo_webtoken_time(&jwt, "exp");
        out->nbf_s = aivo_webtoken_time(&jwt, "nbf");
        out->iat_s = aivo_webtoken_time(&jwt, "iat");
        copy_text(&jwt.claims, "iss", out->issuer, sizeof out->issuer);
        copy_text(&jwt.claims, "aud", out->audience, sizeof out->audience);
        copy_text(&jwt.claims, "userId", out->subject, sizeof out->subject);
        if (!*out->subject)
            copy_text(&jwt.claims, "sub", out->subject, sizeof out->subject);
    }
    aivo_webtoken_free(&jwt);
    return ok;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '"' || c == '\'';
}

/* A token with what may stand around it. */
static void take(const char *text, size_t len, struct diag_token *out)
{
    out->given = true;
    while (len > 0 && is_space(text[len - 1]))
        len--, out->spaces = true;
    while (len > 0 && is_space(*text))
        text++, len--, out->spaces = true;
    if (len > 7 && (memcmp(text, "Bearer ", 7) == 0 || memcmp(text, "bearer ", 7) == 0))
        text += 7, len -= 7;
    out->jwt = decode(text, len, out);
}

static bool in_auth(const char *auth, struct diag_token *out)
{
    struct aivo_json object = aivo_json_parse(auth, strlen(auth), NULL), key, value;
    struct aivo_buf text = {0};
    if (object.type != AIVO_JSON_OBJECT)
        return false;
    value = aivo_json_get(&object, "token");
    if (aivo_json_string(&value, &text) && text.len > 0) {
        snprintf(out->where, sizeof out->where, "token");
        take(text.data, text.len, out);
    }
    for (size_t pos = 0; !out->given && aivo_json_next_member(&object, &pos, &key, &value);) {
        struct diag_token found = {0};
        aivo_buf_clear(&text);
        if (!aivo_json_string(&value, &text) || text.len == 0)
            continue;
        take(text.data, text.len, &found);
        if (!found.jwt)
            continue;
        *out = found;
        snprintf(out->where, sizeof out->where, "%.*s", (int)(key.len - 2 < 39 ? key.len - 2 : 39), key.text + 1);
    }
    aivo_buf_free(&text);
    return out->given;
}

static bool same(const char *text, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]) != name[i])
            return false;
    return true;
}

static void in_headers(const char *headers, struct diag_token *out)
{
    static const char name[] = "authorization:";
    const size_t n = sizeof name - 1;
    for (const char *line = headers; *line;) {
        size_t len = strcspn(line, "\n");
        if (len > n && same(line, name, n)) {
            const char *value = line + n;
            size_t left = len - n;
            while (left > 0 && *value == ' ')
                value++, left--;
            if (left > 7 && same(value, "bearer ", 7)) {
                snprintf(out->where, sizeof out->where, "Authorization header");
                take(value + 7, left - 7, out);
                return;
            }
        }
        line += len;
        line += *line == '\n';
    }
}

void diag_token_find(const char *auth, const char *headers, struct diag_token *out)
{
    *out = (struct diag_token){0};
    if ((!auth || !in_auth(auth, out)) && headers)
        in_headers(headers, out);
}
