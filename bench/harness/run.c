/* run.c - one run: processes are forked, pinned and let go together; after a warm-up the records taken in a window are
 * counted; then the producers stop, the consumers empty the system, and counts and sums of both sides must agree. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define START_LIMIT_S 10.0 /* until every process is ready */
#define END_LIMIT_S 3.0    /* until every process has ended after the window */

struct crew {
    struct peer_control *control;
    void *shared;
    size_t shared_bytes;
    unsigned count;
    pid_t pid[PEER_PROCESSES_MAX];
    double cpu_s;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t))
        ;
}

static void *share(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void child(const struct bench_run *run, const struct bench_cpus *cpus, struct crew *c, unsigned index,
                  pid_t parent)
{
    struct peer_process p = {c->control, run->shape, c->shared, index};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    bench_pin(cpus, index);
    int error = index < run->shape.producers ? run->peer->produce(&p) : run->peer->consume(&p);
    atomic_store(&c->control->result[index].error, error);
    _exit(error ? 1 : 0);
}

static const char *start(struct bench_run *run, const struct bench_cpus *cpus, struct crew *c)
{
    pid_t parent = getpid();
    fflush(NULL);
    for (unsigned i = 0; i < run->shape.producers + run->shape.consumers; i++) {
        c->pid[i] = fork();
        if (c->pid[i] < 0)
            return "cannot fork";
        if (!c->pid[i])
            child(run, cpus, c, i, parent);
        c->count++;
    }
    for (double limit = now_s() + START_LIMIT_S; atomic_load(&c->control->ready) < c->count; sleep_ms(1))
        if (now_s() > limit)
            return "did not start";
    atomic_store_explicit(&c->control->go, 1, memory_order_release);
    return NULL;
}

static uint64_t taken(const struct bench_run *run, const struct crew *c)
{
    uint64_t n = 0;
    for (unsigned i = run->shape.producers; i < c->count; i++)
        n += atomic_load_explicit(&c->control->result[i].count, memory_order_relaxed);
    return n;
}

static void measure(struct bench_run *run, struct crew *c, const struct bench_times *times)
{
    sleep_ms(times->warm_ms);
    double start = now_s();
    uint64_t before = taken(run, c);
    sleep_ms(times->window_ms);
    run->records = taken(run, c) - before;
    run->records_per_s = (double)run->records / (now_s() - start);
    atomic_store(&c->control->stop, 1);
}

/* Waits for all of them, bounded; kills who is left. */
static const char *finish(struct bench_run *run, struct crew *c)
{
    const char *failure = NULL;
    double limit = now_s() + END_LIMIT_S;
    for (unsigned i = 0; i < c->count; i++) {
        struct rusage usage;
        int status;
        pid_t done;
        while (!(done = wait4(c->pid[i], &status, WNOHANG, &usage)) && now_s() < limit)
            sleep_ms(1);
        if (!done) {
            kill(c->pid[i], SIGKILL);
            wait4(c->pid[i], &status, 0, &usage);
            run->stuck = true;
            failure = "got stuck: not empty 3 s after the producers stopped";
        } else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            failure = failure ? failure : "a process failed";
        }
        c->cpu_s += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    return failure;
}

static const char *verify(struct bench_run *run, struct crew *c)
{
    uint64_t count[2] = {0}, sum[2] = {0};
    for (unsigned i = 0; i < c->count; i++) {
        bool consumer = i >= run->shape.producers;
        count[consumer] += atomic_load(&c->control->result[i].count);
        sum[consumer] += atomic_load(&c->control->result[i].sum);
    }
    run->cpu_s_per_record = count[1] ? c->cpu_s / (double)count[1] : 0;
    if (count[0] != count[1])
        return "count differs";
    return sum[0] != sum[1] ? "sum differs" : NULL;
}

static const char *run_processes(struct bench_run *run, const struct bench_cpus *cpus, const struct bench_times *times,
                                 struct crew *c)
{
    if (run->peer->init(c->shared, &run->shape))
        return "cannot be set up";
    const char *failure = start(run, cpus, c);
    if (!failure)
        measure(run, c, times);
    else
        for (unsigned i = 0; i < c->count; i++)
            kill(c->pid[i], SIGKILL);
    const char *end = finish(run, c);
    if (!failure)
        failure = end ? end : verify(run, c);
    if (run->peer->end)
        run->peer->end(c->shared);
    return failure;
}

void bench_run_once(struct bench_run *run, const struct bench_cpus *cpus, const struct bench_times *times)
{
    struct crew c = {.shared_bytes = run->peer->bytes(&run->shape)};
    run->before_ns = bench_probe_ns(cpus);
    c.control = share(sizeof *c.control);
    c.shared = share(c.shared_bytes);
    run->failure = c.control && c.shared ? run_processes(run, cpus, times, &c) : "no memory";
    if (c.shared)
        munmap(c.shared, c.shared_bytes);
    if (c.control)
        munmap(c.control, sizeof *c.control);
    run->after_ns = bench_probe_ns(cpus);
    run->state = bench_state_of(run->before_ns, run->after_ns);
}
