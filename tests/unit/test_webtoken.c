/* Tokens as their bearer sees them: what is one, and which point in time its claims name. */
#include "webtoken.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engineio.h"

/* A token with these claims, made here: base64 with the other alphabet and no padding. */
static void token_with(struct aivo_buf *out, const char *header, const char *claims)
{
    const char *const parts[] = {header, claims, "signature"};
    for (size_t i = 0; i < 3; i++) {
        struct aivo_buf part = {0};
        aivo_base64_encode(&part, parts[i], strlen(parts[i]));
        for (size_t k = 0; k < part.len && part.data[k] != '='; k++)
            aivo_buf_char(out, part.data[k] == '+' ? '-' : part.data[k] == '/' ? '_' : part.data[k]);
        if (i < 2)
            aivo_buf_char(out, '.');
        aivo_buf_free(&part);
    }
}

/* Looks at a copy that ends where the text does, so that a sanitizer sees a read beyond it. */
static bool looked_at(const char *text, size_t len, const char *name, int64_t *time)
{
    struct aivo_webtoken token;
    char *exact = malloc(len ? len : 1);
    memcpy(exact, text, len);
    bool ok = aivo_webtoken_decode(&token, exact, len);
    *time = ok ? aivo_webtoken_time(&token, name) : -1;
    aivo_webtoken_free(&token);
    free(exact);
    return ok;
}

/* The time counts where the claims themselves have it, as a number: not in a string, in an object inside, or in the
 * header. */
static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        int64_t exp;
    } cases[] = {
        {"{\"exp\":1700000000}", 1700000000},
        {" { \"sub\" : \"u\", \"exp\" : 1.7e9 } ", 1700000000},
        {"{\"exp\":1700000000.9}", 1700000000},
        {"{\"e\\u0078p\":1700000000}", 1700000000},
        {"{\"exp\":1,\"exp\":2}", 2},
        {"{\"note\":\"\\\"exp\\\":5\",\"exp\":1700000000}", 1700000000},
        {"{\"note\":\"\\\"exp\\\":5\"}", 0},
        {"{\"inner\":{\"exp\":5}}", 0},
        {"{\"inner\":[{\"exp\":5}],\"exp\":6}", 6},
        {"{\"Exp\":5,\"exp \":5,\"xexp\":5}", 0},
        {"{\"exp\":\"1700000000\"}", 0},
        {"{\"exp\":null}", 0},
        {"{\"exp\":[5]}", 0},
        {"{\"exp\":0}", 0},
        {"{\"exp\":-5}", 0},
        {"{\"exp\":1e15}", 0},
        {"{\"exp\":1e400}", 0},
        {"{}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aivo_buf token = {0};
        int64_t time;
        token_with(&token, "{\"alg\":\"none\",\"exp\":7}", cases[i].claims);
        assert_true(looked_at(token.data, token.len, "exp", &time));
        if (time != cases[i].exp)
            fail_msg("%s: %lld", cases[i].claims, (long long)time);
        aivo_buf_free(&token);
    }
}

/* What is no token: other numbers of parts, characters of the other alphabet, what is no JSON or no object, too long.
 */
static void test_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          ".",         "..",         "...",         "e30",        "e30.e30",   "e30.e30.x.", "e30.e30.x.y",
        "e30..x",    ".e30.x",    " e30.e30.x", "e30.e30.x\n", "e30.e30.x=", "e30.e30.+", "e30=.e30.x", "e30.e30=.x",
        "W10.e30.x", "e30.W10.x", "e30.e.x",    "!!.e30.x",    "e30.eyJh.x",
    };
    static const char *const good[] = {"e30.e30.x", "e30.e30.", "e30.e30.-_9Z"};
    int64_t time;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (looked_at(bad[i], strlen(bad[i]), "exp", &time))
            fail_msg("accepted: %s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!looked_at(good[i], strlen(good[i]), "exp", &time))
            fail_msg("refused: %s", good[i]);
    char *large = malloc(AIVO_WEBTOKEN_MAX + 1);
    memset(large, 'x', AIVO_WEBTOKEN_MAX + 1);
    memcpy(large, "e30.e30.", 8);
    assert_true(looked_at(large, AIVO_WEBTOKEN_MAX, "exp", &time));
    assert_false(looked_at(large, AIVO_WEBTOKEN_MAX + 1, "exp", &time));
    free(large);
}

/* Every beginning of a token, and the token with any one byte changed: nothing is read beyond its end. */
static void test_damage(void **state)
{
    (void)state;
    struct aivo_buf token = {0};
    int64_t time;
    token_with(&token, "{\"alg\":\"HS256\"}", "{\"sub\":\"u\",\"exp\":1700000000}");
    const char *second = strrchr(token.data, '.');
    for (size_t len = 0; len <= token.len; len++)
        assert_int_equal(looked_at(token.data, len, "exp", &time), len > (size_t)(second - token.data));
    for (size_t i = 0; i < token.len; i++)
        for (int c = 0; c < 256; c++) {
            char was = token.data[i];
            token.data[i] = (char)c;
            looked_at(token.data, token.len, "exp", &time);
            token.data[i] = was;
        }
    aivo_buf_free(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
