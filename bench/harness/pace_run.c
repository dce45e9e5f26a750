/* pace_run.c - one run of an open loop: processes are forked, the first record is due soon after, and the latencies of
 * all consumers are added up. */
#include <stdlib.h>
#include <sys/mman.h>

#include "pace.h"
#include "parts.h"

/* A run's memory, and what its processes get to know. */
struct run {
    struct pace_work *work;
    struct bench_crew crew;
    struct peer_pace pace;
    void *shared, *room; /* room: start, put times, histograms */
    size_t room_bytes;
};

static int process(void *data, unsigned index)
{
    struct run *r = data;
    const struct pace_work *w = r->work;
    struct peer_process p = {
        .control = r->crew.control, .shape = w->shape, .shared = r->shared, .index = index, .pace = &r->pace};
    return index < w->shape.producers ? w->peer->produce(&p) : w->peer->consume(&p);
}

static int lay_out(struct run *r)
{
    const struct pace_work *w = r->work;
    unsigned producers = w->shape.producers, consumers = w->shape.consumers;
    r->pace.sleep = w->sleep;
    r->pace.records = w->records;
    r->pace.interval_ns = 1e9 * producers / w->rate;
    r->pace.skip = w->records / 10;
    size_t times = w->records * producers * sizeof(uint64_t);
    r->room_bytes = PEER_ALIGN + times + 2 * consumers * sizeof(struct histogram);
    r->room = bench_share(r->room_bytes);
    if (!r->room)
        return -1;
    r->pace.start_ns = r->room;
    r->pace.put_ns = (void *)((char *)r->room + PEER_ALIGN);
    struct histogram *h = (void *)((char *)r->room + PEER_ALIGN + times);
    for (unsigned i = 0; i < consumers; i++) {
        r->pace.response[producers + i] = &h[2 * i];
        r->pace.service[producers + i] = &h[2 * i + 1];
    }
    return 0;
}

static void await_end(struct run *r, double start)
{
    while (atomic_load(&r->crew.control->producers_done) < r->work->shape.producers &&
           bench_now_s() < start + r->work->limit_s)
        bench_sleep_ms(2);
    atomic_store(&r->crew.control->stop, 1);
}

/* All are ready, and the first record is due soon. */
static const char *run_processes(struct run *r)
{
    struct pace_work *w = r->work;
    if (w->peer->init(r->shared, &w->shape))
        return "cannot be set up";
    double start = bench_now_s() + 0.1;
    atomic_store(r->pace.start_ns, (uint64_t)(start * 1e9));
    const char *failure = bench_crew_start(&r->crew, w->cpus, w->shape.producers + w->shape.consumers, process, r);
    struct bench_load load = bench_load_start(w->cpus);
    if (!failure)
        await_end(r, start);
    const char *end = bench_crew_finish(&r->crew, 3);
    w->elapsed_s = bench_now_s() - start;
    w->others = bench_load_others(&load, w->cpus, r->crew.cpu_s);
    if (w->peer->end)
        w->peer->end(r->shared);
    return failure ? failure : end;
}

static void add_up(struct run *r)
{
    struct pace_work *w = r->work;
    w->cpu_s = r->crew.cpu_s;
    w->sleeps = r->crew.sleeps;
    for (unsigned i = 0; i < w->shape.producers + w->shape.consumers; i++)
        w->loop_cpu_s += (double)atomic_load(&r->crew.control->result[i].loop_cpu_ns) / 1e9;
    for (unsigned i = w->shape.producers; i < w->shape.producers + w->shape.consumers; i++) {
        w->taken += atomic_load(&r->crew.control->result[i].count);
        histogram_join(&w->sum[0], r->pace.response[i]);
        histogram_join(&w->sum[1], r->pace.service[i]);
    }
}

void pace_measure(struct pace_work *w)
{
    struct run r = {.work = w};
    size_t bytes = w->peer->bytes(&w->shape);
    r.shared = bench_share(bytes);
    w->sum = calloc(2, sizeof *w->sum);
    double before_ns = bench_probe_ns(w->cpus);
    w->failure = bench_crew_open(&r.crew);
    if (!w->failure)
        w->failure = r.shared && w->sum && !lay_out(&r) ? run_processes(&r) : "no memory";
    w->state = bench_state_of(before_ns, bench_probe_ns(w->cpus));
    if (r.room && w->sum)
        add_up(&r);
    if (r.room)
        munmap(r.room, r.room_bytes);
    if (r.shared)
        munmap(r.shared, bytes);
    bench_crew_close(&r.crew);
}

void pace_free(struct pace_work *w) { free(w->sum); }

void pace_describe(json_t *object, const struct pace_work *w, const struct histogram *h, double cpu_s)
{
    json_t *more = json_pack("{s:s,s:f,s:f,s:f,s:s?}", "state", bench_state_name(w->state), "others", w->others,
                             "cpu_ns_per_record", w->taken ? cpu_s * 1e9 / (double)w->taken : 0, "sleeps_per_record",
                             w->taken ? (double)w->sleeps / (double)w->taken : 0, "failure", w->failure);
    json_object_update(object, more);
    json_decref(more);
    parts_add_quantiles(object, h);
}
