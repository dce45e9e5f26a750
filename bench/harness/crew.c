/* crew.c - processes are forked, pinned and wait for each other; then they are let go together. Who does not end in
 * time is killed. */
#include "crew.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_LIMIT_S 10.0 /* until every process is ready */

double bench_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void bench_sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t))
        ;
}

void *bench_share(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

const char *bench_crew_open(struct bench_crew *c)
{
    *c = (struct bench_crew){.control = bench_share(sizeof *c->control)};
    return c->control ? NULL : "no memory";
}

void bench_crew_close(struct bench_crew *c)
{
    if (c->control)
        munmap(c->control, sizeof *c->control);
}

static void child(struct bench_crew *c, const struct bench_cpus *cpus, unsigned index, bench_process *process,
                  void *data)
{
    bench_pin(cpus, index);
    int error = process(data, index);
    atomic_store(&c->control->result[index].error, error);
    _exit(error ? 1 : 0);
}

static void kill_all(struct bench_crew *c)
{
    for (unsigned i = 0; i < c->count; i++)
        kill(c->pid[i], SIGKILL);
}

static const char *await_ready(struct bench_crew *c)
{
    for (double limit = bench_now_s() + START_LIMIT_S; atomic_load(&c->control->ready) < c->count; bench_sleep_ms(1))
        if (bench_now_s() > limit)
            return "did not start";
    return NULL;
}

const char *bench_crew_start(struct bench_crew *c, const struct bench_cpus *cpus, unsigned count,
                             bench_process *process, void *data)
{
    pid_t parent = getpid();
    fflush(NULL);
    for (unsigned i = 0; i < count; i++) {
        c->pid[i] = fork();
        if (c->pid[i] < 0) {
            kill_all(c);
            return "cannot fork";
        }
        if (!c->pid[i]) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(1);
            child(c, cpus, i, process, data);
        }
        c->count++;
    }
    const char *failure = await_ready(c);
    if (failure)
        kill_all(c);
    atomic_store_explicit(&c->control->go, 1, memory_order_release);
    return failure;
}

double bench_crew_cpu_s(const struct bench_crew *c)
{
    double sum = 0;
    for (unsigned i = 0; i < c->count; i++) {
        clockid_t clock;
        struct timespec t;
        if (!clock_getcpuclockid(c->pid[i], &clock) && !clock_gettime(clock, &t))
            sum += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    }
    return sum;
}

static const char *reap(struct bench_crew *c, unsigned i, double limit)
{
    struct rusage usage;
    int status;
    pid_t done;
    const char *failure = NULL;
    while (!(done = wait4(c->pid[i], &status, WNOHANG, &usage)) && bench_now_s() < limit)
        bench_sleep_ms(1);
    if (!done) {
        kill(c->pid[i], SIGKILL);
        wait4(c->pid[i], &status, 0, &usage);
        c->stuck = true;
        failure = "got stuck: not empty 3 s after the producers stopped";
    } else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        failure = "a process failed";
    }
    c->cpu_s += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    c->sleeps += (uint64_t)usage.ru_nvcsw;
    return failure;
}

const char *bench_crew_finish(struct bench_crew *c, double limit_s)
{
    const char *failure = NULL;
    double limit = bench_now_s() + limit_s;
    for (unsigned i = 0; i < c->count; i++) {
        const char *one = reap(c, i, limit);
        if (one && (!failure || c->stuck))
            failure = one;
    }
    return failure;
}
