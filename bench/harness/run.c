/* run.c - one run at full speed: after a warm-up the records taken in a window are counted; then the producers stop,
 * the consumers empty the system, and counts and sums of both sides must agree. */
#include <sys/mman.h>

#include "crew.h"

#define END_LIMIT_S 3.0 /* until every process has ended after the window */

struct work {
    struct bench_run *run;
    struct bench_crew crew;
    void *shared;
};

static int process(void *data, unsigned index)
{
    struct work *w = data;
    struct peer_process p = {.control = w->crew.control, .shape = w->run->shape, .shared = w->shared, .index = index};
    return index < p.shape.producers ? w->run->peer->produce(&p) : w->run->peer->consume(&p);
}

static uint64_t count_of(const struct work *w, unsigned i)
{
    return atomic_load_explicit(&w->crew.control->result[i].count, memory_order_relaxed);
}

static uint64_t taken(const struct work *w)
{
    uint64_t n = 0;
    for (unsigned i = w->run->shape.producers; i < w->crew.count; i++)
        n += count_of(w, i);
    return n;
}

/* The slowest producer's part of the fastest one's records: 1 is fair. */
static double fairness(const struct work *w, const uint64_t *before)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (unsigned i = 0; i < w->run->shape.producers; i++) {
        uint64_t n = count_of(w, i) - before[i];
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    return most ? (double)least / (double)most : 0;
}

/* Of the system's server, if it has one. */
static double server_cpu_s(const struct work *w)
{
    return w->run->peer->server_s ? w->run->peer->server_s(w->shared) : 0;
}

/* Of all processes so far, and of the system's server. */
static double cpu_s(const struct work *w) { return bench_crew_cpu_s(&w->crew) + server_cpu_s(w); }

/* Lets one window pass, which ends at a set time. */
static void watch(const struct work *w, const struct bench_cpus *cpus, double end, struct bench_window *window)
{
    const struct bench_load load = bench_load_start(cpus);
    const double used_s = cpu_s(w), start = bench_now_s();
    const uint64_t before = taken(w);
    bench_sleep_ms(end > start ? (unsigned)((end - start) * 1e3) : 0);
    window->records_per_s = (double)(taken(w) - before) / (bench_now_s() - start);
    window->others = bench_load_others(&load, cpus, cpu_s(w) - used_s);
}

static void measure(struct work *w, const struct bench_cpus *cpus, const struct bench_times *times)
{
    struct bench_run *run = w->run;
    uint64_t put[PEER_PROCESSES_MAX];
    bench_sleep_ms(times->warm_ms);
    double start = bench_now_s();
    uint64_t before = taken(w);
    for (unsigned i = 0; i < run->shape.producers; i++)
        put[i] = count_of(w, i);
    if (!run->window)
        bench_sleep_ms(times->window_ms);
    else
        for (unsigned i = 0; i < run->windows; i++)
            watch(w, cpus, start + (i + 1) * times->window_ms / 1e3, &run->window[i]);
    run->records = taken(w) - before;
    run->records_per_s = (double)run->records / (bench_now_s() - start);
    run->fairness = fairness(w, put);
    atomic_store(&w->crew.control->stop, 1);
}

static const char *verify(struct work *w)
{
    uint64_t count[2] = {0}, sum[2] = {0};
    for (unsigned i = 0; i < w->crew.count; i++) {
        bool consumer = i >= w->run->shape.producers;
        count[consumer] += count_of(w, i);
        sum[consumer] += atomic_load(&w->crew.control->result[i].sum);
    }
    if (count[1]) {
        w->run->cpu_s_per_record = w->crew.cpu_s / (double)count[1];
        w->run->sleeps_per_record = (double)w->crew.sleeps / (double)count[1];
    }
    if (count[0] != count[1])
        return "count differs";
    return sum[0] != sum[1] ? "sum differs" : NULL;
}

static const char *run_processes(struct work *w, const struct bench_cpus *cpus, const struct bench_times *times)
{
    const struct peer *peer = w->run->peer;
    if (peer->init(w->shared, &w->run->shape)) {
        w->run->unfit = true;
        return "cannot be set up";
    }
    const char *failure =
        bench_crew_start(&w->crew, cpus, w->run->shape.producers + w->run->shape.consumers, process, w);
    struct bench_load load = bench_load_start(cpus);
    const double server_s = server_cpu_s(w);
    if (!failure)
        measure(w, cpus, times);
    const char *end = bench_crew_finish(&w->crew, END_LIMIT_S);
    w->crew.cpu_s += server_cpu_s(w) - server_s;
    w->run->others = bench_load_others(&load, cpus, w->crew.cpu_s);
    if (!failure)
        failure = end ? end : verify(w);
    if (peer->end)
        peer->end(w->shared);
    w->run->stuck = w->crew.stuck;
    return failure;
}

void bench_run_once(struct bench_run *run, const struct bench_cpus *cpus, const struct bench_times *times)
{
    struct work w = {.run = run};
    size_t bytes = run->peer->bytes(&run->shape);
    run->before_ns = bench_probe_ns(cpus);
    run->failure = bench_crew_open(&w.crew);
    w.shared = bench_share(bytes);
    if (!run->failure)
        run->failure = w.shared ? run_processes(&w, cpus, times) : "no memory";
    if (w.shared)
        munmap(w.shared, bytes);
    bench_crew_close(&w.crew);
    run->after_ns = bench_probe_ns(cpus);
    run->state = bench_state_of(run->before_ns, run->after_ns);
}
