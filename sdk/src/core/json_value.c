/* What a single JSON value says, and writing strings. Values come from aivo_json_parse, so they are well formed. */
#include "json.h"

#include "json_scan.h"
#include "utf8.h"
#include <float.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT 0xfffd
#define TWO_53      9007199254740992u

static uint32_t hex4(const char *p)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        code = code << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return code;
}

/* The \u escape whose backslash is at *p, with the low surrogate that may follow; moves *p behind it. */
static uint32_t unicode_escape(const char **p, const char *end)
{
    if (end - *p < 6) {
        *p = end;
        return REPLACEMENT;
    }
    uint32_t code = hex4(*p + 2);
    *p += 6;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return REPLACEMENT;
    uint32_t low = hex4(*p + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return REPLACEMENT;
    *p += 6;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* Decodes the escape at *p into out; returns its length, 1..4. */
static size_t escape(const char **p, const char *end, char out[4])
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = end - *p > 1 ? (*p)[1] : '\\';
    if (c == 'u')
        return aivo_utf8_put(unicode_escape(p, end), out);
    const char *known = c ? strchr(from, c) : NULL;
    out[0] = known ? to[known - from] : c;
    *p += end - *p > 1 ? 2 : 1;
    return 1;
}

/* A string value piece by piece: a run of plain bytes or one decoded escape. false at the end. */
struct pieces {
    const char *p, *end;
    char decoded[4];
};

static bool pieces_start(struct pieces *s, const struct aivo_json *value)
{
    if (value->type != AIVO_JSON_STRING || value->len < 2)
        return false;
    s->p = value->text + 1;
    s->end = value->text + value->len - 1;
    return true;
}

static bool piece(struct pieces *s, const char **data, size_t *len)
{
    if (s->p >= s->end)
        return false;
    if (*s->p == '\\') {
        *len = escape(&s->p, s->end, s->decoded);
        *data = s->decoded;
        return true;
    }
    const char *slash = memchr(s->p, '\\', (size_t)(s->end - s->p));
    *data = s->p;
    s->p = slash ? slash : s->end;
    *len = (size_t)(s->p - *data);
    return true;
}

bool aivo_json_string(const struct aivo_json *value, struct aivo_buf *out)
{
    struct pieces s;
    const char *data;
    size_t len;
    if (!pieces_start(&s, value))
        return false;
    aivo_buf_add(out, NULL, 0); /* so that even an empty string gives text */
    while (piece(&s, &data, &len))
        aivo_buf_add(out, data, len);
    return true;
}

bool aivo_json_string_is(const struct aivo_json *value, const char *text)
{
    struct pieces s;
    const char *data;
    size_t len, left = strlen(text);
    if (!pieces_start(&s, value))
        return false;
    while (piece(&s, &data, &len)) {
        if (len > left || memcmp(data, text, len) != 0)
            return false;
        text += len;
        left -= len;
    }
    return left == 0;
}

bool aivo_json_string_copy(const struct aivo_json *value, char *out, size_t size)
{
    struct pieces s;
    const char *data;
    size_t len, total = 0;
    if (!pieces_start(&s, value))
        return false;
    while (piece(&s, &data, &len)) {
        if (memchr(data, '\0', len))
            return false;
        total += len;
    }
    if (total >= size)
        return false;
    pieces_start(&s, value);
    while (piece(&s, &data, &len)) {
        memcpy(out, data, len);
        out += len;
    }
    *out = '\0';
    return true;
}

/* A number taken apart: digits without leading zeros or point, and the power of ten of the last one. */
#define MAX_DIGITS 780 /* 767 and "there was more" suffice to round any double correctly */
struct decimal {
    char text[MAX_DIGITS + 24]; /* room for "1", "e", a sign and the exponent */
    size_t digits;
    bool cut; /* digits other than 0 were left out */
    long long exponent;
};

static void take_digit(struct decimal *d, char c, bool fraction)
{
    if (c == '0' && !d->digits) {
        d->exponent -= fraction;
    } else if (d->digits == MAX_DIGITS) {
        d->cut = d->cut || c != '0';
        d->exponent += !fraction;
    } else {
        d->text[d->digits++] = c;
        d->exponent -= fraction;
    }
}

static void take_number(struct decimal *d, const char *p, const char *end)
{
    const long long enough = 1000000000000;
    bool fraction = false, minus = false;
    long long power = 0;
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.')
            fraction = true;
        else
            take_digit(d, *p, fraction);
    }
    if (p < end)
        p++;
    if (p < end && (*p == '-' || *p == '+'))
        minus = *p++ == '-';
    for (; p < end; p++)
        if (power < enough)
            power = power * 10 + (*p - '0');
    d->exponent += minus ? -power : power;
}

/* Exact where the digits fit a double's mantissa and the power of ten is one that a double holds exactly. */
static bool quick_double(const struct decimal *d, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->digits > 15 || d->exponent < -22 || d->exponent > 22)
        return false;
    uint64_t whole = 0;
    for (size_t i = 0; i < d->digits; i++)
        whole = whole * 10 + (uint64_t)(d->text[i] - '0');
    *out = d->exponent < 0 ? (double)whole / tens[-d->exponent] : (double)whole * tens[d->exponent];
    return true;
}

/* strtod gets digits and an exponent but never a point, which it would expect as the locale writes it. */
static double slow_double(struct decimal *d)
{
    const long long beyond = 5000; /* with at most 781 digits this is infinite or zero */
    size_t n = d->digits;
    if (d->cut) {
        d->text[n++] = '1';
        d->exponent--;
    }
    long long e = d->exponent;
    d->text[n++] = 'e';
    if (e < 0) {
        d->text[n++] = '-';
        e = -e;
    }
    if (e > beyond)
        e = beyond;
    for (int i = 3; i >= 0; i--, e /= 10)
        d->text[n + (size_t)i] = (char)('0' + e % 10);
    d->text[n + 4] = '\0';
    return strtod(d->text, NULL);
}

bool aivo_json_double(const struct aivo_json *value, double *out)
{
    if (value->type != AIVO_JSON_NUMBER || !value->len)
        return false;
    const char *p = value->text, *end = p + value->len;
    bool minus = *p == '-';
    struct decimal d;
    d.digits = 0;
    d.cut = false;
    d.exponent = 0;
    take_number(&d, p + minus, end);
    double result = 0;
    if (d.digits && !quick_double(&d, &result))
        result = slow_double(&d);
    if (result > DBL_MAX)
        return false;
    *out = minus ? -result : result;
    return true;
}

bool aivo_json_u64(const struct aivo_json *value, uint64_t *out)
{
    if (value->type != AIVO_JSON_NUMBER)
        return false;
    uint64_t whole = 0;
    size_t i = 0;
    for (; i < value->len && i < 16 && value->text[i] >= '0' && value->text[i] <= '9'; i++)
        whole = whole * 10 + (uint64_t)(value->text[i] - '0');
    if (i < value->len) { /* a sign, a fraction, an exponent, or too long */
        double number;
        if (!aivo_json_double(value, &number) || number < 0 || number > (double)TWO_53)
            return false;
        whole = (uint64_t)number;
        if ((double)whole != number)
            return false;
    }
    if (whole > TWO_53)
        return false;
    *out = whole;
    return true;
}

bool aivo_json_is_true(const struct aivo_json *value)
{
    return value->type == AIVO_JSON_TRUE;
}

static void write_escape(struct aivo_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    const char *known = c ? strchr(from, c) : NULL;
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    if (known) {
        text[1] = to[known - from];
        aivo_buf_add(out, text, 2);
    } else {
        aivo_buf_add(out, text, sizeof(text));
    }
}

/* How much of malformed text at p one U+FFFD stands for: the longest start of a sequence, as browsers do it. */
static size_t broken_sequence(const unsigned char *p, const unsigned char *end)
{
    unsigned char whole[4] = {p[0], 0x80, 0x80, 0x80};
    size_t want = p[0] >= 0xf0 ? 4 : 3, have = 1, left = (size_t)(end - p);
    if (p[0] < 0xe0 || p[0] > 0xf4)
        return 1;
    while (have + 1 < want && have < left) {
        whole[have] = p[have];
        if (aivo_utf8_sequence(whole, whole + want) != want)
            break;
        have++;
    }
    return have;
}

void aivo_json_write_string(struct aivo_buf *out, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len, *run = p;
    if (!aivo_buf_reserve(out, len + 2))
        return;
    aivo_buf_char(out, '"');
    while (p < end) {
        p = aivo_json_plain(p, end);
        if (p == end)
            break;
        size_t n = *p < 0x80 ? 0 : aivo_utf8_sequence(p, end);
        if (n) {
            p += n;
            continue;
        }
        aivo_buf_add(out, run, (size_t)(p - run));
        if (*p < 0x80) {
            write_escape(out, *p++);
        } else {
            p += broken_sequence(p, end);
            aivo_buf_str(out, "\xef\xbf\xbd");
        }
        run = p;
    }
    aivo_buf_add(out, run, (size_t)(p - run));
    aivo_buf_char(out, '"');
}
