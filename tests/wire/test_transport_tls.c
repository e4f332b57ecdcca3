#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "certs.h"
#include "net.h"
#include "wire.h"
#include <cmocka.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct aivo_transport *const t = &aivo_transport_lws;
static struct certs certs;

static void echo_script(struct peer_conn *c, void *user)
{
    if (peer_tls(c, user) && peer_upgrade(c))
        peer_echo(c);
}

static void to_loopback(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host;
    assert_true(aivo_address_numeric("127.0.0.1", port, out));
}

/* Connects with these options to a server with these files; returns whether it opened, with w->why if not. */
static bool attempt_as(struct wire *w, struct peer_tls_files files, const char *host, struct aivo_tls_options tls)
{
    struct peer *peer = peer_start(echo_script, &files);
    wire_start(w, NULL);
    aivo_net_use_resolver(w->net, to_loopback);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.host = host;
    request.tls = true;
    request.tls_options = tls;
    wire_connect(w, &request);
    while (!w->opened && !w->closed)
        t->turn(w->net, INT64_MAX);
    if (w->opened) {
        assert_int_equal(t->send(w->conn, "secret", 6, false), AIVO_OK);
        wire_until(w, messages, 1);
        assert_string_equal(w->got[0].data, "secret");
        t->close(w->conn, 1000, "");
        wire_until(w, closed, 1);
        assert_int_equal(w->why.code, 1000);
    }
    bool opened = w->opened;
    wire_free(w);
    t->destroy(w->net);
    peer_stop(peer);
    return opened;
}

static bool attempt(struct wire *w, const char *cert, const char *host, struct aivo_tls_options tls)
{
    return attempt_as(w, (struct peer_tls_files){.cert = cert, .key = certs.key}, host, tls);
}

static void refused(struct wire *w, int code, const char *text)
{
    if (w->why.status != AIVO_E_TLS || (code && w->why.code != code) || !strstr(w->why.message, text))
        fail_msg("status %d code %d: %s", w->why.status, w->why.code, w->why.message);
}

/* With the CA's file a server is accepted by name and by IP address, in IPv4. */
static void test_good(void **state)
{
    (void)state;
    struct wire w;
    struct aivo_tls_options tls = {.ca_file = certs.ca};
    assert_true(attempt(&w, certs.server, "127.0.0.1", tls));
    assert_true(attempt(&w, certs.server, "localhost", tls));
    assert_true(attempt(&w, certs.server, "localhost.", tls));
    assert_true(attempt(&w, certs.name_only, "good.example", tls));
    tls.ca_file = certs.self; /* a self-signed certificate is its own CA */
    assert_true(attempt(&w, certs.self, "localhost", tls));
    tls.ca_file = certs.server; /* trusting the leaf itself */
    assert_true(attempt(&w, certs.server, "localhost", tls));
}

/* The same over IPv6, where the name that is checked is the address. */
static void test_ipv6(void **state)
{
    (void)state;
    struct peer_tls_files files = {.cert = certs.server, .key = certs.key};
    struct peer *peer = peer_start_at("::1", echo_script, &files);
    if (!peer) {
        print_message("SKIP: no IPv6 loopback\n");
        skip();
    }
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.host = "::1";
    request.tls = true;
    request.tls_options.ca_file = certs.ca;
    wire_connect(&w, &request);
    wire_until(&w, opened, 1);
    assert_int_equal(t->send(w.conn, "six", 3, false), AIVO_OK);
    wire_until(&w, messages, 1);
    assert_string_equal(w.got[0].data, "six");
    wire_free(&w);
    t->destroy(w.net);
    peer_stop(peer);
}

/* An unknown CA, a self-signed, an expired, a not yet valid certificate and wrong names: each with its own words. */
static void test_refused(void **state)
{
    (void)state;
    struct wire w;
    struct aivo_tls_options tls = {.ca_file = certs.other_ca};
    assert_false(attempt(&w, certs.server, "localhost", tls));
    refused(&w, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "signed by an unknown CA (\"Test CA\")");
    assert_non_null(strstr(w.why.message, "--ca"));
    tls.ca_file = NULL; /* the system's CAs do not know it either */
    assert_false(attempt(&w, certs.server, "localhost", tls));
    refused(&w, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unknown CA");
    assert_false(attempt(&w, certs.self, "localhost", tls));
    refused(&w, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "self-signed");
    tls.ca_file = certs.ca;
    assert_false(attempt(&w, certs.expired, "localhost", tls));
    refused(&w, X509_V_ERR_CERT_HAS_EXPIRED, "expired on 2020-01-02");
    assert_false(attempt(&w, certs.future, "localhost", tls));
    refused(&w, X509_V_ERR_CERT_NOT_YET_VALID, "valid only from 2099-01-01");
    assert_false(attempt(&w, certs.name_only, "localhost", tls));
    refused(&w, X509_V_ERR_HOSTNAME_MISMATCH, "is for good.example, also.example, not for \"localhost\"");
    assert_false(attempt(&w, certs.name_only, "127.0.0.1", tls));
    refused(&w, X509_V_ERR_IP_ADDRESS_MISMATCH, "is for good.example, also.example, not for \"127.0.0.1\"");
}

/* insecure takes any certificate, but a pin is checked all the same. */
static void test_insecure(void **state)
{
    (void)state;
    struct wire w;
    struct aivo_tls_options tls = {.insecure = true};
    assert_true(attempt(&w, certs.expired, "127.0.0.1", tls));
    assert_true(attempt(&w, certs.self, "localhost", tls));
    tls.pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_false(attempt(&w, certs.self, "localhost", tls));
    refused(&w, 0, certs.pin); /* the message has the pin that was seen */
}

/* A pin that fits, alone and as one of several; one that does not; and the CA is checked beside it. */
static void test_pin(void **state)
{
    (void)state;
    struct wire w;
    char several[256];
    snprintf(several, sizeof several, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;%s", certs.pin);
    struct aivo_tls_options tls = {.ca_file = certs.ca, .pin = certs.pin};
    assert_true(attempt(&w, certs.server, "localhost", tls));
    tls.pin = several;
    assert_true(attempt(&w, certs.server, "localhost", tls));
    tls.ca_file = certs.other_ca;
    assert_false(attempt(&w, certs.server, "localhost", tls));
    refused(&w, 0, "unknown CA");
    tls.ca_file = certs.ca;
    tls.pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_false(attempt(&w, certs.server, "localhost", tls));
    refused(&w, 0, certs.pin);
}

/* A server that demands a client certificate: without one the error says so, with one it opens. */
static void test_client_certificate(void **state)
{
    (void)state;
    struct wire w;
    struct peer_tls_files files = {.cert = certs.server, .key = certs.key, .client_ca = certs.ca};
    struct aivo_tls_options tls = {.ca_file = certs.ca};
    assert_false(attempt_as(&w, files, "localhost", tls));
    refused(&w, 0, "asks for a client certificate");
    tls.cert_file = certs.client;
    tls.key_file = certs.client_key;
    assert_true(attempt_as(&w, files, "localhost", tls));
    files.client_ca = certs.other_ca;
    assert_false(attempt_as(&w, files, "localhost", tls));
    refused(&w, 0, "does not accept our client certificate");
}

static void plain_script(struct peer_conn *c, void *user)
{
    char hello[16];
    (void)user;
    peer_read(c, hello, sizeof hello);
    peer_text(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void hang_up_script(struct peer_conn *c, void *user)
{
    char hello[16];
    (void)user;
    peer_read(c, hello, sizeof hello);
}

static void hang_script(struct peer_conn *c, void *user)
{
    (void)user;
    peer_hang(c);
}

/* The other end speaks no TLS, hangs up, or says nothing: three errors, the last a time-out that names the stage. */
static void test_no_tls(void **state)
{
    (void)state;
    static const struct {
        peer_script script;
        enum aivo_status status;
        const char *text;
    } rows[] = {
        {plain_script, AIVO_E_TLS, "does not speak TLS on this port"},
        {hang_up_script, AIVO_E_TLS, "in the TLS handshake"},
        {hang_script, AIVO_E_TIMEOUT, "timed out after 300 ms in the TLS handshake with 127.0.0.1:"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct peer *peer = peer_start(rows[i].script, NULL);
        struct wire w;
        wire_start(&w, NULL);
        struct aivo_transport_request request = wire_request(peer_port(peer));
        request.tls = true;
        request.connect_timeout_ms = 300;
        wire_connect(&w, &request);
        wire_until(&w, closed, 1);
        if (w.why.status != rows[i].status || !strstr(w.why.message, rows[i].text))
            fail_msg("%d: %s", w.why.status, w.why.message);
        wire_free(&w);
        t->destroy(w.net);
        peer_stop(peer);
    }
}

/* A wss URL's other way round: a plain connection to a TLS port is told to use TLS. */
static void test_plain_to_tls(void **state)
{
    (void)state;
    struct peer_tls_files files = {.cert = certs.server, .key = certs.key};
    struct peer *peer = peer_start(echo_script, &files);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    wire_connect(&w, &request);
    wire_until(&w, closed, 1);
    assert_true(w.why.status == AIVO_E_PROTOCOL || w.why.status == AIVO_E_HTTP);
    if (w.why.status == AIVO_E_PROTOCOL)
        assert_non_null(strstr(w.why.message, "the port speaks TLS"));
    wire_free(&w);
    t->destroy(w.net);
    peer_stop(peer);
}

static void big_script(struct peer_conn *c, void *user)
{
    struct peer_frame frame = {0};
    if (peer_tls(c, user) && peer_upgrade(c) && peer_recv(c, &frame)) {
        for (int i = 0; i < 3; i++)
            peer_send(c, 2, true, frame.data, frame.len);
        peer_echo(c);
    }
    peer_frame_free(&frame);
}

/* 3 MB there, three times 3 MB back: records, partial writes and reads that stop in the middle. */
static void test_big(void **state)
{
    (void)state;
    struct peer_tls_files files = {.cert = certs.server, .key = certs.key};
    struct peer *peer = peer_start(big_script, &files);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.tls = true;
    request.tls_options.ca_file = certs.ca;
    wire_connect(&w, &request);
    wire_until(&w, opened, 1);
    size_t len = 3 << 20;
    char *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 31 >> 5);
    assert_int_equal(t->send(w.conn, data, len, true), AIVO_OK);
    wire_until(&w, messages, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w.got[i].len, len);
        assert_memory_equal(w.got[i].data, data, len);
    }
    free(data);
    wire_free(&w);
    t->destroy(w.net);
    peer_stop(peer);
}

/* aivo_tls_check() names what is wrong with each option, before anything is connected. */
static void test_check(void **state)
{
    (void)state;
    const struct {
        struct aivo_tls_options options;
        enum aivo_status status;
        const char *text;
    } rows[] = {
        {{0}, AIVO_OK, ""},
        {{.ca_file = certs.ca, .cert_file = certs.client, .key_file = certs.client_key, .pin = certs.pin}, AIVO_OK, ""},
        {{.ca_file = "/nowhere/ca.pem"}, AIVO_E_TLS, "the CA file \"/nowhere/ca.pem\" cannot be used: No such file"},
        {{.ca_file = certs.key}, AIVO_E_TLS, "the CA file"},
        {{.cert_file = certs.client}, AIVO_E_INVALID, "needs both"},
        {{.key_file = certs.client_key}, AIVO_E_INVALID, "needs both"},
        {{.cert_file = certs.client, .key_file = certs.key}, AIVO_E_TLS, "does not belong"},
        {{.cert_file = certs.key, .key_file = certs.client_key}, AIVO_E_TLS, "the client certificate"},
        {{.cert_file = certs.client, .key_file = certs.locked_key}, AIVO_E_TLS, "it is encrypted"},
        {{.pin = ""}, AIVO_E_INVALID, "sha256//BASE64"},
        {{.pin = "sha256//AAAA"}, AIVO_E_INVALID, "sha256//BASE64"},
        {{.pin = "sha1//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, AIVO_E_INVALID, "sha256//BASE64"},
        {{.pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!="}, AIVO_E_INVALID, "sha256//BASE64"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aivo_error err = {0};
        enum aivo_status status = aivo_tls_check(&rows[i].options, &err);
        if (status != rows[i].status || err.status != status || !strstr(err.message, rows[i].text))
            fail_msg("row %u: %d %s", i, status, err.message);
    }
}

static void connect_once(struct aivo_net *net, uint16_t port, const char *ca_file, bool good)
{
    struct wire w;
    wire_start(&w, net);
    struct aivo_transport_request request = wire_request(port);
    request.tls = true;
    request.tls_options.ca_file = ca_file;
    wire_connect(&w, &request);
    if (good)
        wire_until(&w, opened, 1);
    else
        wire_until(&w, closed, 1);
    wire_free(&w);
}

static void copy_file(const char *from, const char *to)
{
    char text[8192], next[128];
    FILE *in = fopen(from, "r");
    assert_non_null(in);
    size_t n = fread(text, 1, sizeof text, in);
    fclose(in);
    snprintf(next, sizeof next, "%s.next", to);
    FILE *out = fopen(next, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, n, out), n);
    fclose(out);
    assert_int_equal(rename(next, to), 0);
}

/* A CA file that is replaced while the loop lives is read again at the next connection. */
static void test_renewed(void **state)
{
    (void)state;
    struct peer_tls_files files = {.cert = certs.server, .key = certs.key};
    struct peer *peer = peer_start(echo_script, &files);
    struct aivo_net *net = wire_net();
    char path[128];
    snprintf(path, sizeof path, "%s/changing.pem", certs.dir);
    copy_file(certs.other_ca, path);
    connect_once(net, peer_port(peer), path, false);
    copy_file(certs.ca, path);
    connect_once(net, peer_port(peer), path, true);
    connect_once(net, peer_port(peer), path, true);
    unlink(path);
    t->destroy(net);
    peer_stop(peer);
}

static int setup(void **state)
{
    (void)state;
    certs_make(&certs);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    certs_free(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_ipv6),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_insecure), cmocka_unit_test(test_pin),          cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_no_tls),   cmocka_unit_test(test_plain_to_tls), cmocka_unit_test(test_big),
        cmocka_unit_test(test_check),    cmocka_unit_test(test_renewed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
