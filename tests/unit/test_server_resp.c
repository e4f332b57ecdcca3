#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char conversation[] = "+OK\r\n-ERR no such thing\r\n:-42\r\n$5\r\nhe\r\nl\r\n$-1\r\n*-1\r\n"
                                   "*4\r\n$8\r\npmessage\r\n$3\r\na#*\r\n$3\r\na#b\r\n$4\r\n\x00\x01\x02\x03\r\n"
                                   "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:7\r\n*0\r\n";

static void describe(struct aivo_buf *out, const struct srv_resp_reply *reply)
{
    static const char kinds[] = "$+-:_";
    char text[64];
    if (reply->is_array) {
        snprintf(text, sizeof text, "*%u ", reply->count);
        aivo_buf_str(out, text);
    }
    for (unsigned i = 0; i < reply->count; i++) {
        const struct srv_resp_item *item = &reply->items[i];
        if (item->text) {
            assert_int_equal(item->text[item->len], '\0');
            snprintf(text, sizeof text, "%c%zu ", kinds[item->type], item->len);
        } else {
            snprintf(text, sizeof text, "%c%lld ", kinds[item->type], item->integer);
        }
        aivo_buf_str(out, text);
    }
}

/* A conversation of every kind of reply, in pieces of every size from one byte on, says the same. */
static void test_pieces(void **state)
{
    (void)state;
    size_t len = sizeof conversation - 1;
    for (size_t piece = 1; piece <= len; piece++) {
        struct srv_resp_reader *r = srv_resp_reader_new(4096);
        const struct srv_resp_reply *reply;
        struct aivo_buf out;
        aivo_buf_init(&out);
        for (size_t at = 0; at < len; at += piece) {
            assert_true(srv_resp_feed(r, conversation + at, len - at < piece ? len - at : piece));
            enum srv_resp_status status;
            while ((status = srv_resp_next(r, &reply)) == SRV_RESP_REPLY)
                describe(&out, reply);
            assert_int_equal(status, SRV_RESP_MORE);
        }
        assert_string_equal(out.data, "+2 -17 :-42 $5 _0 _0 *4 $8 $3 $3 $4 *3 $9 $1 :7 *0 ");
        aivo_buf_free(&out);
        srv_resp_reader_destroy(r);
    }
}

/* What no Redis sends to us breaks the connection: arrays in arrays or beyond eight items, other types, sizes that are
 * none; and one reply may not be larger than it was said. */
static void test_broken(void **state)
{
    (void)state;
    static const char *const bad[] = {"!x\r\n",  "*9\r\n",          "*1000000000\r\n", "*1\r\n*1\r\n:1\r\n", "$x\r\n",
                                      "$-2\r\n", "*2147483648\r\n", ":x\r\n",          "HTTP/1.1 400\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct srv_resp_reader *r = srv_resp_reader_new(4096);
        const struct srv_resp_reply *reply;
        assert_true(srv_resp_feed(r, bad[i], strlen(bad[i])));
        if (srv_resp_next(r, &reply) != SRV_RESP_BROKEN)
            fail_msg("%s is accepted", bad[i]);
        srv_resp_reader_destroy(r);
    }
    struct srv_resp_reader *r = srv_resp_reader_new(4096);
    const struct srv_resp_reply *reply;
    char x[1000];
    memset(x, 'x', sizeof x);
    assert_true(srv_resp_feed(r, "$99999999999\r\n", 14));
    for (int i = 0; i < 4; i++) {
        assert_true(srv_resp_feed(r, x, sizeof x));
        assert_int_equal(srv_resp_next(r, &reply), SRV_RESP_MORE);
    }
    assert_false(srv_resp_feed(r, x, sizeof x));
    srv_resp_reader_destroy(r);
}

/* A command with bytes of every kind, as Redis wants it. */
static void test_command(void **state)
{
    (void)state;
    struct aivo_buf out;
    aivo_buf_init(&out);
    const struct aivo_bytes words[] = {{"PUBLISH", 7}, {"", 0}, {"a\r\n\0b", 5}};
    srv_resp_command(&out, words, 3);
    static const char expected[] = "*3\r\n$7\r\nPUBLISH\r\n$0\r\n\r\n$5\r\na\r\n\0b\r\n";
    assert_int_equal(out.len, sizeof expected - 1);
    assert_memory_equal(out.data, expected, out.len);
    aivo_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
