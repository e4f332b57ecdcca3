#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include <cmocka.h>
#include <semaphore.h>

struct counted {
    struct aivo_task task; /* first */
    int turns;
    struct aivo_task *to_remove; /* in the next turn */
    sem_t turned;
};

static void turn(struct aivo_task *task)
{
    struct counted *counted = (struct counted *)task;
    counted->turns++;
    if (counted->to_remove)
        aivo_task_remove(counted->to_remove);
    sem_post(&counted->turned);
}

static void init(struct counted *counted, struct aivo_loop *loop)
{
    *counted = (struct counted){.turns = 0};
    aivo_task_init(&counted->task, loop, turn);
    sem_init(&counted->turned, 0, 0);
}

/* A task is removed while another thread still wakes it, as a queue's store thread does until the queue is closed: no
 * turn is taken any more, for its owner frees it. */
static void test_wake_after_remove(void **state)
{
    (void)state;
    struct aivo_loop *loop;
    assert_int_equal(aivo_loop_create(&loop, NULL), AIVO_OK);
    struct counted gone, remover;
    init(&gone, loop);
    init(&remover, loop);
    aivo_task_wake(&gone.task);
    sem_wait(&gone.turned);

    remover.to_remove = &gone.task;
    aivo_task_wake(&remover.task);
    sem_wait(&remover.turned);
    aivo_task_wake(&gone.task);
    aivo_task_wake(&remover.task); /* its turn comes after that of a task woken before it */
    sem_wait(&remover.turned);
    assert_int_equal(gone.turns, 1);
    assert_int_equal(remover.turns, 2);
    aivo_loop_unref(loop);
    sem_destroy(&gone.turned);
    sem_destroy(&remover.turned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wake_after_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
