#include "tls.h"

#include "errtext.h"
#include "transport.h"
#include <stdlib.h>

struct aivo_tls_cache {
    int unused;
};

struct aivo_tls_cache *aivo_tls_cache_create(void)
{
    return calloc(1, sizeof(struct aivo_tls_cache));
}
void aivo_tls_cache_destroy(struct aivo_tls_cache *cache)
{
    free(cache);
}
enum aivo_status aivo_tls_cache_get(struct aivo_tls_cache *cache, const struct aivo_tls_options *options,
                                    struct aivo_tls_context **out, struct aivo_error *err)
{
    (void)cache, (void)options, (void)out;
    return aivo_error_join(err, AIVO_E_TLS, 0, "TLS is not in this build", (char *)NULL);
}
void aivo_tls_context_release(struct aivo_tls_context *context)
{
    (void)context;
}
struct aivo_tls *aivo_tls_create(struct aivo_tls_context *context, int fd, const char *host, struct aivo_error *err)
{
    (void)context, (void)fd, (void)host, (void)err;
    return NULL;
}
void aivo_tls_destroy(struct aivo_tls *tls)
{
    (void)tls;
}
int aivo_tls_handshake(struct aivo_tls *tls, struct aivo_error *err)
{
    (void)tls, (void)err;
    return AIVO_IO_ERROR;
}
ssize_t aivo_tls_read(struct aivo_tls *tls, char *data, size_t len, struct aivo_error *err)
{
    (void)tls, (void)data, (void)len, (void)err;
    return AIVO_IO_ERROR;
}
ssize_t aivo_tls_write(struct aivo_tls *tls, const char *data, size_t len, struct aivo_error *err)
{
    (void)tls, (void)data, (void)len, (void)err;
    return AIVO_IO_ERROR;
}
bool aivo_tls_wants_write(const struct aivo_tls *tls)
{
    (void)tls;
    return false;
}
bool aivo_tls_pending(const struct aivo_tls *tls)
{
    (void)tls;
    return false;
}
void aivo_tls_shutdown(struct aivo_tls *tls)
{
    (void)tls;
}
enum aivo_status aivo_tls_check(const struct aivo_tls_options *options, struct aivo_error *err)
{
    (void)options, (void)err;
    return AIVO_OK;
}
