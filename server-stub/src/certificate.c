#include "certificate.h"
#include "server.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CIPHERS                                                                                                        \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

#define CIPHERSUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static int passphrase(char *out, int size, int writing, void *config_ptr)
{
    (void)writing;
    const struct srv_config *config = config_ptr;
    size_t len = config->ssl_passphrase ? strlen(config->ssl_passphrase) : 0;
    if (len > (size_t)size)
        return -1;
    if (len)
        memcpy(out, config->ssl_passphrase, len);
    return (int)len;
}

struct pem_content {
    bool certificate, key, locked; /* locked: the key is encrypted */
};

static struct pem_content pem_content(const char *path)
{
    struct pem_content found = {0};
    BIO *file = BIO_new_file(path, "r");
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long len = 0;
    while (file && PEM_read_bio(file, &name, &header, &data, &len) == 1) {
        found.certificate |= strstr(name, "CERTIFICATE") && !strstr(name, "REQUEST");
        if (strstr(name, "PRIVATE KEY")) {
            found.key = true;
            found.locked |= strncmp(name, "ENCRYPTED", 9) == 0 || strstr(header, "ENCRYPTED");
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t)len);
    }
    BIO_free(file);
    return found;
}

/* What OpenSSL says about the common mistakes names its own parts ("PEM lib") and not the mistake: so the file is
 * looked at. Which of the files, and what is wrong with it. */
static bool explain(const struct srv_config *config, const char *what, const char *path, char *error, size_t error_size)
{
    unsigned long code = ERR_peek_last_error();
    /* It was read, and does not fit; the second is said of a key of another algorithm. */
    bool mismatch = ERR_GET_LIB(code) == ERR_LIB_X509 ||
                    (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_NO_CERTIFICATE_ASSIGNED);
    const char *words = code ? ERR_reason_error_string(code) : NULL;
    bool key = strcmp(what, "SSL_KEY_PATH") == 0;
    struct pem_content found = pem_content(path);
    const char *reason = words ? words : "cannot be used";
    if (access(path, R_OK) != 0) /* a reload: before the start this was looked at */
        reason = strerror(errno);
    else if (key && !found.key)
        reason = "no complete PEM private key in this file";
    else if (!key && !found.certificate)
        reason = "no complete PEM certificate in this file";
    else if (key && mismatch)
        reason = "this key is not the certificate's";
    else if (key && found.locked)
        reason = config->ssl_passphrase ? "wrong SSL_PASSPHRASE" : "the key is encrypted: set SSL_PASSPHRASE";
    snprintf(error, error_size, "%s %s: %s", what, path, reason);
    ERR_clear_error();
    return false;
}

/* In place of those before: who is no longer in the file is no longer believed. */
static bool load_authorities(SSL_CTX *ctx, const char *path)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!store || !names || X509_STORE_load_file(store, path) != 1) {
        X509_STORE_free(store);
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return false;
    }
    SSL_CTX_set_cert_store(ctx, store);
    SSL_CTX_set_client_CA_list(ctx, names); /* clients with several certificates choose by it */
    return true;
}

static bool load(SSL_CTX *ctx, const struct srv_config *config, char *error, size_t error_size)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t)config);
    if (SSL_CTX_use_certificate_chain_file(ctx, config->ssl_cert_path) != 1)
        return explain(config, "SSL_CERT_PATH", config->ssl_cert_path, error, error_size);
    if (SSL_CTX_use_PrivateKey_file(ctx, config->ssl_key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return explain(config, "SSL_KEY_PATH", config->ssl_key_path, error, error_size);
    if (config->ssl_ca_path && !load_authorities(ctx, config->ssl_ca_path))
        return explain(config, "SSL_CA_PATH", config->ssl_ca_path, error, error_size);
    return true;
}

bool srv_tls_check(const struct srv_config *config, char *error, size_t error_size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        snprintf(error, error_size, "OpenSSL cannot start");
        return false;
    }
    bool ok = load(ctx, config, error, error_size);
    SSL_CTX_free(ctx);
    return ok;
}

bool srv_tls_prepare(const struct srv_config *config, struct lws_context_creation_info *info, char *error,
                     size_t error_size)
{
    if (!srv_tls_check(config, error, error_size))
        return false;
    info->ssl_cert_filepath = config->ssl_cert_path;
    info->ssl_private_key_filepath = config->ssl_key_path;
    info->ssl_private_key_password = config->ssl_passphrase;
    info->ssl_ca_filepath = config->ssl_ca_path;
    info->ssl_cipher_list = CIPHERS;
    info->ssl_options_set = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION;
    info->alpn = "http/1.1"; /* over h2 our raw frames would be wrong */
    if (config->ssl_ca_path)
        info->options |= LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT;
    return true;
}

void srv_tls_created(struct srv_server *server, SSL_CTX *ctx)
{
    server->tls = ctx;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_ciphersuites(ctx, CIPHERSUITES);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    char error[512];
    /* The same files were good a moment ago. Again, because libwebsockets does not send the authorities' names. */
    if (!load(ctx, server->config, error, sizeof error))
        srv_log(&server->log, SRV_LOG_ERROR, "%s", error);
}

void srv_tls_reload(struct srv_server *server)
{
    const struct srv_config *config = server->config;
    char error[512];
    if (!config->ssl_enabled) {
        srv_log(&server->log, SRV_LOG_INFO, "SIGHUP: there is no certificate to reload");
        return;
    }
    if (!srv_tls_check(config, error, sizeof error)) {
        srv_metrics_error(&server->metrics, SRV_ERROR_SOCKET_ERROR);
        srv_log(&server->log, SRV_LOG_ERROR, "certificate not reloaded, the old one stays: %s", error);
        return;
    }
    /* Connections keep what they began with; libwebsockets' own reload knows neither passphrase nor authorities. */
    if (!server->tls || !load(server->tls, config, error, sizeof error)) {
        srv_metrics_error(&server->metrics, SRV_ERROR_SOCKET_ERROR);
        srv_log(&server->log, SRV_LOG_ERROR, "certificate not reloaded: %s", server->tls ? error : "no TLS");
        return;
    }
    srv_log(&server->log, SRV_LOG_INFO, "certificate reloaded");
}
