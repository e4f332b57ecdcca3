/* Telling a recovery offset from an application's own trailing string. */
#include "offset.h"
#include "offset_maker.h"
#include "prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define NOW    ((int64_t)1785000000000) /* July 2026 */
#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static bool take_text(struct aivo_offset *o, int64_t unix_ms, bool replay, const char *text, size_t *kept)
{
    char *copy = exact_copy(text, strlen(text));
    struct aivo_json array = aivo_json_parse(copy, strlen(text), NULL);
    assert_int_equal(array.type, AIVO_JSON_ARRAY);
    bool taken = aivo_offset_take(o, &array, unix_ms, replay, kept);
    free(copy);
    return taken;
}

/* ["e","<string>"] at a time. */
static bool take(struct aivo_offset *o, int64_t unix_ms, const char *string)
{
    char text[128];
    size_t kept = 0;
    snprintf(text, sizeof(text), "[\"e\",\"%s\"]", string);
    bool taken = take_text(o, unix_ms, false, text, &kept);
    assert_true(!taken || kept == 4);
    assert_true(!taken || strcmp(o->last, string) == 0);
    return taken;
}

/* The ids seen on the wire of a live server, with the time they were made. */
static void test_seen(void **state)
{
    (void)state;
    int64_t ms = 0;
    assert_int_equal(aivo_offset_shape_of("Q85G_Pd", 7, &ms), AIVO_OFFSET_YEAST);
    assert_in_range(ms, 1767225600000, 1798761600000); /* in 2026 */
    char out[48];
    assert_string_equal(make_yeast(out, ms, -1), "Q85G_Pd");
    assert_int_equal(aivo_offset_shape_of("Q85G_R4.1", 9, &ms), AIVO_OFFSET_YEAST);
    assert_int_equal(aivo_offset_shape_of("1684000000000-0", 15, &ms), AIVO_OFFSET_STREAM_ID);
    assert_int_equal(ms, 1684000000000);
    assert_int_equal(aivo_offset_shape_of("507f1f77bcf86cd799439011", 24, &ms), AIVO_OFFSET_OBJECT_ID);
    assert_int_equal(ms, 1350508407000);
}

/* Near misses of each shape are none. */
static void test_no_shape(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "a",
        "welcom",
        "welcomes",
        "0welcom",
        "wel.com",
        "Q85G_Pd.",
        "Q85G_Pd.00",
        "Q85G_Pd.01",
        "Q85G_Pd.123456",
        "Q85G_Pd.1.1",
        "Q85G_Pd-1",
        "Q85G Pd",
        "1684000000000-",
        "1684000000000",
        "168400000000-0",
        "0684000000000-0",
        "1684000000000-01",
        "1684000000000-x",
        "1684000000000-123456789012345678901",
        "507f1f77bcf86cd79943901",
        "507f1f77bcf86cd7994390112",
        "507F1F77BCF86CD799439011",
        "507f1f77bcf86cd79943901g",
    };
    int64_t ms;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (aivo_offset_shape_of(none[i], strlen(none[i]), &ms) != AIVO_OFFSET_NONE)
            fail_msg("\"%s\" has a shape", none[i]);
    }
}

/* Each server's own offsets are taken, thousands in a row, with the clocks up to a day apart. */
static void test_servers(void **state)
{
    (void)state;
    static const int64_t skews[] = {0, -DAY, DAY, 5 * SECOND, -3 * HOUR};
    struct prng random = {7};
    char out[48];
    for (size_t i = 0; i < 3 * sizeof(skews) / sizeof(skews[0]); i++) {
        struct aivo_offset o = {0};
        int64_t skew = skews[i / 3], now = NOW, last = 0, seq = 0;
        for (int n = 0; n < 3000; n++) {
            now += (int64_t)prng_below(&random, 3) * (int64_t)prng_below(&random, 200 * 1000);
            int64_t ms = now + skew - (int64_t)prng_below(&random, 5000); /* it was on its way */
            seq = ms == last ? seq + 1 : -1;
            last = ms;
            const char *id = i % 3 == 0   ? make_yeast(out, ms, seq)
                             : i % 3 == 1 ? make_stream_id(out, ms, (unsigned long long)seq + 1)
                                          : make_object_id(out, ms, (unsigned)n);
            if (!take(&o, now, id))
                fail_msg("%s refused at step %d with a skew of %lld ms", id, n, (long long)skew);
        }
    }
}

/* Strings that applications send, some of them with an offset's shape: none is taken, before and after learning. */
static void test_application_strings(void **state)
{
    (void)state;
    static const char *const words[] = {
        "welcome",
        "Quality",
        "message",
        "user-42",
        "general",
        "abc",
        "2026-07-25T12:00:00.000Z",
        "true",
        "PRIVATE",
        "1234567",
        "running",
        "offline",
        "Quantum",
        "Qiskit_",
        "deadbeef",
        "LYTk7Nbc8LBX6mHTAAAA",
        "507f1f77bcf86cd799439011",
        "1684000000000-0",
        "ffffffffffffffffffffffff",
        "4a5f0c1e2b3d4e5f6a7b8c9d",
        "00112233-4455-6677-8899-aabbccddeeff",
        "1785000000000",
        "1785000000",
    };
    char out[48];
    struct aivo_offset o = {0};
    for (int learned = 0; learned < 2; learned++) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (take(&o, NOW, words[i]))
                fail_msg("\"%s\" was taken for an offset", words[i]);
        }
        assert_true(take(&o, NOW, make_yeast(out, NOW, -1)));
    }
}

/* Random words of seven characters: by chance one in 23,000 lies within 26 hours, before learning; after, one in
 * 3.7 million lies within ten minutes. */
static void test_random_words(void **state)
{
    (void)state;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    struct prng random = {11};
    struct aivo_offset fresh = {0}, learned = {0};
    char out[48], word[8] = "";
    unsigned before = 0, after = 0;
    assert_true(take(&learned, NOW, make_yeast(out, NOW, -1)));
    for (int i = 0; i < 1000000; i++) {
        for (int k = 0; k < 7; k++)
            word[k] = letters[prng_below(&random, 64)];
        struct aivo_offset o = fresh;
        before += take(&o, NOW, word);
        o = learned;
        after += take(&o, NOW, word);
    }
    assert_in_range(before, 10, 90); /* 43 are expected */
    assert_true(after <= 3);
}

/* Once a less likely shape was seen, a more likely one is the application's: fresh ids of documents, in volatile
 * events of a server with the in-memory adapter. And a wrong first guess is put right by the first true offset. */
static void test_shape_is_learned(void **state)
{
    (void)state;
    char out[48];
    struct aivo_offset o = {0};
    assert_true(take(&o, NOW, make_yeast(out, NOW, -1)));
    assert_false(take(&o, NOW, make_object_id(out, NOW, 1)));
    assert_false(take(&o, NOW, make_stream_id(out, NOW, 1)));
    assert_true(take(&o, NOW + 1, make_yeast(out, NOW + 1, 5)));

    memset(&o, 0, sizeof(o));
    assert_true(take(&o, NOW, make_object_id(out, NOW, 1))); /* the wrong guess */
    assert_true(take(&o, NOW, make_yeast(out, NOW, 3)));
    assert_false(take(&o, NOW, make_object_id(out, NOW, 2)));

    aivo_offset_reset(&o); /* a new session may be at another server */
    assert_string_equal(o.last, "");
    assert_true(take(&o, NOW, make_object_id(out, NOW, 1)));
}

/* Learned, ten minutes either way are the bound. A missed event may be as old as the offset before it, and says
 * nothing of the clock. */
static void test_time(void **state)
{
    (void)state;
    char out[48], text[128];
    size_t kept;
    struct aivo_offset o = {0};
    assert_true(take(&o, NOW, make_yeast(out, NOW - HOUR, -1))); /* the server's clock is an hour late */
    int64_t server = NOW - HOUR;
    assert_true(take(&o, NOW, make_yeast(out, server, 0)));
    assert_false(take(&o, NOW, make_yeast(out, server + 10 * MINUTE + 1, -1)));
    assert_false(take(&o, NOW, make_yeast(out, server - 10 * MINUTE - 1, -1)));

    const int64_t later = NOW + 5 * HOUR; /* a long disconnection */
    snprintf(text, sizeof(text), "[\"e\",\"%s\"]", make_yeast(out, server + MINUTE, -1));
    assert_false(take_text(&o, later, false, text, &kept));
    assert_true(take_text(&o, later, true, text, &kept));
    assert_int_equal(o.last_ms, server + MINUTE);
    snprintf(text, sizeof(text), "[\"e\",\"%s\"]", make_yeast(out, server - 11 * MINUTE, -1));
    assert_false(take_text(&o, later, true, text, &kept));
    assert_true(take(&o, later, make_yeast(out, server + 5 * HOUR, -1))); /* the skew is what it was */
}

/* A device without a clock (1970), or a server whose clock jumps by years: unknown for a minute, then learned. */
static void test_wrong_clock(void **state)
{
    (void)state;
    char out[48];
    struct aivo_offset o = {0};
    assert_false(take(&o, 1000, make_yeast(out, NOW, -1)));
    assert_false(take(&o, 1000 + 30 * SECOND, make_yeast(out, NOW + 30 * SECOND, -1)));
    assert_true(take(&o, 1000 + 61 * SECOND, make_yeast(out, NOW + 61 * SECOND, -1)));
    assert_true(take(&o, 1000 + 62 * SECOND, make_yeast(out, NOW + 62 * SECOND, -1)));
    aivo_offset_reset(&o); /* the clock is as wrong as before: the hint helps at once */
    assert_true(take(&o, 1000 + 63 * SECOND, make_yeast(out, NOW + 63 * SECOND, -1)));

    const int64_t jump = 400 * DAY;
    assert_false(take(&o, 1000 + 64 * SECOND, make_yeast(out, NOW + jump, -1)));
    assert_true(take(&o, 1000 + 140 * SECOND, make_yeast(out, NOW + jump + 76 * SECOND, -1)));

    /* Missed events say nothing of the clock: they are old by nature. */
    char text[128];
    size_t kept;
    memset(&o, 0, sizeof(o));
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof(text), "[\"e\",\"%s\"]", make_yeast(out, NOW + i * 2 * MINUTE, -1));
        assert_false(take_text(&o, 1000 + i * 2 * MINUTE, true, text, &kept));
    }

    /* Old ids, in a batch or at another pace than they were made, do not pass for a wrong clock. */
    memset(&o, 0, sizeof(o));
    for (int i = 0; i < 1000; i++)
        assert_false(take(&o, NOW + i * SECOND, make_object_id(out, NOW - 300 * DAY + i * 10, (unsigned)i)));
    for (int i = 0; i < 1000; i++)
        assert_false(take(&o, NOW + i * MINUTE, make_object_id(out, NOW - 300 * DAY + i * HOUR, (unsigned)i)));
}

/* Where the last element begins is found from the end, in any valid JSON; strings that only look like it are none. */
static void test_last_element(void **state)
{
    (void)state;
    char id[48], text[512];
    make_yeast(id, NOW, -1);
    static const struct {
        const char *pattern; /* '@': an offset */
        int kept;            /* -1: not taken */
    } rows[] = {
        {"[\"e\",\"@\"]", 4},
        {"[ \"e\" ,\t\"@\" \n]", 6},
        {"[1,[\"x\"],{\"a\":[]},\"@\"]", 17},
        {"[\"@\"]", -1},               /* the event's name */
        {"[ \"@\"]", -1},              /* likewise */
        {"[\"e\",[\"@\"]]", -1},       /* not the last element */
        {"[\"e\",{\"a\":\"@\"}]", -1}, /* likewise */
        {"[\"e\",\"@\",1]", -1},       /* likewise */
        {"[\"e\",\"x\\\"@\"]", -1},    /* the end of a longer string */
        {"[\"e\",\",\\\"@\"]", -1},    /* likewise, with a comma before the quote */
        {"[\"e\",\"x@\"]", -1},        /* too long */
        {"[\"e\",\" @\"]", -1},        /* a space inside */
        {"[\"e\",\"\\u0051@\"]", -1},  /* an escape is never written by a server */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aivo_offset o = {0};
        size_t kept = 999;
        const char *at = strchr(rows[i].pattern, '@');
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - rows[i].pattern), rows[i].pattern, id, at + 1);
        if (take_text(&o, NOW, false, text, &kept) != (rows[i].kept >= 0))
            fail_msg("%s", text);
        assert_int_equal(kept, rows[i].kept >= 0 ? rows[i].kept : 999);
    }
    static const char *const others[] = {"[]", "[1]", "[\"e\",\"\"]", "[\"e\",null]", "[\"e\",[]]", "[\"\",\"\"]"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct aivo_offset o = {0};
        size_t kept;
        assert_false(take_text(&o, NOW, false, others[i], &kept));
    }
    /* A trailing string far longer than any offset. */
    struct aivo_offset o = {0};
    size_t kept;
    memset(text, 'a', sizeof(text));
    memcpy(text, "[\"e\",\"", 6);
    memcpy(text + sizeof(text) - 3, "\"]", 3);
    assert_false(take_text(&o, NOW, false, text, &kept));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seen),         cmocka_unit_test(test_no_shape),
        cmocka_unit_test(test_servers),      cmocka_unit_test(test_application_strings),
        cmocka_unit_test(test_random_words), cmocka_unit_test(test_shape_is_learned),
        cmocka_unit_test(test_time),         cmocka_unit_test(test_wrong_clock),
        cmocka_unit_test(test_last_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
