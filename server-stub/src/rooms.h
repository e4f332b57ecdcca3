/*
 * Who is in which room of one namespace. Every member is in the room of its own id from the start, without costing
 * anything; other rooms exist while somebody is in them. Pure: members are embedded in whatever they stand for.
 *
 * Joining, leaving and asking are O(1); leaving everything is O(the member's rooms); going through a target is O(the
 * members of its rooms and exceptions). Bounds: a room's name SRV_ROOM_MAX_NAME bytes, a member's rooms
 * SRV_ROOM_MAX_JOINED, all memberships of a namespace SRV_ROOM_MAX_MEMBERSHIPS.
 */
#ifndef SRV_ROOMS_H
#define SRV_ROOMS_H

#include "socketio.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRV_ROOM_MAX_NAME        256
#define SRV_ROOM_MAX_JOINED      1024
#define SRV_ROOM_MAX_MEMBERSHIPS 1000000

struct srv_room;
struct srv_membership;

struct srv_member {
    struct srv_member *prev, *next; /* all of the namespace, newest first */
    struct srv_member *id_next;     /* same bucket */
    struct srv_membership *rooms;   /* newest first */
    const char *id;                 /* borrowed */
    uint64_t mark;                  /* the walk that has seen it last */
    uint32_t joined;
    bool left_own; /* it left the room of its own id */
};

struct srv_rooms {
    struct srv_member *members;
    size_t count;
    struct srv_member **ids;
    struct srv_room **rooms;
    struct srv_membership **memberships;
    size_t id_slots, room_slots, membership_slots; /* powers of two, 0 before the first */
    size_t room_count, membership_count;
    uint64_t seed, mark;
};

/* Nobody in particular (no rooms): everybody. */
struct srv_target {
    const struct aivo_bytes *rooms, *except; /* names */
    size_t room_count, except_count;
};

enum srv_join {
    SRV_JOIN_OK,    /* it is in the room now, or was before */
    SRV_JOIN_BOUND, /* a bound is reached */
    SRV_JOIN_NAME,  /* empty or too long */
    SRV_JOIN_MEMORY,
};

void srv_rooms_init(struct srv_rooms *r, uint64_t seed);
/* All members must have left. */
void srv_rooms_free(struct srv_rooms *r);

/* id must stay where it is. false: no memory. */
bool srv_rooms_add(struct srv_rooms *r, struct srv_member *m, const char *id);
/* Leaves every room and the namespace. */
void srv_rooms_remove(struct srv_rooms *r, struct srv_member *m);
struct srv_member *srv_rooms_find(const struct srv_rooms *r, const char *id, size_t len);

enum srv_join srv_rooms_join(struct srv_rooms *r, struct srv_member *m, const char *room, size_t len);
void srv_rooms_leave(struct srv_rooms *r, struct srv_member *m, const char *room, size_t len);
bool srv_rooms_is_in(const struct srv_rooms *r, const struct srv_member *m, const char *room, size_t len);
/* Is anybody in it? */
bool srv_rooms_exists(const struct srv_rooms *r, const char *room, size_t len);

/* Each member of any of the target's rooms that is in none of the exceptions, once. each must not add, remove, join or
 * leave. Returns how many. */
size_t srv_rooms_each(struct srv_rooms *r, const struct srv_target *target,
                      void (*each)(void *context, struct srv_member *m), void *context);
/* The same members as an array of *count that the caller frees; for whoever changes them. NULL: none, or no memory. */
struct srv_member **srv_rooms_collect(struct srv_rooms *r, const struct srv_target *target, size_t *count);

/* Names of rooms, each once: a member's (its own first), or all that somebody is in. */
void srv_rooms_of(const struct srv_member *m, void (*each)(void *context, const char *room, size_t len), void *context);
void srv_rooms_names(const struct srv_rooms *r, void (*each)(void *context, const char *room, size_t len),
                     void *context);

#endif
