#include "address.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct srv_address *address)
{
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

void srv_address_of_sockaddr(const struct sockaddr *sa, struct srv_address *out)
{
    memset(out, 0, sizeof *out);
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, sa, sizeof four);
        memcpy(out->bytes, mapped, sizeof mapped);
        memcpy(out->bytes + 12, &four.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, sa, sizeof six);
        memcpy(out->bytes, &six.sin6_addr, 16);
    }
}

/* text is terminated and holds nothing but the address. */
static bool parse_plain(const char *text, struct srv_address *out)
{
    struct srv_address a = {{0}};
    if (inet_pton(AF_INET, text, a.bytes + 12) == 1)
        memcpy(a.bytes, mapped, sizeof mapped);
    else if (inet_pton(AF_INET6, text, a.bytes) != 1)
        return false;
    *out = a;
    return true;
}

static bool is_port(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

bool srv_address_parse(const char *text, size_t len, struct srv_address *out)
{
    char copy[SRV_ADDRESS_TEXT + 16];
    while (len && (*text == ' ' || *text == '\t'))
        text++, len--;
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len >= sizeof copy || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *colon = strchr(copy, ':');
    if (copy[0] == '[') {
        char *end = strchr(copy, ']');
        if (!end || (end[1] != '\0' && (end[1] != ':' || !is_port(end + 2))))
            return false;
        *end = '\0';
        return strchr(copy, ':') && parse_plain(copy + 1, out);
    }
    if (colon && !strchr(colon + 1, ':')) {
        if (!is_port(colon + 1))
            return false;
        *colon = '\0';
    }
    return parse_plain(copy, out);
}

void srv_address_format(const struct srv_address *address, char out[SRV_ADDRESS_TEXT])
{
    const char *text = is_v4(address) ? inet_ntop(AF_INET, address->bytes + 12, out, SRV_ADDRESS_TEXT)
                                      : inet_ntop(AF_INET6, address->bytes, out, SRV_ADDRESS_TEXT);
    if (!text || srv_address_is_none(address))
        snprintf(out, SRV_ADDRESS_TEXT, "local");
}

bool srv_address_is_none(const struct srv_address *address)
{
    static const struct srv_address none;
    return memcmp(address, &none, sizeof none) == 0;
}

uint64_t srv_address_key(const struct srv_address *address)
{
    uint64_t key = 0;
    for (unsigned i = 0; i < 8; i++)
        key = key << 8 | address->bytes[is_v4(address) ? 8 + i : i];
    return key ? key : 1; /* ::1 and its neighbours; 0000:0000:ffff:... is nobody's network */
}

/* --- networks --- */

static bool parse_net(const char *text, size_t len, struct srv_net *out)
{
    const char *slash = memchr(text, '/', len);
    size_t address_len = slash ? (size_t)(slash - text) : len;
    if (!srv_address_parse(text, address_len, &out->address))
        return false;
    unsigned most = is_v4(&out->address) && !memchr(text, ':', address_len) ? 32 : 128, bits = 0;
    out->bits = 128;
    if (!slash)
        return true;
    const char *p = slash + 1, *end = text + len;
    if (p == end || end - p > 3)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        bits = bits * 10 + (unsigned)(*p - '0');
    }
    out->bits = 128 - most + bits;
    return bits <= most;
}

bool srv_nets_parse(struct srv_nets *nets, const char *list, char *error, size_t error_size)
{
    memset(nets, 0, sizeof *nets);
    for (const char *p = list; p && *p != '\0';) {
        size_t len = strcspn(p, ",");
        const char *next = p + len + (p[len] == ',');
        while (len && (*p == ' ' || *p == '\t'))
            p++, len--;
        while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
            len--;
        if (nets->count == SRV_NETS_MAX) {
            snprintf(error, error_size, "more than %d networks", SRV_NETS_MAX);
            return false;
        }
        if (len && !parse_net(p, len, &nets->list[nets->count++])) {
            snprintf(error, error_size, "'%.*s' is neither an address nor a network", len > 100 ? 100 : (int)len, p);
            return false;
        }
        p = next;
    }
    return true;
}

static bool net_has(const struct srv_net *net, const struct srv_address *address)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || ((net->address.bytes[whole] ^ address->bytes[whole]) & (0xff00 >> rest & 0xff)) == 0;
}

bool srv_nets_contain(const struct srv_nets *nets, const struct srv_address *address)
{
    for (unsigned i = 0; i < nets->count; i++)
        if (net_has(&nets->list[i], address))
            return true;
    return false;
}

void srv_address_client(const struct srv_nets *nets, const struct srv_address *from, const char *forwarded, size_t len,
                        struct srv_address *out)
{
    *out = *from;
    for (unsigned i = 0; forwarded && i < SRV_FORWARDED_MAX && srv_nets_contain(nets, out); i++) {
        const char *comma = memrchr(forwarded, ',', len);
        const char *entry = comma ? comma + 1 : forwarded;
        struct srv_address said;
        if (!srv_address_parse(entry, len - (size_t)(entry - forwarded), &said))
            return;
        *out = said;
        if (!comma)
            return;
        len = (size_t)(comma - forwarded);
    }
}
