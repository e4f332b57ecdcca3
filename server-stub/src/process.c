#include "process.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const uint32_t lag_ms[SRV_LAG_BUCKETS - 1] = {1, 2, 5, 10, 25, 50, 100, 250, 1000};
static const char *const lag_le[SRV_LAG_BUCKETS] = {"0.001", "0.002", "0.005", "0.01", "0.025",
                                                    "0.05",  "0.1",   "0.25",  "1",    "+Inf"};

void srv_lag_add(struct srv_lag *lag, uint64_t micros)
{
    unsigned i = 0;
    while (i < SRV_LAG_BUCKETS - 1 && micros > (uint64_t)lag_ms[i] * 1000)
        i++;
    lag->buckets[i]++;
    lag->sum_us += micros;
    lag->latest_us = micros;
}

/* --- reading --- */

bool srv_process_parse_stat(const char *stat, long ticks, long page, double boot_s, struct srv_process *out)
{
    /* The second field is the program's name in brackets, and may hold anything. */
    const char *p = strrchr(stat, ')');
    if (!p || ticks <= 0)
        return false;
    unsigned long long field[25] = {0}; /* 3 is the first behind the name */
    p++;
    for (int i = 3; i <= 24; i++) {
        while (*p == ' ')
            p++;
        if (*p == '\0')
            return false;
        field[i] = strtoull(p, NULL, 10); /* field 3 is a letter */
        p += strcspn(p, " ");
    }
    out->cpu_s = (double)(field[14] + field[15]) / (double)ticks;
    out->threads = field[20];
    out->start_s = boot_s + (double)field[22] / (double)ticks;
    out->virtual_bytes = field[23];
    out->resident_bytes = field[24] * (unsigned long long)page;
    return true;
}

/* Reads a small file of /proc. */
static bool slurp(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static uint64_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;
    if (!dir)
        return 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count ? count - 1 : 0; /* without the one that was just opened */
}

/* The start does not move: it is taken once, so that steps of the wall clock do not show as restarts. */
static double boot_time(void)
{
    static double boot_s;
    struct timespec wall, up;
    if (boot_s <= 0 && clock_gettime(CLOCK_REALTIME, &wall) == 0 && clock_gettime(CLOCK_BOOTTIME, &up) == 0)
        boot_s = (double)(wall.tv_sec - up.tv_sec) + (double)(wall.tv_nsec - up.tv_nsec) / 1e9;
    return boot_s;
}

bool srv_process_read(struct srv_process *out)
{
    char stat[1024];
    struct rlimit limit;
    memset(out, 0, sizeof *out);
    if (!slurp("/proc/self/stat", stat, sizeof stat) ||
        !srv_process_parse_stat(stat, sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE), boot_time(), out))
        return false;
    out->open_fds = count_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        out->max_fds = limit.rlim_cur;
    return true;
}

/* --- writing --- */

static void add_seconds(struct aivo_buf *out, double value)
{
    char text[48];
    snprintf(text, sizeof text, "%.3f", value);
    aivo_buf_str(out, text);
}

static void head(struct aivo_buf *out, const char *name, const char *type, const char *help)
{
    const char *const parts[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        aivo_buf_str(out, parts[i]);
}

static void seconds(struct aivo_buf *out, const char *name, const char *type, const char *help, double value)
{
    head(out, name, type, help);
    aivo_buf_str(out, name);
    aivo_buf_char(out, ' ');
    add_seconds(out, value);
    aivo_buf_char(out, '\n');
}

static void gauge(struct aivo_buf *out, const char *name, const char *help, uint64_t value)
{
    head(out, name, "gauge", help);
    aivo_buf_str(out, name);
    aivo_buf_char(out, ' ');
    aivo_buf_u64(out, value);
    aivo_buf_char(out, '\n');
}

static void lag_text(const struct srv_lag *lag, struct aivo_buf *out)
{
    static const char name[] = "event_loop_lag_seconds";
    uint64_t sum = 0;
    head(out, name, "histogram", "How late a timer of the event loop was, taken four times a second.");
    for (unsigned i = 0; i < SRV_LAG_BUCKETS; i++) {
        sum += lag->buckets[i];
        aivo_buf_str(out, name);
        aivo_buf_str(out, "_bucket{le=\"");
        aivo_buf_str(out, lag_le[i]);
        aivo_buf_str(out, "\"} ");
        aivo_buf_u64(out, sum);
        aivo_buf_char(out, '\n');
    }
    char tail[128];
    snprintf(tail, sizeof tail, "%s_sum %.6f\n%s_count %llu\n", name, (double)lag->sum_us / 1e6, name,
             (unsigned long long)sum);
    aivo_buf_str(out, tail);
}

void srv_process_text(const struct srv_process *p, const struct srv_lag *lag, struct aivo_buf *out)
{
    seconds(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", p->cpu_s);
    seconds(out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
            p->start_s);
    gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.", p->resident_bytes);
    gauge(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", p->virtual_bytes);
    gauge(out, "process_open_fds", "Number of open file descriptors.", p->open_fds);
    gauge(out, "process_max_fds", "Maximum number of open file descriptors.", p->max_fds);
    gauge(out, "process_threads", "Number of operating system threads.", p->threads);
    lag_text(lag, out);
}

void srv_process_json(const struct srv_process *p, const struct srv_lag *lag, struct aivo_buf *out)
{
    char text[512];
    uint64_t count = 0;
    for (unsigned i = 0; i < SRV_LAG_BUCKETS; i++)
        count += lag->buckets[i];
    snprintf(text, sizeof text,
             "\"process\":{\"cpuSeconds\":%.3f,\"startTime\":%.3f,\"residentBytes\":%llu,\"virtualBytes\":%llu,"
             "\"openFds\":%llu,\"maxFds\":%llu,\"threads\":%llu},"
             "\"eventLoopLagMs\":{\"count\":%llu,\"sum\":%.3f,\"latest\":%.3f}",
             p->cpu_s, p->start_s, (unsigned long long)p->resident_bytes, (unsigned long long)p->virtual_bytes,
             (unsigned long long)p->open_fds, (unsigned long long)p->max_fds, (unsigned long long)p->threads,
             (unsigned long long)count, (double)lag->sum_us / 1e3, (double)lag->latest_us / 1e3);
    aivo_buf_str(out, text);
}
