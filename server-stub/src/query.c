#include "query.h"
#include <string.h>

struct slice {
    const char *at;
    size_t len;
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes into out (or copies what is decoded already), NUL-terminated. false if it does not fit or would hold a NUL or
 * a control character. */
static bool decode(struct slice in, bool decoded, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.at[i];
        if (decoded) {
            ; /* as it stands */
        } else if (c == '+') {
            c = ' ';
        } else if (c == '%' && in.len - i > 2 && hex(in.at[i + 1]) >= 0 && hex(in.at[i + 2]) >= 0) {
            c = (char)(hex(in.at[i + 1]) * 16 + hex(in.at[i + 2]));
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f || n + 1 >= size) {
            out[0] = '\0';
            return false;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static int eio_version(const char *text)
{
    size_t len = strlen(text);
    if (len < 1 || len > 2 || text[0] < '1' || text[0] > '9')
        return -1;
    if (len == 1)
        return text[0] - '0';
    return text[1] < '0' || text[1] > '9' ? -1 : (text[0] - '0') * 10 + (text[1] - '0');
}

static enum srv_query_transport transport_of(const char *text)
{
    if (strcmp(text, "polling") == 0)
        return SRV_QUERY_TRANSPORT_POLLING;
    if (strcmp(text, "websocket") == 0)
        return SRV_QUERY_TRANSPORT_WEBSOCKET;
    return text[0] == '\0' ? SRV_QUERY_TRANSPORT_MISSING : SRV_QUERY_TRANSPORT_UNKNOWN;
}

enum name { NAME_EIO = 1, NAME_TRANSPORT = 2, NAME_SID = 4, NAME_B64 = 8 };

static unsigned name_of(const char *text)
{
    static const struct {
        const char *text;
        unsigned name;
    } names[] = {{"EIO", NAME_EIO}, {"transport", NAME_TRANSPORT}, {"sid", NAME_SID}, {"b64", NAME_B64}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i].text) == 0)
            return names[i].name;
    }
    return 0;
}

static void take(struct srv_query *q, unsigned name, struct slice raw, bool decoded)
{
    char value[SRV_QUERY_SID_SIZE];
    bool fits = decode(raw, decoded, value, sizeof value);
    switch (name) {
    case NAME_EIO:
        q->eio = raw.len == 0 ? 0 : fits ? eio_version(value) : -1;
        break;
    case NAME_TRANSPORT:
        q->transport = fits ? transport_of(value) : SRV_QUERY_TRANSPORT_UNKNOWN;
        break;
    case NAME_SID:
        q->has_sid = raw.len > 0;
        memcpy(q->sid, value, sizeof q->sid); /* "" where it does not fit */
        break;
    default:
        q->b64 = fits && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
        break;
    }
}

static bool add_pair(struct srv_query *q, struct slice pair, bool decoded)
{
    if (pair.len == 0)
        return true;
    if (++q->pairs > SRV_QUERY_MAX_PAIRS)
        return false;
    const char *equals = memchr(pair.at, '=', pair.len);
    size_t name_len = equals == NULL ? pair.len : (size_t)(equals - pair.at);
    struct slice value = {pair.at + name_len, 0};
    if (equals != NULL)
        value = (struct slice){equals + 1, pair.len - name_len - 1};
    char text[16];
    unsigned name = decode((struct slice){pair.at, name_len}, decoded, text, sizeof text) ? name_of(text) : 0;
    if (name == 0 || (q->names_seen & name) != 0)
        return true;
    q->names_seen = (unsigned char)(q->names_seen | name);
    take(q, name, value, decoded);
    return true;
}

bool srv_query_add_decoded(struct srv_query *out, const char *pair, size_t len)
{
    if (len <= SRV_QUERY_MAX_BYTES && add_pair(out, (struct slice){pair, len}, true))
        return true;
    memset(out, 0, sizeof *out);
    return false;
}

bool srv_query_parse(const char *query, size_t len, struct srv_query *out)
{
    memset(out, 0, sizeof *out);
    if (len > SRV_QUERY_MAX_BYTES)
        return false;
    struct srv_query q = *out;
    size_t at = 0;
    while (at < len) {
        const char *amp = memchr(query + at, '&', len - at);
        struct slice pair = {query + at, amp == NULL ? len - at : (size_t)(amp - query) - at};
        at += pair.len + 1;
        if (!add_pair(&q, pair, false))
            return false;
    }
    *out = q;
    return true;
}
