#include "certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "certs: %s failed\n", what);
        abort();
    }
}

static FILE *open_file(struct certs *certs, char path[96], const char *name)
{
    snprintf(path, 96, "%s/%s", certs->dir, name);
    FILE *file = fopen(path, "w");
    must(file != NULL, path);
    return file;
}

static void write_key(struct certs *certs, char path[96], const char *name, EVP_PKEY *key, const char *passphrase)
{
    FILE *file = open_file(certs, path, name);
    must(PEM_write_PKCS8PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
                                   (void *)(uintptr_t)passphrase),
         "writing a key");
    fclose(file);
}

struct kind {
    const char *cn, *names;
    const char *from, *to; /* NULL: yesterday, and in 30 days */
    long since_s, left_s;  /* not 0: instead of those */
    X509 *issuer;          /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    int ca;
};

static void add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(extension && X509_add_ext(cert, extension, -1), value);
    X509_EXTENSION_free(extension);
}

static X509 *make(struct certs *certs, char path[96], const char *name, EVP_PKEY *key, const struct kind *kind)
{
    static long serial = 1;
    X509 *cert = X509_new();
    must(cert != NULL, "X509_new");
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    if (kind->from) {
        must(ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), kind->from), "a date");
        must(ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), kind->to), "a date");
    } else if (kind->left_s) {
        X509_gmtime_adj(X509_getm_notBefore(cert), -kind->since_s);
        X509_gmtime_adj(X509_getm_notAfter(cert), kind->left_s);
    } else {
        X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, NULL);
        X509_time_adj_ex(X509_getm_notAfter(cert), 30, 0, NULL);
    }
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)kind->cn, -1, -1,
                               0);
    X509 *issuer = kind->issuer ? kind->issuer : cert;
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    X509_set_pubkey(cert, key);
    add(cert, issuer, NID_basic_constraints, kind->ca ? "critical,CA:TRUE" : "CA:FALSE");
    add(cert, issuer, NID_subject_key_identifier, "hash");
    if (kind->names)
        add(cert, issuer, NID_subject_alt_name, kind->names);
    must(X509_sign(cert, kind->issuer_key ? kind->issuer_key : key, EVP_sha256()), "signing");
    FILE *file = open_file(certs, path, name);
    must(PEM_write_X509(file, cert), "writing a certificate");
    fclose(file);
    return cert;
}

static void make_pin(struct certs *certs, EVP_PKEY *key)
{
    unsigned char *spki = NULL, digest[EVP_MAX_MD_SIZE];
    int len = i2d_PUBKEY(key, &spki);
    must(len > 0 && EVP_Digest(spki, (size_t)len, digest, NULL, EVP_sha256(), NULL), "hashing a key");
    OPENSSL_free(spki);
    strcpy(certs->pin, "sha256//");
    EVP_EncodeBlock((unsigned char *)certs->pin + 8, digest, 32);
}

void certs_make(struct certs *certs)
{
    static const char names[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
    *certs = (struct certs){.dir = "/tmp/aivo-certs-XXXXXX"};
    must(mkdtemp(certs->dir) != NULL, "mkdtemp");
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256"), *client_key = EVP_EC_gen("P-256");
    must(ca_key && key && client_key, "making keys");
    X509 *ca = make(certs, certs->ca, "ca.pem", ca_key, &(struct kind){.cn = "Test CA", .ca = 1});
    struct kind other = {.cn = "Other CA", .ca = 1};
    X509_free(make(certs, certs->other_ca, "other-ca.pem", client_key, &other));
    struct kind kind = {.cn = "localhost", .names = names, .issuer = ca, .issuer_key = ca_key};
    X509_free(make(certs, certs->server, "server.pem", key, &kind));
    kind.names = "DNS:good.example,DNS:also.example";
    X509_free(make(certs, certs->name_only, "name.pem", key, &kind));
    kind.names = names;
    kind.from = "20200101000000Z";
    kind.to = "20200102000000Z";
    X509_free(make(certs, certs->expired, "expired.pem", key, &kind));
    kind.from = "20990101000000Z";
    kind.to = "20990201000000Z";
    X509_free(make(certs, certs->future, "future.pem", key, &kind));
    kind.from = kind.to = NULL;
    kind.since_s = 27 * 86400;
    kind.left_s = 5 * 43200;
    X509_free(make(certs, certs->soon, "soon.pem", key, &kind));
    kind.since_s = 43200;
    X509_free(make(certs, certs->short_lived, "short.pem", key, &kind));
    struct kind self = {.cn = "localhost", .names = names};
    X509_free(make(certs, certs->self, "self.pem", key, &self));
    struct kind client = {.cn = "client", .issuer = ca, .issuer_key = ca_key};
    X509_free(make(certs, certs->client, "client.pem", client_key, &client));
    write_key(certs, certs->key, "server.key", key, NULL);
    write_key(certs, certs->client_key, "client.key", client_key, NULL);
    write_key(certs, certs->locked_key, "locked.key", client_key, "secret");
    make_pin(certs, key);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(client_key);
}

void certs_free(struct certs *certs)
{
    const char *const files[] = {certs->ca,         certs->other_ca,   certs->key,        certs->server,
                                 certs->name_only,  certs->expired,    certs->future,     certs->self,
                                 certs->client,     certs->client_key, certs->locked_key, certs->soon,
                                 certs->short_lived};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    rmdir(certs->dir);
}
