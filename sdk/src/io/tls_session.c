/* TLS on one connection's socket, and the words for what can go wrong with it. */
#include "tls_internal.h"

#include "engineio.h"
#include "errtext.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct aivo_tls {
    struct aivo_tls_context *context;
    SSL *ssl;
    int fd;
    int io_errno;     /* of the socket's last failure */
    bool eof;         /* the socket's other end has finished */
    bool done;        /* the handshake */
    bool broken;      /* OpenSSL forbids any further call but free */
    bool wants_write; /* the last call waits for room in the socket */
    bool cert_asked;  /* the server wanted a client certificate, and we had none */
    bool refused;     /* our check refused the server's certificate: refusal says why */
    struct aivo_error refusal;
    STACK_OF(X509) * seen; /* the certificates that came, if one was refused */
    enum aivo_tls_trouble trouble;
    char host[256]; /* without a final dot */
};

/* A BIO on the socket that never raises SIGPIPE: OpenSSL's own uses write(). */

static int bio_write(BIO *bio, const char *data, int len)
{
    struct aivo_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = send(tls->fd, data, (size_t)len, MSG_NOSIGNAL);
    if (n >= 0)
        return (int)n;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS)
        BIO_set_retry_write(bio);
    else
        tls->io_errno = errno;
    return -1;
}

static int bio_read(BIO *bio, char *data, int len)
{
    struct aivo_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = recv(tls->fd, data, (size_t)len, 0);
    if (n > 0)
        return (int)n;
    if (n == 0)
        tls->eof = true;
    else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        BIO_set_retry_read(bio);
    else
        tls->io_errno = errno;
    return n == 0 ? 0 : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    struct aivo_tls *tls = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return tls->eof;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

/* Once for the process, and never freed: a connection may be using it. */
static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "aivo socket");
    if (!bio_method)
        return;
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

static BIO *make_bio(struct aivo_tls *tls)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    BIO *bio = bio_method ? BIO_new(bio_method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- what is wrong with a certificate ---- */

static void common_name(X509_NAME *name, char *out, size_t room)
{
    out[0] = 0;
    if (X509_NAME_get_text_by_NID(name, NID_commonName, out, (int)room) <= 0 &&
        X509_NAME_get_text_by_NID(name, NID_organizationName, out, (int)room) <= 0)
        snprintf(out, room, "unnamed");
}

static void date_text(const ASN1_TIME *time, char *out, size_t room)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(out, room, "%Y-%m-%d", &tm) == 0)
        snprintf(out, room, "an unreadable date");
}

static size_t append(char *out, size_t room, size_t len, const char *text, size_t text_len)
{
    size_t n = text_len < room - 1 - len ? text_len : room - 1 - len;
    memcpy(out + len, text, n);
    out[len + n] = 0;
    return len + n;
}

/* "a.example, b.example, 192.0.2.1": the names a certificate is for. */
static void names_text(X509 *cert, char *out, size_t room)
{
    size_t len = 0;
    unsigned shown = 0;
    out[0] = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char ip[INET6_ADDRSTRLEN] = "";
        const char *text = NULL;
        size_t text_len = 0;
        if (name->type == GEN_DNS) {
            text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
            text_len = (size_t)ASN1_STRING_length(name->d.dNSName);
        } else if (name->type == GEN_IPADD) {
            int bytes = ASN1_STRING_length(name->d.iPAddress);
            inet_ntop(bytes == 16 ? AF_INET6 : AF_INET, ASN1_STRING_get0_data(name->d.iPAddress), ip, sizeof ip);
            text = bytes == 16 || bytes == 4 ? ip : NULL;
            text_len = strlen(ip);
        }
        if (!text)
            continue;
        if (shown++ == 3) {
            append(out, room, len, ", ...", 5);
            break;
        }
        len = append(out, room, len, ", ", shown > 1 ? 2 : 0);
        len = append(out, room, len, text, text_len);
    }
    GENERAL_NAMES_free(names);
    if (shown == 0)
        common_name(X509_get_subject_name(cert), out, room);
}

static void refuse(struct aivo_tls *tls, X509 *cert, int error, int depth)
{
    char subject[64], issuer[64], date[32], names[100];
    common_name(X509_get_subject_name(cert), subject, sizeof subject);
    common_name(X509_get_issuer_name(cert), issuer, sizeof issuer);
    const char *whose = depth == 0 ? "the server's certificate" : "the CA certificate \"";
    const char *who = depth == 0 ? "" : subject, *quote = depth == 0 ? "" : "\"";
    struct aivo_error *out = &tls->refusal;
    switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        aivo_error_join(out, AIVO_E_TLS, error, "the certificate of \"", tls->host,
                        "\" is self-signed, by no CA known here: give it as the CA file (--ca)", (char *)NULL);
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        aivo_error_join(out, AIVO_E_TLS, error, "the certificate of \"", tls->host, "\" is signed by an unknown CA (\"",
                        issuer, "\"): give that CA's certificate as the CA file (--ca)", (char *)NULL);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        date_text(X509_get0_notAfter(cert), date, sizeof date);
        aivo_error_join(out, AIVO_E_TLS, error, whose, who, quote, " expired on ", date,
                        ": the server needs a new one (or this machine's clock is wrong)", (char *)NULL);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        date_text(X509_get0_notBefore(cert), date, sizeof date);
        aivo_error_join(out, AIVO_E_TLS, error, whose, who, quote, " is valid only from ", date,
                        ": is this machine's clock right?", (char *)NULL);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        names_text(cert, names, sizeof names);
        aivo_error_join(out, AIVO_E_TLS, error, "the server's certificate is for ", names, ", not for \"", tls->host,
                        "\": use a name it has, or another certificate", (char *)NULL);
        break;
    default:
        aivo_error_join(out, AIVO_E_TLS, error, whose, who, quote,
                        " is refused: ", X509_verify_cert_error_string(error), (char *)NULL);
    }
    tls->refused = true;
}

int aivo_tls_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct aivo_tls *tls = ssl ? SSL_get_app_data(ssl) : NULL;
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    if (!ok && tls && !tls->seen)
        tls->seen = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(store));
    if (!ok && tls && !tls->refused && cert)
        refuse(tls, cert, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_error_depth(store));
    return ok;
}

int aivo_tls_cert_asked(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
    (void)cert, (void)key;
    struct aivo_tls *tls = SSL_get_app_data(ssl);
    tls->cert_asked = true;
    return 0; /* go on without one */
}

/* ---- the connection ---- */

static bool set_name(struct aivo_tls *tls)
{
    unsigned char ip[16];
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    if (inet_pton(AF_INET, tls->host, ip) == 1 || inet_pton(AF_INET6, tls->host, ip) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) == 1; /* an address is never sent as SNI */
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, tls->host, 0) == 1 && SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1;
}

struct aivo_tls *aivo_tls_create(struct aivo_tls_context *context, int fd, const char *host, struct aivo_error *err)
{
    struct aivo_tls *tls = calloc(1, sizeof *tls);
    if (tls) {
        tls->context = aivo_tls_context_hold(context);
        tls->fd = fd;
        snprintf(tls->host, sizeof tls->host, "%s", host);
        size_t len = strlen(tls->host);
        if (len > 1 && tls->host[len - 1] == '.')
            tls->host[len - 1] = 0;
        tls->ssl = SSL_new(context->ctx);
    }
    BIO *bio = tls && tls->ssl ? make_bio(tls) : NULL;
    if (bio)
        SSL_set_bio(tls->ssl, bio, bio);
    if (!bio || SSL_set_app_data(tls->ssl, tls) != 1 || !set_name(tls)) {
        aivo_tls_destroy(tls);
        ERR_clear_error();
        aivo_error_join(err, AIVO_E_MEMORY, 0, "out of memory for TLS", (char *)NULL);
        return NULL;
    }
    SSL_set_connect_state(tls->ssl);
    return tls;
}

void aivo_tls_finish(struct aivo_tls *tls)
{
    if (!tls->done || tls->broken || (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
        return;
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

void aivo_tls_destroy(struct aivo_tls *tls)
{
    if (!tls)
        return;
    aivo_tls_finish(tls);
    SSL_free(tls->ssl);
    sk_X509_pop_free(tls->seen, X509_free);
    aivo_tls_context_release(tls->context);
    free(tls);
}

enum aivo_tls_trouble aivo_tls_trouble(const struct aivo_tls *tls)
{
    return tls->trouble;
}

SSL *aivo_tls_ssl(const struct aivo_tls *tls)
{
    return tls->ssl;
}

STACK_OF(X509) * aivo_tls_chain(const struct aivo_tls *tls)
{
    return tls->seen ? tls->seen : SSL_get_peer_cert_chain(tls->ssl);
}

bool aivo_tls_was_asked(const struct aivo_tls *tls)
{
    return tls->cert_asked || SSL_get0_peer_CA_list(tls->ssl) != NULL;
}

bool aivo_tls_wants_write(const struct aivo_tls *tls)
{
    return tls->wants_write;
}

static void describe(struct aivo_tls *tls, struct aivo_error *err)
{
    char reason[120];
    unsigned long error = ERR_peek_last_error();
    int code = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    aivo_tls_reason(reason);
    bool alert = code >= SSL_AD_REASON_OFFSET;
    if (tls->refused) {
        tls->trouble = AIVO_TLS_BAD_CERT;
        *err = tls->refusal;
        return;
    }
    const char *hint = "";
    tls->trouble = alert ? (tls->cert_asked ? AIVO_TLS_CERT_WANTED : AIVO_TLS_ALERT) : AIVO_TLS_OTHER;
    if (code == SSL_R_WRONG_VERSION_NUMBER || code == SSL_R_HTTP_REQUEST || code == SSL_R_PACKET_LENGTH_TOO_LONG ||
        code == SSL_R_HTTPS_PROXY_REQUEST)
        hint = "; the server does not speak TLS on this port: use http:// or ws://", tls->trouble = AIVO_TLS_NOT_TLS;
    else if (alert && tls->cert_asked)
        hint = "; the server asks for a client certificate: give one with its key (--cert, --key)";
    else if (alert && tls->context->has_cert && code - SSL_AD_REASON_OFFSET >= SSL_AD_BAD_CERTIFICATE &&
             code - SSL_AD_REASON_OFFSET <= SSL_AD_UNKNOWN_CA)
        hint = "; the server does not accept our client certificate";
    aivo_error_join(err, AIVO_E_TLS, alert ? code - SSL_AD_REASON_OFFSET : 0,
                    alert       ? "the server refused TLS: "
                    : tls->done ? "TLS failed: "
                                : "the TLS handshake failed: ",
                    reason, hint, (char *)NULL);
}

/* Turns the result of an SSL call that moved nothing into AGAIN, END or ERROR. */
static int judge(struct aivo_tls *tls, int result, struct aivo_error *err)
{
    struct aivo_error unused;
    err = err ? err : &unused;
    tls->wants_write = false;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_WRITE:
        tls->wants_write = true;
        return AIVO_IO_AGAIN;
    case SSL_ERROR_WANT_READ:
        return AIVO_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        ERR_clear_error();
        return AIVO_IO_END;
    case SSL_ERROR_SYSCALL:
        tls->broken = true;
        tls->trouble = AIVO_TLS_CUT;
        ERR_clear_error();
        if (!tls->io_errno)
            return AIVO_IO_END;
        aivo_error_join(err, AIVO_E_CLOSED, 1006, "the connection was cut: ", strerror(tls->io_errno), (char *)NULL);
        return AIVO_IO_ERROR;
    default:
        tls->broken = true;
        describe(tls, err);
        return AIVO_IO_ERROR;
    }
}

/* The server's key as a pin, and whether it is one of ours. */
static bool pin_matches(struct aivo_tls *tls, struct aivo_error *err)
{
    unsigned char *spki = NULL, digest[EVP_MAX_MD_SIZE];
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);
    int len = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki) : -1;
    bool hashed = len > 0 && EVP_Digest(spki, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(spki);
    X509_free(cert);
    for (unsigned i = 0; hashed && i < tls->context->pins; i++)
        if (memcmp(digest, tls->context->pin[i], AIVO_TLS_PIN_BYTES) == 0)
            return true;
    struct aivo_buf seen = {0};
    tls->trouble = AIVO_TLS_BAD_PIN;
    if (hashed)
        aivo_base64_encode(&seen, digest, AIVO_TLS_PIN_BYTES);
    aivo_error_join(err, AIVO_E_TLS, 0, "the server's key is not the pinned one: it is sha256//",
                    seen.data ? seen.data : "?", "; was the key renewed, or is somebody in between?", (char *)NULL);
    aivo_buf_free(&seen);
    return false;
}

int aivo_tls_handshake(struct aivo_tls *tls, struct aivo_error *err)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        tls->wants_write = false;
        tls->done = true;
        return tls->context->pins == 0 || pin_matches(tls, err) ? 1 : AIVO_IO_ERROR;
    }
    int how = judge(tls, result, err);
    if (how == AIVO_IO_END) {
        tls->broken = true;
        tls->trouble = AIVO_TLS_CUT;
        aivo_error_join(err, AIVO_E_TLS, 0, "the server hung up in the TLS handshake", (char *)NULL);
    } else if (how == AIVO_IO_ERROR && err->status == AIVO_E_CLOSED) {
        aivo_error_join(err, AIVO_E_TLS, tls->io_errno,
                        "the connection was cut in the TLS handshake: ", strerror(tls->io_errno), (char *)NULL);
    }
    return how == AIVO_IO_AGAIN ? AIVO_IO_AGAIN : AIVO_IO_ERROR;
}

ssize_t aivo_tls_read(struct aivo_tls *tls, char *data, size_t len, struct aivo_error *err)
{
    size_t n = 0;
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, data, len, &n);
    return result == 1 ? (ssize_t)n : judge(tls, result, err);
}

ssize_t aivo_tls_write(struct aivo_tls *tls, const char *data, size_t len, struct aivo_error *err)
{
    size_t n = 0;
    if (tls->broken)
        return AIVO_IO_ERROR;
    ERR_clear_error();
    int result = SSL_write_ex(tls->ssl, data, len, &n);
    return result == 1 ? (ssize_t)n : judge(tls, result, err);
}
