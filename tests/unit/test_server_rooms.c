#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "prng.h"
#include "rooms.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME(text)                                                                                                     \
    (struct aivo_bytes)                                                                                                \
    {                                                                                                                  \
        text, sizeof text - 1                                                                                          \
    }

static void note(void *context, struct srv_member *m)
{
    strcat(context, m->id);
    strcat(context, " ");
}

static const char *reached(struct srv_rooms *r, const struct srv_target *target)
{
    static char out[256];
    out[0] = '\0';
    srv_rooms_each(r, target, note, out);
    return out;
}

static void note_name(void *context, const char *room, size_t len)
{
    snprintf((char *)context + strlen(context), 256 - strlen(context), "%.*s ", (int)len, room);
}

/* Three members; two join a room: the room reaches them, an id reaches its owner, no room reaches all, a member of two
 * rooms is reached once, and exceptions (rooms or ids) are left out. */
static void test_targets(void **state)
{
    (void)state;
    struct srv_rooms r;
    struct srv_member a, b, c;
    srv_rooms_init(&r, 7);
    assert_true(srv_rooms_add(&r, &a, "a") && srv_rooms_add(&r, &b, "b") && srv_rooms_add(&r, &c, "c"));
    assert_int_equal(srv_rooms_join(&r, &a, "r1", 2), SRV_JOIN_OK);
    assert_int_equal(srv_rooms_join(&r, &b, "r1", 2), SRV_JOIN_OK);
    assert_int_equal(srv_rooms_join(&r, &b, "r2", 2), SRV_JOIN_OK);
    assert_int_equal(srv_rooms_join(&r, &b, "r2", 2), SRV_JOIN_OK);
    assert_int_equal(r.membership_count, 3);

    const struct aivo_bytes both[] = {NAME("r1"), NAME("r2")}, own[] = {NAME("c")}, no[] = {NAME("nobody")};
    assert_string_equal(reached(&r, &(struct srv_target){0}), "c b a ");
    assert_string_equal(reached(&r, &(struct srv_target){.rooms = both, .room_count = 2}), "b a ");
    assert_string_equal(reached(&r, &(struct srv_target){.rooms = own, .room_count = 1}), "c ");
    assert_string_equal(reached(&r, &(struct srv_target){.rooms = no, .room_count = 1}), "");
    assert_string_equal(
        reached(&r, &(struct srv_target){.rooms = both, .room_count = 2, .except = both + 1, .except_count = 1}), "a ");
    assert_string_equal(reached(&r, &(struct srv_target){.except = own, .except_count = 1}), "b a ");
    assert_true(srv_rooms_exists(&r, "r2", 2) && srv_rooms_exists(&r, "c", 1) && !srv_rooms_exists(&r, "r3", 2));

    srv_rooms_remove(&r, &b);
    assert_false(srv_rooms_exists(&r, "r2", 2));
    assert_int_equal(r.room_count, 1);
    srv_rooms_remove(&r, &a);
    srv_rooms_remove(&r, &c);
    srv_rooms_free(&r);
}

/* The room of a member's own id: there without a join, can be left and joined again, and others may join it too. */
static void test_own_room(void **state)
{
    (void)state;
    struct srv_rooms r;
    struct srv_member a, b;
    char names[256] = "";
    const struct aivo_bytes own[] = {NAME("a")};
    const struct srv_target target = {.rooms = own, .room_count = 1};
    srv_rooms_init(&r, 7);
    assert_true(srv_rooms_add(&r, &a, "a") && srv_rooms_add(&r, &b, "b"));
    assert_int_equal(srv_rooms_join(&r, &b, "a", 1), SRV_JOIN_OK);
    assert_string_equal(reached(&r, &target), "b a ");
    srv_rooms_leave(&r, &a, "a", 1);
    assert_false(srv_rooms_is_in(&r, &a, "a", 1));
    assert_string_equal(reached(&r, &target), "b ");
    srv_rooms_of(&b, note_name, names);
    assert_string_equal(names, "b a ");
    names[0] = '\0';
    srv_rooms_names(&r, note_name, names); /* each once */
    assert_string_equal(names, "b a ");
    assert_int_equal(srv_rooms_join(&r, &a, "a", 1), SRV_JOIN_OK);
    assert_true(srv_rooms_is_in(&r, &a, "a", 1));
    srv_rooms_remove(&r, &a);
    srv_rooms_remove(&r, &b);
    srv_rooms_free(&r);
}

/* A name too long or empty, and one room more than a member may be in, are refused; the rest stays as it was. */
static void test_bounds(void **state)
{
    (void)state;
    struct srv_rooms r;
    struct srv_member a;
    char name[SRV_ROOM_MAX_NAME + 1];
    memset(name, 'x', sizeof name);
    srv_rooms_init(&r, 7);
    assert_true(srv_rooms_add(&r, &a, "a"));
    assert_int_equal(srv_rooms_join(&r, &a, "", 0), SRV_JOIN_NAME);
    assert_int_equal(srv_rooms_join(&r, &a, name, SRV_ROOM_MAX_NAME + 1), SRV_JOIN_NAME);
    assert_int_equal(srv_rooms_join(&r, &a, name, SRV_ROOM_MAX_NAME), SRV_JOIN_OK);
    for (int i = 1; i < SRV_ROOM_MAX_JOINED; i++) {
        int len = snprintf(name, sizeof name, "room %d", i);
        assert_int_equal(srv_rooms_join(&r, &a, name, (size_t)len), SRV_JOIN_OK);
    }
    assert_int_equal(srv_rooms_join(&r, &a, "more", 4), SRV_JOIN_BOUND);
    assert_int_equal(r.room_count, SRV_ROOM_MAX_JOINED);
    srv_rooms_leave(&r, &a, "room 1", 6);
    assert_int_equal(srv_rooms_join(&r, &a, "more", 4), SRV_JOIN_OK);
    srv_rooms_remove(&r, &a);
    assert_int_equal(r.room_count, 0);
    assert_int_equal(r.membership_count, 0);
    srv_rooms_free(&r);
}

#define MEMBERS 40
#define ROOMS   24

struct model {
    bool present[MEMBERS], in[MEMBERS][ROOMS];
    char ids[MEMBERS][8], names[ROOMS][8];
    struct srv_member members[MEMBERS];
    bool seen[MEMBERS];
};

static void see(void *context, struct srv_member *m)
{
    struct model *model = context;
    long i = m - model->members;
    assert_false(model->seen[i]); /* once each */
    model->seen[i] = true;
}

static void check_target(struct srv_rooms *r, struct model *model, struct prng *prng)
{
    struct aivo_bytes rooms[3], except[2];
    size_t pick[5];
    struct srv_target target = {rooms, except, prng_below(prng, 4), prng_below(prng, 3)};
    for (unsigned i = 0; i < 5; i++)
        pick[i] = prng_below(prng, ROOMS);
    for (unsigned i = 0; i < target.room_count; i++)
        rooms[i] = (struct aivo_bytes){model->names[pick[i]], strlen(model->names[pick[i]])};
    for (unsigned i = 0; i < target.except_count; i++)
        except[i] = (struct aivo_bytes){model->names[pick[3 + i]], strlen(model->names[pick[3 + i]])};
    memset(model->seen, 0, sizeof model->seen);
    srv_rooms_each(r, &target, see, model);
    for (unsigned m = 0; m < MEMBERS; m++) {
        bool want = model->present[m] && !target.room_count;
        for (unsigned i = 0; i < target.room_count; i++)
            want |= model->present[m] && model->in[m][pick[i]];
        for (unsigned i = 0; i < target.except_count; i++)
            want &= !model->in[m][pick[3 + i]];
        assert_int_equal(model->seen[m], want);
    }
}

/* 20,000 random joins, leaves, arrivals and departures: every target reaches whom a plain table says. */
static void test_model(void **state)
{
    (void)state;
    static struct model model;
    struct srv_rooms r;
    struct prng prng = {4711};
    srv_rooms_init(&r, 99);
    for (unsigned i = 0; i < MEMBERS; i++)
        snprintf(model.ids[i], sizeof model.ids[i], "m%u", i);
    for (unsigned i = 0; i < ROOMS; i++)
        snprintf(model.names[i], sizeof model.names[i], "r%u", i);
    for (unsigned step = 0; step < 20000; step++) {
        size_t m = prng_below(&prng, MEMBERS), room = prng_below(&prng, ROOMS);
        size_t len = strlen(model.names[room]);
        size_t what = prng_below(&prng, 10);
        if (!model.present[m]) {
            assert_true(srv_rooms_add(&r, &model.members[m], model.ids[m]));
            model.present[m] = true;
        } else if (what == 0) {
            srv_rooms_remove(&r, &model.members[m]);
            model.present[m] = false;
            memset(model.in[m], 0, sizeof model.in[m]);
        } else if (what < 6) {
            assert_int_equal(srv_rooms_join(&r, &model.members[m], model.names[room], len), SRV_JOIN_OK);
            model.in[m][room] = true;
        } else {
            srv_rooms_leave(&r, &model.members[m], model.names[room], len);
            model.in[m][room] = false;
        }
        if (step % 16 == 0)
            check_target(&r, &model, &prng);
    }
    for (unsigned m = 0; m < MEMBERS; m++)
        if (model.present[m])
            srv_rooms_remove(&r, &model.members[m]);
    assert_int_equal(r.membership_count + r.room_count + r.count, 0);
    srv_rooms_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_own_room),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
