/* TLS contexts: CAs, client certificate and pins, checked and made once. */
#include "tls_internal.h"

#include "engineio.h"
#include "errtext.h"
#include "transport.h"
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_MAX 8 /* contexts kept while no connection uses them; one with a CA bundle is about 1 MB */

/* Least recently used first. Process-wide, because what it keeps is costly, the same for everybody and never changed
 * once made; OpenSSL's contexts may be shared by threads. */
static struct {
    pthread_mutex_t lock;
    struct aivo_link contexts;
    unsigned count;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER, .contexts = {&cache.contexts, &cache.contexts}};

const char *aivo_tls_reason(char out[120])
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    strncpy(out, reason ? reason : "unknown error", 119);
    out[119] = 0;
    ERR_clear_error();
    return out;
}

static enum aivo_status bad(struct aivo_error *err, enum aivo_status status, const char *a, const char *b,
                            const char *c)
{
    ERR_clear_error();
    return aivo_error_join(err, status, 0, a, b, c, (char *)NULL);
}

static enum aivo_status parse_pins(struct aivo_tls_context *context, const char *text, struct aivo_error *err)
{
    static const char form[] = "the pin is not of the form sha256//BASE64 (44 characters), several joined with ';'";
    while (*text) {
        size_t len = strcspn(text, ";");
        if (len != 52 || memcmp(text, "sha256//", 8) != 0)
            return bad(err, AIVO_E_INVALID, form, "", "");
        if (context->pins == AIVO_TLS_PINS)
            return bad(err, AIVO_E_INVALID, "there are more than 16 pins", "", "");
        struct aivo_buf raw = {0};
        bool ok = aivo_base64_decode(&raw, text + 8, len - 8) && raw.len == AIVO_TLS_PIN_BYTES;
        if (ok)
            memcpy(context->pin[context->pins++], raw.data, AIVO_TLS_PIN_BYTES);
        aivo_buf_free(&raw);
        if (!ok)
            return bad(err, AIVO_E_INVALID, form, "", "");
        text += len;
        text += *text == ';';
    }
    return context->pins ? AIVO_OK : bad(err, AIVO_E_INVALID, form, "", "");
}

/* "the CA file "x"" and why it cannot be used: what the system says, or what OpenSSL says. */
static enum aivo_status bad_file(struct aivo_error *err, const char *what, const char *path, const char *otherwise)
{
    char reason[120];
    const char *why = access(path, R_OK) != 0 ? strerror(errno) : otherwise ? otherwise : aivo_tls_reason(reason);
    ERR_clear_error();
    return aivo_error_join(err, AIVO_E_TLS, 0, what, " \"", path, "\" cannot be used: ", why, (char *)NULL);
}

static int no_password(char *buffer, int size, int writing, void *user)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)user = true;
    return -1; /* the default would ask on the terminal */
}

static enum aivo_status load_certificate(SSL_CTX *ctx, const struct aivo_tls_options *options, struct aivo_error *err)
{
    bool encrypted = false;
    if (!options->cert_file || !options->key_file)
        return bad(err, AIVO_E_INVALID, "a client certificate needs both its file and its key's file", "", "");
    if (SSL_CTX_use_certificate_chain_file(ctx, options->cert_file) != 1)
        return bad_file(err, "the client certificate", options->cert_file, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &encrypted);
    int loaded = SSL_CTX_use_PrivateKey_file(ctx, options->key_file, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, NULL);
    if (loaded != 1 && ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
        return bad(err, AIVO_E_TLS, "the key \"", options->key_file, "\" does not belong to the client certificate");
    if (loaded != 1)
        return bad_file(err, "the key", options->key_file,
                        encrypted ? "it is encrypted; store it without a passphrase" : NULL);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return bad(err, AIVO_E_TLS, "the key \"", options->key_file, "\" does not belong to the client certificate");
    return AIVO_OK;
}

static enum aivo_status fill_ctx(struct aivo_tls_context *context, const struct aivo_tls_options *options,
                                 struct aivo_error *err)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    SSL_CTX *ctx = context->ctx;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1);
    SSL_CTX_set_verify(ctx, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, aivo_tls_verify);
    if (options->ca_file) {
        if (SSL_CTX_load_verify_file(ctx, options->ca_file) != 1)
            return bad_file(err, "the CA file", options->ca_file, NULL);
        /* Whatever stands in the user's own file is trusted, an intermediate CA too. */
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    } else if (!options->insecure && SSL_CTX_set_default_verify_paths(ctx) != 1) {
        return bad(err, AIVO_E_TLS, "the system's CA certificates cannot be loaded", "", "");
    }
    context->has_cert = options->cert_file || options->key_file;
    if (context->has_cert)
        return load_certificate(ctx, options, err);
    SSL_CTX_set_client_cert_cb(ctx, aivo_tls_cert_asked);
    return AIVO_OK;
}

static void free_context(struct aivo_tls_context *context)
{
    SSL_CTX_free(context->ctx);
    free(context->ca_file);
    free(context->cert_file);
    free(context->key_file);
    free(context->pin_text);
    free(context);
}

static enum aivo_status make_context(const struct aivo_tls_options *options, struct aivo_tls_context **out,
                                     struct aivo_error *err)
{
    struct aivo_tls_context *context = calloc(1, sizeof *context);
    if (!context)
        return bad(err, AIVO_E_MEMORY, "out of memory for TLS", "", "");
    context->references = 1;
    context->insecure = options->insecure;
    enum aivo_status status = options->pin ? parse_pins(context, options->pin, err) : AIVO_OK;
    if (status == AIVO_OK) {
        context->ctx = SSL_CTX_new(TLS_client_method());
        status = context->ctx ? fill_ctx(context, options, err)
                              : bad(err, AIVO_E_MEMORY, "OpenSSL cannot make a TLS context", "", "");
    }
    if (status != AIVO_OK)
        free_context(context);
    else
        *out = context;
    return status;
}

struct aivo_tls_context *aivo_tls_context_hold(struct aivo_tls_context *context)
{
    pthread_mutex_lock(&cache.lock);
    context->references++;
    pthread_mutex_unlock(&cache.lock);
    return context;
}

void aivo_tls_context_release(struct aivo_tls_context *context)
{
    if (!context)
        return;
    pthread_mutex_lock(&cache.lock);
    bool last = --context->references == 0;
    pthread_mutex_unlock(&cache.lock);
    if (last)
        free_context(context);
}

static struct aivo_file_stamp stamp(const char *path)
{
    struct stat s;
    if (!path || stat(path, &s) != 0)
        return (struct aivo_file_stamp){0};
    return (struct aivo_file_stamp){(int64_t)s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec};
}

/* The system's bundle, where OpenSSL looks for it; where it uses a directory alone, files are read as they are needed.
 */
static const char *system_ca_file(void)
{
    const char *file = getenv(X509_get_default_cert_file_env());
    return file ? file : X509_get_default_cert_file();
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool fits(const struct aivo_tls_context *context, const struct aivo_tls_options *options)
{
    return context->insecure == options->insecure && same(context->ca_file, options->ca_file) &&
           same(context->cert_file, options->cert_file) && same(context->key_file, options->key_file) &&
           same(context->pin_text, options->pin);
}

static bool copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

/* With the lock held. The one made of these very options and files, or NULL. */
static struct aivo_tls_context *find(const struct aivo_tls_options *options, const struct aivo_file_stamp stamps[3])
{
    for (struct aivo_link *link = cache.contexts.next; link != &cache.contexts; link = link->next) {
        struct aivo_tls_context *context = AIVO_CONTAINER(link, struct aivo_tls_context, link);
        if (!fits(context, options) || memcmp(context->stamps, stamps, sizeof context->stamps) != 0)
            continue;
        aivo_list_remove(link); /* to the end: used last */
        aivo_list_add(&cache.contexts, link);
        context->references++;
        return context;
    }
    return NULL;
}

/* With the lock held; the one that had to go, or NULL. */
static struct aivo_tls_context *keep(struct aivo_tls_context *context)
{
    struct aivo_link *oldest = cache.count == CACHE_MAX ? aivo_list_take(&cache.contexts) : NULL;
    cache.count += !oldest;
    context->references++;
    aivo_list_add(&cache.contexts, &context->link);
    return oldest ? AIVO_CONTAINER(oldest, struct aivo_tls_context, link) : NULL;
}

enum aivo_status aivo_tls_context_get(const struct aivo_tls_options *options, struct aivo_tls_context **out,
                                      struct aivo_error *err)
{
    const char *ca_file = options->ca_file ? options->ca_file : system_ca_file();
    struct aivo_file_stamp stamps[3] = {stamp(ca_file), stamp(options->cert_file), stamp(options->key_file)};
    pthread_mutex_lock(&cache.lock);
    struct aivo_tls_context *context = find(options, stamps);
    pthread_mutex_unlock(&cache.lock);
    if (context) {
        *out = context;
        return AIVO_OK;
    }
    enum aivo_status status = make_context(options, &context, err);
    if (status != AIVO_OK)
        return status;
    memcpy(context->stamps, stamps, sizeof stamps);
    if (!copy(&context->ca_file, options->ca_file) || !copy(&context->cert_file, options->cert_file) ||
        !copy(&context->key_file, options->key_file) || !copy(&context->pin_text, options->pin)) {
        free_context(context);
        return bad(err, AIVO_E_MEMORY, "out of memory for TLS", "", "");
    }
    pthread_mutex_lock(&cache.lock);
    struct aivo_tls_context *displaced = keep(context);
    pthread_mutex_unlock(&cache.lock);
    aivo_tls_context_release(displaced);
    *out = context;
    return AIVO_OK;
}

enum aivo_status aivo_tls_check(const struct aivo_tls_options *options, struct aivo_error *err)
{
    struct aivo_tls_context *context = NULL;
    enum aivo_status status = aivo_tls_context_get(options, &context, err);
    aivo_tls_context_release(context);
    return status;
}
