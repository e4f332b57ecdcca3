#include "placeholder.h"

#include "socketio.h"
#include <string.h>

/* What the walk knows of each open array or object. The last of duplicate keys counts, as in JavaScript. */
struct frame {
    bool object;
    bool key_next; /* the next string is a key */
    bool marked;   /* "_placeholder" is true */
    enum { KEY_OTHER, KEY_MARK, KEY_NUM } key;
    struct aivo_json num;
    const char *start;
};

struct walk {
    const char *text, *p, *end;
    void (*found)(void *context, size_t start, size_t end, unsigned num); /* may be NULL */
    void *context;
    unsigned depth;
    struct frame frames[AIVO_JSON_MAX_DEPTH];
};

/* The string, number, true, or other word (as null) at p; p is left behind it. */
static struct aivo_json take_scalar(struct walk *w)
{
    const char *start = w->p;
    enum aivo_json_type type = AIVO_JSON_NULL;
    if (*start == '"') {
        type = AIVO_JSON_STRING;
        for (w->p++; w->p < w->end && *w->p != '"'; w->p++)
            if (*w->p == '\\' && w->end - w->p > 1)
                w->p++;
        if (w->p < w->end)
            w->p++;
    } else {
        if (*start == 't')
            type = AIVO_JSON_TRUE;
        else if (*start == '-' || (*start >= '0' && *start <= '9'))
            type = AIVO_JSON_NUMBER;
        while (w->p < w->end && !strchr(",]} \t\r\n", *w->p))
            w->p++;
    }
    return (struct aivo_json){type, start, (size_t)(w->p - start)};
}

static void on_key(struct frame *f, const struct aivo_json *key)
{
    f->key = aivo_json_string_is(key, "_placeholder") ? KEY_MARK
             : aivo_json_string_is(key, "num")        ? KEY_NUM
                                                      : KEY_OTHER;
    f->key_next = false;
}

static void on_value(struct walk *w, const struct aivo_json *value)
{
    if (!w->depth)
        return;
    struct frame *f = &w->frames[w->depth - 1];
    if (!f->object)
        return;
    if (f->key == KEY_MARK)
        f->marked = aivo_json_is_true(value);
    else if (f->key == KEY_NUM)
        f->num = *value;
}

/* p is at the bracket. */
static bool on_close(struct walk *w, unsigned *seen)
{
    if (!w->depth)
        return false;
    const struct frame *f = &w->frames[--w->depth];
    uint64_t index;
    if (!f->object || !f->marked)
        return true;
    if (!aivo_json_u64(&f->num, &index) || index >= AIVO_SIO_MAX_ATTACHMENTS || *seen >> index & 1)
        return false;
    *seen |= 1u << index;
    if (w->found)
        w->found(w->context, (size_t)(f->start - w->text), (size_t)(w->p + 1 - w->text), (unsigned)index);
    return true;
}

static bool on_open(struct walk *w)
{
    struct aivo_json container = {*w->p == '{' ? AIVO_JSON_OBJECT : AIVO_JSON_ARRAY, w->p, 0};
    on_value(w, &container);
    if (w->depth == AIVO_JSON_MAX_DEPTH)
        return false;
    bool object = container.type == AIVO_JSON_OBJECT;
    w->frames[w->depth++] = (struct frame){.object = object, .key_next = object, .start = w->p};
    return true;
}

bool aivo_sio_each_placeholder(const struct aivo_json *value, unsigned *seen,
                               void (*found)(void *context, size_t start, size_t end, unsigned num), void *context)
{
    struct walk w;
    w.found = found;
    w.context = context;
    w.text = w.p = value->text;
    w.end = value->text + value->len;
    w.depth = 0;
    while (w.p < w.end) {
        char c = *w.p;
        if (c == '{' || c == '[') {
            if (!on_open(&w))
                return false;
            w.p++;
        } else if (c == '}' || c == ']') {
            if (!on_close(&w, seen))
                return false;
            w.p++;
        } else if (c == ',' || c == ':' || strchr(" \t\r\n", c)) {
            if (c == ',' && w.depth)
                w.frames[w.depth - 1].key_next = w.frames[w.depth - 1].object;
            w.p++;
        } else {
            struct aivo_json scalar = take_scalar(&w);
            if (w.depth && w.frames[w.depth - 1].key_next)
                on_key(&w.frames[w.depth - 1], &scalar);
            else
                on_value(&w, &scalar);
        }
    }
    return true;
}

bool aivo_sio_find_placeholders(const struct aivo_json *value, unsigned *seen)
{
    return aivo_sio_each_placeholder(value, seen, NULL, NULL);
}

int aivo_sio_count_placeholders(const struct aivo_json *value)
{
    unsigned seen = 0;
    if (!aivo_sio_find_placeholders(value, &seen))
        return -1;
    return __builtin_popcount(seen);
}
