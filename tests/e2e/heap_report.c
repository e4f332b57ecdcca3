/* Linked beside the server's main(): SIGUSR2 prints "heap BYTES", what is allocated now, on standard output. Under
 * AddressSanitizer and with AIVO_HEAP_PROFILE set, also who holds it, on standard error. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* The sanitizer's own figure, where there is one: malloc is not the C library's then. */
void __sanitizer_print_memory_profile(size_t top_percent, size_t max_contexts) __attribute__((weak));
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void *report(void *context)
{
    sigset_t *asked = context;
    int signum;
    while (sigwait(asked, &signum) == 0) {
        printf("heap %zu\n", allocated());
        fflush(stdout);
        if (getenv("AIVO_HEAP_PROFILE") && __sanitizer_print_memory_profile)
            __sanitizer_print_memory_profile(100, 40);
    }
    return NULL;
}

/* Before main() makes any thread: they all have the signal blocked, and this one waits for it. */
__attribute__((constructor)) static void start(void)
{
    static sigset_t asked;
    pthread_t thread;
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &asked, NULL);
    if (pthread_create(&thread, NULL, report, &asked) == 0)
        pthread_detach(thread);
}
