/* What processes and the machine used: read from /proc. */
#include "sioload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double pid_cpu(pid_t pid) /* utime + stime in seconds */
{
    char f[64], b[2048];
    snprintf(f, sizeof f, "/proc/%d/stat", (int)pid);
    FILE *fp = fopen(f, "r");
    if (!fp)
        return 0;
    size_t n = fread(b, 1, sizeof b - 1, fp);
    fclose(fp);
    b[n] = 0;
    char *p = strrchr(b, ')');
    unsigned long long ut = 0, st = 0;
    if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &ut, &st) != 2)
        return 0;
    return (double)(ut + st) / (double)sysconf(_SC_CLK_TCK);
}

static long pid_smaps(pid_t pid, const char *key) /* kB */
{
    char f[64], line[256];
    long v = 0;
    snprintf(f, sizeof f, "/proc/%d/smaps_rollup", (int)pid);
    FILE *fp = fopen(f, "r");
    if (!fp)
        return 0;
    size_t kl = strlen(key);
    while (fgets(line, sizeof line, fp))
        if (!strncmp(line, key, kl) && line[kl] == ':')
            v += strtol(line + kl + 1, NULL, 10);
    fclose(fp);
    return v;
}

void take_snap(struct snap *s, bool mem)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < opt.npids; i++) {
        s->srv[i] = pid_cpu(opt.pids[i]);
        s->srv_all += s->srv[i];
        if (mem) {
            s->rss += pid_smaps(opt.pids[i], "Rss");
            s->pss += pid_smaps(opt.pids[i], "Pss");
        }
    }
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    s->self = (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
              (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
    s->spin_idle = g.spin_idle_s;
    FILE *fp = fopen("/proc/stat", "r");
    if (fp) {
        unsigned long long v[10] = {0};
        if (fscanf(fp, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6,
                   v + 7) >= 7)
            s->busy_all = (double)(v[0] + v[1] + v[2] + v[5] + v[6]) / (double)sysconf(_SC_CLK_TCK);
        s->steal = (double)v[7] / (double)sysconf(_SC_CLK_TCK);
        fclose(fp);
    }
    fp = fopen("/proc/net/sockstat", "r");
    if (fp) {
        char line[256];
        while (fgets(line, sizeof line, fp)) {
            char *p = strstr(line, " mem ");
            if (!strncmp(line, "TCP:", 4) && p)
                s->tcp_kb = strtol(p + 5, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
        }
        fclose(fp);
    }
    s->t = now_ns();
}
