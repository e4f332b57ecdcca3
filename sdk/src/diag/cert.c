#include "cert.h"

#include "clock.h"
#include "engineio.h"
#include "tls_internal.h"
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t unix_ms(const ASN1_TIME *time)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm) * 1000;
}

static void name_text(X509_NAME *name, char *out, int room)
{
    if (X509_NAME_get_text_by_NID(name, NID_commonName, out, room) <= 0 &&
        X509_NAME_get_text_by_NID(name, NID_organizationName, out, room) <= 0)
        snprintf(out, (size_t)room, "unnamed");
}

static void key_text(X509 *cert, char *out, size_t room)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    char group[32] = "";
    size_t len = 0;
    const char *name = key ? EVP_PKEY_get0_type_name(key) : NULL;
    if (!name)
        snprintf(out, room, "unknown");
    else if (EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 && *group)
        snprintf(out, room, "%s %s", name, group);
    else
        snprintf(out, room, "%s %d", name, EVP_PKEY_get_bits(key));
}

/* Appends ", text"; what does not fit is left out. */
static void add_name(char *out, size_t room, const char *text, size_t len)
{
    size_t have = strlen(out), comma = have ? 2 : 0;
    if (have + comma + len >= room)
        return;
    memcpy(out + have, ", ", comma);
    memcpy(out + have + comma, text, len);
    out[have + comma + len] = 0;
}

static void names_text(X509 *cert, char *out, size_t room)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char ip[INET6_ADDRSTRLEN] = "";
        if (name->type == GEN_DNS) {
            add_name(out, room, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                     (size_t)ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            int bytes = ASN1_STRING_length(name->d.iPAddress);
            if (bytes == 4 || bytes == 16)
                inet_ntop(bytes == 16 ? AF_INET6 : AF_INET, ASN1_STRING_get0_data(name->d.iPAddress), ip, sizeof ip);
            add_name(out, room, ip, strlen(ip));
        }
    }
    GENERAL_NAMES_free(names);
}

static void pin_text(X509 *cert, char *out, size_t room)
{
    unsigned char *spki = NULL, digest[EVP_MAX_MD_SIZE];
    struct aivo_buf text = {0};
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
    if (len > 0 && EVP_Digest(spki, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1)
        aivo_base64_encode(&text, digest, AIVO_TLS_PIN_BYTES);
    OPENSSL_free(spki);
    snprintf(out, room, "%s%s", text.data ? "sha256//" : "", text.data ? text.data : "");
    aivo_buf_free(&text);
}

static void chain_facts(STACK_OF(X509) * chain, struct diag_tls *out)
{
    int count = sk_X509_num(chain);
    for (int i = 0; i < count && i < DIAG_CHAIN; i++) {
        X509 *cert = sk_X509_value(chain, i);
        struct diag_cert *c = &out->chain[out->chain_count++];
        name_text(X509_get_subject_name(cert), c->subject, sizeof c->subject);
        name_text(X509_get_issuer_name(cert), c->issuer, sizeof c->issuer);
        c->from_ms = unix_ms(X509_get0_notBefore(cert));
        c->to_ms = unix_ms(X509_get0_notAfter(cert));
        key_text(cert, c->key, sizeof c->key);
        if (i > 0)
            continue;
        names_text(cert, out->names, sizeof out->names);
        pin_text(cert, out->pin, sizeof out->pin);
        out->leaf_only = count == 1 && X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) != 0;
    }
}

static enum diag_tls_fault cert_fault(int x509_error)
{
    switch (x509_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return DIAG_TLS_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return DIAG_TLS_NOT_YET;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return DIAG_TLS_WRONG_NAME;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return DIAG_TLS_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return DIAG_TLS_UNKNOWN_CA;
    default:
        return DIAG_TLS_BAD_CERT;
    }
}

static enum diag_tls_fault fault_of(const struct diag_stream *s)
{
    switch (s->tls ? aivo_tls_trouble(s->tls) : AIVO_TLS_OTHER) {
    case AIVO_TLS_BAD_CERT:
        return cert_fault(s->error.code);
    case AIVO_TLS_BAD_PIN:
        return DIAG_TLS_PIN;
    case AIVO_TLS_CERT_WANTED:
        return DIAG_TLS_CERT_WANTED;
    case AIVO_TLS_ALERT:
        return DIAG_TLS_ALERT;
    case AIVO_TLS_NOT_TLS:
        return DIAG_TLS_NOT_TLS;
    case AIVO_TLS_CUT:
        return DIAG_TLS_CUT;
    default:
        return DIAG_TLS_OTHER;
    }
}

bool diag_tls_was_asked(const struct diag_stream *s)
{
    return s->tls && aivo_tls_was_asked(s->tls);
}

void diag_tls_facts(const struct diag_stream *s, enum diag_how how, const struct aivo_tls_options *options,
                    struct diag_tls *out)
{
    *out = (struct diag_tls){.how = how,
                             .insecure = options->insecure,
                             .pinned = options->pin != NULL,
                             .client_cert = options->cert_file != NULL,
                             .ca_file = options->ca_file != NULL,
                             .now_ms = aivo_clock_unix_ms()};
    if (how == DIAG_ERROR || how == DIAG_END) {
        out->fault = how == DIAG_ERROR ? fault_of(s) : DIAG_TLS_CUT;
        snprintf(out->error, sizeof out->error, "%s", how == DIAG_ERROR ? s->error.message : "the server hung up");
    }
    if (!s->tls)
        return;
    SSL *ssl = aivo_tls_ssl(s->tls);
    chain_facts(aivo_tls_chain(s->tls), out);
    if (!SSL_is_init_finished(ssl))
        return;
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    snprintf(out->version, sizeof out->version, "%s", SSL_get_version(ssl));
    snprintf(out->cipher, sizeof out->cipher, "%s", SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)));
    snprintf(out->alpn, sizeof out->alpn, "%.*s", (int)alpn_len, alpn ? (const char *)alpn : "");
}
