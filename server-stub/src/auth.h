/*
 * Who is it? Checks a JSON Web Token. The key's source fixes the one algorithm that is accepted (a secret: HS256, an
 * RSA key: RS256, a P-256 key: ES256), whatever the token says of itself; exp and nbf are checked with a leeway.
 */
#ifndef SRV_AUTH_H
#define SRV_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRV_AUTH_MAX_TOKEN 8192 /* bytes; a longer token is refused unread */
#define SRV_AUTH_MAX_USER  128  /* bytes, with the NUL */
#define SRV_AUTH_LEEWAY_S  60   /* how far clocks may be apart */

#define SRV_AUTH_MESSAGE_REQUIRED "Authentication token required"
#define SRV_AUTH_MESSAGE_INVALID  "Invalid authentication token"

enum srv_auth_status {
    SRV_AUTH_OK = 0,
    SRV_AUTH_MISSING,   /* no token (answer SRV_AUTH_MESSAGE_REQUIRED; all others: SRV_AUTH_MESSAGE_INVALID) */
    SRV_AUTH_TOO_LARGE, /* over SRV_AUTH_MAX_TOKEN */
    SRV_AUTH_MALFORMED, /* no JWT */
    SRV_AUTH_ALGORITHM, /* another algorithm than the key's */
    SRV_AUTH_SIGNATURE, /* not signed with this key (or claims that libjwt cannot read) */
    SRV_AUTH_EXPIRED,
    SRV_AUTH_NOT_YET, /* nbf is in the future */
    SRV_AUTH_CLAIMS,  /* exp or nbf is no number */
    SRV_AUTH_NO_USER, /* neither userId nor sub, or empty, or over SRV_AUTH_MAX_USER */
    SRV_AUTH_MEMORY,
};
const char *srv_auth_strerror(enum srv_auth_status status);       /* for the log */
const char *srv_auth_client_message(enum srv_auth_status status); /* for the peer: one of the two messages */

struct srv_identity {
    char user_id[SRV_AUTH_MAX_USER]; /* the token's userId or else sub; UTF-8 */
    int64_t exp_s;                   /* Unix seconds; 0: the token never expires */
};

struct srv_auth;

/* Exactly one of secret and public_key_path is not NULL. false: error says why, in one line without a newline. */
bool srv_auth_new(const char *secret, const char *public_key_path, struct srv_auth **out, char *error,
                  size_t error_size);
void srv_auth_destroy(struct srv_auth *auth);

/* token need not be terminated; NULL or empty is SRV_AUTH_MISSING. now_s is Unix seconds. out is filled on OK only. */
enum srv_auth_status srv_auth_verify(const struct srv_auth *auth, const char *token, size_t token_len, int64_t now_s,
                                     struct srv_identity *out);

/* An HS256 token for tests and development; NULL on failure; free() it. exp_s 0 leaves exp out, as nbf_s does nbf. */
char *srv_auth_mint(const char *secret, const char *user_id, int64_t iat_s, int64_t exp_s, int64_t nbf_s);

#endif
