/* RFC 4648: section 4, the alphabet with + and /; for decoding also section 5, the one with - and _. */
#include "engineio.h"

#define BAD 0xff

void aivo_base64_encode(struct aivo_buf *out, const void *data, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    if (len > SIZE_MAX / 4 * 3 - 3 || !aivo_buf_reserve(out, (len + 2) / 3 * 4)) {
        out->failed = true;
        return;
    }
    char *to = out->data + out->len;
    size_t i = 0;
    for (; len - i >= 3; i += 3) {
        *to++ = alphabet[p[i] >> 2];
        *to++ = alphabet[(p[i] & 3) << 4 | p[i + 1] >> 4];
        *to++ = alphabet[(p[i + 1] & 15) << 2 | p[i + 2] >> 6];
        *to++ = alphabet[p[i + 2] & 63];
    }
    if (i < len) {
        bool two = len - i == 2;
        *to++ = alphabet[p[i] >> 2];
        *to++ = alphabet[(p[i] & 3) << 4 | (two ? p[i + 1] >> 4 : 0)];
        *to++ = two ? alphabet[(p[i + 1] & 15) << 2] : '=';
        *to++ = '=';
    }
    out->len = (size_t)(to - out->data);
    *to = '\0';
}

static inline unsigned sextet(char c, const char last[2])
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0' + 52);
    return c == last[0] ? 62 : c == last[1] ? 63 : BAD;
}

/* Without padding; last: the alphabet's last two. */
static bool decode(struct aivo_buf *out, const char *text, size_t len, const char last[2])
{
    if (len % 4 == 1 || !aivo_buf_reserve(out, len / 4 * 3 + 2))
        return false;
    char *to = out->data + out->len;
    unsigned bits = 0, value = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned six = sextet(text[i], last);
        if (six == BAD)
            return false;
        value = (value << 6 | six) & 0xfff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (char)(value >> bits);
        }
    }
    if (value & ((1u << bits) - 1)) /* bits that belong to no byte: no encoder writes them */
        return false;
    out->len = (size_t)(to - out->data);
    *to = '\0';
    return true;
}

bool aivo_base64_decode(struct aivo_buf *out, const char *text, size_t len)
{
    if (len && len % 4 == 0 && text[len - 1] == '=')
        len -= len >= 2 && text[len - 2] == '=' ? 2 : 1;
    return decode(out, text, len, "+/");
}

bool aivo_base64url_decode(struct aivo_buf *out, const char *text, size_t len)
{
    return decode(out, text, len, "-_");
}
