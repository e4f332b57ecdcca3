/* What a report says, without what nobody else may know. */
#include "render.h"
#include <string.h>
#include <strings.h>

#define REMOVED "[removed]"

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '=' || c == '+' || c == '~' || c == '/' || c == '%';
}

static size_t token_len(const char *text)
{
    size_t len = 0;
    while (text[len] && is_token_char(text[len])) {
        len++;
    }
    return len;
}

/* How long is the JSON Web Token that begins here? "eyJ" is the base64 of {" */
static size_t jwt_len(const char *text)
{
    size_t len = strncmp(text, "eyJ", 3) == 0 ? token_len(text) : 0;
    return len >= 16 ? len : 0;
}

/* The name of something secret, with what stands before its value: how long are they? */
static size_t secret_name_len(const char *text, bool at_word)
{
    static const char *const names[] = {"access_token", "refresh_token", "id_token", "token",  "api_key",      "apikey",
                                        "password",     "passwd",        "secret",   "cookie", "authorization"};
    enum { FIRST_WITH_COLON = 6 };
    for (size_t i = 0; at_word && i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = strlen(names[i]);
        if (strncasecmp(text, names[i], len) != 0) {
            continue;
        }
        bool quoted = text[len] == '"'; /* a member of JSON; "token: expired" is a sentence */
        len += quoted;
        if (text[len] == '=' || (text[len] == ':' && (quoted || i >= FIRST_WITH_COLON))) {
            len++;
            len += strspn(text + len, " \"");
            len += strncasecmp(text + len, "Bearer ", 7) == 0 || strncasecmp(text + len, "Basic ", 6) == 0
                       ? strcspn(text + len, " ") + 1
                       : 0;
            return len;
        }
    }
    if (at_word && strncasecmp(text, "Bearer ", 7) == 0 && token_len(text + 7) >= 8) {
        return 7;
    }
    return 0;
}

/* Behind "://": how long is the user info, its @ included? */
static size_t user_info_len(const char *text)
{
    size_t end = strcspn(text, "/?# \"'");
    size_t at = 0;
    for (size_t i = 0; i < end; i++) {
        at = text[i] == '@' ? i + 1 : at;
    }
    return at;
}

static bool add(char *out, size_t size, size_t *used, const char *text, size_t len)
{
    if (*used + len >= size) {
        return false;
    }
    memcpy(out + *used, text, len);
    *used += len;
    return true;
}

static size_t char_len(const char *text)
{
    size_t len = 1;
    while (((unsigned char)text[len] & 0xc0) == 0x80) {
        len++;
    }
    return len;
}

char *aivo_render_clean(const char *text, char *out, size_t size)
{
    size_t used = 0;
    bool at_word = true, fits = true;
    while (*text && fits) {
        size_t jwt = jwt_len(text), name = secret_name_len(text, at_word);
        if (jwt > 0) {
            fits = add(out, size, &used, REMOVED, strlen(REMOVED));
            text += jwt;
        } else if (name > 0) {
            size_t value = token_len(text + name);
            fits = add(out, size, &used, text, name) && (value == 0 || add(out, size, &used, REMOVED, strlen(REMOVED)));
            text += name + value;
        } else if (strncmp(text, "://", 3) == 0) {
            size_t user = user_info_len(text + 3);
            fits = add(out, size, &used, "://", 3) &&
                   (user == 0 || add(out, size, &used, REMOVED "@", strlen(REMOVED "@")));
            text += 3 + user;
        } else {
            size_t len = char_len(text);
            bool control = (unsigned char)*text < 0x20 || *text == 0x7f;
            fits = add(out, size, &used, control ? "?" : text, control ? 1 : len);
            at_word = !((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'));
            text += len;
            continue;
        }
        at_word = true;
    }
    out[used] = '\0';
    return out;
}

bool aivo_render_is_personal(const char *key)
{
    static const char *const personal[] = {"sid", "token_subject", "server_data", "cookie", "user", "learner_id"};
    for (size_t i = 0; i < sizeof(personal) / sizeof(personal[0]); i++) {
        if (strcmp(key, personal[i]) == 0) {
            return true;
        }
    }
    return false;
}
