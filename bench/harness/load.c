/* load.c - how much of the processors others take, from the kernel's counts in /proc/stat: also what the host takes. */
#include <sys/resource.h>
#include <unistd.h>

#include "crew.h"

static bool is_ours(const struct bench_cpus *cpus, int cpu)
{
    for (unsigned i = 0; i < cpus->count; i++)
        if (cpus->cpu[i] == cpu)
            return true;
    return false;
}

/* user, nice, system, idle, iowait, irq, softirq, steal: all but idle and iowait are work. */
static double busy_of(const char *text)
{
    unsigned long long n[8] = {0};
    sscanf(text, "%llu %llu %llu %llu %llu %llu %llu %llu", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]);
    return (double)(n[0] + n[1] + n[2] + n[5] + n[6] + n[7]) / (double)sysconf(_SC_CLK_TCK);
}

double bench_busy_s(const struct bench_cpus *cpus)
{
    char line[512];
    double sum = 0;
    FILE *f = fopen("/proc/stat", "r");
    while (f && fgets(line, sizeof line, f)) {
        int cpu, at = 0;
        if (sscanf(line, "cpu%d %n", &cpu, &at) == 1 && at && is_ours(cpus, cpu))
            sum += busy_of(line + at);
    }
    if (f)
        fclose(f);
    return sum;
}

double bench_own_s(void)
{
    double sum = 0;
    for (int i = 0; i < 2; i++) {
        struct rusage usage;
        getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &usage);
        sum += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    return sum;
}

struct bench_load bench_load_start(const struct bench_cpus *cpus)
{
    return (struct bench_load){bench_now_s(), bench_busy_s(cpus)};
}

double bench_load_others(const struct bench_load *load, const struct bench_cpus *cpus, double own_s)
{
    double other_s = bench_busy_s(cpus) - load->busy_s - own_s;
    return other_s > 0 ? other_s / ((bench_now_s() - load->start_s) * cpus->count) : 0;
}
