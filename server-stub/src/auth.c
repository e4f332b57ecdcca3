#include "auth.h"
#include "engineio.h"
#include "json.h"
#include <errno.h>
#include <jwt.h>
#include <math.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * libjwt does HS256. It would parse a public key's PEM anew for each token (340 us for RSA, 480 us for P-256 where the
 * check itself takes 30 and 80), so those signatures are checked by OpenSSL with the key parsed once. What the token
 * says of itself is read here, the same way for all.
 */
enum algorithm { HS256, RS256, ES256 };
static const char *const algorithm_names[] = {"HS256", "RS256", "ES256"};

struct srv_auth {
    enum algorithm algorithm;
    char *secret; /* HS256: never NULL or empty */
    size_t secret_len;
    EVP_PKEY *key; /* RS256, ES256 */
};

const char *srv_auth_strerror(enum srv_auth_status status)
{
    switch (status) {
    case SRV_AUTH_OK:
        return "no error";
    case SRV_AUTH_MISSING:
        return "no token";
    case SRV_AUTH_TOO_LARGE:
        return "token too large";
    case SRV_AUTH_MALFORMED:
        return "malformed token";
    case SRV_AUTH_ALGORITHM:
        return "algorithm not accepted";
    case SRV_AUTH_SIGNATURE:
        return "bad signature";
    case SRV_AUTH_EXPIRED:
        return "token expired";
    case SRV_AUTH_NOT_YET:
        return "token not valid yet";
    case SRV_AUTH_CLAIMS:
        return "exp or nbf is no number";
    case SRV_AUTH_NO_USER:
        return "no user in the token";
    case SRV_AUTH_MEMORY:
        return "out of memory";
    }
    return "unknown error";
}

const char *srv_auth_client_message(enum srv_auth_status status)
{
    return status == SRV_AUTH_MISSING ? SRV_AUTH_MESSAGE_REQUIRED : SRV_AUTH_MESSAGE_INVALID;
}

static bool complain(char *error, size_t size, const char *path, const char *why)
{
    if (size > 0)
        snprintf(error, size, "%s: %s", path, why);
    return false;
}

/* A key that an attacker could break, or of another kind than the two, is refused at the start. */
static bool accept_key(struct srv_auth *auth, const char *path, char *error, size_t size)
{
    if (EVP_PKEY_get_base_id(auth->key) == EVP_PKEY_RSA) {
        auth->algorithm = RS256;
        return EVP_PKEY_get_bits(auth->key) >= 2048 ||
               complain(error, size, path, "an RSA key needs 2048 bits at least");
    }
    char group[64];
    size_t len;
    auth->algorithm = ES256;
    if (EVP_PKEY_get_base_id(auth->key) == EVP_PKEY_EC &&
        EVP_PKEY_get_utf8_string_param(auth->key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &len) == 1 &&
        strcmp(group, "prime256v1") == 0)
        return true;
    return complain(error, size, path, "neither an RSA nor a P-256 public key");
}

static bool load_key(struct srv_auth *auth, const char *path, char *error, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return complain(error, size, path, strerror(errno));
    auth->key = PEM_read_PUBKEY(file, NULL, NULL, NULL);
    fclose(file);
    ERR_clear_error();
    if (auth->key == NULL)
        return complain(error, size, path, "no public key in PEM form");
    return accept_key(auth, path, error, size);
}

static bool load_secret(struct srv_auth *auth, const char *secret, char *error, size_t size)
{
    auth->algorithm = HS256;
    auth->secret_len = strlen(secret);
    if (auth->secret_len == 0)
        return complain(error, size, "secret", "empty");
    auth->secret = strdup(secret);
    return auth->secret != NULL || complain(error, size, "secret", "out of memory");
}

bool srv_auth_new(const char *secret, const char *public_key_path, struct srv_auth **out, char *error,
                  size_t error_size)
{
    struct srv_auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL)
        return complain(error, error_size, "auth", "out of memory");
    bool ok = public_key_path != NULL ? load_key(auth, public_key_path, error, error_size)
                                      : load_secret(auth, secret == NULL ? "" : secret, error, error_size);
    if (!ok) {
        srv_auth_destroy(auth);
        return false;
    }
    *out = auth;
    return true;
}

void srv_auth_destroy(struct srv_auth *auth)
{
    if (auth == NULL)
        return;
    if (auth->secret != NULL)
        explicit_bzero(auth->secret, auth->secret_len);
    free(auth->secret);
    EVP_PKEY_free(auth->key);
    free(auth);
}

/* ---- the token's three parts ---- */

struct part {
    const char *at;
    size_t len;
};

static bool split(const char *token, size_t len, struct part parts[3])
{
    size_t start = 0;
    for (int i = 0; i < 3; i++) {
        const char *dot = memchr(token + start, '.', len - start);
        if ((dot == NULL) != (i == 2))
            return false;
        size_t end = dot == NULL ? len : (size_t)(dot - token);
        parts[i] = (struct part){token + start, end - start};
        start = end + 1;
    }
    return true;
}

static struct aivo_json decode_object(struct part part, struct aivo_buf *out)
{
    struct aivo_json none = {AIVO_JSON_NONE, NULL, 0};
    if (!aivo_base64url_decode(out, part.at, part.len) || out->len == 0)
        return none;
    struct aivo_json json = aivo_json_parse(out->data, out->len, NULL);
    return json.type == AIVO_JSON_OBJECT ? json : none;
}

/* ---- signatures ---- */

/* libjwt wants a terminated token, tells the algorithm only afterwards, and verifies nothing without a key. */
static bool verify_hs256(const struct srv_auth *auth, const char *token, size_t len)
{
    char text[SRV_AUTH_MAX_TOKEN + 1];
    jwt_t *jwt = NULL;
    memcpy(text, token, len);
    text[len] = '\0';
    if (strlen(text) != len || auth->secret == NULL || auth->secret_len == 0)
        return false;
    if (jwt_decode(&jwt, text, (const unsigned char *)auth->secret, (int)auth->secret_len) != 0)
        return false;
    bool ok = jwt_get_alg(jwt) == JWT_ALG_HS256;
    jwt_free(jwt);
    return ok;
}

/* JWS has an ECDSA signature as r and s of 32 bytes each, OpenSSL wants DER. */
static unsigned char *es256_der(const struct aivo_buf *raw, size_t *len)
{
    unsigned char *der = NULL;
    if (raw->len != 64)
        return NULL;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw->data, 32, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw->data + 32, 32, NULL);
    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        int n = i2d_ECDSA_SIG(sig, &der);
        *len = n > 0 ? (size_t)n : 0;
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return der;
}

static bool verify_digest(const struct srv_auth *auth, const char *text, size_t text_len, const void *sig,
                          size_t sig_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, auth->key) == 1 &&
              EVP_DigestVerify(ctx, sig, sig_len, (const unsigned char *)text, text_len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static bool verify_public(const struct srv_auth *auth, const char *token, struct part signature)
{
    struct aivo_buf raw;
    aivo_buf_init(&raw);
    size_t signed_len = (size_t)(signature.at - token) - 1;
    bool ok = aivo_base64url_decode(&raw, signature.at, signature.len) && raw.len > 0;
    if (ok && auth->algorithm == ES256) {
        size_t len = 0;
        unsigned char *der = es256_der(&raw, &len);
        ok = der != NULL && verify_digest(auth, token, signed_len, der, len);
        OPENSSL_free(der);
    } else if (ok) {
        ok = verify_digest(auth, token, signed_len, raw.data, raw.len);
    }
    aivo_buf_free(&raw);
    return ok;
}

/* ---- claims ---- */

/* 1: a number, rounded down into *out; 0: absent; -1: something else. */
static int time_claim(const struct aivo_json *claims, const char *name, int64_t *out)
{
    struct aivo_json value = aivo_json_get(claims, name);
    double number;
    if (value.type == AIVO_JSON_NONE)
        return 0;
    if (!aivo_json_double(&value, &number) || !(fabs(number) <= 9007199254740992.0))
        return -1;
    *out = (int64_t)floor(number);
    return 1;
}

static enum srv_auth_status check_times(const struct aivo_json *claims, int64_t now_s, int64_t *exp_s)
{
    int64_t exp = 0, nbf = 0;
    int has_exp = time_claim(claims, "exp", &exp), has_nbf = time_claim(claims, "nbf", &nbf);
    if (has_exp < 0 || has_nbf < 0)
        return SRV_AUTH_CLAIMS;
    if (has_exp > 0 && now_s >= exp + SRV_AUTH_LEEWAY_S)
        return SRV_AUTH_EXPIRED;
    if (has_nbf > 0 && now_s + SRV_AUTH_LEEWAY_S < nbf)
        return SRV_AUTH_NOT_YET;
    *exp_s = exp;
    return SRV_AUTH_OK;
}

/* As JavaScript's userId || sub: what is empty, null or 0 does not count. A number is written as one. */
static bool user_claim(const struct aivo_json *claims, char out[SRV_AUTH_MAX_USER])
{
    static const char *const names[] = {"userId", "sub"};
    for (int i = 0; i < 2; i++) {
        struct aivo_json value = aivo_json_get(claims, names[i]);
        uint64_t number;
        if (value.type == AIVO_JSON_NONE || value.type == AIVO_JSON_NULL || aivo_json_string_is(&value, ""))
            continue;
        if (aivo_json_u64(&value, &number)) {
            if (number == 0)
                continue;
            snprintf(out, SRV_AUTH_MAX_USER, "%llu", (unsigned long long)number);
            return true;
        }
        return aivo_json_string_copy(&value, out, SRV_AUTH_MAX_USER);
    }
    return false;
}

static enum srv_auth_status check_claims(struct part part, int64_t now_s, struct srv_identity *out)
{
    struct aivo_buf text;
    struct srv_identity identity;
    memset(&identity, 0, sizeof identity);
    aivo_buf_init(&text);
    struct aivo_json claims = decode_object(part, &text);
    enum srv_auth_status status = SRV_AUTH_MALFORMED;
    if (text.failed)
        status = SRV_AUTH_MEMORY;
    else if (claims.type == AIVO_JSON_OBJECT)
        status = check_times(&claims, now_s, &identity.exp_s);
    if (status == SRV_AUTH_OK && !user_claim(&claims, identity.user_id))
        status = SRV_AUTH_NO_USER;
    if (status == SRV_AUTH_OK)
        *out = identity;
    aivo_buf_free(&text);
    return status;
}

static enum srv_auth_status check_header(const struct srv_auth *auth, struct part part)
{
    struct aivo_buf text;
    aivo_buf_init(&text);
    struct aivo_json header = decode_object(part, &text);
    enum srv_auth_status status = text.failed ? SRV_AUTH_MEMORY : SRV_AUTH_MALFORMED;
    if (header.type == AIVO_JSON_OBJECT) {
        struct aivo_json alg = aivo_json_get(&header, "alg");
        /* "crit" names extensions that must be understood; we know none. */
        bool critical = aivo_json_get(&header, "crit").type != AIVO_JSON_NONE;
        if (!critical)
            status = aivo_json_string_is(&alg, algorithm_names[auth->algorithm]) ? SRV_AUTH_OK : SRV_AUTH_ALGORITHM;
    }
    aivo_buf_free(&text);
    return status;
}

enum srv_auth_status srv_auth_verify(const struct srv_auth *auth, const char *token, size_t token_len, int64_t now_s,
                                     struct srv_identity *out)
{
    struct part parts[3];
    if (token == NULL || token_len == 0)
        return SRV_AUTH_MISSING;
    if (token_len > SRV_AUTH_MAX_TOKEN)
        return SRV_AUTH_TOO_LARGE;
    if (!split(token, token_len, parts))
        return SRV_AUTH_MALFORMED;
    enum srv_auth_status status = check_header(auth, parts[0]);
    if (status != SRV_AUTH_OK)
        return status;
    bool ok = auth->algorithm == HS256 ? verify_hs256(auth, token, token_len) : verify_public(auth, token, parts[2]);
    return ok ? check_claims(parts[1], now_s, out) : SRV_AUTH_SIGNATURE;
}

char *srv_auth_mint(const char *secret, const char *user_id, int64_t iat_s, int64_t exp_s, int64_t nbf_s)
{
    jwt_t *jwt = NULL;
    if (secret[0] == '\0' || jwt_new(&jwt) != 0)
        return NULL;
    bool ok = jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)secret, (int)strlen(secret)) == 0 &&
              jwt_add_grant(jwt, "userId", user_id) == 0 && jwt_add_grant_int(jwt, "iat", (long)iat_s) == 0 &&
              (exp_s == 0 || jwt_add_grant_int(jwt, "exp", (long)exp_s) == 0) &&
              (nbf_s == 0 || jwt_add_grant_int(jwt, "nbf", (long)nbf_s) == 0);
    char *token = ok ? jwt_encode_str(jwt) : NULL;
    jwt_free(jwt);
    return token;
}
