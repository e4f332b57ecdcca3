#include "certificate.h"
#include "server.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CIPHERS                                                                                                        \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

#define CIPHERSUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

#define SOON_S    (7 * 86400)
#define DATE_TEXT 40

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

static int64_t unix_time(const ASN1_TIME *time)
{
    struct tm tm;
    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void date_text(char out[DATE_TEXT], int64_t unix_s)
{
    time_t seconds = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(out, DATE_TEXT, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(out, DATE_TEXT, "?");
}

/* How bad the dates of one certificate are, the worst last. */
enum validity { VALID, ENDS_SOON, NOT_BEGUN, ENDED };

static enum validity judge(const X509 *cert, int64_t now_s)
{
    int64_t from = unix_time(X509_get0_notBefore(cert)), to = unix_time(X509_get0_notAfter(cert));
    if (to < now_s)
        return ENDED;
    if (from > now_s)
        return NOT_BEGUN;
    /* Some live for a few days only, and are renewed in the last third. */
    return to - now_s < SOON_S && to - now_s < (to - from) / 3 ? ENDS_SOON : VALID;
}

static void describe(char *out, size_t size, const char *path, const X509 *cert, bool own, enum validity how,
                     int64_t now_s)
{
    char name[100] = "", date[DATE_TEXT];
    int64_t left_s = unix_time(X509_get0_notAfter(cert)) - now_s;
    bool days = left_s >= 86400;
    long long left = left_s / (days ? 86400 : 3600);
    if (!own) /* what the file says of itself; the log takes care of control characters */
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    int n = snprintf(out, size, "SSL_CERT_PATH %.200s: the certificate%s%s%s ", path, own ? "" : " of its authority \"",
                     name, own ? "" : "\"");
    if (n < 0 || (size_t)n >= size)
        return;
    date_text(date, unix_time(how == NOT_BEGUN ? X509_get0_notBefore(cert) : X509_get0_notAfter(cert)));
    if (how == ENDED)
        snprintf(out + n, size - (size_t)n, "ended on %s: clients refuse it", date);
    else if (how == NOT_BEGUN)
        snprintf(out + n, size - (size_t)n, "is valid from %s on only: until then clients refuse it", date);
    else
        snprintf(out + n, size - (size_t)n, "ends on %s, in %lld %s%s: renew it", date, left, days ? "day" : "hour",
                 left == 1 ? "" : "s");
}

static void look_at_dates(SSL_CTX *ctx, const char *path, struct srv_tls_dates *out)
{
    STACK_OF(X509) *chain = NULL;
    const X509 *own = SSL_CTX_get0_certificate(ctx);
    int64_t now_s = (int64_t)time(NULL);
    enum validity worst = VALID;
    *out = (struct srv_tls_dates){.not_after = INT64_MAX};
    SSL_CTX_get0_chain_certs(ctx, &chain);
    int count = chain ? sk_X509_num(chain) : 0;
    for (int i = -1; i < count; i++) {
        const X509 *cert = i < 0 ? own : sk_X509_value(chain, i);
        if (!cert)
            continue;
        int64_t to = unix_time(X509_get0_notAfter(cert));
        enum validity how = judge(cert, now_s);
        if (to < out->not_after)
            out->not_after = to;
        if (how > worst) {
            worst = how;
            describe(out->notice, sizeof out->notice, path, cert, i < 0, how, now_s);
        }
    }
}

bool srv_tls_check(const struct srv_config *config, struct srv_tls_dates *dates, char *error, size_t error_size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        snprintf(error, error_size, "OpenSSL cannot start");
        return false;
    }
    bool ok = load(ctx, config, error, error_size);
    if (ok && dates)
        look_at_dates(ctx, config->ssl_cert_path, dates);
    SSL_CTX_free(ctx);
    return ok;
}

bool srv_tls_prepare(const struct srv_config *config, struct lws_context_creation_info *info, char *error,
                     size_t error_size)
{
    if (!srv_tls_check(config, NULL, error, error_size))
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
    struct srv_tls_dates dates; /* what is to be said of them was, when the settings were read */
    look_at_dates(ctx, server->config->ssl_cert_path, &dates);
    server->metrics.certificate = (struct srv_metrics_certificate){true, dates.not_after};
}

void srv_tls_reload(struct srv_server *server)
{
    const struct srv_config *config = server->config;
    char error[512];
    if (!config->ssl_enabled) {
        srv_log(&server->log, SRV_LOG_INFO, "SIGHUP: there is no certificate to reload");
        return;
    }
    struct srv_tls_dates dates;
    if (!srv_tls_check(config, &dates, error, sizeof error)) {
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
    server->metrics.certificate.not_after_s = dates.not_after;
    srv_log(&server->log, SRV_LOG_INFO, "certificate reloaded");
    if (dates.notice[0])
        srv_log(&server->log, SRV_LOG_WARN, "%s", dates.notice);
}
