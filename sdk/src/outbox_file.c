/* A queue's file for tools: reading beside its writer; retrying and purging as its writer. */
#include "error_internal.h"
#include "io/store_reader.h"
#include "json.h"
#include "queue.h"
#include "sized.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct aivo_outbox {
    struct aivo_store_reader *reader;
    struct aivo_queue *queue; /* NULL: for reading only */
    struct aivo_store_info info;
};

enum aivo_status aivo_outbox_open(const char *path, bool writable, struct aivo_outbox **out, struct aivo_error *err)
{
    struct aivo_queue_options options = {.path = path,
                                         .max_messages = 10000000,
                                         .overflow = AIVO_OVERFLOW_REJECT,
                                         .max_dead = UINT32_MAX,
                                         .max_retries = 3,
                                         .window = 1};
    if (!path || !out)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "%s is NULL", path ? "out" : "path");
    struct aivo_outbox *o = calloc(1, sizeof *o);
    if (!o)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    /* First as a reader: a tool neither makes files nor moves them aside. */
    enum aivo_status status = aivo_store_reader_open(path, &o->reader, err);
    if (status == AIVO_OK && writable)
        status = aivo_store_reader_check(o->reader, err);
    if (status == AIVO_OK && writable) {
        status = aivo_queue_open(&options, NULL, NULL, NULL, &o->queue, err);
        aivo_store_reader_close(o->reader); /* its schema may have been an older one */
        o->reader = NULL;
        if (status == AIVO_OK)
            status = aivo_store_reader_open(path, &o->reader, err);
    }
    if (status != AIVO_OK) {
        aivo_outbox_close(o);
        return status;
    }
    *out = o;
    return AIVO_OK;
}

void aivo_outbox_close(struct aivo_outbox *o)
{
    if (!o)
        return;
    aivo_store_reader_close(o->reader);
    aivo_queue_close(o->queue);
    free(o);
}

static enum aivo_status is_null(struct aivo_error *err)
{
    return aivo_error_set(err, AIVO_E_INVALID, 0, "outbox is NULL");
}

/* The lanes as they are now, and the one that is meant. */
static enum aivo_status find_lane(struct aivo_outbox *o, const char *queue, int *lane, struct aivo_error *err)
{
    if (!o)
        return is_null(err);
    enum aivo_status status = aivo_store_reader_lanes(o->reader, &o->info, err);
    *lane = AIVO_STORE_ALL_LANES;
    if (status != AIVO_OK || !queue)
        return status;
    for (uint32_t i = 0; i < o->info.lane_count; i++) {
        if (*lane < 0 && strcmp(o->info.lanes[i].name, queue) == 0) /* "" is the first, and a free place */
            *lane = (int)i;
    }
    return *lane >= 0 ? AIVO_OK : aivo_error_set(err, AIVO_E_NOT_FOUND, 0, "the file has no queue '%.64s'", queue);
}

enum aivo_status aivo_outbox_stats_sized(struct aivo_outbox *o, const char *queue, struct aivo_queue_stats *out,
                                         size_t size, struct aivo_error *err)
{
    struct aivo_store_counts counts;
    int lane;
    enum aivo_status status = find_lane(o, queue, &lane, err);
    if (status == AIVO_OK)
        status = aivo_store_reader_count(o->reader, lane, &counts, err);
    if (status != AIVO_OK)
        return status;
    const struct aivo_queue_stats stats = {.size = sizeof stats,
                                           .pending = counts.pending,
                                           .dead = counts.dead,
                                           .bytes = counts.bytes,
                                           .oldest_ms = counts.oldest_ms,
                                           .later = counts.later,
                                           .behind = counts.behind,
                                           .untold = counts.departed};
    aivo_sized_out(out, size, &stats, sizeof stats);
    return AIVO_OK;
}

enum aivo_status aivo_outbox_queues(struct aivo_outbox *o, bool (*fn)(void *user, const char *name), void *user,
                                    struct aivo_error *err)
{
    if (!o)
        return is_null(err);
    enum aivo_status status = aivo_store_reader_lanes(o->reader, &o->info, err);
    for (uint32_t i = 0; status == AIVO_OK && i < o->info.lane_count; i++) {
        bool named = i == 0 || *o->info.lanes[i].name;
        if (named && !fn(user, o->info.lanes[i].name))
            break;
    }
    return status;
}

struct showing {
    const struct aivo_outbox *o;
    aivo_outbox_fn fn;
    void *user;
    int64_t last_seq;
};

static enum aivo_queued_state state_of(const struct aivo_store_row *row)
{
    if (row->died_ms > 0)
        return AIVO_QUEUED_DEAD;
    if (row->fate >= 0)
        return AIVO_QUEUED_LEFT;
    return row->gate == AIVO_STORE_BEHIND  ? AIVO_QUEUED_BEHIND
           : row->gate == AIVO_STORE_LATER ? AIVO_QUEUED_LATER
                                           : AIVO_QUEUED_WAITING;
}

static bool show_row(void *user, const struct aivo_store_row *row)
{
    struct showing *s = user;
    /* On the queue's clock, which is the wall clock unless that was set back meanwhile: good enough to look at. */
    int64_t skew_ms = row->clock_ms - row->created_ms;
    struct aivo_queued shown = {
        .size = sizeof shown,
        .event = row->event,
        .args = row->args,
        .created_ms = row->created_ms,
        .expires_ms = row->expires_ms > 0 ? row->expires_ms - skew_ms : 0,
        .attempts = row->attempts,
        .last_error = row->last_error,
        .queue = s->o->info.lanes[row->lane < s->o->info.lane_count ? row->lane : 0].name,
        .priority = row->priority,
        .order_key = row->order_key,
        .collapse_key = row->collapse_key,
        .state = state_of(row),
        .not_before_ms = row->gate == AIVO_STORE_LATER ? row->due_ms - skew_ms : 0,
        .died_ms = row->died_ms,
    };
    memcpy(shown.id.text, row->id, sizeof row->id);
    s->last_seq = row->seq;
    return s->fn(s->user, &shown);
}

enum aivo_status aivo_outbox_list(struct aivo_outbox *o, enum aivo_outbox_kind kind, const char *queue, int64_t *cursor,
                                  uint32_t limit, aivo_outbox_fn fn, void *user, struct aivo_error *err)
{
    int lane;
    struct showing s = {.o = o, .fn = fn, .user = user, .last_seq = cursor ? *cursor : 0};
    enum aivo_status status = find_lane(o, queue, &lane, err);
    if (status == AIVO_OK)
        status =
            aivo_store_reader_list(o->reader, kind == AIVO_OUTBOX_DEAD, lane, s.last_seq, limit, show_row, &s, err);
    if (status == AIVO_OK && cursor)
        *cursor = s.last_seq;
    return status;
}

enum aivo_status aivo_outbox_show(struct aivo_outbox *o, const char *id, aivo_outbox_fn fn, void *user,
                                  struct aivo_error *err)
{
    int lane;
    bool found = false;
    struct showing s = {.o = o, .fn = fn, .user = user};
    if (!id)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "id is NULL");
    enum aivo_status status = find_lane(o, NULL, &lane, err);
    if (status == AIVO_OK)
        status = aivo_store_reader_show(o->reader, false, id, show_row, &s, &found, err);
    if (status == AIVO_OK && !found)
        status = aivo_store_reader_show(o->reader, true, id, show_row, &s, &found, err);
    if (status == AIVO_OK && !found)
        return aivo_error_set(err, AIVO_E_NOT_FOUND, 0, "no message has the id %.40s", id);
    return status;
}

/* Why nothing can be changed. */
static enum aivo_status read_only(const struct aivo_outbox *o, struct aivo_error *err)
{
    if (!o)
        return is_null(err);
    return aivo_error_set(err, AIVO_E_STATE, 0, "the queue's file was opened for reading only");
}

enum aivo_status aivo_outbox_retry(struct aivo_outbox *o, const char *id, uint64_t *count, struct aivo_error *err)
{
    return o && o->queue ? aivo_queue_retry(o->queue, id, count, err) : read_only(o, err);
}

enum aivo_status aivo_outbox_purge(struct aivo_outbox *o, enum aivo_outbox_kind kind, const char *queue, const char *id,
                                   uint64_t *count, struct aivo_error *err)
{
    int lane;
    if (!o || !o->queue)
        return read_only(o, err);
    enum aivo_status status = find_lane(o, queue, &lane, err);
    return status == AIVO_OK ? aivo_queue_purge_lane(o->queue, kind == AIVO_OUTBOX_PENDING, lane, id, count, err)
                             : status;
}

void aivo_outbox_filter_init_sized(struct aivo_outbox_filter *filter, size_t size)
{
    const struct aivo_outbox_filter defaults = {.size = sizeof defaults};
    aivo_sized_out(filter, size, &defaults, sizeof defaults);
}

enum aivo_status aivo_outbox_take_filter(const struct aivo_outbox_filter *filter, struct aivo_queue_where *where,
                                         const char **queue, struct aivo_error *err)
{
    struct aivo_outbox_filter full = {.size = sizeof full};
    if (filter &&
        !aivo_sized_in(&full, sizeof full, filter, filter->size, AIVO_SIZE_THROUGH(struct aivo_outbox_filter, limit)))
        return aivo_error_set(err, AIVO_E_INVALID, 0,
                              "struct aivo_outbox_filter was not filled with aivo_outbox_filter_init()");
    *where =
        (struct aivo_queue_where){.lane = -1, .event = full.event, .not_after_ms = full.not_after, .limit = full.limit};
    *queue = full.queue;
    return AIVO_OK;
}

static enum aivo_status take_filter(struct aivo_outbox *o, const struct aivo_outbox_filter *filter,
                                    struct aivo_queue_where *where, struct aivo_error *err)
{
    const char *queue = NULL;
    if (!o || !o->queue)
        return read_only(o, err);
    enum aivo_status status = aivo_outbox_take_filter(filter, where, &queue, err);
    return status == AIVO_OK ? find_lane(o, queue, &where->lane, err) : status;
}

enum aivo_status aivo_outbox_retry_where(struct aivo_outbox *o, const struct aivo_outbox_filter *filter,
                                         uint64_t *count, struct aivo_error *err)
{
    struct aivo_queue_where where;
    enum aivo_status status = take_filter(o, filter, &where, err);
    return status == AIVO_OK ? aivo_queue_retry_where(o->queue, &where, count, err) : status;
}

enum aivo_status aivo_outbox_purge_where(struct aivo_outbox *o, enum aivo_outbox_kind kind,
                                         const struct aivo_outbox_filter *filter, uint64_t *count,
                                         struct aivo_error *err)
{
    struct aivo_queue_where where;
    enum aivo_status status = take_filter(o, filter, &where, err);
    return status == AIVO_OK ? aivo_queue_purge_where(o->queue, kind == AIVO_OUTBOX_PENDING, &where, count, err)
                             : status;
}

static void put_time(struct aivo_buf *out, const char *key, int64_t unix_ms)
{
    struct tm utc;
    char text[64] = "null";
    time_t seconds = (time_t)(unix_ms / 1000);
    if (unix_ms > 0 && gmtime_r(&seconds, &utc)) {
        char day[32];
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
        snprintf(text, sizeof text, "\"%s.%03dZ\"", day, (int)(unix_ms % 1000));
    }
    aivo_buf_str(out, key);
    aivo_buf_str(out, text);
}

static void put_text(struct aivo_buf *out, const char *key, const char *text)
{
    aivo_buf_str(out, key);
    if (text)
        aivo_json_write_string(out, text, strlen(text));
    else
        aivo_buf_str(out, "null");
}

struct exporting {
    bool (*write)(void *user, const char *line, size_t len);
    void *user;
    struct aivo_buf line;
    bool stopped, no_memory;
};

static bool export_one(void *user, const struct aivo_queued *m)
{
    struct exporting *e = user;
    char number[96];
    struct aivo_buf *out = &e->line;
    aivo_buf_clear(out);
    put_text(out, "{\"id\":", m->id.text);
    put_text(out, ",\"queue\":", m->queue);
    put_text(out, ",\"state\":", aivo_queued_state_name(m->state));
    put_text(out, ",\"event\":", m->event);
    aivo_buf_str(out, ",\"args\":");
    /* A damaged row's arguments travel as a text. */
    struct aivo_json args = aivo_json_parse(m->args, strlen(m->args), NULL);
    if (args.type == AIVO_JSON_ARRAY && !memchr(args.text, '\n', args.len))
        aivo_buf_add(out, args.text, args.len);
    else
        aivo_json_write_string(out, m->args, strlen(m->args));
    snprintf(number, sizeof number, ",\"priority\":%" PRId32, m->priority);
    aivo_buf_str(out, number);
    put_text(out, ",\"order_key\":", m->order_key);
    put_text(out, ",\"collapse_key\":", m->collapse_key);
    put_time(out, ",\"created\":", m->created_ms);
    put_time(out, ",\"expires\":", m->expires_ms);
    snprintf(number, sizeof number, ",\"attempts\":%" PRIu32, m->attempts);
    aivo_buf_str(out, number);
    put_text(out, ",\"last_error\":", m->last_error);
    aivo_buf_str(out, "}\n");
    e->no_memory = out->failed;
    e->stopped = out->failed || !e->write(e->user, out->data, out->len);
    return !e->stopped;
}

enum aivo_status aivo_outbox_export(struct aivo_outbox *o, bool (*write)(void *user, const char *line, size_t len),
                                    void *user, struct aivo_error *err)
{
    struct exporting e = {.write = write, .user = user};
    aivo_buf_init(&e.line);
    enum aivo_status status = AIVO_OK;
    for (int kind = AIVO_OUTBOX_PENDING; status == AIVO_OK && !e.stopped && kind <= AIVO_OUTBOX_DEAD; kind++)
        status = aivo_outbox_list(o, (enum aivo_outbox_kind)kind, NULL, NULL, UINT32_MAX, export_one, &e, err);
    aivo_buf_free(&e.line);
    if (status == AIVO_OK && e.no_memory)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a message");
    if (status == AIVO_OK && e.stopped)
        return aivo_error_set(err, AIVO_E_CANCELLED, 0, "the export was stopped");
    return status;
}
