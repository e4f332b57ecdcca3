/* Network-change notices, in a network namespace of the test's own: nothing of this machine's network is touched. */
#include "netwatch.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int notices; /* since the last wait */
static int told;    /* in all */
static bool in_namespace;

static void on_changed(void *user)
{
    (void)user;
    pthread_mutex_lock(&lock);
    notices++;
    told++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static bool wait_for_notice(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    pthread_mutex_lock(&lock);
    int rc = 0;
    while (notices == 0 && rc == 0)
        rc = pthread_cond_timedwait(&changed, &lock, &until);
    bool came = notices > 0;
    notices = 0;
    pthread_mutex_unlock(&lock);
    return came;
}

static int loopback(bool up)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {0};
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = up ? IFF_UP | IFF_RUNNING | IFF_LOOPBACK : IFF_LOOPBACK;
    int rc = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return rc;
}

/* An interface that comes up, and one that goes down, is a notice each. */
static void test_interface_up_and_down(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 && unshare(CLONE_NEWNET) != 0) {
        print_message("SKIP: no network namespace can be made here: %s\n", strerror(errno));
        skip();
    }
    in_namespace = true;
    struct aivo_netwatch *w = NULL;
    assert_int_equal(aivo_netwatch_open(on_changed, NULL, &w, NULL), AIVO_OK);
    if (loopback(true) != 0) {
        aivo_netwatch_close(w);
        print_message("SKIP: the namespace's loopback cannot be changed: %s\n", strerror(errno));
        skip();
    }
    assert_true(wait_for_notice());
    assert_int_equal(loopback(false), 0);
    assert_true(wait_for_notice());
    aivo_netwatch_close(w);
}

static int loopback_address(unsigned last)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000100u + last)};
    strcpy(request.ifr_name, "lo");
    memcpy(&request.ifr_addr, &address, sizeof(address));
    int rc = ioctl(fd, SIOCSIFADDR, &request);
    close(fd);
    return rc;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A new address is a notice; a hundred changes in a row (each is several messages of the kernel) are not a hundred
 * notices, but at most one in 250 ms. */
static void test_addresses_in_a_flock(void **state)
{
    (void)state;
    if (!in_namespace || loopback(true) != 0) {
        print_message("SKIP: no network namespace can be made here\n");
        skip();
    }
    struct aivo_netwatch *w = NULL;
    assert_int_equal(aivo_netwatch_open(on_changed, NULL, &w, NULL), AIVO_OK);
    assert_int_equal(loopback_address(1), 0);
    assert_true(wait_for_notice());

    int64_t start = now_ms();
    pthread_mutex_lock(&lock);
    told = 0;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(loopback_address(2 + i), 0);
    assert_true(wait_for_notice());
    assert_int_equal(loopback_address(1), 0);
    assert_true(wait_for_notice());
    aivo_netwatch_close(w);
    assert_true(told <= (now_ms() - start) / 250 + 1);
    assert_true(told >= 2);
}

/* Opening and closing at once, while nothing happens, neither hangs nor leaks. */
static void test_open_close(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct aivo_netwatch *w = NULL;
        assert_int_equal(aivo_netwatch_open(on_changed, NULL, &w, NULL), AIVO_OK);
        aivo_netwatch_close(w);
    }
    aivo_netwatch_close(NULL);
}

int main(void)
{
    /* The namespace is entered while no other thread lives (user namespaces want that), hence first. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interface_up_and_down),
        cmocka_unit_test(test_addresses_in_a_flock),
        cmocka_unit_test(test_open_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
