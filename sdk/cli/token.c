#include "token.h"
#include "flags.h"
#include "jsontext.h"
#include <cjson/cJSON.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

bool cli_token_user_valid(const char *user)
{
    size_t len = strlen(user);
    return len > 0 && len <= CLI_USER_MAX && cli_utf8_valid(user, len);
}

/* Base64 with - and _ and without padding, appended at *at, which must have room for 4 bytes for each 3, and 1 more. */
static void append_base64url(char **at, const unsigned char *data, size_t len)
{
    int wrote = EVP_EncodeBlock((unsigned char *)*at, data, (int)len);
    char *end = *at + wrote;
    while (end > *at && end[-1] == '=') {
        end--;
    }
    for (char *c = *at; c < end; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    *end = '\0';
    *at = end;
}

static char *claims(const char *user, int64_t now_s, int64_t ttl_s)
{
    cJSON *object = cJSON_CreateObject();
    bool good = object && cJSON_AddStringToObject(object, "sub", user) &&
                cJSON_AddStringToObject(object, "userId", user) &&
                cJSON_AddNumberToObject(object, "iat", (double)now_s) &&
                cJSON_AddNumberToObject(object, "exp", (double)(now_s + ttl_s));
    char *text = good ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return text;
}

char *cli_token_mint(const char *secret, const char *user, int64_t now_s, int64_t ttl_s)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    char *body = claims(user, now_s, ttl_s);
    char *token = body ? malloc((sizeof(header) + strlen(body) + EVP_MAX_MD_SIZE) * 2) : NULL;
    if (!token) {
        cJSON_free(body);
        return NULL;
    }
    char *at = token;
    append_base64url(&at, (const unsigned char *)header, sizeof(header) - 1);
    *at++ = '.';
    append_base64url(&at, (const unsigned char *)body, strlen(body));
    cJSON_free(body);

    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int mac_len = 0;
    if (!HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)token, (size_t)(at - token), mac,
              &mac_len)) {
        free(token);
        return NULL;
    }
    *at++ = '.';
    append_base64url(&at, mac, mac_len);
    OPENSSL_cleanse(mac, sizeof(mac));
    return token;
}
