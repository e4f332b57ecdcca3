/* Packets in words: what is named, and what never is. */
#include "packet_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Every kind of packet, whole, odd and cut. */
static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *frame, *text;
    } cases[] = {
        {"2", "ping, 1 bytes"},
        {"3probe", "pong, 6 bytes"},
        {"0{\"sid\":\"x\"}", "open, 12 bytes"},
        {"40{\"token\":\"x\"}", "CONNECT, 15 bytes"},
        {"40/room,{\"token\":\"x\"}", "CONNECT, namespace /room, 21 bytes"},
        {"42[\"chat\",\"secret\"]", "EVENT \"chat\", 19 bytes"},
        {"42/room,7[\"chat\"]", "EVENT \"chat\", ack 7, namespace /room, 17 bytes"},
        {"451-[\"pic\",{\"_placeholder\":true,\"num\":0}]", "BINARY_EVENT \"pic\", 41 bytes"},
        {"451-/a,12[\"pic\"]", "BINARY_EVENT \"pic\", ack 12, namespace /a, 16 bytes"},
        {"4312[1]", "ACK, ack 12, 7 bytes"},
        {"44{\"message\":\"no\"}", "CONNECT_ERROR, 18 bytes"},
        {"42[\"a\x1b[2J\"]", "EVENT \"a?[2J\", 11 bytes"},
        {"42[\"", "EVENT, 4 bytes"},
        {"42[7]", "EVENT, 5 bytes"},
        {"4", "message, 1 bytes"},
        {"", "empty frame, 0 bytes"},
        {"hello", "no Engine.IO packet, 5 bytes"},
    };
    char out[AIVO_PACKET_TEXT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        aivo_packet_text(cases[i].frame, strlen(cases[i].frame), false, out);
        assert_string_equal(out, cases[i].text);
    }
    aivo_packet_text("\0\1", 2, true, out);
    assert_string_equal(out, "binary attachment, 2 bytes");
}

/* Names without an end, and ids longer than any number: the text stays within its bound. */
static void test_bounds(void **state)
{
    (void)state;
    char frame[4096], out[AIVO_PACKET_TEXT_MAX];
    memset(frame, '9', sizeof frame);
    memcpy(frame, "42/", 3);
    aivo_packet_text(frame, sizeof frame, false, out);
    assert_true(strlen(out) < sizeof out - 1);
    memset(frame, 'n', sizeof frame);
    memcpy(frame, "42[\"", 4);
    aivo_packet_text(frame, sizeof frame, false, out);
    assert_non_null(strstr(out, "4096 bytes"));
    memset(frame + 2, '1', sizeof frame - 2);
    aivo_packet_text(frame, sizeof frame, false, out);
    assert_non_null(strstr(out, "4096 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds), cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
