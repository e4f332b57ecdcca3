#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth.h"
#include "engineio.h"
#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW    1700000000
#define SECRET "0123456789abcdef0123456789abcdef"

static const char claims_ok[] = "{\"userId\":\"u1\",\"exp\":1700003600}";

/* Keys made for this run: private and public PEM texts, and the public one as a file. */
struct key_pair {
    char secret_pem[4096], public_pem[2048], path[64];
};
static struct key_pair rsa, ec, other_rsa, small_rsa, p384;
static struct srv_auth *hs, *rs, *es;

static void pem_of(EVP_PKEY *key, struct key_pair *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    int n = BIO_read(bio, out->secret_pem, sizeof out->secret_pem - 1);
    assert_true(n > 0);
    out->secret_pem[n] = '\0';
    BIO_free(bio);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    n = BIO_read(bio, out->public_pem, sizeof out->public_pem - 1);
    assert_true(n > 0);
    out->public_pem[n] = '\0';
    BIO_free(bio);
    strcpy(out->path, "/tmp/aivo-auth-XXXXXX");
    int fd = mkstemp(out->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, out->public_pem, strlen(out->public_pem)), (ssize_t)strlen(out->public_pem));
    close(fd);
    EVP_PKEY_free(key);
}

/* ---- making tokens, good and bad ---- */

static void add_base64url(struct aivo_buf *out, const void *data, size_t len)
{
    size_t start = out->len;
    aivo_base64_encode(out, data, len);
    while (out->len > start && out->data[out->len - 1] == '=')
        out->data[--out->len] = '\0';
    for (size_t i = start; i < out->len; i++)
        out->data[i] = (char)(out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i]);
}

static struct aivo_buf token; /* the last one made */

/* header.payload, with an HMAC over it under whatever digest and key; without digest no signature, only the dot. */
static void forge(const char *header, const char *payload, const EVP_MD *digest, const void *key, size_t key_len)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    aivo_buf_clear(&token);
    add_base64url(&token, header, strlen(header));
    aivo_buf_char(&token, '.');
    add_base64url(&token, payload, strlen(payload));
    if (digest != NULL)
        assert_non_null(HMAC(digest, key, (int)key_len, (const unsigned char *)token.data, token.len, mac, &mac_len));
    aivo_buf_char(&token, '.');
    if (digest != NULL)
        add_base64url(&token, mac, mac_len);
    assert_false(token.failed);
}

static void hs256(const char *payload)
{
    forge("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload, EVP_sha256(), SECRET, strlen(SECRET));
}

/* A token made by libjwt, which shares no code with what checks it for these algorithms. */
static void by_libjwt(jwt_alg_t alg, const char *key)
{
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims_ok), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, (int)strlen(key)), 0);
    char *text = jwt_encode_str(jwt);
    assert_non_null(text);
    aivo_buf_clear(&token);
    aivo_buf_str(&token, text);
    free(text);
    jwt_free(jwt);
}

static struct srv_identity identity;

static enum srv_auth_status verify(const struct srv_auth *auth)
{
    memset(&identity, 0x5a, sizeof identity);
    enum srv_auth_status status = srv_auth_verify(auth, token.data, token.len, NOW, &identity);
    if (status != SRV_AUTH_OK) { /* nothing is given out with a refusal */
        struct srv_identity untouched;
        memset(&untouched, 0x5a, sizeof untouched);
        assert_memory_equal(&identity, &untouched, sizeof identity);
    }
    return status;
}

static void expect(const struct srv_auth *auth, enum srv_auth_status status)
{
    enum srv_auth_status got = verify(auth);
    if (got != status)
        fail_msg("expected '%s', got '%s' for %.200s", srv_auth_strerror(status), srv_auth_strerror(got), token.data);
}

/* ---- good tokens ---- */

/* Tokens of our own minting, of libjwt's, and the HS256 example of RFC 7515 (whose key is bytes, signed afresh here).
 */
static void test_good_tokens(void **state)
{
    (void)state;
    char *minted = srv_auth_mint(SECRET, "user-7", NOW, NOW + 60, 0);
    assert_non_null(minted);
    assert_int_equal(srv_auth_verify(hs, minted, strlen(minted), NOW, &identity), SRV_AUTH_OK);
    assert_string_equal(identity.user_id, "user-7");
    assert_int_equal(identity.exp_s, NOW + 60);
    free(minted);
    assert_null(srv_auth_mint("", "u", NOW, 0, 0));
    by_libjwt(JWT_ALG_HS256, SECRET);
    expect(hs, SRV_AUTH_OK);
    assert_string_equal(identity.user_id, "u1");
    by_libjwt(JWT_ALG_RS256, rsa.secret_pem);
    expect(rs, SRV_AUTH_OK);
    assert_string_equal(identity.user_id, "u1");
    assert_int_equal(identity.exp_s, 1700003600);
    for (int i = 0; i < 20; i++) { /* r and s have leading zeros now and then */
        by_libjwt(JWT_ALG_ES256, ec.secret_pem);
        expect(es, SRV_AUTH_OK);
    }
    hs256(claims_ok);
    expect(hs, SRV_AUTH_OK);
    forge("{\"alg\":\"HS256\"}", claims_ok, EVP_sha256(), SECRET, strlen(SECRET));
    expect(hs, SRV_AUTH_OK);
}

/* The user is userId or else sub, as JavaScript's || has it; without expiry the token is good for ever. */
static void test_users(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        const char *user; /* NULL: refused for want of one */
    } cases[] = {
        {"{\"sub\":\"s\"}", "s"},
        {"{\"userId\":\"u\",\"sub\":\"s\"}", "u"},
        {"{\"userId\":\"\",\"sub\":\"s\"}", "s"},
        {"{\"userId\":null,\"sub\":\"s\"}", "s"},
        {"{\"userId\":0,\"sub\":\"s\"}", "s"},
        {"{\"userId\":42}", "42"},
        {"{\"userId\":\"J\\u00f6rg \\ud83d\\ude00\"}", "J\xc3\xb6rg \xf0\x9f\x98\x80"},
        {"{}", NULL},
        {"{\"userId\":\"\"}", NULL},
        {"{\"userId\":{}}", NULL},
        {"{\"userId\":[\"u\"]}", NULL},
        {"{\"userId\":true,\"sub\":\"s\"}", NULL},
        {"{\"userId\":1.5}", NULL},
        {"{\"user\":\"u\"}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hs256(cases[i].claims);
        enum srv_auth_status status = verify(hs);
        if (status != (cases[i].user == NULL ? SRV_AUTH_NO_USER : SRV_AUTH_OK))
            fail_msg("%s: %s", cases[i].claims, srv_auth_strerror(status));
        if (cases[i].user != NULL) {
            assert_string_equal(identity.user_id, cases[i].user);
            assert_int_equal(identity.exp_s, 0);
        }
    }
    char claims[256];
    snprintf(claims, sizeof claims, "{\"sub\":\"%0*d\"}", SRV_AUTH_MAX_USER - 1, 1);
    hs256(claims);
    expect(hs, SRV_AUTH_OK);
    snprintf(claims, sizeof claims, "{\"sub\":\"%0*d\"}", SRV_AUTH_MAX_USER, 1);
    hs256(claims);
    expect(hs, SRV_AUTH_NO_USER);
}

/* exp and nbf to the second, with a minute's leeway; what is no time is refused. */
static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        enum srv_auth_status status;
    } cases[] = {
        {"{\"sub\":\"s\",\"exp\":1700000000}", SRV_AUTH_OK},
        {"{\"sub\":\"s\",\"exp\":1699999941}", SRV_AUTH_OK},
        {"{\"sub\":\"s\",\"exp\":1699999940}", SRV_AUTH_EXPIRED},
        {"{\"sub\":\"s\",\"exp\":1699999941.9}", SRV_AUTH_OK},
        {"{\"sub\":\"s\",\"exp\":0}", SRV_AUTH_EXPIRED},
        {"{\"sub\":\"s\",\"exp\":-5}", SRV_AUTH_EXPIRED},
        {"{\"sub\":\"s\",\"nbf\":1700000060}", SRV_AUTH_OK},
        {"{\"sub\":\"s\",\"nbf\":1700000061}", SRV_AUTH_NOT_YET},
        {"{\"sub\":\"s\",\"exp\":\"1800000000\"}", SRV_AUTH_CLAIMS},
        {"{\"sub\":\"s\",\"exp\":null}", SRV_AUTH_CLAIMS},
        {"{\"sub\":\"s\",\"exp\":true}", SRV_AUTH_CLAIMS},
        {"{\"sub\":\"s\",\"exp\":1e300}", SRV_AUTH_CLAIMS},
        {"{\"sub\":\"s\",\"nbf\":{}}", SRV_AUTH_CLAIMS},
        /* the last of two counts, for us as for JavaScript */
        {"{\"sub\":\"s\",\"exp\":1800000000,\"exp\":1}", SRV_AUTH_EXPIRED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hs256(cases[i].claims);
        enum srv_auth_status status = verify(hs);
        if (status != cases[i].status)
            fail_msg("%s: %s", cases[i].claims, srv_auth_strerror(status));
    }
}

/* Claims that libjwt's JSON library cannot read are refused as well, whatever we would make of them. */
static void test_claims_libjwt_refuses(void **state)
{
    (void)state;
    hs256("{\"userId\":\"a\\u0000b\"}");
    assert_int_not_equal(verify(hs), SRV_AUTH_OK);
    hs256("{\"sub\":\"s\",\"exp\":1e999}");
    assert_int_not_equal(verify(hs), SRV_AUTH_OK);
}

/* ---- attacks ---- */

/* "none", in all spellings, with and without a signature. */
static void test_none(void **state)
{
    (void)state;
    static const char *const headers[] = {"{\"alg\":\"none\"}",    "{\"alg\":\"None\"}",
                                          "{\"alg\":\"NONE\"}",    "{\"alg\":\"\"}",
                                          "{\"alg\":null}",        "{\"typ\":\"JWT\"}",
                                          "{\"alg\":[\"HS256\"]}", "{\"alg\":\"hs256\"}",
                                          "{\"alg\":\"HS256 \"}",  "{\"alg\":\"HS256\",\"alg\":\"none\"}"};
    const struct srv_auth *const all[] = {hs, rs, es};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        for (size_t k = 0; k < 3; k++) {
            forge(headers[i], claims_ok, NULL, NULL, 0);
            expect(all[k], SRV_AUTH_ALGORITHM);
            forge(headers[i], claims_ok, EVP_sha256(), SECRET, strlen(SECRET));
            expect(all[k], SRV_AUTH_ALGORITHM);
        }
    }
    forge("{\"alg\":\"HS256\"}", claims_ok, NULL, NULL, 0);
    expect(hs, SRV_AUTH_SIGNATURE);
    forge("{\"alg\":\"RS256\"}", claims_ok, NULL, NULL, 0);
    expect(rs, SRV_AUTH_SIGNATURE);
    forge("{\"alg\":\"ES256\"}", claims_ok, NULL, NULL, 0);
    expect(es, SRV_AUTH_SIGNATURE);
}

/* The classic confusion: HS256 keyed with the text of the public key, which everybody has. libjwt alone accepts it. */
static void test_public_key_as_secret(void **state)
{
    (void)state;
    forge("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims_ok, EVP_sha256(), rsa.public_pem, strlen(rsa.public_pem));
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_decode(&jwt, token.data, (const unsigned char *)rsa.public_pem, (int)strlen(rsa.public_pem)),
                     0);
    jwt_free(jwt);
    expect(rs, SRV_AUTH_ALGORITHM);
    forge("{\"alg\":\"HS256\"}", claims_ok, EVP_sha256(), ec.public_pem, strlen(ec.public_pem));
    expect(es, SRV_AUTH_ALGORITHM);
    /* and with a header that lies */
    forge("{\"alg\":\"RS256\"}", claims_ok, EVP_sha256(), rsa.public_pem, strlen(rsa.public_pem));
    expect(rs, SRV_AUTH_SIGNATURE);
}

/* Other members of the family, rightly signed: HS512 where HS256 was meant (libjwt alone accepts it), RS512, and RS256
 * where ES256 was meant. */
static void test_other_algorithms(void **state)
{
    (void)state;
    by_libjwt(JWT_ALG_HS512, SECRET);
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_decode(&jwt, token.data, (const unsigned char *)SECRET, (int)strlen(SECRET)), 0);
    jwt_free(jwt);
    expect(hs, SRV_AUTH_ALGORITHM);
    by_libjwt(JWT_ALG_HS384, SECRET);
    expect(hs, SRV_AUTH_ALGORITHM);
    by_libjwt(JWT_ALG_RS512, rsa.secret_pem);
    expect(rs, SRV_AUTH_ALGORITHM);
    by_libjwt(JWT_ALG_RS256, rsa.secret_pem);
    expect(hs, SRV_AUTH_ALGORITHM);
    expect(es, SRV_AUTH_ALGORITHM);
    by_libjwt(JWT_ALG_ES256, ec.secret_pem);
    expect(rs, SRV_AUTH_ALGORITHM);
}

/* Another's key, and a token in which any one byte was changed. */
static void test_signatures(void **state)
{
    (void)state;
    forge("{\"alg\":\"HS256\"}", claims_ok, EVP_sha256(), "another secret", 14);
    expect(hs, SRV_AUTH_SIGNATURE);
    forge("{\"alg\":\"HS256\"}", claims_ok, EVP_sha256(), "", 0);
    expect(hs, SRV_AUTH_SIGNATURE);
    by_libjwt(JWT_ALG_RS256, other_rsa.secret_pem);
    expect(rs, SRV_AUTH_SIGNATURE);
    const struct srv_auth *const all[] = {hs, rs, es};
    for (size_t k = 0; k < 3; k++) {
        if (k == 0)
            by_libjwt(JWT_ALG_HS256, SECRET);
        else
            by_libjwt(k == 1 ? JWT_ALG_RS256 : JWT_ALG_ES256, k == 1 ? rsa.secret_pem : ec.secret_pem);
        expect(all[k], SRV_AUTH_OK);
        for (size_t i = 0; i < token.len; i++) {
            char was = token.data[i];
            token.data[i] = (char)(was == 'A' ? 'B' : was == '.' ? '-' : 'A');
            assert_int_not_equal(verify(all[k]), SRV_AUTH_OK);
            token.data[i] = was;
        }
        for (size_t n = 0; n < token.len; n++) {
            struct srv_identity out;
            assert_int_not_equal(srv_auth_verify(all[k], token.data, n, NOW, &out), SRV_AUTH_OK);
        }
        aivo_buf_str(&token, "=");
        assert_int_not_equal(verify(all[k]), SRV_AUTH_OK);
    }
}

/* ECDSA signatures of zeros, of the right length and of wrong ones (that of DER among them). */
static void test_es256_signature_forms(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 63, 64, 65, 72, 128};
    char zeros[128] = {0};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        forge("{\"alg\":\"ES256\"}", claims_ok, NULL, NULL, 0);
        add_base64url(&token, zeros, lengths[i]);
        expect(es, SRV_AUTH_SIGNATURE);
    }
}

/* Text that is no token. */
static void test_garbage(void **state)
{
    (void)state;
    static const char *const texts[] = {".",
                                        "..",
                                        "...",
                                        "a",
                                        "a.b",
                                        "a.b.c",
                                        "a.b.c.d",
                                        "!!!.###.$$$",
                                        "e30.e30.",
                                        "e30.e30.e30.e30",
                                        "W10.W10.W10",
                                        "bnVsbA.bnVsbA.bnVsbA",
                                        "\xff\xfe.\x01.\x02"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        aivo_buf_clear(&token);
        aivo_buf_str(&token, texts[i]);
        enum srv_auth_status status = verify(hs);
        assert_true(status == SRV_AUTH_MALFORMED || status == SRV_AUTH_ALGORITHM);
    }
    assert_int_equal(srv_auth_verify(hs, NULL, 0, NOW, &identity), SRV_AUTH_MISSING);
    assert_int_equal(srv_auth_verify(hs, "", 0, NOW, &identity), SRV_AUTH_MISSING);
    /* rightly signed, but the payload is no object; or a critical extension nobody here knows */
    static const char *const payloads[] = {"[]", "null", "\"u\"", "{", "", "{\"sub\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        hs256(payloads[i]);
        enum srv_auth_status status = verify(hs);
        assert_true(status == SRV_AUTH_MALFORMED || status == SRV_AUTH_SIGNATURE);
    }
    forge("{\"alg\":\"HS256\",\"crit\":[\"x\"]}", claims_ok, EVP_sha256(), SECRET, strlen(SECRET));
    expect(hs, SRV_AUTH_MALFORMED);
    /* a NUL in the middle must not hide the rest */
    hs256(claims_ok);
    aivo_buf_add(&token, "\0x", 2);
    assert_int_not_equal(verify(hs), SRV_AUTH_OK);
}

/* A token of the largest size is read, a larger one is not. */
static void test_oversized(void **state)
{
    (void)state;
    char claims[SRV_AUTH_MAX_TOKEN];
    for (int pad = 6050; pad < 6200; pad++) {
        snprintf(claims, sizeof claims, "{\"sub\":\"s\",\"pad\":\"%0*d\"}", pad, 1);
        hs256(claims);
        expect(hs, token.len <= SRV_AUTH_MAX_TOKEN ? SRV_AUTH_OK : SRV_AUTH_TOO_LARGE);
    }
    aivo_buf_clear(&token);
    for (int i = 0; i < 1000000; i++)
        aivo_buf_char(&token, 'a');
    expect(hs, SRV_AUTH_TOO_LARGE);
}

/* The peer learns one of two sentences, whatever the reason. */
static void test_messages(void **state)
{
    (void)state;
    assert_string_equal(srv_auth_client_message(SRV_AUTH_MISSING), "Authentication token required");
    for (int i = SRV_AUTH_TOO_LARGE; i <= SRV_AUTH_MEMORY; i++) {
        assert_string_equal(srv_auth_client_message((enum srv_auth_status)i), "Invalid authentication token");
        assert_true(strlen(srv_auth_strerror((enum srv_auth_status)i)) > 5);
    }
}

static void refuse_key(const char *path, const char *words)
{
    struct srv_auth *auth = NULL;
    char error[256] = "";
    assert_false(srv_auth_new(NULL, path, &auth, error, sizeof error));
    assert_null(auth);
    if (strstr(error, words) == NULL)
        fail_msg("%s", error);
}

/* Keys that cannot be meant: weak, of another curve, private, missing, no key, no secret. */
static void test_bad_keys(void **state)
{
    (void)state;
    struct srv_auth *auth = NULL;
    char error[256];
    refuse_key(small_rsa.path, "2048 bits");
    refuse_key(p384.path, "neither an RSA nor a P-256");
    refuse_key("/nonexistent/key.pem", "No such file");
    refuse_key("/dev/null", "no public key in PEM form");
    assert_false(srv_auth_new("", NULL, &auth, error, sizeof error));
    assert_false(srv_auth_new(NULL, NULL, &auth, error, sizeof error));
    assert_null(auth);
    srv_auth_destroy(NULL);
}

static int make_keys(void **state)
{
    (void)state;
    pem_of(EVP_RSA_gen(2048), &rsa);
    pem_of(EVP_RSA_gen(2048), &other_rsa);
    pem_of(EVP_RSA_gen(1024), &small_rsa);
    pem_of(EVP_EC_gen("prime256v1"), &ec);
    pem_of(EVP_EC_gen("secp384r1"), &p384);
    char error[256];
    return !(srv_auth_new(SECRET, NULL, &hs, error, sizeof error) &&
             srv_auth_new(NULL, rsa.path, &rs, error, sizeof error) &&
             srv_auth_new(NULL, ec.path, &es, error, sizeof error));
}

static int drop_keys(void **state)
{
    (void)state;
    struct key_pair *const all[] = {&rsa, &other_rsa, &small_rsa, &ec, &p384};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        unlink(all[i]->path);
    srv_auth_destroy(hs);
    srv_auth_destroy(rs);
    srv_auth_destroy(es);
    aivo_buf_free(&token);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_tokens),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_claims_libjwt_refuses),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_public_key_as_secret),
        cmocka_unit_test(test_other_algorithms),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_es256_signature_forms),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_oversized),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_bad_keys),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
