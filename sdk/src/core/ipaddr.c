#include "ipaddr.h"

#include <stdbool.h>
#include <string.h>

static bool parse4(const char *p, const char *end, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0 && (p == end || *p++ != '.'))
            return false;
        unsigned value = 0;
        const char *start = p;
        for (; p < end && *p >= '0' && *p <= '9'; p++) {
            value = value * 10 + (unsigned)(*p - '0');
            if (value > 255 || (p > start && *start == '0'))
                return false;
        }
        if (p == start)
            return false;
        out[i] = (uint8_t)value;
    }
    return p == end;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse6(const char *p, const char *end, uint8_t out[16])
{
    uint8_t addr[16] = {0};
    int at = 0, gap = -1;
    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = 0;
        p += 2;
    }
    while (p < end) {
        const char *group = p;
        unsigned value = 0;
        while (p < end && hex(*p) >= 0 && p - group < 4)
            value = value << 4 | (unsigned)hex(*p++);
        if (p < end && *p == '.' && at <= 12) { /* an IPv4 tail */
            if (!parse4(group, end, addr + at))
                return false;
            at += 4;
            p = end;
            break;
        }
        if (p == group || at == 16)
            return false;
        addr[at++] = (uint8_t)(value >> 8);
        addr[at++] = (uint8_t)value;
        if (p == end)
            break;
        if (*p++ != ':' || p == end)
            return false;
        if (*p == ':') {
            if (gap >= 0)
                return false;
            gap = at;
            p++;
        }
    }
    if (gap < 0 ? at != 16 : at > 14)
        return false;
    memset(out, 0, 16);
    size_t head = gap < 0 ? 16 : (size_t)gap;
    memcpy(out, addr, head);
    if (gap >= 0)
        memcpy(out + 16 - (at - gap), addr + gap, (size_t)(at - gap));
    return true;
}

int aivo_ipaddr_parse(const char *text, size_t len, uint8_t out[16])
{
    uint8_t found[16] = {0};
    int family = parse4(text, text + len, found) ? 4 : parse6(text, text + len, found) ? 6 : 0;
    if (family)
        memcpy(out, found, family == 4 ? 4 : 16);
    return family;
}
