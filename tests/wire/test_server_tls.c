/* TLS as clients see it: versions, ciphers, the chain, client certificates, and reloads under open connections. */
#include "served.h"

#include "certs.h"
#include <openssl/ssl.h>

struct offer {
    int min_version, max_version;
    const char *ciphers;    /* of TLS 1.2; NULL: OpenSSL's */
    const char *cert, *key; /* the client's; NULL: none */
};

struct session {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

static void hang_up(struct session *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

/* The handshake, and one byte's worth of proof: in TLS 1.3 a client learns that it was refused only when it reads. */
static bool hello(const struct served *s, const struct offer *offer, struct session *out)
{
    static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[16] = "";
    struct timeval limit = {.tv_sec = 5};
    out->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(out->ctx, 0); /* else OpenSSL itself would not offer what we want to see refused */
    if (offer->min_version)
        SSL_CTX_set_min_proto_version(out->ctx, offer->min_version);
    if (offer->max_version)
        SSL_CTX_set_max_proto_version(out->ctx, offer->max_version);
    if (offer->ciphers)
        assert_int_equal(SSL_CTX_set_cipher_list(out->ctx, offer->ciphers), 1);
    if (offer->cert) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(out->ctx, offer->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(out->ctx, offer->key, SSL_FILETYPE_PEM), 1);
    }
    out->fd = served_connect(s);
    setsockopt(out->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    out->ssl = SSL_new(out->ctx);
    SSL_set_fd(out->ssl, out->fd);
    return SSL_connect(out->ssl) == 1 && SSL_write(out->ssl, ask, (int)sizeof ask - 1) > 0 &&
           SSL_read(out->ssl, answer, sizeof answer - 1) > 0 && strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static bool accepted(const struct served *s, const struct offer *offer)
{
    struct session c;
    bool ok = hello(s, offer, &c);
    hang_up(&c);
    return ok;
}

static long serial_of(SSL *ssl)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    long serial = ASN1_INTEGER_get(X509_get_serialNumber(certificate));
    X509_free(certificate);
    return serial;
}

static long serial_now(const struct served *s)
{
    struct session c;
    struct offer any = {0};
    assert_true(hello(s, &any, &c));
    long serial = serial_of(c.ssl);
    hang_up(&c);
    return serial;
}

static void append(const char *to, const char *mode, const char *from)
{
    char bytes[16384];
    FILE *in = fopen(from, "r"), *out = fopen(to, mode);
    assert_true(in && out);
    size_t n = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    fclose(out);
}

static const char *setting(char out[160], const char *name, const char *value)
{
    snprintf(out, 160, "%s=%s", name, value);
    return out;
}

/* Nothing below TLS 1.2, no cipher without forward secrecy and authenticated encryption; the file's whole chain is
 * sent. */
static void versions(void **state)
{
    (void)state;
    struct certs certs;
    char chain[128], key_set[160], cert_set[160];
    certs_make(&certs);
    snprintf(chain, sizeof chain, "%s/chain.crt", certs.dir);
    append(chain, "w", certs.server);
    append(chain, "a", certs.ca);
    struct served s =
        served_start((const char *const[]){"SSL_ENABLED=true", setting(key_set, "SSL_KEY_PATH", certs.key),
                                           setting(cert_set, "SSL_CERT_PATH", chain), NULL});
    assert_false(accepted(&s, &(struct offer){TLS1_VERSION, TLS1_VERSION, NULL, NULL, NULL}));
    assert_false(accepted(&s, &(struct offer){TLS1_VERSION, TLS1_1_VERSION, NULL, NULL, NULL}));
    assert_true(accepted(&s, &(struct offer){TLS1_2_VERSION, TLS1_2_VERSION, NULL, NULL, NULL}));
    assert_true(accepted(&s, &(struct offer){TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, NULL}));
    assert_false(accepted(&s, &(struct offer){0, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", NULL, NULL}));
    assert_false(accepted(&s, &(struct offer){0, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA", NULL, NULL}));
    assert_true(accepted(&s, &(struct offer){0, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", NULL, NULL}));
    struct session c;
    struct offer any = {0};
    assert_true(hello(&s, &any, &c));
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(c.ssl)), 2);
    hang_up(&c);
    served_stop(&s);
    unlink(chain);
    certs_free(&certs);
}

/* With SSL_CA_PATH only clients of these authorities are let in; after a reload it is the new file's. */
static void client_certificates(void **state)
{
    (void)state;
    struct certs certs;
    char authorities[128], key_set[160], cert_set[160], ca_set[160];
    certs_make(&certs);
    snprintf(authorities, sizeof authorities, "%s/authorities.crt", certs.dir);
    append(authorities, "w", certs.ca);
    struct served s = served_start((const char *const[]){
        "SSL_ENABLED=true", setting(key_set, "SSL_KEY_PATH", certs.key),
        setting(cert_set, "SSL_CERT_PATH", certs.server), setting(ca_set, "SSL_CA_PATH", authorities), NULL});
    const struct offer none = {0}, good = {.cert = certs.client, .key = certs.client_key},
                       self = {.cert = certs.self, .key = certs.key};
    const struct offer good_12 = {.max_version = TLS1_2_VERSION, .cert = certs.client, .key = certs.client_key};
    assert_false(accepted(&s, &none));
    assert_false(accepted(&s, &self));
    assert_true(accepted(&s, &good));
    assert_true(accepted(&s, &good_12));
    append(authorities, "w", certs.other_ca);
    kill(s.pid, SIGHUP);
    poll(NULL, 0, 150);
    assert_false(accepted(&s, &good));
    append(authorities, "a", certs.ca);
    kill(s.pid, SIGHUP);
    poll(NULL, 0, 150);
    assert_true(accepted(&s, &good));
    served_stop(&s);
    unlink(authorities);
    certs_free(&certs);
}

static void tls_frame(SSL *ssl, const char *text)
{
    unsigned char frame[256] = {0x81, (unsigned char)(0x80 | strlen(text)), 0, 0, 0, 0}; /* masked with nothing */
    assert_true(strlen(text) < 126);
    memcpy(frame + 6, text, strlen(text));
    assert_int_equal(SSL_write(ssl, frame, (int)(6 + strlen(text))), 6 + strlen(text));
}

/* A short text frame. */
static void tls_text(SSL *ssl, char out[128])
{
    unsigned char head[2];
    assert_int_equal(SSL_read(ssl, head, 1), 1);
    assert_int_equal(SSL_read(ssl, head + 1, 1), 1);
    assert_int_equal(head[0], 0x81);
    int len = 0;
    while (len < head[1]) {
        int n = SSL_read(ssl, out + len, head[1] - len);
        assert_true(n > 0);
        len += n;
    }
    out[len] = '\0';
}

/* A WebSocket that was open before a reload goes on; who connects after it gets the new certificate, whose key is
 * locked with the passphrase of the settings. */
static void reload_under_way(void **state)
{
    (void)state;
    struct certs certs;
    char key[128], cert[128], key_set[160], cert_set[160], text[128] = "", byte;
    certs_make(&certs);
    snprintf(key, sizeof key, "%s/live.key", certs.dir);
    snprintf(cert, sizeof cert, "%s/live.crt", certs.dir);
    append(key, "w", certs.key);
    append(cert, "w", certs.server);
    struct served s =
        served_start((const char *const[]){"SSL_ENABLED=true", setting(key_set, "SSL_KEY_PATH", key),
                                           setting(cert_set, "SSL_CERT_PATH", cert), "SSL_PASSPHRASE=secret", NULL});
    struct session c;
    struct offer any = {0};
    assert_true(hello(&s, &any, &c));
    hang_up(&c);
    c.ctx = SSL_CTX_new(TLS_client_method());
    c.fd = served_connect(&s);
    c.ssl = SSL_new(c.ctx);
    SSL_set_fd(c.ssl, c.fd);
    assert_int_equal(SSL_connect(c.ssl), 1);
    static const char upgrade[] = "GET " SERVED_WS " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    SSL_write(c.ssl, upgrade, (int)sizeof upgrade - 1);
    for (size_t n = 0; n < 4 && SSL_read(c.ssl, &byte, 1) == 1;) /* to the empty line */
        n = byte == "\r\n\r\n"[n] ? n + 1 : byte == '\r';
    unsigned char head[2];
    assert_int_equal(SSL_read(c.ssl, head, 2), 2);
    for (int left = head[1] == 126 ? (SSL_read(c.ssl, head, 2), head[0] << 8 | head[1]) : head[1]; left > 0; left--)
        assert_int_equal(SSL_read(c.ssl, &byte, 1), 1);
    tls_frame(c.ssl, "40");
    tls_text(c.ssl, text);
    assert_memory_equal(text, "40{\"sid\":\"", 10);
    tls_text(c.ssl, text); /* auth */
    long before = serial_of(c.ssl);
    assert_int_equal(serial_now(&s), before);

    append(key, "w", certs.locked_key);
    append(cert, "w", certs.client);
    kill(s.pid, SIGHUP);
    poll(NULL, 0, 150);
    assert_int_not_equal(serial_now(&s), before);
    tls_frame(c.ssl, "421[\"message-with-ack\",7]");
    tls_text(c.ssl, text);
    assert_string_equal(text, "431[7]");
    hang_up(&c);
    served_stop(&s);
    unlink(key);
    unlink(cert);
    certs_free(&certs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test(client_certificates),
        cmocka_unit_test(reload_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
