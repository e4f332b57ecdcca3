#include "recovery.h"
#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE 16384 /* of resumables by pid; pids are random, so chains stay even */

struct srv_kept {
    struct srv_stamp stamp;
    uint64_t kept_ms;
    const void *nsp;
    size_t bytes; /* of frames, names and this */
    unsigned frame_count, room_count, except_count;
    struct aivo_bytes *names; /* rooms, then exceptions */
    struct srv_frame *frames[];
};

/* --- offsets --- */

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

static size_t write64(char *out, uint64_t value)
{
    char reversed[12];
    size_t n = 0;
    do {
        reversed[n++] = digits[value & 63];
        value >>= 6;
    } while (value);
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    return n;
}

static bool read64(const char *text, size_t len, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        const char *d = text[i] ? strchr(digits, text[i]) : NULL;
        if (!d || value > most >> 6)
            return false;
        value = value << 6 | (uint64_t)(d - digits);
    }
    *out = value;
    return len > 0 && value <= most && (len == 1 || text[0] != digits[0]);
}

bool srv_recovery_read(const char *offset, size_t len, struct srv_stamp *out)
{
    const char *dot = memchr(offset, '.', len);
    size_t first = dot ? (size_t)(dot - offset) : len;
    uint64_t ms, count = 0;
    if (!read64(offset, first, UINT64_C(1) << 52, &ms))
        return false;
    if (dot && !read64(dot + 1, len - first - 1, UINT32_MAX - 1, &count))
        return false;
    *out = (struct srv_stamp){ms, dot ? (uint32_t)count + 1 : 0};
    return true;
}

static int compare(struct srv_stamp a, struct srv_stamp b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.count == b.count ? 0 : a.count < b.count ? -1 : 1;
}

/* --- what was sent --- */

static struct srv_kept **slot(const struct srv_recovery *r, size_t i)
{
    return &r->ring[(r->head + i) & (r->ring_size - 1)];
}

static void kept_free(struct srv_kept *k)
{
    for (unsigned i = 0; i < k->frame_count; i++)
        srv_frame_release(k->frames[i]);
    free(k);
}

static void evict(struct srv_recovery *r)
{
    struct srv_kept *oldest = *slot(r, 0);
    r->head = (r->head + 1) & (r->ring_size - 1);
    r->used--;
    r->bytes -= oldest->bytes;
    kept_free(oldest);
}

static void evict_all(struct srv_recovery *r)
{
    while (r->used)
        evict(r);
}

static void evict_old(struct srv_recovery *r, uint64_t now_ms)
{
    while (r->used && now_ms - (*slot(r, 0))->kept_ms > r->options.keep_ms)
        evict(r);
}

struct srv_stamp srv_recovery_stamp(struct srv_recovery *r, uint64_t unix_ms, char out[SRV_RECOVERY_OFFSET])
{
    if (unix_ms > r->last.ms) {
        r->last = (struct srv_stamp){unix_ms, 0};
    } else if (unix_ms + SRV_RECOVERY_BACK_MS < r->last.ms || r->last.count == UINT32_MAX) {
        /* Offsets in the past would neither be found nor be taken for offsets by clients: begin anew. */
        evict_all(r);
        r->next_seq++;
        r->last = (struct srv_stamp){unix_ms, 0};
    } else {
        r->last.count++;
    }
    size_t n = write64(out, r->last.ms);
    if (r->last.count) {
        out[n++] = '.';
        n += write64(out + n, r->last.count - 1);
    }
    out[n] = '\0';
    return r->last;
}

static bool grow(struct srv_recovery *r)
{
    if (r->used < r->ring_size)
        return true;
    size_t size = r->ring_size ? r->ring_size * 2 : 64;
    struct srv_kept **ring = malloc(size * sizeof(struct srv_kept *));
    if (!ring)
        return false;
    for (size_t i = 0; i < r->used; i++)
        ring[i] = *slot(r, i);
    free(r->ring);
    r->ring = ring;
    r->ring_size = size;
    r->head = 0;
    return true;
}

static char *copy_names(struct aivo_bytes *to, const struct aivo_bytes *from, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (from[i].len)
            memcpy(text, from[i].data, from[i].len);
        to[i] = (struct aivo_bytes){text, from[i].len};
        text += from[i].len;
    }
    return text;
}

static size_t lengths(const struct aivo_bytes *list, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += list[i].len;
    return sum;
}

static struct srv_kept *kept_new(const struct srv_target *target, struct srv_frame *const *frames, unsigned frame_count)
{
    size_t names = target->room_count + target->except_count;
    size_t head = sizeof(struct srv_kept) + frame_count * sizeof(struct srv_frame *);
    size_t size = head + names * sizeof(struct aivo_bytes) + lengths(target->rooms, target->room_count) +
                  lengths(target->except, target->except_count);
    struct srv_kept *k = names > UINT32_MAX ? NULL : malloc(size);
    if (!k)
        return NULL;
    memset(k, 0, sizeof *k);
    k->names = (struct aivo_bytes *)(void *)((char *)k + head);
    char *text = (char *)(k->names + names);
    text = copy_names(k->names, target->rooms, target->room_count, text);
    copy_names(k->names + target->room_count, target->except, target->except_count, text);
    k->room_count = (unsigned)target->room_count;
    k->except_count = (unsigned)target->except_count;
    k->frame_count = frame_count;
    k->bytes = size;
    for (unsigned i = 0; i < frame_count; i++) {
        k->frames[i] = frames[i];
        frames[i]->references++;
        k->bytes += frames[i]->len;
    }
    return k;
}

void srv_recovery_keep(struct srv_recovery *r, const void *nsp, const struct srv_target *target, struct srv_stamp stamp,
                       struct srv_frame *const *frames, unsigned frame_count, size_t receivers, uint64_t now_ms)
{
    if (!receivers && !r->parked_count)
        return; /* nobody can ever have missed it */
    evict_old(r, now_ms);
    struct srv_kept *k = kept_new(target, frames, frame_count);
    r->next_seq++;
    if (!k || k->bytes > r->options.max_bytes || !grow(r)) {
        evict_all(r); /* a gap: nothing before it can be resumed from */
        if (k)
            kept_free(k);
        return;
    }
    k->nsp = nsp;
    k->stamp = stamp;
    k->kept_ms = now_ms;
    r->used++;
    *slot(r, r->used - 1) = k;
    r->bytes += k->bytes;
    while (r->used > r->options.max_events || r->bytes > r->options.max_bytes)
        evict(r);
    if (!srv_timer_running(&r->sweep))
        srv_timer_start(&r->sweeps, &r->sweep, now_ms);
}

static void sweep(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_recovery *r = context;
    evict_old(r, now_ms);
    if (r->used)
        srv_timer_start(&r->sweeps, timer, now_ms);
}

/* --- who may come back --- */

static struct srv_resumable **bucket(const struct srv_recovery *r, const char *pid, size_t len)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)pid[i]) * 1099511628211u;
    return &r->table[h & (TABLE_SIZE - 1)];
}

struct srv_resumable *srv_recovery_open(struct srv_recovery *r, const char *pid, const void *nsp, void *socket)
{
    struct srv_resumable *who = calloc(1, sizeof *who);
    if (!who)
        return NULL;
    memcpy(who->pid, pid, SRV_SID_LEN);
    who->nsp = nsp;
    who->socket = socket;
    who->first_seq = r->next_seq;
    struct srv_resumable **b = bucket(r, who->pid, SRV_SID_LEN);
    who->hash_next = *b;
    *b = who;
    r->count++;
    return who;
}

static void forget_parked(struct srv_recovery *r, struct srv_resumable *who)
{
    struct srv_parked *p = who->parked;
    if (!p)
        return;
    srv_timer_stop(&who->expiry);
    p->prev->next = p->next;
    p->next->prev = p->prev;
    r->parked_count--;
    r->parked_bytes -= p->bytes;
    who->parked = NULL;
    free(p);
}

void srv_recovery_close(struct srv_recovery *r, struct srv_resumable *who)
{
    if (!who)
        return;
    forget_parked(r, who);
    struct srv_resumable **b = bucket(r, who->pid, SRV_SID_LEN);
    while (*b != who)
        b = &(*b)->hash_next;
    *b = who->hash_next;
    r->count--;
    free(who);
}

struct srv_resumable *srv_recovery_find(const struct srv_recovery *r, const char *pid, size_t len)
{
    if (len != SRV_SID_LEN || !r->table)
        return NULL;
    struct srv_resumable *who = *bucket(r, pid, len);
    while (who && memcmp(who->pid, pid, len) != 0)
        who = who->hash_next;
    return who;
}

/* A member's rooms, counted first and then copied. */
struct copying {
    struct srv_parked *parked; /* NULL: count */
    size_t count, bytes;
    char *text;
};

static void copy_room(void *context, const char *room, size_t len)
{
    struct copying *c = context;
    if (c->parked) {
        memcpy(c->text, room, len);
        c->parked->rooms[c->count] = (struct aivo_bytes){c->text, len};
        c->text += len;
    }
    c->count++;
    c->bytes += len;
}

static int by_name(const void *a, const void *b)
{
    const struct aivo_bytes *x = a, *y = b;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->data, y->data, x->len);
}

static struct srv_parked *parked_new(const struct srv_member *member, const struct srv_agent_session *agent)
{
    struct copying c = {0};
    srv_rooms_of(member, copy_room, &c);
    size_t user = strlen(agent->user_id) + 1, learner = strlen(agent->learner_id) + 1;
    size_t size = sizeof(struct srv_parked) + c.count * sizeof *c.parked->rooms + c.bytes + user + learner;
    struct srv_parked *p = malloc(size + _Alignof(struct aivo_bytes));
    if (!p)
        return NULL;
    memset(p, 0, sizeof *p);
    p->bytes = size + sizeof(struct srv_resumable);
    p->rooms = (struct aivo_bytes *)(void *)((char *)p + sizeof *p); /* sizeof is a multiple of its alignment */
    char *text = (char *)(p->rooms + c.count);
    p->user = memcpy(text, agent->user_id, user);
    p->learner = memcpy(text + user, agent->learner_id, learner);
    c = (struct copying){.parked = p, .text = text + user + learner};
    srv_rooms_of(member, copy_room, &c);
    p->room_count = c.count;
    if (c.count)
        qsort(p->rooms, c.count, sizeof *p->rooms, by_name);
    p->left_own = member->left_own;
    p->agent = *agent;
    p->agent.socket_id = p->agent.user_id = p->agent.learner_id = NULL;
    memcpy(p->sid, agent->socket_id, SRV_SID_LEN);
    return p;
}

bool srv_recovery_park(struct srv_recovery *r, struct srv_resumable *who, const struct srv_member *member,
                       const struct srv_agent_session *agent, uint64_t now_ms)
{
    struct srv_parked *p = parked_new(member, agent);
    if (!p) {
        srv_recovery_close(r, who);
        return false;
    }
    who->socket = NULL;
    who->parked = p;
    p->owner = who;
    p->seq = r->next_seq;
    p->prev = r->parked.prev;
    p->next = &r->parked;
    p->prev->next = p;
    r->parked.prev = p;
    r->parked_count++;
    r->parked_bytes += p->bytes;
    srv_timer_start(&r->expiries, &who->expiry, now_ms);
    while (r->parked_count > SRV_RECOVERY_MAX_PARKED || r->parked_bytes > SRV_RECOVERY_PARKED_BYTES)
        srv_recovery_close(r, r->parked.next->owner);
    return true;
}

void srv_recovery_unpark(struct srv_recovery *r, struct srv_resumable *who, void *socket)
{
    forget_parked(r, who);
    who->socket = socket;
}

static void expired(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    (void)now_ms;
    srv_recovery_close(context, SRV_TIMER_OWNER(timer, struct srv_resumable, expiry));
}

/* --- what was missed --- */

static bool is_in(const struct srv_parked *p, const struct aivo_bytes *room)
{
    return p->room_count && bsearch(room, p->rooms, p->room_count, sizeof *p->rooms, by_name);
}

static bool concerns(const struct srv_kept *k, const struct srv_resumable *who)
{
    const struct srv_parked *p = who->parked;
    bool included = k->room_count == 0;
    if (k->nsp != who->nsp)
        return false;
    for (unsigned i = 0; i < k->room_count && !included; i++)
        included = is_in(p, &k->names[i]);
    for (unsigned i = 0; i < k->except_count && included; i++)
        included = !is_in(p, &k->names[k->room_count + i]);
    return included;
}

/* The index of the event with this stamp; used if there is none. */
static size_t find_stamp(const struct srv_recovery *r, struct srv_stamp stamp)
{
    size_t low = 0, high = r->used;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare((*slot(r, middle))->stamp, stamp) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->used && compare((*slot(r, low))->stamp, stamp) == 0 ? low : r->used;
}

bool srv_recovery_plan(const struct srv_recovery *r, const struct srv_resumable *who, const char *offset, size_t len,
                       uint64_t *from, size_t *bytes)
{
    uint64_t oldest = r->next_seq - r->used;
    struct srv_stamp stamp = {0, 0};
    if (!who->parked || (len && !srv_recovery_read(offset, len, &stamp)))
        return false;
    if (compare(stamp, who->last) == 0) {
        *from = who->parked->seq; /* it has seen all that it was sent, or never was sent anything */
    } else if (!len) {
        *from = who->first_seq;
    } else {
        size_t at = find_stamp(r, stamp);
        *from = oldest + at + 1;
        if (at == r->used || oldest + at < who->first_seq)
            return false;
    }
    if (*from < oldest)
        return false;
    *bytes = 0;
    for (size_t i = (size_t)(*from - oldest); i < r->used; i++)
        if (concerns(*slot(r, i), who))
            *bytes += (*slot(r, i))->bytes;
    return true;
}

void srv_recovery_missed(const struct srv_recovery *r, const struct srv_resumable *who, uint64_t from,
                         void (*each)(void *context, struct srv_frame *const *frames, unsigned count,
                                      struct srv_stamp stamp),
                         void *context)
{
    for (size_t i = (size_t)(from - (r->next_seq - r->used)); i < r->used; i++) {
        const struct srv_kept *k = *slot(r, i);
        if (concerns(k, who))
            each(context, k->frames, k->frame_count, k->stamp);
    }
}

/* --- the whole --- */

bool srv_recovery_init(struct srv_recovery *r, const struct srv_recovery_options *options, struct srv_timers *timers)
{
    memset(r, 0, sizeof *r);
    r->options = *options;
    r->parked.prev = r->parked.next = &r->parked;
    if (!options->resume_ms)
        return true;
    r->table = calloc(TABLE_SIZE, sizeof(struct srv_resumable *));
    srv_timers_add(timers, &r->expiries, options->resume_ms, expired, r);
    srv_timers_add(timers, &r->sweeps, options->resume_ms, sweep, r);
    return r->table != NULL;
}

void srv_recovery_free(struct srv_recovery *r)
{
    srv_timer_stop(&r->sweep);
    evict_all(r);
    free(r->ring);
    for (size_t i = 0; r->table && i < TABLE_SIZE; i++)
        while (r->table[i])
            srv_recovery_close(r, r->table[i]);
    free(r->table);
    memset(r, 0, sizeof *r);
}
