#include "rooms.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64

struct srv_room {
    struct srv_room *chain;
    struct srv_membership *members;
    uint64_t hash;
    size_t len;
    char name[];
};

struct srv_membership {
    struct srv_membership *chain; /* same bucket of (room, member) */
    struct srv_room *room;
    struct srv_member *member;
    struct srv_membership *room_prev, *room_next;     /* of the same room */
    struct srv_membership *member_prev, *member_next; /* of the same member */
};

void srv_rooms_init(struct srv_rooms *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    r->seed = seed;
}

void srv_rooms_free(struct srv_rooms *r)
{
    free(r->ids);
    free(r->rooms);
    free(r->memberships);
    memset(r, 0, sizeof *r);
}

/* --- hashing --- */

static uint64_t hash_text(const struct srv_rooms *r, const char *text, size_t len)
{
    uint64_t h = 14695981039346656037u ^ r->seed;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return h ^ (h >> 32);
}

static uint64_t hash_pair(const struct srv_rooms *r, const struct srv_room *room, const struct srv_member *m)
{
    uint64_t h = (uint64_t)(uintptr_t)m * 0x9e3779b97f4a7c15u ^ room->hash ^ r->seed;
    return (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9u >> 16;
}

/* Room for one more in a table of count entries. A table that cannot grow only becomes slower. */
static bool grow_ids(struct srv_rooms *r)
{
    if (r->count < r->id_slots)
        return true;
    size_t slots = r->id_slots ? r->id_slots * 2 : FIRST_SLOTS;
    struct srv_member **table = calloc(slots, sizeof(struct srv_member *));
    if (!table)
        return r->id_slots > 0;
    for (struct srv_member *m = r->members; m; m = m->next) {
        struct srv_member **at = &table[hash_text(r, m->id, strlen(m->id)) & (slots - 1)];
        m->id_next = *at;
        *at = m;
    }
    free(r->ids);
    r->ids = table;
    r->id_slots = slots;
    return true;
}

static bool grow_rooms(struct srv_rooms *r)
{
    if (r->room_count < r->room_slots)
        return true;
    size_t slots = r->room_slots ? r->room_slots * 2 : FIRST_SLOTS;
    struct srv_room **table = calloc(slots, sizeof(struct srv_room *));
    if (!table)
        return r->room_slots > 0;
    for (size_t i = 0; i < r->room_slots; i++)
        for (struct srv_room *room = r->rooms[i], *next; room; room = next) {
            next = room->chain;
            room->chain = table[room->hash & (slots - 1)];
            table[room->hash & (slots - 1)] = room;
        }
    free(r->rooms);
    r->rooms = table;
    r->room_slots = slots;
    return true;
}

static bool grow_memberships(struct srv_rooms *r)
{
    if (r->membership_count < r->membership_slots)
        return true;
    size_t slots = r->membership_slots ? r->membership_slots * 2 : FIRST_SLOTS;
    struct srv_membership **table = calloc(slots, sizeof(struct srv_membership *));
    if (!table)
        return r->membership_slots > 0;
    for (size_t i = 0; i < r->membership_slots; i++)
        for (struct srv_membership *s = r->memberships[i], *next; s; s = next) {
            next = s->chain;
            struct srv_membership **at = &table[hash_pair(r, s->room, s->member) & (slots - 1)];
            s->chain = *at;
            *at = s;
        }
    free(r->memberships);
    r->memberships = table;
    r->membership_slots = slots;
    return true;
}

/* --- finding --- */

struct srv_member *srv_rooms_find(const struct srv_rooms *r, const char *id, size_t len)
{
    if (!r->id_slots)
        return NULL;
    struct srv_member *m = r->ids[hash_text(r, id, len) & (r->id_slots - 1)];
    while (m && !(strlen(m->id) == len && memcmp(m->id, id, len) == 0))
        m = m->id_next;
    return m;
}

static struct srv_room *find_room(const struct srv_rooms *r, const char *name, size_t len)
{
    if (!r->room_slots)
        return NULL;
    uint64_t hash = hash_text(r, name, len);
    struct srv_room *room = r->rooms[hash & (r->room_slots - 1)];
    while (room && !(room->hash == hash && room->len == len && memcmp(room->name, name, len) == 0))
        room = room->chain;
    return room;
}

static struct srv_membership *find_membership(const struct srv_rooms *r, const struct srv_room *room,
                                              const struct srv_member *m)
{
    if (!r->membership_slots)
        return NULL;
    struct srv_membership *s = r->memberships[hash_pair(r, room, m) & (r->membership_slots - 1)];
    while (s && (s->room != room || s->member != m))
        s = s->chain;
    return s;
}

static bool is_own(const struct srv_member *m, const char *room, size_t len)
{
    return strlen(m->id) == len && memcmp(m->id, room, len) == 0;
}

/* The member whose own room it is, if it is still in it. */
static struct srv_member *find_own(const struct srv_rooms *r, const char *room, size_t len)
{
    struct srv_member *m = srv_rooms_find(r, room, len);
    return m && !m->left_own ? m : NULL;
}

bool srv_rooms_is_in(const struct srv_rooms *r, const struct srv_member *m, const char *room, size_t len)
{
    if (is_own(m, room, len))
        return !m->left_own;
    const struct srv_room *found = find_room(r, room, len);
    return found && find_membership(r, found, m);
}

bool srv_rooms_exists(const struct srv_rooms *r, const char *room, size_t len)
{
    return find_room(r, room, len) || find_own(r, room, len);
}

/* --- coming and going --- */

bool srv_rooms_add(struct srv_rooms *r, struct srv_member *m, const char *id)
{
    memset(m, 0, sizeof *m);
    if (!grow_ids(r))
        return false;
    m->id = id;
    struct srv_member **at = &r->ids[hash_text(r, id, strlen(id)) & (r->id_slots - 1)];
    m->id_next = *at;
    *at = m;
    m->next = r->members;
    if (m->next)
        m->next->prev = m;
    r->members = m;
    r->count++;
    return true;
}

static struct srv_room *room_new(struct srv_rooms *r, const char *name, size_t len)
{
    struct srv_room *room = grow_rooms(r) ? malloc(sizeof *room + len) : NULL;
    if (!room)
        return NULL;
    room->members = NULL;
    room->len = len;
    memcpy(room->name, name, len);
    room->hash = hash_text(r, name, len);
    struct srv_room **at = &r->rooms[room->hash & (r->room_slots - 1)];
    room->chain = *at;
    *at = room;
    r->room_count++;
    return room;
}

static void room_free_if_empty(struct srv_rooms *r, struct srv_room *room)
{
    if (room->members)
        return;
    struct srv_room **p = &r->rooms[room->hash & (r->room_slots - 1)];
    while (*p != room)
        p = &(*p)->chain;
    *p = room->chain;
    r->room_count--;
    free(room);
}

enum srv_join srv_rooms_join(struct srv_rooms *r, struct srv_member *m, const char *name, size_t len)
{
    if (is_own(m, name, len)) {
        m->left_own = false;
        return SRV_JOIN_OK;
    }
    if (len == 0 || len > SRV_ROOM_MAX_NAME)
        return SRV_JOIN_NAME;
    struct srv_room *room = find_room(r, name, len);
    if (room && find_membership(r, room, m))
        return SRV_JOIN_OK;
    if (m->joined >= SRV_ROOM_MAX_JOINED || r->membership_count >= SRV_ROOM_MAX_MEMBERSHIPS)
        return SRV_JOIN_BOUND;
    if (!room)
        room = room_new(r, name, len);
    struct srv_membership *s = room && grow_memberships(r) ? malloc(sizeof *s) : NULL;
    if (!s) {
        if (room)
            room_free_if_empty(r, room);
        return SRV_JOIN_MEMORY;
    }
    struct srv_membership **at = &r->memberships[hash_pair(r, room, m) & (r->membership_slots - 1)];
    *s = (struct srv_membership){*at, room, m, NULL, room->members, NULL, m->rooms};
    *at = s;
    if (s->room_next)
        s->room_next->room_prev = s;
    room->members = s;
    if (s->member_next)
        s->member_next->member_prev = s;
    m->rooms = s;
    m->joined++;
    r->membership_count++;
    return SRV_JOIN_OK;
}

static void membership_end(struct srv_rooms *r, struct srv_membership *s)
{
    struct srv_membership **p = &r->memberships[hash_pair(r, s->room, s->member) & (r->membership_slots - 1)];
    while (*p != s)
        p = &(*p)->chain;
    *p = s->chain;
    if (s->room_prev)
        s->room_prev->room_next = s->room_next;
    else
        s->room->members = s->room_next;
    if (s->room_next)
        s->room_next->room_prev = s->room_prev;
    if (s->member_prev)
        s->member_prev->member_next = s->member_next;
    else
        s->member->rooms = s->member_next;
    if (s->member_next)
        s->member_next->member_prev = s->member_prev;
    s->member->joined--;
    r->membership_count--;
    room_free_if_empty(r, s->room);
    free(s);
}

void srv_rooms_leave(struct srv_rooms *r, struct srv_member *m, const char *name, size_t len)
{
    if (is_own(m, name, len)) {
        m->left_own = true;
        return;
    }
    const struct srv_room *room = find_room(r, name, len);
    struct srv_membership *s = room ? find_membership(r, room, m) : NULL;
    if (s)
        membership_end(r, s);
}

void srv_rooms_remove(struct srv_rooms *r, struct srv_member *m)
{
    while (m->rooms)
        membership_end(r, m->rooms);
    struct srv_member **p = &r->ids[hash_text(r, m->id, strlen(m->id)) & (r->id_slots - 1)];
    while (*p != m)
        p = &(*p)->id_next;
    *p = m->id_next;
    if (m->prev)
        m->prev->next = m->next;
    else
        r->members = m->next;
    if (m->next)
        m->next->prev = m->prev;
    r->count--;
}

/* --- targets --- */

typedef void visit(void *context, struct srv_member *m);

static void visit_room(const struct srv_rooms *r, const struct aivo_bytes *name, visit *each, void *context)
{
    const struct srv_room *room = find_room(r, name->data, name->len);
    for (struct srv_membership *s = room ? room->members : NULL; s; s = s->room_next)
        each(context, s->member);
    struct srv_member *own = find_own(r, name->data, name->len);
    if (own)
        each(context, own);
}

static void exclude(void *context, struct srv_member *m)
{
    const struct srv_rooms *r = context;
    m->mark = r->mark;
}

struct walk {
    struct srv_rooms *rooms;
    visit *each;
    void *context;
    size_t count;
};

static void once(void *context, struct srv_member *m)
{
    struct walk *walk = context;
    if (m->mark == walk->rooms->mark)
        return;
    m->mark = walk->rooms->mark;
    walk->count++;
    walk->each(walk->context, m);
}

size_t srv_rooms_each(struct srv_rooms *r, const struct srv_target *target, visit *each, void *context)
{
    struct walk walk = {r, each, context, 0};
    r->mark++;
    for (size_t i = 0; i < target->except_count; i++)
        visit_room(r, &target->except[i], exclude, r);
    for (size_t i = 0; i < target->room_count; i++)
        visit_room(r, &target->rooms[i], once, &walk);
    if (!target->room_count)
        for (struct srv_member *m = r->members; m; m = m->next)
            once(&walk, m);
    return walk.count;
}

struct collection {
    struct srv_member **members;
    size_t count, size;
};

static void collect(void *context, struct srv_member *m)
{
    struct collection *c = context;
    if (c->count < c->size)
        c->members[c->count++] = m;
}

struct srv_member **srv_rooms_collect(struct srv_rooms *r, const struct srv_target *target, size_t *count)
{
    struct collection c = {.size = r->count};
    *count = 0;
    if (!c.size || !(c.members = calloc(c.size, sizeof(struct srv_member *))))
        return NULL;
    srv_rooms_each(r, target, collect, &c);
    *count = c.count;
    return c.members;
}

/* --- names --- */

void srv_rooms_of(const struct srv_member *m, void (*each)(void *context, const char *room, size_t len), void *context)
{
    if (!m->left_own)
        each(context, m->id, strlen(m->id));
    for (const struct srv_membership *s = m->rooms; s; s = s->member_next)
        each(context, s->room->name, s->room->len);
}

void srv_rooms_names(const struct srv_rooms *r, void (*each)(void *context, const char *room, size_t len),
                     void *context)
{
    for (const struct srv_member *m = r->members; m; m = m->next)
        if (!m->left_own && !find_room(r, m->id, strlen(m->id)))
            each(context, m->id, strlen(m->id));
    for (size_t i = 0; i < r->room_slots; i++)
        for (const struct srv_room *room = r->rooms[i]; room; room = room->chain)
            each(context, room->name, room->len);
}
