#include "proxy.h"

#include "errtext.h"
#include "ipaddr.h"
#include "url.h"
#include <string.h>

static enum aivo_status bad(struct aivo_error *err, const char *why)
{
    return aivo_error_join(err, AIVO_E_INVALID, 0, "the proxy's URL: ", why, (char *)NULL);
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool same(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!a[i] || !b[i] || lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes "user:password". */
static const char *decode(const char *text, size_t len, char *out, size_t room)
{
    size_t n = 0;
    bool colon = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        colon = colon || c == ':';
        if (c == '%') {
            if (i + 2 >= len || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return "a % in user or password is not followed by two hexadecimal digits";
            c = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return "user or password has a control byte";
        if (n + 2 >= room)
            return "user and password are too long";
        out[n++] = c;
    }
    if (!colon)
        out[n++] = ':';
    out[n] = 0;
    return NULL;
}

enum aivo_status aivo_proxy_parse(const char *text, struct aivo_proxy *out, struct aivo_error *err)
{
    struct aivo_proxy proxy = {.used = true};
    const char *scheme = strstr(text, "://"), *p = text;
    if (scheme) {
        if (scheme - text != 4 || !same(text, "http", 4))
            return bad(err, "only http:// proxies are supported");
        p = scheme + 3;
    }
    size_t len = strcspn(p, "/?#");
    if (p[len] && strcmp(p + len, "/") != 0)
        return bad(err, "nothing may follow host and port");
    const char *at = NULL;
    for (size_t i = 0; i < len; i++)
        if (p[i] == '@')
            at = p + i;
    if (at) {
        const char *why = decode(p, (size_t)(at - p), proxy.credentials, sizeof proxy.credentials);
        if (why)
            return bad(err, why);
        len -= (size_t)(at + 1 - p);
        p = at + 1;
    }
    struct aivo_error inner;
    if (aivo_url_parse_authority(p, len, 80, proxy.host, &proxy.ipv6, &proxy.port, &inner) != AIVO_OK)
        return bad(err, inner.message);
    *out = proxy;
    return AIVO_OK;
}

static bool same_address(const char *a, size_t a_len, const char *b)
{
    uint8_t x[16], y[16];
    int family = aivo_ipaddr_parse(a, a_len, x);
    return family && family == aivo_ipaddr_parse(b, strlen(b), y) && memcmp(x, y, family == 4 ? 4 : 16) == 0;
}

/* name covers host if it is the same or its end after a dot. */
static bool covers_name(const char *name, size_t len, const char *host)
{
    size_t host_len = strlen(host);
    if (host_len > 0 && host[host_len - 1] == '.')
        host_len--;
    if (len > 0 && name[len - 1] == '.')
        len--;
    while (len > 0 && (*name == '.' || *name == '*'))
        name++, len--;
    if (len == 0 || len > host_len || !same(host + host_len - len, name, len))
        return false;
    return len == host_len || host[host_len - len - 1] == '.';
}

static bool rule_covers(const char *rule, size_t len, const char *host, uint16_t port)
{
    if (len == 1 && *rule == '*')
        return true;
    const char *colon = NULL;
    size_t colons = 0;
    for (size_t i = 0; i < len; i++)
        if (rule[i] == ':') {
            colons++;
            colon = rule + i;
        }
    const char *close = *rule == '[' ? memchr(rule, ']', len) : NULL;
    size_t name_len = len;
    if (close || colons == 1) { /* else a bare IPv6 address, or no port */
        const char *digits = close ? close + 1 : colon;
        name_len = close ? (size_t)(close - rule) : (size_t)(colon - rule);
        unsigned wanted = 0;
        if (digits < rule + len && *digits++ != ':')
            return false;
        bool given = digits < rule + len;
        for (; digits < rule + len; digits++) {
            if (*digits < '0' || *digits > '9' || wanted > 65535)
                return false;
            wanted = wanted * 10 + (unsigned)(*digits - '0');
        }
        if (given && wanted != port)
            return false;
    }
    if (close)
        rule++, name_len--;
    return same_address(rule, name_len, host) || covers_name(rule, name_len, host);
}

bool aivo_no_proxy_covers(const char *rules, const char *host, uint16_t port)
{
    while (rules && *rules) {
        size_t len = strcspn(rules, ", \t");
        if (len > 0 && rule_covers(rules, len, host, port))
            return true;
        rules += len;
        rules += strspn(rules, ", \t");
    }
    return false;
}

static bool is_local(const char *host)
{
    uint8_t ip[16];
    static const uint8_t loopback6[16] = {[15] = 1};
    switch (aivo_ipaddr_parse(host, strlen(host), ip)) {
    case 4:
        return ip[0] == 127;
    case 6:
        return memcmp(ip, loopback6, 16) == 0;
    default:
        return covers_name("localhost", 9, host);
    }
}

enum aivo_status aivo_proxy_choose(const char *option, const struct aivo_proxy_environment *environment, bool tls,
                                   const char *host, uint16_t port, struct aivo_proxy *out, struct aivo_error *err)
{
    *out = (struct aivo_proxy){0};
    const char *url = option;
    if (!url) {
        if (is_local(host) || aivo_no_proxy_covers(environment->no_proxy, host, port))
            return AIVO_OK;
        url = tls ? environment->https_proxy : environment->http_proxy;
    }
    return url && *url ? aivo_proxy_parse(url, out, err) : AIVO_OK;
}
