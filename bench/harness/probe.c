/* probe.c - two threads on two processors hand one cache line to and fro; the median of many rounds. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "bench.h"

enum { ROUNDS = 40, TURNS = 250 };

struct line {
    _Alignas(PEER_ALIGN) _Atomic unsigned value;
    const struct bench_cpus *cpus;
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Waits for odd values and makes them even. */
static void *answer(void *argument)
{
    struct line *l = argument;
    bench_pin(l->cpus, 1);
    for (unsigned i = 0; i <= ROUNDS * TURNS; i++) {
        while (atomic_load_explicit(&l->value, memory_order_acquire) != 2 * i + 1)
            ;
        atomic_store_explicit(&l->value, 2 * i + 2, memory_order_release);
    }
    return NULL;
}

static void ask(struct line *l, unsigned i)
{
    atomic_store_explicit(&l->value, 2 * i + 1, memory_order_release);
    while (atomic_load_explicit(&l->value, memory_order_acquire) != 2 * i + 2)
        ;
}

double bench_probe_ns(const struct bench_cpus *cpus)
{
    struct line line = {.value = 0, .cpus = cpus};
    double round[ROUNDS];
    pthread_t thread;
    if (cpus->count < 2)
        return 0;
    bench_pin(cpus, 0);
    if (pthread_create(&thread, NULL, answer, &line)) {
        bench_unpin(cpus);
        return 0;
    }
    ask(&line, 0);
    for (unsigned r = 0, i = 1; r < ROUNDS; r++) {
        double start = now_ns();
        for (unsigned t = 0; t < TURNS; t++)
            ask(&line, i++);
        round[r] = (now_ns() - start) / (2.0 * TURNS);
    }
    pthread_join(thread, NULL);
    bench_unpin(cpus);
    return bench_summarize(round, ROUNDS).median;
}

enum bench_state bench_state_of(double before_ns, double after_ns)
{
    if ((before_ns < BENCH_NEAR_NS) != (after_ns < BENCH_NEAR_NS))
        return BENCH_MIXED;
    return before_ns < BENCH_NEAR_NS ? BENCH_NEAR : BENCH_FAR;
}

const char *bench_state_name(enum bench_state state)
{
    static const char *const names[BENCH_STATES] = {"near", "far", "mixed"};
    return names[state];
}
