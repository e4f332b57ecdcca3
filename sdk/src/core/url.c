#include "url.h"

#include "errtext.h"
#include "ipaddr.h"
#include <string.h>

static enum aivo_status bad(struct aivo_error *err, const char *a, const char *b, const char *c)
{
    return aivo_error_join(err, AIVO_E_INVALID, 0, a, b, c, (char *)NULL);
}

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static enum aivo_status check_bytes(const char *text, size_t len, struct aivo_error *err)
{
    char at[24];
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        const char *where = aivo_decimal(at, (long long)i + 1);
        if (c == ' ')
            return bad(err, "the URL has a space at byte ", where, "; write it as %20");
        if (c < 0x20 || c == 0x7f)
            return bad(err, "the URL has a control byte at byte ", where, "");
        if (c >= 0x80)
            return bad(err, "the URL has a byte beyond ASCII at byte ", where,
                       "; write a host name in its xn-- form, a path with %XX");
        if (c == '\\' || c == '"' || c == '<' || c == '>')
            return bad(err, "the URL has a character that does not belong into one at byte ", where, "");
    }
    return AIVO_OK;
}

static enum aivo_status parse_port(const char *p, const char *end, uint16_t *port, struct aivo_error *err)
{
    unsigned value = 0;
    if (p == end)
        return bad(err, "the port is missing after ':'", "", "");
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return bad(err, "the port is not a number", "", "");
        value = value * 10 + (unsigned)(*p - '0');
        if (value > 65535)
            return bad(err, "the port is above 65535", "", "");
    }
    if (value == 0)
        return bad(err, "the port must not be 0", "", "");
    *port = (uint16_t)value;
    return AIVO_OK;
}

/* Labels of letters, digits, '-' and '_', each 1..63 bytes; a dot may end the name. A name whose last label is a
 * number must be an IPv4 address, lest "1.2.3.400" be looked up as a name. */
static enum aivo_status check_name(const char *host, struct aivo_error *err)
{
    size_t label = 0, digits = 0, last_digits = 0, last = 0;
    for (const char *p = host;; p++) {
        if (*p == '.' || *p == 0) {
            if (label == 0 && !(*p == 0 && p > host && p[-1] == '.'))
                return bad(err, "the host name has an empty part: \"", host, "\"");
            if (label > 63)
                return bad(err, "a part of the host name is longer than 63 bytes", "", "");
            if (label > 0) {
                last = label;
                last_digits = digits;
            }
            label = digits = 0;
            if (*p == 0)
                break;
            continue;
        }
        if (!alnum(*p) && *p != '-' && *p != '_')
            return bad(err, "the host name has a character that does not belong into one: \"", host, "\"");
        label++;
        digits += *p >= '0' && *p <= '9';
    }
    uint8_t addr[16];
    if (last_digits == last && !aivo_ipaddr_parse(host, strlen(host), addr))
        return bad(err, "the host is not an IPv4 address: \"", host, "\"");
    return AIVO_OK;
}

enum aivo_status aivo_url_parse_authority(const char *text, size_t len, uint16_t default_port, char host[256],
                                          bool *ipv6, uint16_t *port, struct aivo_error *err)
{
    const char *end = text + len, *name = text, *name_end, *rest;
    bool brackets = len > 0 && *text == '[';
    if (brackets) {
        name++;
        name_end = memchr(name, ']', (size_t)(end - name));
        if (!name_end)
            return bad(err, "the ']' after the IPv6 address is missing", "", "");
        rest = name_end + 1;
        if (rest < end && *rest != ':')
            return bad(err, "after ']' only a port may follow", "", "");
    } else {
        name_end = memchr(text, ':', len);
        if (!name_end)
            name_end = end;
        rest = name_end;
        if (rest < end && memchr(rest + 1, ':', (size_t)(end - rest - 1)))
            return bad(err, "an IPv6 address must stand in brackets: [::1]", "", "");
    }
    size_t n = (size_t)(name_end - name);
    if (n == 0)
        return bad(err, "the host is missing", "", "");
    if (n > 254)
        return bad(err, "the host name is longer than 254 bytes", "", "");
    char lower[256] = {0};
    for (size_t i = 0; i < n; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    uint8_t addr[16];
    if (brackets && aivo_ipaddr_parse(lower, n, addr) != 6)
        return bad(err, "what stands in brackets is not an IPv6 address: \"", lower, "\"");
    enum aivo_status status = brackets ? AIVO_OK : check_name(lower, err);
    uint16_t number = default_port;
    if (status == AIVO_OK && rest < end)
        status = parse_port(rest + 1, end, &number, err);
    if (status != AIVO_OK)
        return status;
    memcpy(host, lower, sizeof lower);
    *ipv6 = brackets;
    *port = number;
    return AIVO_OK;
}

static bool same_scheme(const char *text, size_t len, const char *name)
{
    if (len != strlen(name))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((text[i] | 0x20) != name[i])
            return false;
    return true;
}

static const char *parse_scheme(const char *text, bool *tls, struct aivo_error *err)
{
    const char *colon = strstr(text, "://");
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (!colon || memchr(text, '/', len) || memchr(text, '?', len) || memchr(text, '#', len)) {
        bad(err, "the URL does not begin with http://, https://, ws:// or wss://", "", "");
        return NULL;
    }
    *tls = same_scheme(text, len, "https") || same_scheme(text, len, "wss");
    if (*tls || same_scheme(text, len, "http") || same_scheme(text, len, "ws"))
        return colon + 3;
    char scheme[24] = "";
    memcpy(scheme, text, len < sizeof scheme - 1 ? len : sizeof scheme - 1);
    bad(err, "the scheme \"", scheme, "\" is none of http, https, ws, wss");
    return NULL;
}

enum aivo_status aivo_url_parse(const char *text, struct aivo_url *out, struct aivo_error *err)
{
    if (!text || !*text)
        return bad(err, "the URL is empty", "", "");
    size_t len = strnlen(text, AIVO_URL_MAX + 1);
    if (len > AIVO_URL_MAX)
        return bad(err, "the URL is longer than 2047 bytes", "", "");
    if (check_bytes(text, len, err) != AIVO_OK)
        return AIVO_E_INVALID;
    struct aivo_url url = {0};
    const char *p = parse_scheme(text, &url.tls, err);
    if (!p)
        return AIVO_E_INVALID;
    size_t authority = strcspn(p, "/?#");
    if (memchr(p, '@', authority))
        return bad(err, "the URL has a user name or password before '@': give credentials as a token or header instead",
                   "", "");
    if (strchr(p, '#'))
        return bad(err, "the URL has a fragment ('#'), which a WebSocket URL must not have; write '#' as %23", "", "");
    if (aivo_url_parse_authority(p, authority, AIVO_URL_DEFAULT_PORT, url.host, &url.ipv6, &url.port, err) != AIVO_OK)
        return AIVO_E_INVALID;
    p += authority;
    size_t path = strcspn(p, "?");
    memcpy(url.path, path ? p : "/", path ? path : 1);
    if (p[path] == '?')
        memcpy(url.query, p + path + 1, strlen(p + path + 1));
    *out = url;
    return AIVO_OK;
}
