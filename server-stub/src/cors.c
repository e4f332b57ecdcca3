#include "cors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* An origin in the one form that is compared: lower case, without the scheme's own port. */
struct origin {
    char text[SRV_CORS_MAX_ORIGIN];
    size_t len;
};

struct srv_cors {
    bool any;
    size_t count;
    struct origin origins[];
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool ends_with(const struct origin *o, const char *tail)
{
    size_t n = strlen(tail);
    return o->len >= n && memcmp(o->text + o->len - n, tail, n) == 0;
}

/* ":80" of "http://[::80" is no port, but then neither is that a host: a bracket must have been closed. */
static void drop_default_port(struct origin *o)
{
    bool http = strncmp(o->text, "http://", 7) == 0 && ends_with(o, ":80");
    bool https = strncmp(o->text, "https://", 8) == 0 && ends_with(o, ":443");
    if (http)
        o->len -= 3;
    if (https)
        o->len -= 4;
    o->text[o->len] = '\0';
}

/* scheme://authority with nothing behind. The browser's "null" (sandboxed pages) matches no list. */
static bool normalize(const char *text, size_t len, struct origin *out)
{
    if (len == 0 || len >= sizeof out->text)
        return false;
    for (size_t i = 0; i < len; i++)
        out->text[i] = lower(text[i]);
    out->text[len] = '\0';
    out->len = len;
    size_t scheme = strspn(out->text, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    if (scheme == 0 || strncmp(out->text + scheme, "://", 3) != 0)
        return false;
    const char *host = out->text + scheme + 3;
    size_t host_len = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789+-._~[]:%");
    if (host_len == 0 || host[0] == ':' || host[host_len] != '\0' || strlen(out->text) != len)
        return false;
    drop_default_port(out);
    return true;
}

static const char *skip_separators(const char *at)
{
    return at + strspn(at, ", \t");
}

static bool fail(char *error, size_t error_size, const char *why)
{
    if (error_size > 0)
        snprintf(error, error_size, "%s", why);
    return false;
}

bool srv_cors_new(const char *list, struct srv_cors **out, char *error, size_t error_size)
{
    size_t room = 0;
    for (const char *at = skip_separators(list); *at != '\0'; at = skip_separators(at + strcspn(at, ", \t")))
        room++;
    if (room == 0)
        return fail(error, error_size, "no origin given");
    if (room > SRV_CORS_MAX_ORIGINS)
        return fail(error, error_size, "too many origins (64 at most)");
    struct srv_cors *cors = calloc(1, sizeof *cors + room * sizeof cors->origins[0]);
    if (cors == NULL)
        return fail(error, error_size, "out of memory");
    for (const char *at = skip_separators(list); *at != '\0';) {
        size_t len = strcspn(at, ", \t");
        if (len == 1 && *at == '*')
            cors->any = true;
        else if (!normalize(at, len, &cors->origins[cors->count++])) {
            free(cors);
            if (error_size > 0)
                snprintf(error, error_size, "'%.*s' is no origin (scheme://host[:port], nothing behind)",
                         len > 200 ? 200 : (int)len, at);
            return false;
        }
        at = skip_separators(at + len);
    }
    if (cors->any && room > 1) { /* whoever writes both believes that the list still counts */
        free(cors);
        return fail(error, error_size, "'*' allows every origin: it stands alone");
    }
    *out = cors;
    return true;
}

void srv_cors_destroy(struct srv_cors *cors)
{
    free(cors);
}

enum srv_cors_verdict srv_cors_check(const struct srv_cors *cors, const char *origin, size_t len)
{
    if (origin == NULL || len == 0)
        return SRV_CORS_NONE;
    if (cors->any)
        return SRV_CORS_ALLOWED;
    struct origin o;
    if (!normalize(origin, len, &o))
        return SRV_CORS_REFUSED;
    for (size_t i = 0; i < cors->count; i++) {
        if (cors->origins[i].len == o.len && memcmp(cors->origins[i].text, o.text, o.len) == 0)
            return SRV_CORS_ALLOWED;
    }
    return SRV_CORS_REFUSED;
}

static void put(struct srv_header *out, size_t *n, const char *name, const char *value, size_t len)
{
    out[(*n)++] = (struct srv_header){name, value, len};
}

/* Header names and what separates them, and no more: the value is echoed into a response. */
static bool plain_names(const char *text, size_t len)
{
    if (text == NULL || len == 0 || len > 1024)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = lower(text[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == ',' || c == ' '))
            return false;
    }
    return true;
}

size_t srv_cors_headers(const struct srv_cors *cors, const char *origin, size_t len, bool preflight,
                        const char *requested, size_t requested_len, struct srv_header out[SRV_CORS_MAX_HEADERS])
{
    static const char vary[] = "Origin", usual[] = "content-type, authorization", methods[] = "GET, POST, OPTIONS";
    size_t n = 0;
    if (!cors->any)
        put(out, &n, "vary:", vary, sizeof vary - 1); /* caches must not serve one origin's answer to another */
    if (srv_cors_check(cors, origin, len) != SRV_CORS_ALLOWED)
        return n;
    if (cors->any) {
        put(out, &n, "access-control-allow-origin:", "*", 1);
    } else {
        put(out, &n, "access-control-allow-origin:", origin, len);
        put(out, &n, "access-control-allow-credentials:", "true", 4);
    }
    if (!preflight)
        return n;
    put(out, &n, "access-control-allow-methods:", methods, sizeof methods - 1);
    if (plain_names(requested, requested_len))
        put(out, &n, "access-control-allow-headers:", requested, requested_len);
    else
        put(out, &n, "access-control-allow-headers:", usual, sizeof usual - 1);
    put(out, &n, "access-control-max-age:", "600", 3);
    return n;
}
