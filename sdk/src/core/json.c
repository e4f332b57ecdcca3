/* Validating and walking. What a single value says is in json_value.c. */
#include "json.h"

#include "json_scan.h"
#include "utf8.h"
#include <string.h>

/* What a byte can be outside of strings and behind a backslash. */
enum {
    IS_SPACE = 1,  /* white space */
    IS_DIGIT = 2,  /* 0-9 */
    IS_HEX = 4,    /* 0-9, a-f, A-F */
    IS_ESCAPE = 8, /* may follow a backslash, without u */
};

#define H IS_HEX
#define D (IS_DIGIT | IS_HEX)
#define E IS_ESCAPE
/* clang-format off */
static const uint8_t classes[256] = {
    ['\t'] = IS_SPACE, ['\n'] = IS_SPACE, ['\r'] = IS_SPACE, [' '] = IS_SPACE,
    ['"'] = E, ['/'] = E, ['\\'] = E, ['n'] = E, ['r'] = E, ['t'] = E,
    ['0'] = D, D, D, D, D, D, D, D, D, D,
    ['A'] = H, H, H, H, H, H,
    ['a'] = H, H | E, H, H, H, H | E, /* a-f, of which b and f may be escaped */
};
/* clang-format on */
#undef H
#undef D
#undef E

typedef const unsigned char *cursor;

/* A scan of untrusted text: each scan_ function starts at p and leaves p behind what it took; where one fails it
 * leaves p at the byte that is wrong. */
struct scan {
    cursor p, end;
};

static inline cursor skip_space(cursor p, cursor end)
{
    while (p < end && classes[*p] & IS_SPACE)
        p++;
    return p;
}

/* p is behind the backslash. */
static bool scan_escape(struct scan *s)
{
    if (s->p == s->end)
        return false;
    if (*s->p != 'u') {
        if (!(classes[*s->p] & IS_ESCAPE))
            return false;
        s->p++;
        return true;
    }
    s->p++;
    for (int i = 0; i < 4; i++, s->p++)
        if (s->p == s->end || !(classes[*s->p] & IS_HEX))
            return false;
    return true;
}

/* p is at the opening quote. */
static bool scan_string(struct scan *s)
{
    s->p++;
    for (;;) {
        s->p = aivo_json_plain(s->p, s->end);
        if (s->p == s->end)
            return false;
        unsigned char c = *s->p;
        if (c == '"') {
            s->p++;
            return true;
        }
        if (c == '\\') {
            s->p++;
            if (!scan_escape(s))
                return false;
        } else {
            size_t n = c < 0x20 ? 0 : aivo_utf8_sequence(s->p, s->end);
            if (!n)
                return false;
            s->p += n;
        }
    }
}

static inline bool scan_digits(struct scan *s)
{
    if (s->p == s->end || !(classes[*s->p] & IS_DIGIT))
        return false;
    do
        s->p++;
    while (s->p < s->end && classes[*s->p] & IS_DIGIT);
    return true;
}

static bool scan_number(struct scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!scan_digits(s))
        return false;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!scan_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p | 0x20) == 'e') {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!scan_digits(s))
            return false;
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    for (; *word; word++, s->p++)
        if (s->p == s->end || *s->p != (unsigned char)*word)
            return false;
    return true;
}

static bool scan_scalar(struct scan *s)
{
    switch (*s->p) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        return (*s->p == '-' || classes[*s->p] & IS_DIGIT) && scan_number(s);
    }
}

/* A member's key and its colon. */
static bool scan_key(struct scan *s)
{
    s->p = skip_space(s->p, s->end);
    if (s->p == s->end || *s->p != '"' || !scan_string(s))
        return false;
    s->p = skip_space(s->p, s->end);
    if (s->p == s->end || *s->p != ':')
        return false;
    s->p++;
    return true;
}

/* The open arrays and objects: one bit each, set for an object. */
struct nest {
    unsigned depth;
    uint64_t objects[AIVO_JSON_MAX_DEPTH / 64];
};

static inline bool in_object(const struct nest *n)
{
    return n->objects[(n->depth - 1) / 64] >> ((n->depth - 1) % 64) & 1;
}

/* p is at the bracket that opens. *closed: it was closed at once. */
static bool scan_open(struct scan *s, struct nest *n, bool *closed)
{
    bool object = *s->p == '{';
    if (n->depth == AIVO_JSON_MAX_DEPTH)
        return false;
    uint64_t bit = (uint64_t)1 << (n->depth % 64), *word = &n->objects[n->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    n->depth++;
    s->p = skip_space(s->p + 1, s->end);
    *closed = s->p < s->end && *s->p == (object ? '}' : ']');
    if (*closed) {
        n->depth--;
        s->p++;
        return true;
    }
    return !object || scan_key(s);
}

/* Behind a value: closes what ends here, until a comma asks for the next value or the outermost value is whole. */
static bool scan_after(struct scan *s, struct nest *n)
{
    while (n->depth) {
        s->p = skip_space(s->p, s->end);
        if (s->p == s->end)
            return false;
        bool object = in_object(n);
        if (*s->p == ',') {
            s->p++;
            return !object || scan_key(s);
        }
        if (*s->p != (object ? '}' : ']'))
            return false;
        s->p++;
        n->depth--;
    }
    return true;
}

/* One value of any depth, without recursion: a peer chooses the depth, not our stack. */
static bool scan_value(struct scan *s)
{
    struct nest n = {0};
    do {
        s->p = skip_space(s->p, s->end);
        if (s->p == s->end)
            return false;
        if (*s->p == '[' || *s->p == '{') {
            bool closed;
            if (!scan_open(s, &n, &closed))
                return false;
            if (!closed)
                continue;
        } else if (!scan_scalar(s)) {
            return false;
        }
        if (!scan_after(s, &n))
            return false;
    } while (n.depth);
    return true;
}

static enum aivo_json_type type_of(unsigned char first)
{
    switch (first) {
    case '"':
        return AIVO_JSON_STRING;
    case '[':
        return AIVO_JSON_ARRAY;
    case '{':
        return AIVO_JSON_OBJECT;
    case 't':
        return AIVO_JSON_TRUE;
    case 'f':
        return AIVO_JSON_FALSE;
    case 'n':
        return AIVO_JSON_NULL;
    default:
        return AIVO_JSON_NUMBER;
    }
}

struct aivo_json aivo_json_parse(const char *text, size_t len, size_t *error_at)
{
    struct aivo_json none = {AIVO_JSON_NONE, NULL, 0};
    if (!len) {
        if (error_at)
            *error_at = 0;
        return none;
    }
    cursor base = (cursor)text;
    struct scan s = {base, base + len};
    s.p = skip_space(s.p, s.end);
    cursor start = s.p, stop;
    bool ok = scan_value(&s);
    if (ok) {
        stop = s.p;
        s.p = skip_space(s.p, s.end);
        if (s.p == s.end)
            return (struct aivo_json){type_of(*start), (const char *)start, (size_t)(stop - start)};
    }
    if (error_at)
        *error_at = (size_t)(s.p - base);
    return none;
}

/* ---- Walking: the text is known to be valid, so only the ends are looked for. Never beyond end all the same. ---- */

/* p is at the opening quote; behind the closing one. */
static cursor pass_string(cursor p, cursor end)
{
    p++;
    while (p < end) {
        p = aivo_json_plain(p, end);
        if (p == end)
            break;
        if (*p == '"')
            return p + 1;
        p += *p == '\\' && end - p > 1 ? 2 : 1;
    }
    return end;
}

static cursor pass_value(cursor p, cursor end)
{
    if (p == end)
        return end;
    if (*p == '"')
        return pass_string(p, end);
    if (*p != '[' && *p != '{') {
        while (p < end && *p != ',' && *p != ']' && *p != '}' && !(classes[*p] & IS_SPACE))
            p++;
        return p;
    }
    size_t depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = pass_string(p, end);
            continue;
        }
        if (*p == '[' || *p == '{')
            depth++;
        else if (*p == ']' || *p == '}')
            depth--;
        p++;
        if (!depth)
            break;
    }
    return p;
}

/* The next value of a container, from *pos, with the comma or bracket before it; NONE at the closing bracket. */
static struct aivo_json walk(const struct aivo_json *container, size_t *pos)
{
    cursor base = (cursor)container->text, end = base + container->len;
    if (*pos >= container->len)
        return (struct aivo_json){AIVO_JSON_NONE, NULL, 0};
    cursor p = skip_space(base + *pos, end);
    if (p < end && (*pos == 0 || *p == ',' || *p == ':'))
        p = skip_space(p + 1, end);
    if (p == end || *p == ']' || *p == '}') {
        *pos = container->len;
        return (struct aivo_json){AIVO_JSON_NONE, NULL, 0};
    }
    cursor stop = pass_value(p, end);
    *pos = (size_t)(stop - base);
    return (struct aivo_json){type_of(*p), (const char *)p, (size_t)(stop - p)};
}

struct aivo_json aivo_json_next(const struct aivo_json *array, size_t *pos)
{
    if (array->type != AIVO_JSON_ARRAY)
        return (struct aivo_json){AIVO_JSON_NONE, NULL, 0};
    return walk(array, pos);
}

bool aivo_json_next_member(const struct aivo_json *object, size_t *pos, struct aivo_json *key, struct aivo_json *value)
{
    if (object->type != AIVO_JSON_OBJECT)
        return false;
    *key = walk(object, pos);
    if (key->type == AIVO_JSON_NONE)
        return false;
    *value = walk(object, pos);
    return value->type != AIVO_JSON_NONE;
}

struct aivo_json aivo_json_at(const struct aivo_json *array, size_t index)
{
    size_t pos = 0;
    struct aivo_json value;
    do
        value = aivo_json_next(array, &pos);
    while (value.type != AIVO_JSON_NONE && index--);
    return value;
}

struct aivo_json aivo_json_get(const struct aivo_json *object, const char *key)
{
    struct aivo_json found = {AIVO_JSON_NONE, NULL, 0}, name, value;
    size_t pos = 0;
    while (aivo_json_next_member(object, &pos, &name, &value))
        if (aivo_json_string_is(&name, key))
            found = value;
    return found;
}

size_t aivo_json_count(const struct aivo_json *array)
{
    size_t pos = 0, count = 0;
    while (aivo_json_next(array, &pos).type != AIVO_JSON_NONE)
        count++;
    return count;
}

bool aivo_utf8_valid(const char *text, size_t len)
{
    const uint64_t high = 0x8080808080808080u;
    cursor p = (cursor)text, end = p + len;
    while (p < end) {
        if (end - p >= 8) {
            uint64_t x;
            memcpy(&x, p, 8);
            if (!(x & high)) {
                p += 8;
                continue;
            }
        }
        size_t n = aivo_utf8_sequence(p, end);
        if (!n)
            return false;
        p += n;
    }
    return true;
}
