/* A history's file of a test's own, and the times that its rows are given: the fixture of the test_history*.c. */
#ifndef AIVO_TEST_HISTORY_RIG_H
#define AIVO_TEST_HISTORY_RIG_H

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
/* A full hour. */
#define BEGIN (INT64_C(495000) * HOUR)

static char path[64];

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/aivo-history-%d.db", (int)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    return 0;
}

#endif
