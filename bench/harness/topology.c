/* topology.c - which processors there are, and in what order to use them: every core once, package by package, before
 * the second thread of any core. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

struct place {
    int cpu, package, core, sibling; /* sibling: how many of its core come before it */
};

static int read_topology(int cpu, const char *what)
{
    char path[128];
    int value = 0;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, what);
    FILE *f = fopen(path, "r");
    if (!f)
        return cpu;
    if (fscanf(f, "%d", &value) != 1)
        value = cpu;
    fclose(f);
    return value;
}

static int compare(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    if (a->sibling != b->sibling)
        return a->sibling - b->sibling;
    if (a->package != b->package)
        return a->package - b->package;
    return a->core != b->core ? a->core - b->core : a->cpu - b->cpu;
}

void bench_cpus_find(struct bench_cpus *cpus)
{
    struct place place[256];
    cpu_set_t allowed;
    unsigned n = 0;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE && n < 256; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        struct place p = {cpu, read_topology(cpu, "physical_package_id"), read_topology(cpu, "core_id"), 0};
        for (unsigned i = 0; i < n; i++)
            p.sibling += place[i].package == p.package && place[i].core == p.core;
        place[n++] = p;
    }
    qsort(place, n, sizeof *place, compare);
    cpus->count = n;
    for (unsigned i = 0; i < n; i++) {
        cpus->cpu[i] = place[i].cpu;
        cpus->package[i] = place[i].package;
        cpus->core[i] = place[i].core;
    }
}

int bench_pin(const struct bench_cpus *cpus, unsigned index)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpus->cpu[index % cpus->count], &set);
    return sched_setaffinity(0, sizeof set, &set);
}

void bench_unpin(const struct bench_cpus *cpus)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned i = 0; i < cpus->count; i++)
        CPU_SET(cpus->cpu[i], &set);
    sched_setaffinity(0, sizeof set, &set);
}
