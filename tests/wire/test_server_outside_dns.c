/*
 * A resolver that does not answer must not hold the loop: getaddrinfo() is ours here, libcurl's threads call it, and it
 * takes SLOW_MS for every name.
 */
#include "outside.h"
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define SLOW_MS    1500
#define TIMEOUT_MS 300
#define TICK_MS    10

static pthread_t loop_thread;
static int resolved_on_loop, resolved;

/* Found before the C library's, by libcurl too. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **out)
{
    (void)name, (void)service, (void)hints, (void)out;
    __atomic_add_fetch(pthread_equal(pthread_self(), loop_thread) ? &resolved_on_loop : &resolved, 1, __ATOMIC_SEQ_CST);
    poll(NULL, 0, SLOW_MS);
    return EAI_AGAIN;
}

static uv_loop_t loop;
static uv_timer_t ticker;
static struct srv_timers timers;
static struct srv_outside *outside;
static enum srv_outside_status status;
static uint64_t last_ms, longest_ms, ended_ms;
static int calls_done;

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static void done(void *context, void *user, const struct srv_outside_answer *answer)
{
    (void)context, (void)user;
    status = answer->status;
    calls_done++;
    ended_ms = now_ms();
}

/* The longest time between two turns is how long the loop was held. */
static void tick(uv_timer_t *timer)
{
    uint64_t now = now_ms();
    if (now - last_ms > longest_ms)
        longest_ms = now - last_ms;
    last_ms = now;
    srv_timers_run(&timers, uv_now(&loop));
    if (calls_done) {
        uv_timer_stop(timer);
        uv_stop(&loop);
    }
}

static void run(void)
{
    calls_done = 0;
    longest_ms = 0;
    last_ms = now_ms();
    uv_timer_start(&ticker, tick, TICK_MS, TICK_MS);
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void post(void)
{
    struct aivo_buf body;
    aivo_buf_init(&body);
    aivo_buf_str(&body, "{}");
    uv_update_time(&loop);
    assert_int_equal(srv_outside_post(outside, &body, NULL, uv_now(&loop)), SRV_OUTSIDE_OK);
    assert_null(body.data);
}

static void start(void)
{
    struct srv_outside_options options = {.url = "http://slow.example/",
                                          .timeout_ms = TIMEOUT_MS,
                                          .max_in_flight = 2,
                                          .max_waiting = 2,
                                          .max_answer_bytes = 1000,
                                          .done = done};
    char error[256];
    timers.lists = NULL;
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_timer_init(&loop, &ticker);
    assert_true(srv_outside_new(&loop, &timers, &options, &outside, error, sizeof error));
}

static void stop(void)
{
    srv_outside_destroy(outside);
    uv_close((uv_handle_t *)&ticker, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* The call ends at its deadline, while the name is still being resolved, and the loop turns all the time. */
static void deadline_while_resolving(void **state)
{
    (void)state;
    start();
    uint64_t began = now_ms();
    post();
    run();
    assert_int_equal(status, SRV_OUTSIDE_TIMEOUT);
    assert_true(ended_ms - began >= TIMEOUT_MS);
    assert_true(ended_ms - began < SLOW_MS - 200);
    assert_true(longest_ms < 400);
    assert_int_equal(__atomic_load_n(&resolved, __ATOMIC_SEQ_CST), 1);
    assert_int_equal(__atomic_load_n(&resolved_on_loop, __ATOMIC_SEQ_CST), 0);
    began = now_ms();
    stop();
    assert_true(now_ms() - began < SLOW_MS / 2);
    poll(NULL, 0, SLOW_MS); /* libcurl's thread ends by itself */
}

/* The end of the server with names still being resolved: at once too. */
static void end_while_resolving(void **state)
{
    (void)state;
    start();
    post();
    uv_run(&loop, UV_RUN_ONCE);
    uint64_t began = now_ms();
    stop();
    assert_true(now_ms() - began < SLOW_MS / 2);
    poll(NULL, 0, SLOW_MS);
}

/* Over the bounds a call is refused at once, and its body is freed. */
static void bounds(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 4; i++)
        post(); /* two will be in flight, two in line */
    struct aivo_buf body;
    aivo_buf_init(&body);
    aivo_buf_str(&body, "{}");
    assert_int_equal(srv_outside_post(outside, &body, NULL, uv_now(&loop)), SRV_OUTSIDE_BUSY);
    assert_null(body.data);
    uv_run(&loop, UV_RUN_ONCE);
    aivo_buf_str(&body, "{}");
    assert_int_equal(srv_outside_post(outside, &body, NULL, uv_now(&loop)), SRV_OUTSIDE_BUSY);
    assert_null(body.data);
    stop();
    poll(NULL, 0, SLOW_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadline_while_resolving),
        cmocka_unit_test(end_while_resolving),
        cmocka_unit_test(bounds),
    };
    loop_thread = pthread_self(); /* before any thread */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
