#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "comma.h"
#include "jsongen.h"
#include <cmocka.h>
#include <float.h>
#include <stdio.h>

static struct aivo_json parse_text(const char *text)
{
    return aivo_json_parse(text, strlen(text), NULL);
}

/* Each well-formed text is one value of its type, found without the white space around it. */
static void test_well_formed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum aivo_json_type type;
        const char *value;
    } cases[] = {
        {"null", AIVO_JSON_NULL, "null"},
        {" \t\r\n true\n", AIVO_JSON_TRUE, "true"},
        {"false ", AIVO_JSON_FALSE, "false"},
        {"0", AIVO_JSON_NUMBER, "0"},
        {"-0", AIVO_JSON_NUMBER, "-0"},
        {"10.25", AIVO_JSON_NUMBER, "10.25"},
        {"0e0", AIVO_JSON_NUMBER, "0e0"},
        {"1E+2", AIVO_JSON_NUMBER, "1E+2"},
        {"-1.5e-12", AIVO_JSON_NUMBER, "-1.5e-12"},
        {"\"\"", AIVO_JSON_STRING, "\"\""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00Ff\"", AIVO_JSON_STRING, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00Ff\""},
        {"\"\x7f\"", AIVO_JSON_STRING, "\"\x7f\""},
        {"\"\xc2\x80\xdf\xbf\"", AIVO_JSON_STRING, "\"\xc2\x80\xdf\xbf\""},
        {"\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"", AIVO_JSON_STRING,
         "\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""},
        {"\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"", AIVO_JSON_STRING, "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""},
        {"\"\\ud800\"", AIVO_JSON_STRING, "\"\\ud800\""},
        {"[]", AIVO_JSON_ARRAY, "[]"},
        {" [ ] ", AIVO_JSON_ARRAY, "[ ]"},
        {"[1,[2,[3]],{}]", AIVO_JSON_ARRAY, "[1,[2,[3]],{}]"},
        {"{}", AIVO_JSON_OBJECT, "{}"},
        {"{ \"a\" : [ { } ] , \"a\" : 1 }", AIVO_JSON_OBJECT, "{ \"a\" : [ { } ] , \"a\" : 1 }"},
        {"{\"\":\"]}\"}", AIVO_JSON_OBJECT, "{\"\":\"]}\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].text), at = 999;
        char *text = exact_copy(cases[i].text, len);
        struct aivo_json value = aivo_json_parse(text, len, &at);
        if (value.type != cases[i].type)
            fail_msg("%s: type %d, wrong at %zu", cases[i].text, value.type, at);
        assert_int_equal(value.len, strlen(cases[i].value));
        assert_memory_equal(value.text, cases[i].value, value.len);
        assert_int_equal(at, 999);
        free(text);
    }
}

static const struct {
    const char *text;
    size_t at;
} malformed[] = {
    {"", 0},
    {"  ", 2},
    {"nul", 3},
    {"nulL", 3},
    {"True", 0},
    {"tru e", 3},
    {"null null", 5},
    {"1 2", 2},
    {"+1", 0},
    {"-", 1},
    {"-a", 1},
    {".5", 0},
    {"1.", 2},
    {"1.e5", 2},
    {"01", 1},
    {"-01", 2},
    {"1e", 2},
    {"1e+", 3},
    {"1e5.5", 3},
    {"0x10", 1},
    {"NaN", 0},
    {"Infinity", 0},
    {"'a'", 0},
    {"\"", 1},
    {"\"a", 2},
    {"\"\\", 2},
    {"\"\\x\"", 2},
    {"\"\\u12\"", 5},
    {"\"\\u123g\"", 6},
    {"\"\\'\"", 2},
    {"\"\n\"", 1},
    {"\"a\tb\"", 2},
    {"\"\x1f\"", 1},
    {"\"\x80\"", 1},
    {"\"\xc0\xaf\"", 1},
    {"\"\xc1\xbf\"", 1},
    {"\"\xc3\"", 1},
    {"\"\xe0\x9f\xbf\"", 1},
    {"\"\xed\xa0\x80\"", 1},
    {"\"\xe2\x82\"", 1},
    {"\"\xf0\x8f\xbf\xbf\"", 1},
    {"\"\xf4\x90\x80\x80\"", 1},
    {"\"\xf5\x80\x80\x80\"", 1},
    {"\"\xff\"", 1},
    {"\"12345678\xfe\"", 9},
    {"\"1234567\x01\"", 8},
    {"[", 1},
    {"]", 0},
    {"[1", 2},
    {"[1,", 3},
    {"[,1]", 1},
    {"[1,]", 3},
    {"[1,,2]", 3},
    {"[1 2]", 3},
    {"[1}", 2},
    {"[]]", 2},
    {"[\"a\":1]", 4},
    {"[1:2]", 2},
    {"{", 1},
    {"}", 0},
    {"{]", 1},
    {"{1:2}", 1},
    {"{\"a\"}", 4},
    {"{\"a\" 1}", 5},
    {"{\"a\":}", 5},
    {"{\"a\":1,}", 7},
    {"{,}", 1},
    {"{\"a\":1]", 6},
    {"{\"a\":1 \"b\":2}", 7},
    {"{a:1}", 1},
    {"{\"a\":1,b:2}", 7},
    {"[1]x", 3},
    {"[1]\"", 3},
    {"/**/1", 0},
    {"1//", 1},
    {"\xef\xbb\xbf"
     "1",
     0},
    {"\v1", 0},
    {"\f1", 0},
    {"\xc2\xa0"
     "1",
     0},
    {"undefined", 0},
    {"[1,2", 4},
    {"{\"a\"", 4},
    {"{\"a\":", 5},
    {"{\"a\":1", 6},
    {"{\"a\":1,", 7},
    {"[[[1]]", 6},
};

/* Each malformed text is refused, and the byte that is wrong is named. */
static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        size_t len = strlen(malformed[i].text), at = 999;
        char *text = exact_copy(malformed[i].text, len);
        struct aivo_json value = aivo_json_parse(text, len, &at);
        if (value.type != AIVO_JSON_NONE)
            fail_msg("case %zu was accepted: %s", i, malformed[i].text);
        if (at != malformed[i].at)
            fail_msg("case %zu, %s: wrong at %zu rather than %zu", i, malformed[i].text, at, malformed[i].at);
        free(text);
    }
    size_t at = 999;
    assert_int_equal(aivo_json_parse("1\0", 2, &at).type, AIVO_JSON_NONE);
    assert_int_equal(at, 1);
    assert_int_equal(aivo_json_parse("\"\0\"", 3, &at).type, AIVO_JSON_NONE);
    assert_int_equal(at, 1);
}

/* Nesting is fine up to the bound, whatever the mix of brackets, and refused one deeper at the bracket itself. */
static void test_depth(void **state)
{
    (void)state;
    for (size_t mix = 0; mix < 3; mix++) {
        for (size_t depth = AIVO_JSON_MAX_DEPTH - 1; depth <= AIVO_JSON_MAX_DEPTH + 1; depth++) {
            struct aivo_buf b;
            size_t last = 0, at = 0;
            aivo_buf_init(&b);
            for (size_t i = 0; i < depth; i++) {
                last = b.len;
                aivo_buf_str(&b, (mix == 2 ? i % 2 : mix) ? "{\"k\":" : "[");
            }
            aivo_buf_str(&b, "1");
            for (size_t i = depth; i-- > 0;)
                aivo_buf_char(&b, (mix == 2 ? i % 2 : mix) ? '}' : ']');
            bool ok = aivo_json_parse(b.data, b.len, &at).type != AIVO_JSON_NONE;
            assert_int_equal(ok, depth <= AIVO_JSON_MAX_DEPTH);
            if (!ok)
                assert_int_equal(at, last);
            aivo_buf_free(&b);
        }
    }
    /* a million brackets need no more stack than one */
    char *deep = malloc(1000000);
    memset(deep, '[', 1000000);
    assert_int_equal(aivo_json_parse(deep, 1000000, NULL).type, AIVO_JSON_NONE);
    free(deep);
}

/* Depth counts what is open, not what was opened: many siblings are no depth. */
static void test_siblings(void **state)
{
    (void)state;
    struct aivo_buf b;
    aivo_buf_init(&b);
    aivo_buf_str(&b, "[[]");
    for (int i = 0; i < 999; i++)
        aivo_buf_str(&b, i % 2 ? ",[]" : ",{\"a\":[{}]}");
    aivo_buf_str(&b, "]");
    struct aivo_json value = aivo_json_parse(b.data, b.len, NULL);
    assert_int_equal(value.type, AIVO_JSON_ARRAY);
    assert_int_equal(aivo_json_count(&value), 1000);
    aivo_buf_free(&b);
}

/* Random documents: walking one with our functions and writing it again gives the form that the generator knows. */
static void test_random_documents(void **state)
{
    (void)state;
    struct prng r = {20240611};
    for (int i = 0; i < 4000; i++) {
        struct aivo_buf text, canonical, ours;
        size_t at = 0;
        aivo_buf_init(&text);
        aivo_buf_init(&canonical);
        aivo_buf_init(&ours);
        gen_space(&r, &text);
        gen_value(&r, 5, &text, &canonical);
        gen_space(&r, &text);
        char *exact = exact_copy(text.data, text.len);
        struct aivo_json value = aivo_json_parse(exact, text.len, &at);
        if (value.type == AIVO_JSON_NONE)
            fail_msg("document %d refused at %zu: %s", i, at, text.data);
        assert_true(write_canonical(&value, &ours));
        assert_string_equal(ours.data, canonical.data);
        free(exact);
        aivo_buf_free(&text);
        aivo_buf_free(&canonical);
        aivo_buf_free(&ours);
    }
}

/* Every proper prefix of an array is refused without a look behind its end. */
static void test_truncation(void **state)
{
    (void)state;
    struct prng r = {7};
    for (int i = 0; i < 300; i++) {
        struct aivo_buf text, canonical;
        aivo_buf_init(&text);
        aivo_buf_init(&canonical);
        aivo_buf_char(&text, '[');
        gen_value(&r, 4, &text, &canonical);
        aivo_buf_char(&text, ']');
        for (size_t len = 0; len < text.len; len++) {
            size_t at = 0;
            char *exact = exact_copy(text.data, len);
            assert_int_equal(aivo_json_parse(exact, len, &at).type, AIVO_JSON_NONE);
            assert_true(at <= len && len - at < 4); /* at the end, or at a character cut by it */
            free(exact);
        }
        aivo_buf_free(&text);
        aivo_buf_free(&canonical);
    }
}

/* Damaged documents are accepted or refused, but never read beyond their end; what is accepted can be walked, and is
 * then in a form that parses to the same again. */
static void test_damage(void **state)
{
    (void)state;
    struct prng r = {99};
    size_t accepted = 0;
    for (int i = 0; i < 8000; i++) {
        struct aivo_buf text, canonical, again;
        aivo_buf_init(&text);
        aivo_buf_init(&canonical);
        aivo_buf_init(&again);
        gen_value(&r, 3, &text, &canonical);
        aivo_buf_clear(&canonical);
        for (size_t n = 1 + prng_below(&r, 3); n; n--)
            text.data[prng_below(&r, text.len)] = "\"\\,:[]{}0e.-tu \x01\x80\xff\xed\xf4"[prng_below(&r, 20)];
        char *exact = exact_copy(text.data, text.len);
        struct aivo_json value = aivo_json_parse(exact, text.len, NULL);
        if (value.type != AIVO_JSON_NONE) {
            accepted++;
            assert_true(write_canonical(&value, &canonical));
            value = aivo_json_parse(canonical.data, canonical.len, NULL);
            assert_true(write_canonical(&value, &again));
            assert_string_equal(again.data, canonical.data);
        }
        free(exact);
        aivo_buf_free(&text);
        aivo_buf_free(&canonical);
        aivo_buf_free(&again);
    }
    assert_true(accepted > 100 && accepted < 7900);
}

/* Members are found by place and by name; the last of equal names counts, however it is escaped. */
static void test_lookup(void **state)
{
    (void)state;
    struct aivo_json object = parse_text("{ \"a\":1, \"b\" : [ true , {\"a\":2} ], \"\\u0061\":\"last\", \"\":null,"
                                         "\"x\\\"]}\":3 }");
    struct aivo_json a = aivo_json_get(&object, "a"), b = aivo_json_get(&object, "b");
    assert_true(aivo_json_string_is(&a, "last"));
    assert_int_equal(b.type, AIVO_JSON_ARRAY);
    assert_int_equal(aivo_json_count(&b), 2);
    assert_int_equal(aivo_json_get(&object, "").type, AIVO_JSON_NULL);
    assert_int_equal(aivo_json_get(&object, "x\"]}").type, AIVO_JSON_NUMBER);
    assert_int_equal(aivo_json_get(&object, "c").type, AIVO_JSON_NONE);
    assert_int_equal(aivo_json_get(&object, "ab").type, AIVO_JSON_NONE);
    struct aivo_json first = aivo_json_at(&b, 0), second = aivo_json_at(&b, 1);
    assert_true(aivo_json_is_true(&first));
    assert_int_equal(second.len, strlen("{\"a\":2}"));
    assert_int_equal(aivo_json_at(&b, 2).type, AIVO_JSON_NONE);
    assert_int_equal(aivo_json_at(&b, SIZE_MAX).type, AIVO_JSON_NONE);
    assert_int_equal(aivo_json_get(&b, "a").type, AIVO_JSON_NONE);
    assert_int_equal(aivo_json_at(&object, 0).type, AIVO_JSON_NONE);
    struct aivo_json none = {AIVO_JSON_NONE, NULL, 0};
    assert_int_equal(aivo_json_count(&none), 0);
    assert_int_equal(aivo_json_get(&none, "a").type, AIVO_JSON_NONE);
}

/* Walking past the end stays at the end. */
static void test_walk_end(void **state)
{
    (void)state;
    struct aivo_json array = parse_text("[1, [2 ] ,\"]\"]"), key, value;
    size_t pos = 0;
    for (int i = 0; i < 3; i++)
        assert_int_not_equal(aivo_json_next(&array, &pos).type, AIVO_JSON_NONE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(aivo_json_next(&array, &pos).type, AIVO_JSON_NONE);
    struct aivo_json object = parse_text("{ }");
    pos = 0;
    assert_false(aivo_json_next_member(&object, &pos, &key, &value));
    assert_false(aivo_json_next_member(&object, &pos, &key, &value));
}

/* What escapes mean; lone surrogates become U+FFFD, each its own. */
static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *json, *plain;
    } cases[] = {
        {"\"\"", ""},
        {"\"abc\"", "abc"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"},
        {"\"\\ud83d\"", "\xef\xbf\xbd"},
        {"\"\\ude00x\"", "\xef\xbf\xbdx"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                               "A"},
        {"\"\\ud83d\\ue000\"", "\xef\xbf\xbd\xee\x80\x80"},
        {"\"\\ud83d\\n\"", "\xef\xbf\xbd\n"},
        {"\"\\ud83dude00\"", "\xef\xbf\xbdude00"},
        {"\"x\\\\u0041\"", "x\\u0041"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_buf out;
        size_t len = strlen(cases[i].json);
        char *exact = exact_copy(cases[i].json, len), field[64];
        struct aivo_json value = aivo_json_parse(exact, len, NULL);
        aivo_buf_init(&out);
        assert_true(aivo_json_string(&value, &out));
        assert_string_equal(out.data, cases[i].plain);
        assert_true(aivo_json_string_is(&value, cases[i].plain));
        assert_false(aivo_json_string_is(&value, "something else"));
        size_t need = strlen(cases[i].plain) + 1;
        memset(field, '#', sizeof(field));
        assert_true(aivo_json_string_copy(&value, field, need));
        assert_string_equal(field, cases[i].plain);
        assert_int_equal(field[need], '#');
        memset(field, '#', sizeof(field));
        assert_false(aivo_json_string_copy(&value, field, need - 1));
        assert_int_equal(field[0], '#'); /* a refused copy writes nothing */
        aivo_buf_free(&out);
        free(exact);
    }
}

/* A prefix is no equal; NUL inside is text to the buffer, but refused by the fixed field; other types are no strings.
 */
static void test_string_edges(void **state)
{
    (void)state;
    struct aivo_json value = parse_text("\"abc\"");
    struct aivo_buf out;
    char field[8] = "kept";
    assert_false(aivo_json_string_is(&value, "ab"));
    assert_false(aivo_json_string_is(&value, "abcd"));
    assert_false(aivo_json_string_is(&value, ""));
    value = parse_text("\"a\\u0000b\"");
    aivo_buf_init(&out);
    assert_true(aivo_json_string(&value, &out));
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "a\0b", 3);
    assert_false(aivo_json_string_is(&value, "a"));
    assert_false(aivo_json_string_copy(&value, field, sizeof(field)));
    static const char *const others[] = {"1", "null", "true", "[\"a\"]", "{\"a\":1}"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        value = parse_text(others[i]);
        assert_false(aivo_json_string(&value, &out));
        assert_false(aivo_json_string_is(&value, others[i]));
        assert_false(aivo_json_string_copy(&value, field, sizeof(field)));
    }
    assert_int_equal(out.len, 3);
    assert_string_equal(field, "kept");
    aivo_buf_free(&out);
}

/* Writing a random text and reading it back is the identity. */
static void test_string_identity(void **state)
{
    (void)state;
    struct prng r = {5};
    for (int i = 0; i < 4000; i++) {
        struct aivo_buf plain, json, back;
        aivo_buf_init(&plain);
        aivo_buf_init(&json);
        aivo_buf_init(&back);
        for (size_t n = prng_below(&r, 30); n; n--)
            gen_utf8(gen_code_point(&r), &plain);
        assert_true(aivo_utf8_valid(plain.data ? plain.data : "", plain.len));
        char *exact = exact_copy(plain.data, plain.len);
        aivo_json_write_string(&json, exact, plain.len);
        struct aivo_json value = aivo_json_parse(json.data, json.len, NULL);
        assert_true(aivo_json_string(&value, &back));
        assert_int_equal(back.len, plain.len);
        if (plain.len)
            assert_memory_equal(back.data, plain.data, plain.len);
        free(exact);
        aivo_buf_free(&plain);
        aivo_buf_free(&json);
        aivo_buf_free(&back);
    }
}

/* What is written is what JSON.stringify writes; malformed UTF-8 becomes U+FFFD, one for each broken start. */
static void test_write(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *json;
    } cases[] = {
        {"", "\"\""},
        {"a\"\\/\b\f\n\r\t\x01\x1f\x7f", "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"a\xe2\x82z", "\"a\xef\xbf\xbdz\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\""},
        {"\xf0\x9f\x98", "\"\xef\xbf\xbd\""},
        {"\xf0\x9f\x98z", "\"\xef\xbf\xbdz\""},
        {"\xf0\x80\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc3\xc3\xa9", "\"\xef\xbf\xbd\xc3\xa9\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_buf out;
        size_t len = strlen(cases[i].plain);
        char *exact = exact_copy(cases[i].plain, len);
        aivo_buf_init(&out);
        aivo_json_write_string(&out, exact, len);
        assert_string_equal(out.data, cases[i].json);
        aivo_buf_free(&out);
        free(exact);
    }
}

/* Any bytes at all are written as a valid JSON string. */
static void test_write_any_bytes(void **state)
{
    (void)state;
    struct prng r = {6};
    for (int i = 0; i < 8000; i++) {
        char bytes[12];
        struct aivo_buf out;
        size_t len = prng_below(&r, sizeof(bytes));
        for (size_t j = 0; j < len; j++)
            bytes[j] = (char)(prng_below(&r, 3) ? 0x80 | prng_next(&r) : prng_next(&r));
        char *exact = exact_copy(bytes, len);
        aivo_buf_init(&out);
        aivo_json_write_string(&out, exact, len);
        assert_int_equal(aivo_json_parse(out.data, out.len, NULL).type, AIVO_JSON_STRING);
        aivo_buf_free(&out);
        free(exact);
    }
}

/* Numbers are read as strtod reads them in the C locale, to the last bit, and overflow is no number. */
static void test_doubles(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0e5",
        "1",
        "-1.5",
        "0.1",
        "3.14159265358979323846",
        "1e22",
        "1e23",
        "123456789012345678",
        "9007199254740993",
        "9007199254740992.5",
        "9007199254740992.50000000000000000000000000001",
        "1e-400",
        "2.2250738585072011e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "0.000000000000000000000000000000000000000000000001e48",
        "100000000000000000000000e-23",
        "1e-99999999999999999999",
        "0e99999999999999999999",
        "179769313486231570000e288",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *exact = exact_copy(texts[i], strlen(texts[i]));
        struct aivo_json value = aivo_json_parse(exact, strlen(texts[i]), NULL);
        double ours = 77, theirs = strtod(texts[i], NULL);
        assert_true(aivo_json_double(&value, &ours));
        if (memcmp(&ours, &theirs, sizeof(ours)) != 0)
            fail_msg("%s: %.17g rather than %.17g", texts[i], ours, theirs);
        free(exact);
    }
    static const char *const refused[] = {
        "1e309", "-1e309", "1e99999999999999999999", "1.7976931348623159e308", "\"1\"", "null", "[1]"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct aivo_json value = parse_text(refused[i]);
        double kept = 77;
        assert_int_not_equal(value.type, AIVO_JSON_NONE);
        assert_false(aivo_json_double(&value, &kept));
        assert_true(kept == 77);
    }
}

/* Random numbers too, and ones with more digits than are kept: the digits left out still decide a tie. */
static void test_random_doubles(void **state)
{
    (void)state;
    struct prng r = {11};
    for (int i = 0; i < 8000; i++) {
        char text[1500];
        size_t n = 0, digits = prng_below(&r, 10) ? 1 + prng_below(&r, 25) : 700 + prng_below(&r, 400);
        if (prng_below(&r, 2))
            text[n++] = '-';
        text[n++] = (char)('1' + prng_below(&r, 9));
        size_t point = prng_below(&r, digits);
        for (size_t j = 1; j < digits; j++) {
            if (j == point)
                text[n++] = '.';
            text[n++] = (char)('0' + prng_below(&r, 10));
        }
        n += (size_t)snprintf(text + n, 16, "e%d", (int)prng_below(&r, 700) - 350 - (digits > 100 ? (int)point : 0));
        struct aivo_json value = aivo_json_parse(text, n, NULL);
        double ours, theirs = strtod(text, NULL);
        bool finite = theirs <= DBL_MAX && theirs >= -DBL_MAX;
        assert_int_equal(value.type, AIVO_JSON_NUMBER);
        assert_int_equal(aivo_json_double(&value, &ours), finite);
        if (finite && memcmp(&ours, &theirs, sizeof(ours)) != 0)
            fail_msg("%s: %.17g rather than %.17g", text, ours, theirs);
    }
    /* exactly between two doubles but for the last of a thousand digits */
    char tie[1100] = "9007199254740993.";
    size_t n = strlen(tie);
    memset(tie + n, '0', 1000);
    struct aivo_json value = aivo_json_parse(tie, n + 1000, NULL);
    double down, up;
    assert_true(aivo_json_double(&value, &down));
    tie[n + 999] = '1';
    value = aivo_json_parse(tie, n + 1000, NULL);
    assert_true(aivo_json_double(&value, &up));
    assert_true(down == 9007199254740992.0 && up == 9007199254740994.0);
}

/* A program may have set a locale whose decimal point is a comma: JSON's stays a point. */
static void test_locale(void **state)
{
    (void)state;
    comma_begin();
    struct aivo_json value = parse_text("3.14159265358979323846");
    double number = 0;
    assert_true(aivo_json_double(&value, &number));
    assert_true(number == 3.14159265358979323846);
    comma_end();
}

/* Whole numbers from 0 to 2^53, in any notation; all else is refused and leaves the output alone. */
static void test_u64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint64_t number;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"7", true, 7},
        {"1e3", true, 1000},
        {"2.50e2", true, 250},
        {"9007199254740991", true, 9007199254740991},
        {"9007199254740992", true, 9007199254740992},
        {"9007199254740993", false, 0},
        {"9999999999999999", false, 0},
        {"90071992547409920", false, 0},
        {"18446744073709551616", false, 0},
        {"-1", false, 0},
        {"0.5", false, 0},
        {"1e-1", false, 0},
        {"1e16", false, 0},
        {"1e400", false, 0},
        {"\"1\"", false, 0},
        {"true", false, 0},
        {"[1]", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_json value = parse_text(cases[i].text);
        uint64_t number = 4711;
        if (aivo_json_u64(&value, &number) != cases[i].ok)
            fail_msg("%s", cases[i].text);
        assert_int_equal(number, cases[i].ok ? cases[i].number : 4711);
    }
}

/* Every code point's UTF-8 is valid; the bounds of each length, and every 16-bit start, are told apart rightly. */
static void test_utf8(void **state)
{
    (void)state;
    struct aivo_buf b;
    aivo_buf_init(&b);
    for (uint32_t c = 0; c < 0x110000; c += c < 0x11000 ? 1 : 61) {
        aivo_buf_clear(&b);
        gen_utf8(c, &b);
        bool surrogate = c >= 0xd800 && c <= 0xdfff;
        if (aivo_utf8_valid(b.data, b.len) == surrogate)
            fail_msg("U+%04X", c);
        for (size_t len = 1; len < b.len; len++) {
            char *exact = exact_copy(b.data, len);
            assert_false(aivo_utf8_valid(exact, len));
            free(exact);
        }
    }
    aivo_buf_free(&b);
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xfe",
                                      "\xff",
                                      "12345678\xff",
                                      "1234567\xc3",
                                      "\xc3(",
                                      "\xe2\x82(",
                                      "\xf0\x9f\x98("};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(aivo_utf8_valid(bad[i], strlen(bad[i])));
    assert_true(aivo_utf8_valid("", 0));
    assert_true(aivo_utf8_valid(NULL, 0));
    assert_true(aivo_utf8_valid("a\0b", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_formed),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_siblings),
        cmocka_unit_test(test_random_documents),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_walk_end),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_string_edges),
        cmocka_unit_test(test_string_identity),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_any_bytes),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_random_doubles),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
