/* Random JSON: the same value once with white space and escapes, once in the one form that we write. */
#ifndef AIVO_TEST_JSONGEN_H
#define AIVO_TEST_JSONGEN_H

#include "json.h"
#include "prng.h"

/* Appends white space sometimes. */
static inline void gen_space(struct prng *r, struct aivo_buf *out)
{
    for (size_t n = prng_below(r, 4) ? 0 : prng_below(r, 4); n; n--)
        aivo_buf_char(out, " \t\r\n"[prng_below(r, 4)]);
}

static inline uint32_t gen_code_point(struct prng *r)
{
    switch (prng_below(r, 8)) {
    case 0:
        return (uint32_t)prng_below(r, 0x20);
    case 1:
        return (uint32_t)(0x80 + prng_below(r, 0x780));
    case 2:
        return (uint32_t)(0x800 + prng_below(r, 0xd000));
    case 3:
        return (uint32_t)(0x10000 + prng_below(r, 0x100000));
    case 4:
        return (unsigned char)"\"\\/bfnrtu\x7f"[prng_below(r, 10)];
    default:
        return (uint32_t)(0x20 + prng_below(r, 0x5f));
    }
}

static inline void gen_utf8(uint32_t c, struct aivo_buf *out)
{
    if (c < 0x80) {
        aivo_buf_char(out, (char)c);
    } else if (c < 0x800) {
        aivo_buf_char(out, (char)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        aivo_buf_char(out, (char)(0xe0 | c >> 12));
        aivo_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    } else {
        aivo_buf_char(out, (char)(0xf0 | c >> 18));
        aivo_buf_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        aivo_buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    if (c >= 0x80)
        aivo_buf_char(out, (char)(0x80 | (c & 0x3f)));
}

static inline void gen_hex4(struct prng *r, uint32_t unit, struct aivo_buf *out)
{
    const char *digits = prng_below(r, 2) ? "0123456789abcdef" : "0123456789ABCDEF";
    aivo_buf_str(out, "\\u");
    for (int shift = 12; shift >= 0; shift -= 4)
        aivo_buf_char(out, digits[unit >> shift & 15]);
}

/* One character as JSON may write it. */
static inline void gen_char(struct prng *r, uint32_t c, struct aivo_buf *out)
{
    static const char raw[] = "\"\\/\b\f\n\r\t", name[] = "\"\\/bfnrt";
    const char *named = c && c < 0x80 ? strchr(raw, (int)c) : NULL;
    if (named && prng_below(r, 3)) {
        aivo_buf_char(out, '\\');
        aivo_buf_char(out, name[named - raw]);
    } else if (c < 0x20 || c == '"' || c == '\\' || prng_below(r, 5) == 0) {
        if (c >= 0x10000) {
            gen_hex4(r, 0xd800 + ((c - 0x10000) >> 10), out);
            gen_hex4(r, 0xdc00 + ((c - 0x10000) & 0x3ff), out);
        } else {
            gen_hex4(r, c, out);
        }
    } else {
        gen_utf8(c, out);
    }
}

/* A string: text is JSON, plain what it means. */
static inline void gen_string(struct prng *r, struct aivo_buf *text, struct aivo_buf *plain)
{
    size_t n = prng_below(r, 4) ? prng_below(r, 6) : prng_below(r, 40);
    aivo_buf_char(text, '"');
    for (; n; n--) {
        uint32_t c = gen_code_point(r);
        gen_char(r, c, text);
        gen_utf8(c, plain);
    }
    aivo_buf_char(text, '"');
}

static inline void gen_string_both(struct prng *r, struct aivo_buf *text, struct aivo_buf *canonical)
{
    struct aivo_buf plain;
    aivo_buf_init(&plain);
    gen_string(r, text, &plain);
    aivo_json_write_string(canonical, plain.data ? plain.data : "", plain.len);
    aivo_buf_free(&plain);
}

static inline void gen_both(const char *s, struct aivo_buf *text, struct aivo_buf *canonical)
{
    aivo_buf_str(text, s);
    aivo_buf_str(canonical, s);
}

static inline void gen_value(struct prng *r, unsigned depth, struct aivo_buf *text, struct aivo_buf *canonical)
{
    static const char *const scalars[] = {"null", "true",   "false", "0",       "-0",      "1",
                                          "-17",  "0.0625", "1e9",   "-2.5E-3", "3.5e+12", "9007199254740993"};
    size_t kind = prng_below(r, depth ? 6 : 3);
    if (kind == 0) {
        gen_both(scalars[prng_below(r, sizeof(scalars) / sizeof(scalars[0]))], text, canonical);
        return;
    }
    if (kind <= 2) {
        gen_string_both(r, text, canonical);
        return;
    }
    bool object = kind == 3;
    gen_both(object ? "{" : "[", text, canonical);
    gen_space(r, text);
    for (size_t i = 0, n = prng_below(r, 5); i < n; i++) {
        if (i)
            gen_both(",", text, canonical);
        gen_space(r, text);
        if (object) {
            gen_string_both(r, text, canonical);
            gen_space(r, text);
            gen_both(":", text, canonical);
            gen_space(r, text);
        }
        gen_value(r, depth - 1, text, canonical);
        gen_space(r, text);
    }
    gen_both(object ? "}" : "]", text, canonical);
}

/* Writes a parsed value in the one form, walking it with the functions under test. */
static inline bool write_canonical(const struct aivo_json *value, struct aivo_buf *out)
{
    struct aivo_json key, member;
    size_t pos = 0, n = 0;
    if (value->type == AIVO_JSON_STRING) {
        struct aivo_buf plain;
        aivo_buf_init(&plain);
        bool ok = aivo_json_string(value, &plain);
        aivo_json_write_string(out, plain.data ? plain.data : "", plain.len);
        aivo_buf_free(&plain);
        return ok;
    }
    if (value->type == AIVO_JSON_ARRAY) {
        aivo_buf_char(out, '[');
        while ((member = aivo_json_next(value, &pos)).type != AIVO_JSON_NONE) {
            if (n++)
                aivo_buf_char(out, ',');
            if (!write_canonical(&member, out))
                return false;
        }
        aivo_buf_char(out, ']');
        return true;
    }
    if (value->type == AIVO_JSON_OBJECT) {
        aivo_buf_char(out, '{');
        while (aivo_json_next_member(value, &pos, &key, &member)) {
            if (n++)
                aivo_buf_char(out, ',');
            if (!write_canonical(&key, out))
                return false;
            aivo_buf_char(out, ':');
            if (!write_canonical(&member, out))
                return false;
        }
        aivo_buf_char(out, '}');
        return true;
    }
    aivo_buf_add(out, value->text, value->len);
    return value->type != AIVO_JSON_NONE;
}

#endif
