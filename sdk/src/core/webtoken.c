#include "webtoken.h"

#include "engineio.h"
#include <string.h>

static bool decode_object(const char *text, size_t len, struct aivo_buf *out, struct aivo_json *object)
{
    if (!aivo_base64url_decode(out, text, len))
        return false;
    *object = aivo_json_parse(out->data, out->len, NULL);
    return object->type == AIVO_JSON_OBJECT;
}

/* What a signature's last character has beyond its last byte is the verifier's business: the alphabet is looked at. */
static bool is_signature(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

bool aivo_webtoken_decode(struct aivo_webtoken *token, const char *text, size_t len)
{
    *token = (struct aivo_webtoken){0};
    if (len > AIVO_WEBTOKEN_MAX)
        return false;
    const char *end = text + len, *first = memchr(text, '.', len);
    const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    return second && is_signature(second + 1, (size_t)(end - second - 1)) &&
           decode_object(text, (size_t)(first - text), &token->header_text, &token->header) &&
           decode_object(first + 1, (size_t)(second - first - 1), &token->claims_text, &token->claims);
}

void aivo_webtoken_free(struct aivo_webtoken *token)
{
    aivo_buf_free(&token->header_text);
    aivo_buf_free(&token->claims_text);
    *token = (struct aivo_webtoken){0};
}

int64_t aivo_webtoken_time(const struct aivo_webtoken *token, const char *name)
{
    double value;
    struct aivo_json number = aivo_json_get(&token->claims, name);
    if (number.type != AIVO_JSON_NUMBER || !aivo_json_double(&number, &value) || !(value > 0 && value < 1e15))
        return 0;
    return (int64_t)value;
}
