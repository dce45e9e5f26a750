/* crew.h - the processes of a run: forked, pinned and let go together, bounded at their end. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include <sys/types.h>

#include "bench.h"

struct bench_crew {
    struct peer_control *control;
    unsigned count;
    pid_t pid[PEER_PROCESSES_MAX];
    double cpu_s;    /* of all, once they have ended */
    uint64_t sleeps; /* how often they slept: voluntary context switches */
    bool stuck;      /* some had to be killed */
};

/* What process number `index` does; 0, or it failed. */
typedef int bench_process(void *data, unsigned index);

/* Each returns NULL, or what went wrong. After start, finish must follow; after open, close. */
const char *bench_crew_open(struct bench_crew *crew);
const char *bench_crew_start(struct bench_crew *crew, const struct bench_cpus *cpus, unsigned count,
                             bench_process *process, void *data);
double bench_crew_cpu_s(const struct bench_crew *crew); /* that they have used so far, while they run */
const char *bench_crew_finish(struct bench_crew *crew, double limit_s);
void bench_crew_close(struct bench_crew *crew);

void *bench_share(size_t bytes); /* memory that children inherit; NULL if there is none */
double bench_now_s(void);
void bench_sleep_ms(unsigned ms);

#endif
