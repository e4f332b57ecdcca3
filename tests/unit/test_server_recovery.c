/* Connection state recovery: offsets, what is kept, who may resume, and a model of it all. */
#include "offset.h"
#include "prng.h"
#include "recovery.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define UNIX_MS UINT64_C(1790000000000)

static struct srv_timers timers;
static struct srv_recovery r;
static struct srv_rooms rooms;
static int nsp, other_nsp;

static void begin(uint32_t max_events, size_t max_bytes)
{
    struct srv_recovery_options options = {
        .resume_ms = 1000, .max_events = max_events, .max_bytes = max_bytes, .keep_ms = 1500};
    timers.lists = NULL;
    assert_true(srv_recovery_init(&r, &options, &timers));
    srv_rooms_init(&rooms, 1);
}

static void end(void)
{
    srv_recovery_free(&r);
    srv_rooms_free(&rooms);
}

/* One who may come back, and its rooms. */
struct person {
    struct srv_member member;
    struct srv_resumable *who;
    struct srv_agent_session agent;
    char pid[SRV_SID_LEN + 1], sid[SRV_SID_LEN + 1];
};

static void arrive(struct person *p, int n)
{
    memset(p, 0, sizeof *p);
    snprintf(p->pid, sizeof p->pid, "pid-%016d", n);
    snprintf(p->sid, sizeof p->sid, "sid-%016d", n);
    p->agent = (struct srv_agent_session){.socket_id = p->sid, .learner_id = "l", .user_id = "u"};
    assert_true(srv_rooms_add(&rooms, &p->member, p->sid));
    p->who = srv_recovery_open(&r, p->pid, &nsp, p);
    assert_non_null(p->who);
}

static void leave(struct person *p, uint64_t now_ms)
{
    assert_true(srv_recovery_park(&r, p->who, &p->member, &p->agent, now_ms));
    srv_rooms_remove(&rooms, &p->member);
    memset(&p->member, 0, sizeof p->member);
}

/* Sends n, as a frame of so many bytes, to this target; offset may be NULL. */
static struct srv_stamp send_to(const void *where, const struct srv_target *target, unsigned n, size_t len,
                                uint64_t now_ms, char *offset)
{
    static const struct srv_target all;
    char text[SRV_RECOVERY_OFFSET], *payload = calloc(1, len + sizeof n);
    assert_non_null(payload);
    memcpy(payload, &n, sizeof n);
    struct srv_frame *frame = srv_frame_new(payload, len + sizeof n, true);
    free(payload);
    assert_non_null(frame);
    struct srv_stamp stamp = srv_recovery_stamp(&r, UNIX_MS + now_ms, text);
    srv_recovery_keep(&r, where, target ? target : &all, stamp, &frame, 1, 1, now_ms);
    srv_frame_release(frame);
    if (offset)
        strcpy(offset, text);
    return stamp;
}

struct seen {
    unsigned list[4096];
    size_t count;
};

static void see(void *context, struct srv_frame *const *frames, unsigned count, struct srv_stamp stamp)
{
    struct seen *seen = context;
    unsigned char header[SRV_FRAME_HEADER];
    (void)stamp;
    assert_int_equal(count, 1);
    size_t head = srv_frame_header(header, 0, true);
    size_t len = frames[0]->data[1];
    head = len == 126 ? 4 : len == 127 ? 10 : head;
    memcpy(&seen->list[seen->count++], frames[0]->data + head, sizeof(unsigned));
}

/* What p would get behind this offset; -1 if it is not resumed. */
static int ask(const struct person *p, const char *offset, struct seen *seen)
{
    uint64_t from;
    size_t bytes;
    seen->count = 0;
    struct srv_resumable *who = srv_recovery_find(&r, p->pid, strlen(p->pid));
    if (!who || !who->parked || !srv_recovery_plan(&r, who, offset, strlen(offset), &from, &bytes))
        return -1;
    srv_recovery_missed(&r, who, from, see, seen);
    assert_int_equal(bytes > 0, seen->count > 0);
    return (int)seen->count;
}

/* Offsets are those of a Node server's adapter in memory: libaivo's rule takes them; they are read back as they were,
 * never repeat, and nothing else is read. */
static void offsets(void **state)
{
    (void)state;
    begin(10, 65536);
    char text[SRV_RECOVERY_OFFSET], first[SRV_RECOVERY_OFFSET];
    struct srv_stamp stamp, back;
    int64_t ms;
    stamp = srv_recovery_stamp(&r, UNIX_MS, first);
    assert_int_equal(strlen(first), 7);
    assert_int_equal(aivo_offset_shape_of(first, strlen(first), &ms), AIVO_OFFSET_YEAST);
    assert_int_equal(ms, UNIX_MS);
    srv_recovery_stamp(&r, UNIX_MS, text);
    assert_memory_equal(text, first, 7);
    assert_string_equal(text + 7, ".0");
    for (int i = 0; i < 5000; i++) {
        stamp = srv_recovery_stamp(&r, UNIX_MS + (uint64_t)i / 100 - (i % 7 == 0 ? 1 : 0), text);
        assert_int_equal(aivo_offset_shape_of(text, strlen(text), &ms), AIVO_OFFSET_YEAST);
        assert_true(srv_recovery_read(text, strlen(text), &back));
        assert_true(back.ms == stamp.ms && back.count == stamp.count);
    }
    static const char *const bad[] = {"",
                                      ".",
                                      "a.",
                                      ".a",
                                      "a b",
                                      "Q84cpKT.0.0",
                                      "0Q84cpKT",
                                      "Q84cpKT.00",
                                      "\xc3\xa9",
                                      "zzzzzzzzzzzzzzz",
                                      "Q84cpKT.zzzzzzz"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(srv_recovery_read(bad[i], strlen(bad[i]), &back));
    end();
}

/* Rooms, exceptions and the namespace decide what was missed, as they were when its connection was lost. */
static void whom_it_concerns(void **state)
{
    (void)state;
    begin(100, 65536);
    struct person p, stays;
    struct seen seen;
    char offset[SRV_RECOVERY_OFFSET];
    arrive(&p, 1);
    arrive(&stays, 2);
    assert_int_equal(srv_rooms_join(&rooms, &p.member, "a", 1), SRV_JOIN_OK);
    assert_int_equal(srv_rooms_join(&rooms, &p.member, "room b", 6), SRV_JOIN_OK);
    p.who->last = send_to(&nsp, NULL, 0, 0, 0, offset);
    leave(&p, 1);
    const struct aivo_bytes a = {"a", 1}, b = {"room b", 6}, c = {"c", 1}, own = {p.sid, SRV_SID_LEN},
                            his = {stays.sid, SRV_SID_LEN}, ca[] = {c, a};
    send_to(&nsp, NULL, 1, 0, 2, NULL);
    send_to(&nsp, &(struct srv_target){&a, NULL, 1, 0}, 2, 0, 2, NULL);
    send_to(&nsp, &(struct srv_target){&c, NULL, 1, 0}, 3, 0, 2, NULL);
    send_to(&nsp, &(struct srv_target){ca, NULL, 2, 0}, 4, 0, 2, NULL);
    send_to(&nsp, &(struct srv_target){ca, &b, 2, 1}, 5, 0, 2, NULL);
    send_to(&nsp, &(struct srv_target){NULL, &own, 0, 1}, 6, 0, 2, NULL);
    send_to(&nsp, &(struct srv_target){&own, &c, 1, 1}, 7, 0, 2, NULL);
    send_to(&nsp, &(struct srv_target){&his, NULL, 1, 0}, 8, 0, 2, NULL);
    send_to(&other_nsp, NULL, 9, 0, 2, NULL);
    static const unsigned expected[] = {1, 2, 4, 7};
    assert_int_equal(ask(&p, offset, &seen), 4);
    assert_memory_equal(seen.list, expected, sizeof expected);
    srv_rooms_remove(&rooms, &stays.member);
    end();
}

/* Beyond the bounds the oldest goes, and who would need it is not resumed; who needs only what is left is. */
static void bounds_of_events(void **state)
{
    (void)state;
    begin(5, 2000);
    struct person early, late;
    struct seen seen;
    char offset[SRV_RECOVERY_OFFSET], third[SRV_RECOVERY_OFFSET] = "";
    arrive(&early, 1);
    arrive(&late, 2);
    early.who->last = late.who->last = send_to(&nsp, NULL, 0, 0, 0, offset);
    leave(&early, 0);
    for (unsigned i = 1; i <= 5; i++)
        late.who->last = send_to(&nsp, NULL, i, 0, 0, i == 3 ? third : NULL);
    leave(&late, 0);
    assert_int_equal(ask(&early, offset, &seen), 5);
    assert_int_equal(ask(&late, third, &seen), 2);
    send_to(&nsp, NULL, 6, 0, 0, NULL);
    assert_int_equal(r.used, 5);
    assert_int_equal(ask(&early, offset, &seen), -1);
    assert_int_equal(ask(&late, third, &seen), 3);
    send_to(&nsp, NULL, 7, 1750, 0, NULL); /* bytes: it needs the room of others */
    assert_true(r.bytes <= 2000);
    assert_true(r.used >= 1 && r.used < 5);
    assert_int_equal(ask(&late, third, &seen), -1);
    send_to(&nsp, NULL, 8, 5000, 0, NULL); /* larger than all: a gap */
    assert_int_equal(r.used, 0);
    assert_int_equal(r.bytes, 0);
    assert_int_equal(ask(&early, offset, &seen), -1);
    end();
}

/* Age: events go after keep_ms, also when nothing is sent any more; who has seen all it was sent is resumed all the
 * same. Who left is forgotten after resume_ms. */
static void ages(void **state)
{
    (void)state;
    begin(100, 65536);
    struct person p;
    struct seen seen;
    char offset[SRV_RECOVERY_OFFSET], second[SRV_RECOVERY_OFFSET];
    arrive(&p, 1);
    send_to(&nsp, NULL, 0, 0, 0, offset);
    p.who->last = send_to(&nsp, NULL, 1, 0, 0, second);
    for (uint64_t now = 0; now <= 5000; now += 100)
        srv_timers_run(&timers, now);
    assert_int_equal(r.used, 0);
    assert_int_equal(srv_timers_next(&timers), SRV_TIMER_NEVER);
    leave(&p, 5000);
    assert_int_equal(ask(&p, second, &seen), 0);
    assert_int_equal(ask(&p, offset, &seen), -1); /* what it lost on the way is gone */
    send_to(&nsp, NULL, 2, 0, 5100, NULL);
    assert_int_equal(ask(&p, second, &seen), 1);
    srv_timers_run(&timers, 5999);
    assert_int_equal(ask(&p, second, &seen), 1);
    srv_timers_run(&timers, 6000);
    assert_int_equal(ask(&p, second, &seen), -1);
    assert_int_equal(r.count, 0);
    assert_int_equal(r.parked_bytes, 0);
    send_to(&nsp, NULL, 3, 0, 6000, NULL);
    end();
}

/* At most so many who left are remembered: the one who left first is forgotten first. */
static void bounds_of_those_who_left(void **state)
{
    (void)state;
    begin(10, 65536);
    struct person first, p;
    struct seen seen;
    arrive(&first, 0);
    leave(&first, 0);
    for (int i = 1; i < SRV_RECOVERY_MAX_PARKED; i++) {
        arrive(&p, i);
        leave(&p, 0);
    }
    assert_int_equal(ask(&first, "", &seen), 0);
    arrive(&p, SRV_RECOVERY_MAX_PARKED);
    leave(&p, 0);
    assert_int_equal(ask(&first, "", &seen), -1);
    assert_int_equal(ask(&p, "", &seen), 0);
    assert_int_equal(r.count, SRV_RECOVERY_MAX_PARKED);
    /* Their rooms count as bytes. */
    char name[SRV_ROOM_MAX_NAME + 1];
    for (int n = 0; n < 400; n++) {
        arrive(&p, 100000 + n);
        for (int i = 0; i < 200; i++) {
            memset(name, 'r', sizeof name);
            snprintf(name, 16, "%d", i);
            assert_int_equal(srv_rooms_join(&rooms, &p.member, name, SRV_ROOM_MAX_NAME), SRV_JOIN_OK);
        }
        leave(&p, 0);
        assert_true(r.parked_bytes <= SRV_RECOVERY_PARKED_BYTES);
    }
    assert_true(r.parked_count < 400);
    end();
}

/* A clock that is set back: all is forgotten, as new offsets would be in the past of old ones; a step of less than a
 * second is not noticed. */
static void clock_set_back(void **state)
{
    (void)state;
    begin(100, 65536);
    struct person p;
    struct seen seen;
    char offset[SRV_RECOVERY_OFFSET], text[SRV_RECOVERY_OFFSET];
    arrive(&p, 1);
    p.who->last = send_to(&nsp, NULL, 0, 0, 3600000, offset);
    leave(&p, 3600000);
    srv_recovery_stamp(&r, UNIX_MS + 3600000 - 500, text);
    assert_int_equal(ask(&p, offset, &seen), 0);
    struct srv_stamp stamp = srv_recovery_stamp(&r, UNIX_MS, text);
    assert_int_equal(stamp.ms, UNIX_MS);
    assert_int_equal(ask(&p, offset, &seen), -1);
    assert_int_equal(r.used, 0);
    end();
}

/* ---- a model: everybody's own list of all that was ever for him ---- */

#define PEOPLE 6
#define EVENTS 3000

static struct {
    struct person person;
    bool here;
    struct {
        unsigned n;
        char offset[SRV_RECOVERY_OFFSET];
    } all[EVENTS];      /* for it, since it connected */
    size_t count, read; /* read: how many of them its client has got */
    bool in_room[3];
} people[PEOPLE];

static void model_send(struct prng *random, unsigned n, uint64_t now_ms)
{
    static const struct aivo_bytes names[] = {{"x", 1}, {"y", 1}, {"z", 1}};
    size_t to = prng_below(random, 4), not_to = prng_below(random, 6);
    struct srv_target target = {0};
    if (to < 3)
        target = (struct srv_target){.rooms = &names[to], .room_count = 1};
    if (not_to < 3) {
        target.except = &names[not_to];
        target.except_count = 1;
    }
    char offset[SRV_RECOVERY_OFFSET];
    struct srv_stamp stamp = send_to(&nsp, &target, n, prng_below(random, 100), now_ms, offset);
    for (int i = 0; i < PEOPLE; i++) {
        if ((to < 3 && !people[i].in_room[to]) || (not_to < 3 && people[i].in_room[not_to]))
            continue;
        size_t at = people[i].count++;
        people[i].all[at].n = n;
        strcpy(people[i].all[at].offset, offset);
        if (people[i].here) {
            people[i].person.who->last = stamp;
            if (prng_below(random, 3)) /* else it is on its way, and the next ones too */
                people[i].read = people[i].read == at ? at + 1 : people[i].read;
        }
    }
}

static void model_arrive(struct prng *random, int i, int serial)
{
    static const char *const names[] = {"x", "y", "z"};
    struct person *p = &people[i].person;
    arrive(p, serial);
    people[i].count = people[i].read = 0;
    people[i].here = true;
    for (int room = 0; room < 3; room++) {
        people[i].in_room[room] = prng_below(random, 2);
        if (people[i].in_room[room])
            srv_rooms_join(&rooms, &p->member, names[room], 1);
    }
}

/* It comes back: it gets exactly what it has not read, or is told that it is somebody new. */
static bool model_return(int i)
{
    static struct seen seen;
    struct person *p = &people[i].person;
    size_t read = people[i].read;
    int n = ask(p, read ? people[i].all[read - 1].offset : "", &seen);
    if (n < 0)
        return false;
    assert_int_equal(n, people[i].count - read);
    for (size_t k = 0; k < seen.count; k++)
        assert_int_equal(seen.list[k], people[i].all[read + k].n);
    struct srv_resumable *who = srv_recovery_find(&r, p->pid, SRV_SID_LEN);
    assert_true(srv_rooms_add(&rooms, &p->member, p->sid));
    for (size_t k = 0; k < who->parked->room_count; k++)
        srv_rooms_join(&rooms, &p->member, who->parked->rooms[k].data, who->parked->rooms[k].len);
    if (seen.count)
        assert_true(srv_recovery_read(people[i].all[people[i].count - 1].offset,
                                      strlen(people[i].all[people[i].count - 1].offset), &who->last));
    srv_recovery_unpark(&r, who, p);
    p->who = who;
    people[i].read = people[i].count;
    people[i].here = true;
    return true;
}

/* Random sends, losses and returns against that model: never a gap, never anything twice, never anything of others. */
static void model(void **state)
{
    (void)state;
    struct prng random = {20260101};
    unsigned resumed = 0, anew = 0, serial = 0;
    begin(40, 4000);
    for (int i = 0; i < PEOPLE; i++)
        model_arrive(&random, i, (int)serial++);
    uint64_t now_ms = 0;
    for (unsigned n = 0; n < EVENTS; n++) {
        now_ms += prng_below(&random, 20);
        srv_timers_run(&timers, now_ms);
        model_send(&random, n, now_ms);
        int i = (int)prng_below(&random, PEOPLE);
        if (prng_below(&random, 4) != 0)
            continue;
        if (people[i].here) {
            leave(&people[i].person, now_ms);
            people[i].here = false;
        } else if (model_return(i)) {
            resumed++;
        } else {
            srv_recovery_close(&r, srv_recovery_find(&r, people[i].person.pid, SRV_SID_LEN));
            model_arrive(&random, i, (int)serial++);
            anew++;
        }
    }
    assert_true(resumed > 100);
    assert_true(anew > 10);
    for (int i = 0; i < PEOPLE; i++)
        if (people[i].here)
            srv_rooms_remove(&rooms, &people[i].person.member);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets), cmocka_unit_test(whom_it_concerns),         cmocka_unit_test(bounds_of_events),
        cmocka_unit_test(ages),    cmocka_unit_test(bounds_of_those_who_left), cmocka_unit_test(clock_set_back),
        cmocka_unit_test(model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
