/*
 * Client baseline: libaivo.  aivo_client [url] [seconds] [further clients]
 * The token is read from SIO_TOKEN. Prints one JSON line, as the other clients do: start-up, idle memory, emits with
 * an acknowledgement at 1 and at 100 in flight, CPU for each, and the memory of each further client on a shared loop.
 */
#include <aivo/aivo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MAX_SAMPLES (1u << 22)
#define MAX_CLIENTS 1000
#define ARGS        "[{\"action\":\"start_session\",\"pad\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}]"

static float samples[MAX_SAMPLES]; /* latencies in s; written on the service thread only */
static size_t most_samples;        /* of all loops: so much of the array is memory of the benchmark's own */

struct run {
    struct aivo_client *client;
    atomic_size_t count;
    atomic_bool live;
    atomic_int under_way;
};

struct slot {
    struct run *run;
    double begin;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static long rss_kb(void)
{
    char line[256];
    long value = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Rss: %ld", &value) == 1)
            break;
    if (f)
        fclose(f);
    return value;
}

/* Seconds since this process began, up to 10 ms too many: the kernel notes a process's beginning in ticks. */
static double started(void)
{
    char line[1024] = "";
    unsigned long long ticks = 0;
    struct timespec up;
    clock_gettime(CLOCK_BOOTTIME, &up);
    FILE *f = fopen("/proc/self/stat", "r");
    if (f && fgets(line, sizeof line, f)) {
        const char *p = strrchr(line, ')');
        for (int i = 0; p && i < 20; i++)
            p = strchr(p + 1, ' ');
        ticks = p ? strtoull(p, NULL, 10) : 0;
    }
    if (f)
        fclose(f);
    return (double)up.tv_sec + (double)up.tv_nsec / 1e9 - (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void emit(struct slot *slot);

static void on_ack(struct aivo_client *client, enum aivo_status status, const struct aivo_message *message, void *user)
{
    struct slot *slot = user;
    (void)client;
    if (status != AIVO_OK || !strstr(message->args, "\"success\":true")) {
        fprintf(stderr, "bad ack: %s\n", status == AIVO_OK ? message->args : aivo_strerror(status));
        exit(1);
    }
    size_t n = atomic_fetch_add(&slot->run->count, 1);
    if (n < MAX_SAMPLES)
        samples[n] = (float)(now() - slot->begin);
    atomic_fetch_sub(&slot->run->under_way, 1);
    if (atomic_load(&slot->run->live))
        emit(slot);
}

static void emit(struct slot *slot)
{
    struct aivo_emit how;
    aivo_emit_init(&how);
    how.ack = on_ack;
    how.user = slot;
    slot->begin = now();
    atomic_fetch_add(&slot->run->under_way, 1);
    enum aivo_status status = aivo_client_emit(slot->run->client, "agent:learning", ARGS, &how);
    if (status != AIVO_OK) {
        fprintf(stderr, "emit: %s\n", aivo_strerror(status));
        exit(1);
    }
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void pause_s(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* k emits in flight for that long; the result as a JSON object. */
static void loop(struct aivo_client *client, int k, double seconds, char *out, size_t size)
{
    static struct slot slots[128];
    struct run run = {.client = client};
    atomic_init(&run.live, true);
    double c0 = cpu(), t0 = now();
    for (int i = 0; i < k; i++) {
        slots[i].run = &run;
        emit(&slots[i]);
    }
    pause_s(seconds);
    double wall = now() - t0, used = cpu() - c0;
    size_t n = atomic_load(&run.count), kept;
    atomic_store(&run.live, false);
    while (atomic_load(&run.under_way) > 0)
        pause_s(0.01);
    kept = n < MAX_SAMPLES ? n : MAX_SAMPLES;
    most_samples = kept > most_samples ? kept : most_samples;
    qsort(samples, kept, sizeof *samples, by_value);
    snprintf(out, size,
             "{\"msgs_per_s\":%.1f,\"cpu_us_per_msg\":%.2f,\"cpu_pct\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}",
             (double)n / wall, used * 1e6 / (double)(n ? n : 1), 100 * used / wall,
             kept ? (double)samples[kept / 2] * 1e6 : 0, kept ? (double)samples[kept * 99 / 100] * 1e6 : 0);
}

static struct aivo_client *connected(const char *url, const char *auth, struct aivo_loop *shared)
{
    struct aivo_options options;
    struct aivo_client *client;
    struct aivo_error error;
    aivo_options_init(&options);
    options.url = url;
    options.auth = auth;
    options.loop = shared;
    options.proxy = "";
    if (aivo_client_create(&options, &client, &error) != AIVO_OK || aivo_client_start(client) != AIVO_OK) {
        fprintf(stderr, "create: %s\n", error.message);
        exit(1);
    }
    double limit = now() + 10;
    while (aivo_client_state(client) != AIVO_STATE_CONNECTED) {
        if (now() > limit) {
            aivo_client_last_error(client, &error);
            fprintf(stderr, "not connected: %s\n", error.message);
            exit(1);
        }
        pause_s(0.0002);
    }
    return client;
}

/* What each further client on a shared loop costs, in KB. */
static double further_kb(const char *url, const char *auth, int count)
{
    static struct aivo_client *clients[MAX_CLIENTS];
    struct aivo_loop *shared;
    if (count < 2 || aivo_loop_create(&shared, NULL) != AIVO_OK)
        return 0;
    clients[0] = connected(url, auth, shared);
    long before = rss_kb();
    for (int i = 1; i < count; i++)
        clients[i] = connected(url, auth, shared);
    double each = (double)(rss_kb() - before) / (count - 1);
    for (int i = 0; i < count; i++)
        aivo_client_destroy(clients[i]);
    aivo_loop_destroy(shared);
    return each;
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "http://127.0.0.1:4003";
    double seconds = argc > 2 ? atof(argv[2]) : 4;
    int further = argc > 3 ? atoi(argv[3]) : 0;
    char auth[4096], k1[256], k100[256];
    const char *token = getenv("SIO_TOKEN");
    snprintf(auth, sizeof auth, "{\"token\":\"%s\",\"learnerId\":\"learner-1\"}", token ? token : "");
    double begin = now();
    struct aivo_client *client = connected(url, auth, NULL);
    double connect = now() - begin, startup = started(), startup_cpu = cpu();
    pause_s(1);
    long idle = rss_kb();
    loop(client, 10, seconds / 2, k1, sizeof k1);
    loop(client, 1, seconds, k1, sizeof k1);
    loop(client, 100, seconds, k100, sizeof k100);
    long after = rss_kb() - (long)(most_samples * sizeof *samples / 1024);
    aivo_client_destroy(client);
    printf(
        "{\"client\":\"libaivo\",\"startup_ms\":%.1f,\"connect_ms\":%.1f,\"startup_cpu_ms\":%.1f,\"idle_rss_kb\":%ld,"
        "\"k1\":%s,\"k100\":%s,\"rss_after_kb\":%ld,\"further_client_kb\":%.1f}\n",
        startup * 1e3, connect * 1e3, startup_cpu * 1e3, idle, k1, k100, after,
        further_kb(url, auth, further < MAX_CLIENTS ? further : MAX_CLIENTS));
    return 0;
}
