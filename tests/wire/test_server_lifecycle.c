/* Sockets from CONNECT to the server's end: tokens, limits, repeats, broadcast, draining, TLS. */
#include "served.h"

#include "certificate.h"
#include "certs.h"
#include <openssl/ssl.h>

#define SECRET "a-secret-for-tests-only-0123456789"

static struct served_answer a;
static struct served_frame f;

/* A WebSocket in a namespace, its welcome read. */
static int join(const struct served *s, const char *connect)
{
    int fd = served_ws(s, SERVED_WS);
    served_say(fd, connect);
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    served_text(fd, &f); /* auth, or connection:quality */
    return fd;
}

/* Without a token, with a bad one, with a good one; in another namespace. */
static void tokens(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"NEXTAUTH_SECRET=" SECRET, NULL});
    int fd = served_ws(&s, SERVED_WS);
    served_say(fd, "40");
    served_text(fd, &f);
    assert_string_equal(f.data, "44{\"message\":\"Authentication token required\"}");
    served_say(fd, "40{\"token\":\"a.b.c\"}");
    served_text(fd, &f);
    assert_string_equal(f.data, "44{\"message\":\"Invalid authentication token\"}");
    served_say(fd, "40/nope,{\"token\":\"a.b.c\"}");
    served_text(fd, &f);
    assert_string_equal(f.data, "44/nope,{\"message\":\"Invalid namespace\"}");

    char *token = srv_auth_mint(SECRET, "user-1", 0, 0, 0), packet[1024];
    assert_non_null(token);
    snprintf(packet, sizeof packet, "40{\"token\":\"%s\",\"learnerId\":\"ann\"}", token);
    free(token);
    served_say(fd, packet);
    served_text(fd, &f);
    char sid[32] = "", expected[256];
    assert_int_equal(sscanf(f.data, "40{\"sid\":\"%20[^\"]\"}", sid), 1);
    served_text(fd, &f);
    assert_memory_equal(f.data, "42[\"connection:quality\",{\"latency\":", 34);
    served_say(fd, "421[\"agent:learning\",{\"action\":\"start_session\"}]");
    served_text(fd, &f);
    snprintf(expected, sizeof expected, "431[{\"success\":true,\"sessionId\":\"%s\",\"agentId\":\"learning-ann\"}]",
             sid);
    assert_string_equal(f.data, expected);
    served_fetch(&s, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "websocket_active_sessions 1\n"));
    assert_non_null(strstr(a.body, "websocket_errors_total{type=\"auth\"} 2\n"));

    served_say(fd, "41");
    served_say(fd, "42[\"x\"]"); /* no longer connected: the connection is closed */
    served_expect_close(fd, 1000);
    close(fd);
    served_fetch(&s, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "websocket_active_sessions 0\n"));
    assert_non_null(strstr(a.body, "websocket_disconnections_total{reason=\"client namespace disconnect\"} 1\n"));
    served_stop(&s);
}

/* Three a minute: the fourth is refused with a time to wait, one without an ack silently; pings have their own bound.
 */
static void limits(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"RATE_LIMIT_MAX_MESSAGES=3", NULL});
    int fd = join(&s, "40");
    for (int i = 0; i < 3; i++) {
        served_say(fd, "42[\"message\",1]");
        served_text(fd, &f);
    }
    served_say(fd, "42[\"message\",2]");
    served_say(fd, "427[\"message-with-ack\",3]");
    served_text(fd, &f);
    assert_memory_equal(
        f.data, "437[{\"error\":\"Rate limit exceeded. Please slow down.\",\"rateLimited\":true,\"retryAfterMs\":", 87);
    for (int i = 0; i < 5; i++) {
        served_say(fd, "42[\"quality_ping\",{\"pingId\":1}]");
        served_text(fd, &f);
        assert_memory_equal(f.data, "42[\"quality_pong\"", 17);
    }
    served_say(fd, "428[\"quality_ping\",{\"pingId\":1}]");
    served_text(fd, &f);
    assert_non_null(strstr(f.data, "\"rateLimited\":true"));
    served_fetch(&s, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "websocket_errors_total{type=\"rate_limit\"} 3\n"));
    assert_non_null(strstr(a.body, "websocket_messages_received_total{event=\"message\"} 4\n"));
    close(fd);
    served_stop(&s);
}

/* A repeat that comes while the message is being handled waits for its answer; a later one gets the stored answer. */
static void repeats(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"TEST_HANDLER_DELAY_MS=200", NULL});
    int first = join(&s, "40"), second = join(&s, "40");
    served_say(first, "421[\"agent:learning\",{\"action\":\"start_session\",\"messageId\":\"m\"}]");
    served_frame_wait(first, &f, 50); /* in work */
    assert_int_equal(f.opcode, -2);
    served_say(second, "422[\"agent:learning\",{\"action\":\"start_session\",\"messageId\":\"m\"}]");
    static struct served_frame g;
    served_text(first, &f);
    served_text(second, &g);
    assert_memory_equal(f.data, "431[{\"success\":true", 19);
    assert_memory_equal(g.data, "432[", 4);
    assert_string_equal(g.data + 3, f.data + 3);
    served_say(second, "423[\"agent:learning\",{\"action\":\"start_session\",\"messageId\":\"m\"}]");
    served_text(second, &g);
    assert_string_equal(g.data + 3, f.data + 3);
    served_fetch(&s, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "websocket_message_latency_ms_count{event=\"agent:learning\"} 1\n"));
    close(first);
    close(second);
    served_stop(&s);
}

/* One event reaches everybody in the namespace, its binary too, and nobody outside of it. */
static void broadcast(void **state)
{
    (void)state;
    struct served s = served_start(NULL);
    int fds[3] = {join(&s, "40"), join(&s, "40"), join(&s, "40")};
    int outside = served_ws(&s, SERVED_WS);
    served_say(outside, "40/custom");
    served_text(outside, &f);
    served_text(outside, &f);
    served_say(fds[0], "451-[\"bench:broadcast\",{\"_placeholder\":true,\"num\":0}]");
    served_frame_claim(fds[0], 0x82, "\x01\x02", 2, 2);
    for (int i = 0; i < 3; i++) {
        served_text(fds[i], &f);
        assert_string_equal(f.data, "451-[\"bench:event\",{\"_placeholder\":true,\"num\":0}]");
        served_frame_wait(fds[i], &f, SERVED_WAIT_MS);
        assert_int_equal(f.opcode, 2);
        assert_memory_equal(f.data, "\x01\x02", 2);
        close(fds[i]);
    }
    served_say(outside, "42/custom,[\"message\"]");
    served_text(outside, &f);
    assert_string_equal(f.data, "42/custom,[\"message-back\"]");
    close(outside);
    served_stop(&s);
}

/* SIGTERM: readiness fails, new sessions are refused, the event in work is answered, everybody hears 1001, exit 0. */
static void draining(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"TEST_HANDLER_DELAY_MS=700", NULL});
    int busy = join(&s, "40"), idle = join(&s, "40");
    served_say(busy, "425[\"message-with-ack\",\"work\"]");
    served_frame_wait(busy, &f, 100);
    kill(s.pid, SIGTERM);
    served_expect_close(idle, 1001);
    close(idle);
    served_fetch(&s, "GET", "/readyz", NULL, NULL, &a);
    assert_int_equal(a.status, 503);
    served_fetch(&s, "GET", "/socket.io/?EIO=4&transport=polling", NULL, NULL, &a);
    assert_int_equal(a.status, 503);
    int fd = served_connect(&s);
    assert_int_equal(served_upgrade(fd, SERVED_WS, &a), 503);
    close(fd);
    served_text(busy, &f);
    assert_string_equal(f.data, "435[\"work\"]");
    served_expect_close(busy, 1001);
    close(busy);
    int status = -1;
    uint64_t began = served_now_ms();
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(served_now_ms() - began < 8000);
}

/* A peer that never reads nor closes does not hold up the end. */
static void draining_the_deaf(void **state)
{
    (void)state;
    struct served s = served_start(NULL);
    int fd = join(&s, "40");
    uint64_t began = served_now_ms();
    served_stop(&s);
    assert_true(served_now_ms() - began < 9500);
    close(fd);
}

/* An agent session without activity ends. */
static void idle_session(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"SESSION_IDLE_MS=200", NULL});
    int fd = join(&s, "40");
    served_say(fd, "421[\"agent:learning\",{\"action\":\"start_session\"}]");
    served_text(fd, &f);
    served_fetch(&s, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "websocket_active_sessions 1\n"));
    served_frame_wait(fd, &f, 400); /* nothing comes */
    served_fetch(&s, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "websocket_active_sessions 0\n"));
    close(fd);
    served_stop(&s);
}

/* --- TLS --- */

static void copy(const char *from, const char *to)
{
    char bytes[16384];
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    assert_true(in && out);
    size_t n = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    fclose(out);
}

/* Connects with h2 and http/1.1 on offer. cn receives the certificate's fingerprint-like serial; alpn the choice. */
static bool tls_hello(const struct served *s, char *serial, size_t size, char *alpn, size_t alpn_size)
{
    static const unsigned char offer[] = "\x02h2\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    int fd = served_connect(s);
    SSL_set_alpn_protos(ssl, offer, sizeof offer - 1);
    SSL_set_fd(ssl, fd);
    bool ok = SSL_connect(ssl) == 1;
    if (ok) {
        X509 *certificate = SSL_get1_peer_certificate(ssl);
        BIGNUM *number = ASN1_INTEGER_to_BN(X509_get_serialNumber(certificate), NULL);
        char *hex = BN_bn2hex(number);
        snprintf(serial, size, "%s", hex);
        OPENSSL_free(hex);
        BN_free(number);
        X509_free(certificate);
        const unsigned char *chosen = NULL;
        unsigned len = 0;
        SSL_get0_alpn_selected(ssl, &chosen, &len);
        snprintf(alpn, alpn_size, "%.*s", (int)len, chosen ? (const char *)chosen : "");
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return ok;
}

/* HTTP/1.1 even where h2 is offered; a reload takes a good pair, and keeps the old one for a bad pair. */
static void tls(void **state)
{
    (void)state;
    struct certs certs;
    certs_make(&certs);
    char key[128], cert[128], key_setting[160], cert_setting[160], serial[128], now[128], alpn[32];
    snprintf(key, sizeof key, "%s/live.key", certs.dir);
    snprintf(cert, sizeof cert, "%s/live.crt", certs.dir);
    snprintf(key_setting, sizeof key_setting, "SSL_KEY_PATH=%s", key);
    snprintf(cert_setting, sizeof cert_setting, "SSL_CERT_PATH=%s", cert);
    copy(certs.key, key);
    copy(certs.server, cert);
    struct served s =
        served_start((const char *const[]){"SSL_ENABLED=true", key_setting, cert_setting, "LOG_LEVEL=error", NULL});
    assert_true(tls_hello(&s, serial, sizeof serial, alpn, sizeof alpn));
    assert_string_equal(alpn, "http/1.1");

    copy(certs.client_key, key); /* does not fit the certificate */
    kill(s.pid, SIGHUP);
    poll(NULL, 0, 100);
    assert_true(tls_hello(&s, now, sizeof now, alpn, sizeof alpn));
    assert_string_equal(now, serial);

    copy(certs.client, cert); /* now it does */
    kill(s.pid, SIGHUP);
    poll(NULL, 0, 100);
    assert_true(tls_hello(&s, now, sizeof now, alpn, sizeof alpn));
    assert_string_not_equal(now, serial);
    served_stop(&s);
    unlink(key);
    unlink(cert);
    certs_free(&certs);
}

/* Pairs that do not fit, locked keys and files that are no certificates are found before libwebsockets sees them. */
static void bad_certificates(void **state)
{
    (void)state;
    struct certs certs;
    certs_make(&certs);
    char error[512];
    struct srv_config config = {.ssl_enabled = true, .ssl_cert_path = certs.server, .ssl_key_path = certs.key};
    assert_true(srv_tls_check(&config, NULL, error, sizeof error));
    config.ssl_key_path = certs.client_key;
    assert_false(srv_tls_check(&config, NULL, error, sizeof error));
    assert_non_null(strstr(error, "SSL_KEY_PATH"));
    assert_non_null(strstr(error, ": this key is not the certificate's"));
    config.ssl_key_path = certs.locked_key;
    assert_false(srv_tls_check(&config, NULL, error, sizeof error));
    assert_non_null(strstr(error, ": the key is encrypted: set SSL_PASSPHRASE"));
    char passphrase[] = "not the secret";
    config.ssl_passphrase = passphrase;
    assert_false(srv_tls_check(&config, NULL, error, sizeof error));
    assert_non_null(strstr(error, ": wrong SSL_PASSPHRASE"));
    config.ssl_passphrase = NULL;
    config.ssl_key_path = certs.server;
    assert_false(srv_tls_check(&config, NULL, error, sizeof error));
    assert_non_null(strstr(error, ": no complete PEM private key in this file"));
    config.ssl_key_path = certs.key;
    config.ssl_cert_path = certs.key;
    assert_false(srv_tls_check(&config, NULL, error, sizeof error));
    assert_non_null(strstr(error, "SSL_CERT_PATH"));
    assert_non_null(strstr(error, ": no complete PEM certificate in this file"));
    config.ssl_cert_path = "/nowhere/at/all.pem"; /* as when it is renewed by a move that is not over yet */
    assert_false(srv_tls_check(&config, NULL, error, sizeof error));
    assert_non_null(strstr(error, "/nowhere/at/all.pem: No such file or directory"));
    config.ssl_cert_path = certs.server;
    config.ssl_ca_path = certs.key;
    assert_false(srv_tls_check(&config, NULL, error, sizeof error));
    assert_non_null(strstr(error, "SSL_CA_PATH"));
    certs_free(&certs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),       cmocka_unit_test(limits),   cmocka_unit_test(repeats),
        cmocka_unit_test(broadcast),    cmocka_unit_test(draining), cmocka_unit_test(draining_the_deaf),
        cmocka_unit_test(idle_session), cmocka_unit_test(tls),      cmocka_unit_test(bad_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
