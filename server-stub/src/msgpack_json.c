#include "msgpack_json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading --- */

struct cursor {
    const unsigned char *at, *end;
};

static bool take(struct cursor *c, size_t n, uint64_t *value)
{
    if ((size_t)(c->end - c->at) < n)
        return false;
    *value = 0;
    for (size_t i = 0; i < n; i++)
        *value = *value << 8 | *c->at++;
    return true;
}

static bool skip(struct cursor *c, unsigned depth);

/* A string, binary or extension of len bytes. */
static bool bytes(struct cursor *c, struct srv_mp *v, enum srv_mp_type type, uint64_t len)
{
    if ((uint64_t)(c->end - c->at) < len)
        return false;
    v->type = type;
    v->body = c->at;
    v->len = (size_t)len;
    c->at += len;
    return true;
}

static bool extension(struct cursor *c, struct srv_mp *v, uint64_t len)
{
    uint64_t type;
    if (!take(c, 1, &type))
        return false;
    v->ext = (int8_t)(uint8_t)type;
    return bytes(c, v, SRV_MP_EXT, len);
}

/* An array or map: its members follow and are not taken. Each has a byte at least. */
static bool container(struct cursor *c, struct srv_mp *v, enum srv_mp_type type, uint64_t count)
{
    size_t left = (size_t)(c->end - c->at);
    if (count > left || (type == SRV_MP_MAP && count > left / 2))
        return false;
    v->type = type;
    v->count = (size_t)count;
    v->body = c->at;
    v->len = left;
    return true;
}

static bool whole(struct cursor *c, struct srv_mp *v, size_t size, bool is_signed)
{
    uint64_t u;
    if (!take(c, size, &u))
        return false;
    if (is_signed && u >> (size * 8 - 1)) {
        v->type = SRV_MP_INT;
        v->number.i = (int64_t)(size == 8 ? u : u | ~(((uint64_t)1 << size * 8) - 1));
        return true;
    }
    v->type = SRV_MP_UINT;
    v->number.u = u;
    return true;
}

static bool floating(struct cursor *c, struct srv_mp *v, size_t size)
{
    uint64_t u;
    if (!take(c, size, &u))
        return false;
    v->type = SRV_MP_DOUBLE;
    if (size == 8) {
        memcpy(&v->number.d, &u, sizeof v->number.d);
    } else {
        uint32_t half = (uint32_t)u;
        float f;
        memcpy(&f, &half, sizeof f);
        v->number.d = (double)f;
    }
    return true;
}

static bool simple(struct srv_mp *v, enum srv_mp_type type)
{
    v->type = type;
    return true;
}

/* What begins with one of 0xc0..0xdf. */
static bool marked(struct cursor *c, struct srv_mp *v, unsigned char mark)
{
    uint64_t n;
    switch (mark) {
    case 0xc0:
        return simple(v, SRV_MP_NIL);
    case 0xc2:
    case 0xc3:
        return simple(v, mark == 0xc3 ? SRV_MP_TRUE : SRV_MP_FALSE);
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return take(c, (size_t)1 << (mark - 0xc4), &n) && bytes(c, v, SRV_MP_BIN, n);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return take(c, (size_t)1 << (mark - 0xc7), &n) && extension(c, v, n);
    case 0xca:
    case 0xcb:
        return floating(c, v, mark == 0xca ? 4 : 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return whole(c, v, (size_t)1 << (mark - 0xcc), false);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return whole(c, v, (size_t)1 << (mark - 0xd0), true);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return extension(c, v, (uint64_t)1 << (mark - 0xd4));
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take(c, (size_t)1 << (mark - 0xd9), &n) && bytes(c, v, SRV_MP_STR, n);
    case 0xdc:
    case 0xdd:
        return take(c, mark == 0xdc ? 2 : 4, &n) && container(c, v, SRV_MP_ARRAY, n);
    case 0xde:
    case 0xdf:
        return take(c, mark == 0xde ? 2 : 4, &n) && container(c, v, SRV_MP_MAP, n);
    default:
        return false; /* 0xc1 is never used */
    }
}

/* One value; the cursor then stands behind it, with a container at its first member. */
static bool read_value(struct cursor *c, struct srv_mp *v)
{
    memset(v, 0, sizeof *v);
    if (c->at >= c->end)
        return false;
    unsigned char mark = *c->at++;
    bool good = true;
    if (mark < 0x80) {
        v->type = SRV_MP_UINT;
        v->number.u = mark;
    } else if (mark < 0x90) {
        good = container(c, v, SRV_MP_MAP, mark & 0x0f);
    } else if (mark < 0xa0) {
        good = container(c, v, SRV_MP_ARRAY, mark & 0x0f);
    } else if (mark < 0xc0) {
        good = bytes(c, v, SRV_MP_STR, mark & 0x1f);
    } else if (mark < 0xe0) {
        good = marked(c, v, mark);
    } else {
        v->type = SRV_MP_INT;
        v->number.i = (int8_t)mark;
    }
    if (!good)
        v->type = SRV_MP_NONE;
    return good;
}

static size_t members(const struct srv_mp *v)
{
    return v->type == SRV_MP_MAP ? v->count * 2 : v->type == SRV_MP_ARRAY ? v->count : 0;
}

static bool skip_members(struct cursor *c, const struct srv_mp *v, unsigned depth)
{
    for (size_t n = members(v); n; n--)
        if (!skip(c, depth + 1))
            return false;
    return true;
}

static bool skip(struct cursor *c, unsigned depth)
{
    struct srv_mp v;
    return depth <= SRV_MP_MAX_DEPTH && read_value(c, &v) && skip_members(c, &v, depth);
}

struct srv_mp srv_mp_parse(const void *data, size_t len)
{
    struct cursor c = {data, (const unsigned char *)data + len};
    struct srv_mp v = {0};
    if (!len || !read_value(&c, &v) || !skip_members(&c, &v, 0) || c.at != c.end)
        v.type = SRV_MP_NONE;
    return v;
}

struct srv_mp srv_mp_next(const struct srv_mp *v, size_t *pos)
{
    struct srv_mp member = {0};
    struct cursor c = {v->body + *pos, v->body + v->len};
    /* Members are told from what follows the container by their number alone: the position's end is not known. */
    if (!members(v) || !read_value(&c, &member) || !skip_members(&c, &member, 0))
        return (struct srv_mp){0};
    *pos = (size_t)(c.at - v->body);
    return member;
}

struct srv_mp srv_mp_at(const struct srv_mp *array, size_t index)
{
    struct srv_mp member = {0};
    size_t pos = 0;
    if (array->type != SRV_MP_ARRAY || index >= array->count)
        return member;
    for (size_t i = 0; i <= index; i++)
        member = srv_mp_next(array, &pos);
    return member;
}

bool srv_mp_is(const struct srv_mp *v, const char *text)
{
    return v->type == SRV_MP_STR && v->len == strlen(text) && memcmp(v->body, text, v->len) == 0;
}

struct srv_mp srv_mp_get(const struct srv_mp *map, const char *key)
{
    struct srv_mp found = {0};
    size_t pos = 0;
    if (map->type != SRV_MP_MAP)
        return found;
    for (size_t i = 0; i < map->count; i++) {
        struct srv_mp name = srv_mp_next(map, &pos), value = srv_mp_next(map, &pos);
        if (srv_mp_is(&name, key))
            found = value;
    }
    return found;
}

bool srv_mp_undefined(const struct srv_mp *v)
{
    return v->type == SRV_MP_NONE || (v->type == SRV_MP_EXT && v->ext == 0 && v->len == 1);
}

/* --- to JSON --- */

struct to_json {
    struct aivo_buf *out;
    struct srv_mp_binaries *binaries;
};

/* As JavaScript writes numbers: the shortest text that reads as the same one. */
static void add_double(struct aivo_buf *out, double d)
{
    char text[32];
    if (!isfinite(d)) {
        aivo_buf_str(out, "null");
        return;
    }
    if (d == 0) {
        aivo_buf_char(out, '0'); /* also of -0 */
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    aivo_buf_str(out, text);
}

static void add_negative(struct aivo_buf *out, int64_t i)
{
    aivo_buf_char(out, '-');
    aivo_buf_u64(out, (unsigned long long)(-(i + 1)) + 1);
}

/* A time in the form of Date.prototype.toISOString(). */
static void add_date(struct aivo_buf *out, double ms)
{
    if (!isfinite(ms) || fabs(ms) > 8.64e15) {
        aivo_buf_str(out, "null");
        return;
    }
    int64_t t = (int64_t)ms, day = t / 86400000, rest = t % 86400000;
    if (rest < 0) {
        rest += 86400000;
        day--;
    }
    /* Days since 1970-01-01 to a date, in eras of 400 years that begin on March 1st. */
    int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * of_year + 2) / 153;
    int d = (int)(of_year - (153 * march_month + 2) / 5 + 1);
    int month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    int64_t year = year_of_era + era * 400 + (month <= 2);
    char text[64];
    const char *sign = year < 0 ? "-" : year > 9999 ? "+" : "";
    int n = snprintf(text, sizeof text, "\"%s%0*lld", sign, *sign ? 6 : 4, (long long)llabs(year));
    snprintf(text + n, sizeof text - (size_t)n, "-%02d-%02dT%02d:%02d:%02d.%03dZ\"", month, d, (int)(rest / 3600000),
             (int)(rest / 60000 % 60), (int)(rest / 1000 % 60), (int)(rest % 1000));
    aivo_buf_str(out, text);
}

static bool add_binary(struct to_json *t, const struct srv_mp *v)
{
    if (t->binaries->count == SRV_MP_MAX_ATTACHMENTS)
        return false;
    aivo_buf_str(t->out, "{\"_placeholder\":true,\"num\":");
    aivo_buf_u64(t->out, t->binaries->count);
    aivo_buf_char(t->out, '}');
    t->binaries->list[t->binaries->count++] = (struct aivo_bytes){v->body, v->len};
    return true;
}

static uint64_t big_endian(const unsigned char *p, size_t n)
{
    uint64_t u = 0;
    for (size_t i = 0; i < n; i++)
        u = u << 8 | p[i];
    return u;
}

static bool add_extension(struct to_json *t, const struct srv_mp *v)
{
    if (srv_mp_undefined(v)) {
        aivo_buf_str(t->out, "null");
    } else if (v->ext == -1 && v->len == 4) {
        add_date(t->out, (double)big_endian(v->body, 4) * 1e3);
    } else if (v->ext == -1 && v->len == 8) {
        uint64_t u = big_endian(v->body, 8);
        add_date(t->out, (double)(u & 0x3ffffffffu) * 1e3 + (double)(u >> 34) / 1e6);
    } else if (v->ext == -1 && v->len == 12) {
        double seconds = (double)(int64_t)big_endian(v->body + 4, 8);
        add_date(t->out, seconds * 1e3 + (double)big_endian(v->body, 4) / 1e6);
    } else if (v->ext == 0 && v->len == 8) {
        add_date(t->out, (double)(int64_t)big_endian(v->body, 8)); /* older encoders */
    } else if (v->ext == 0) {
        return add_binary(t, v); /* older encoders: an ArrayBuffer */
    } else {
        char type[8];
        snprintf(type, sizeof type, "[%d,", v->ext);
        aivo_buf_str(t->out, type);
        bool good = add_binary(t, v);
        aivo_buf_char(t->out, ']');
        return good;
    }
    return true;
}

static bool add_value(struct to_json *t, const struct srv_mp *v);

static bool add_key(struct aivo_buf *out, const struct srv_mp *key)
{
    if (key->type == SRV_MP_STR) {
        aivo_json_write_string(out, (const char *)key->body, key->len);
        return true;
    }
    if (key->type != SRV_MP_UINT && key->type != SRV_MP_INT)
        return false;
    aivo_buf_char(out, '"');
    if (key->type == SRV_MP_UINT)
        aivo_buf_u64(out, key->number.u);
    else
        add_negative(out, key->number.i);
    aivo_buf_char(out, '"');
    return true;
}

static bool add_map(struct to_json *t, const struct srv_mp *v)
{
    size_t pos = 0;
    bool first = true;
    aivo_buf_char(t->out, '{');
    for (size_t i = 0; i < v->count; i++) {
        struct srv_mp key = srv_mp_next(v, &pos), value = srv_mp_next(v, &pos);
        if (srv_mp_undefined(&value))
            continue; /* as JSON.stringify() does */
        if (!first)
            aivo_buf_char(t->out, ',');
        first = false;
        if (!add_key(t->out, &key))
            return false;
        aivo_buf_char(t->out, ':');
        if (!add_value(t, &value))
            return false;
    }
    aivo_buf_char(t->out, '}');
    return true;
}

static bool add_array(struct to_json *t, const struct srv_mp *v)
{
    size_t pos = 0;
    aivo_buf_char(t->out, '[');
    for (size_t i = 0; i < v->count; i++) {
        struct srv_mp value = srv_mp_next(v, &pos);
        if (i)
            aivo_buf_char(t->out, ',');
        if (!add_value(t, &value))
            return false;
    }
    aivo_buf_char(t->out, ']');
    return true;
}

static bool add_value(struct to_json *t, const struct srv_mp *v)
{
    switch (v->type) {
    case SRV_MP_NONE:
    case SRV_MP_NIL:
        aivo_buf_str(t->out, "null");
        return true;
    case SRV_MP_FALSE:
        aivo_buf_str(t->out, "false");
        return true;
    case SRV_MP_TRUE:
        aivo_buf_str(t->out, "true");
        return true;
    case SRV_MP_UINT:
        aivo_buf_u64(t->out, v->number.u);
        return true;
    case SRV_MP_INT:
        add_negative(t->out, v->number.i);
        return true;
    case SRV_MP_DOUBLE:
        add_double(t->out, v->number.d);
        return true;
    case SRV_MP_STR:
        aivo_json_write_string(t->out, (const char *)v->body, v->len);
        return true;
    case SRV_MP_BIN:
        return add_binary(t, v);
    case SRV_MP_ARRAY:
        return add_array(t, v);
    case SRV_MP_MAP:
        return add_map(t, v);
    case SRV_MP_EXT:
        return add_extension(t, v);
    }
    return false;
}

bool srv_mp_to_json(const struct srv_mp *value, struct aivo_buf *out, struct srv_mp_binaries *binaries)
{
    struct to_json t = {out, binaries};
    return add_value(&t, value);
}

/* --- from JSON --- */

static int append(void *out, const char *data, size_t len)
{
    aivo_buf_add(out, data, len);
    return 0;
}

void srv_mp_packer(msgpack_packer *p, struct aivo_buf *out)
{
    msgpack_packer_init(p, out, append);
}

void srv_mp_pack_text(msgpack_packer *p, const char *text, size_t len)
{
    msgpack_pack_str(p, len);
    msgpack_pack_str_body(p, text, len);
}

struct from_json {
    msgpack_packer *p;
    const struct aivo_bytes *attachments;
    unsigned count;
    struct aivo_buf *scratch;
};

static void pack_number(msgpack_packer *p, const struct aivo_json *value)
{
    double d = 0;
    aivo_json_double(value, &d);
    if (d != floor(d) || d >= 18446744073709551616.0 || d < -9223372036854775808.0)
        msgpack_pack_double(p, d);
    else if (d >= 0)
        msgpack_pack_uint64(p, (uint64_t)d);
    else
        msgpack_pack_int64(p, (int64_t)d);
}

static void pack_string(struct from_json *f, const struct aivo_json *value)
{
    aivo_buf_clear(f->scratch);
    aivo_json_string(value, f->scratch);
    srv_mp_pack_text(f->p, f->scratch->data ? f->scratch->data : "", f->scratch->len);
}

static bool pack_value(struct from_json *f, const struct aivo_json *value);

/* A placeholder: 1 packed, 0 none, -1 without its attachment. */
static int pack_attachment(struct from_json *f, const struct aivo_json *value)
{
    if (!f->count)
        return 0;
    struct aivo_json mark = aivo_json_get(value, "_placeholder"), num = aivo_json_get(value, "num");
    uint64_t n;
    if (!aivo_json_is_true(&mark))
        return 0;
    if (!aivo_json_u64(&num, &n) || n >= f->count)
        return -1;
    msgpack_pack_bin(f->p, f->attachments[n].len);
    msgpack_pack_bin_body(f->p, f->attachments[n].data, f->attachments[n].len);
    return 1;
}

static bool pack_object(struct from_json *f, const struct aivo_json *value)
{
    int attachment = pack_attachment(f, value);
    if (attachment)
        return attachment > 0;
    struct aivo_json key, member;
    size_t pos = 0, count = 0;
    while (aivo_json_next_member(value, &pos, &key, &member))
        count++;
    msgpack_pack_map(f->p, count);
    for (pos = 0; aivo_json_next_member(value, &pos, &key, &member);) {
        pack_string(f, &key);
        if (!pack_value(f, &member))
            return false;
    }
    return true;
}

static bool pack_array(struct from_json *f, const struct aivo_json *value)
{
    size_t pos = 0;
    msgpack_pack_array(f->p, aivo_json_count(value));
    for (struct aivo_json member = aivo_json_next(value, &pos); member.type != AIVO_JSON_NONE;
         member = aivo_json_next(value, &pos))
        if (!pack_value(f, &member))
            return false;
    return true;
}

static bool pack_value(struct from_json *f, const struct aivo_json *value)
{
    switch (value->type) {
    case AIVO_JSON_NONE:
    case AIVO_JSON_NULL:
        msgpack_pack_nil(f->p);
        return true;
    case AIVO_JSON_FALSE:
        msgpack_pack_false(f->p);
        return true;
    case AIVO_JSON_TRUE:
        msgpack_pack_true(f->p);
        return true;
    case AIVO_JSON_NUMBER:
        pack_number(f->p, value);
        return true;
    case AIVO_JSON_STRING:
        pack_string(f, value);
        return true;
    case AIVO_JSON_ARRAY:
        return pack_array(f, value);
    case AIVO_JSON_OBJECT:
        return pack_object(f, value);
    }
    return false;
}

bool srv_mp_pack_json(msgpack_packer *p, const struct aivo_json *value, const struct aivo_bytes *attachments,
                      unsigned attachment_count, struct aivo_buf *scratch)
{
    struct from_json f = {p, attachments, attachment_count, scratch};
    return pack_value(&f, value);
}
