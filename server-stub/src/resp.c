#include "resp.h"
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES ((size_t)1024 * 1024)

struct srv_resp_reader {
    redisReader *hiredis;
    size_t max_bytes;
    struct aivo_buf text; /* of the items, each with a NUL */
    size_t offsets[SRV_RESP_MAX_ITEMS];
    struct srv_resp_reply reply;
};

/* --- what hiredis builds a reply with; NULL from any makes it give up --- */

/* A large reply is rare: its memory is not kept. */
static void forget_text(struct srv_resp_reader *r)
{
    if (r->text.cap > KEEP_BYTES)
        aivo_buf_free(&r->text);
    aivo_buf_clear(&r->text);
}

static struct srv_resp_item *item_of(const redisReadTask *task, enum srv_resp_type type)
{
    struct srv_resp_reader *r = task->privdata;
    unsigned i = task->parent ? (unsigned)task->idx : 0;
    if (i >= SRV_RESP_MAX_ITEMS)
        return NULL;
    if (!task->parent) {
        r->reply.is_array = false;
        r->reply.count = 1;
        forget_text(r);
    }
    r->reply.items[i] = (struct srv_resp_item){.type = type};
    return &r->reply.items[i];
}

static void *new_text(const redisReadTask *task, char *text, size_t len)
{
    struct srv_resp_reader *r = task->privdata;
    struct srv_resp_item *item = item_of(task, task->type == REDIS_REPLY_ERROR    ? SRV_RESP_ERROR
                                               : task->type == REDIS_REPLY_STATUS ? SRV_RESP_STATUS
                                                                                  : SRV_RESP_TEXT);
    if (!item)
        return NULL;
    item->len = len;
    r->offsets[item - r->reply.items] = r->text.len;
    aivo_buf_add(&r->text, text, len);
    aivo_buf_char(&r->text, '\0');
    return r->text.failed ? NULL : r;
}

/* hiredis 1.0 made lengths of arrays a size_t. */
#if HIREDIS_MAJOR >= 1
typedef size_t array_length;
#else
typedef int array_length;
#endif

static void *new_array(const redisReadTask *task, array_length count)
{
    struct srv_resp_reader *r = task->privdata;
    if (task->parent || count > SRV_RESP_MAX_ITEMS)
        return NULL;
    forget_text(r);
    r->reply.is_array = true;
    r->reply.count = count > 0 ? (unsigned)count : 0;
    return r;
}

static void *new_integer(const redisReadTask *task, long long value)
{
    struct srv_resp_item *item = item_of(task, SRV_RESP_INTEGER);
    if (item)
        item->integer = value;
    return item ? task->privdata : NULL;
}

static void *new_nil(const redisReadTask *task)
{
    return item_of(task, SRV_RESP_NIL) ? task->privdata : NULL;
}

static void nothing(void *object)
{
    (void)object; /* all of it is the reader's own */
}

#if HIREDIS_MAJOR >= 1
/* What only RESP3 has is never asked for: a server that sends it all the same is taken for one that sends garbage. */
static void *refuse_double(const redisReadTask *task, double value, char *text, size_t len)
{
    (void)task, (void)value, (void)text, (void)len;
    return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
    (void)task, (void)value;
    return NULL;
}
#endif

static redisReplyObjectFunctions functions = {
    .createString = new_text,
    .createArray = new_array,
    .createInteger = new_integer,
    .createNil = new_nil,
    .freeObject = nothing,
#if HIREDIS_MAJOR >= 1
    .createDouble = refuse_double,
    .createBool = refuse_bool,
#endif
};

/* --- the reader --- */

struct srv_resp_reader *srv_resp_reader_new(size_t max_bytes)
{
    struct srv_resp_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->max_bytes = max_bytes;
    aivo_buf_init(&r->text);
    r->hiredis = redisReaderCreateWithFunctions(&functions);
    if (!r->hiredis) {
        free(r);
        return NULL;
    }
    r->hiredis->privdata = r;
    return r;
}

void srv_resp_reader_destroy(struct srv_resp_reader *r)
{
    if (!r)
        return;
    redisReaderFree(r->hiredis);
    aivo_buf_free(&r->text);
    free(r);
}

bool srv_resp_feed(struct srv_resp_reader *r, const void *data, size_t len)
{
    if (r->hiredis->len - r->hiredis->pos + len > r->max_bytes)
        return false;
    return redisReaderFeed(r->hiredis, data, len) == REDIS_OK;
}

enum srv_resp_status srv_resp_next(struct srv_resp_reader *r, const struct srv_resp_reply **reply)
{
    void *object = NULL;
    if (redisReaderGetReply(r->hiredis, &object) != REDIS_OK)
        return SRV_RESP_BROKEN;
    if (!object)
        return SRV_RESP_MORE;
    for (unsigned i = 0; i < r->reply.count; i++) {
        struct srv_resp_item *item = &r->reply.items[i];
        if (item->type <= SRV_RESP_ERROR)
            item->text = r->text.data + r->offsets[i];
    }
    *reply = &r->reply;
    return SRV_RESP_REPLY;
}

bool srv_resp_is(const struct srv_resp_item *item, const char *text)
{
    return item->text && item->len == strlen(text) && memcmp(item->text, text, item->len) == 0;
}

/* --- commands --- */

static void add_count(struct aivo_buf *out, char mark, size_t n)
{
    aivo_buf_char(out, mark);
    aivo_buf_u64(out, n);
    aivo_buf_add(out, "\r\n", 2);
}

void srv_resp_command(struct aivo_buf *out, const struct aivo_bytes *words, size_t count)
{
    add_count(out, '*', count);
    for (size_t i = 0; i < count; i++) {
        add_count(out, '$', words[i].len);
        aivo_buf_add(out, words[i].data, words[i].len);
        aivo_buf_add(out, "\r\n", 2);
    }
}
