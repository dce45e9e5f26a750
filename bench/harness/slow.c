/* slow.c - `conveyor-bench backpressure`: sources that could put far more than one slow consumer takes. What fills,
 * what the sources are told, and what it costs them to obey, sampled every 20 ms. */
#include <conveyor/buffer.h>
#include <getopt.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "../report/results.h"
#include "crew.h"
#include "parts.h"
#include "segment.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench backpressure [--sources N] [--work-us N] [--seconds N] " RESULTS_USAGE "\n"                 \
    "  N sources (3) put as fast as they may into a stage whose one consumer works N microseconds (100) on each "      \
    "record.\n"                                                                                                        \
    "  They do what cvb_backpressure says, but the first one does not slow down, it only pauses. Shows over time "     \
    "how\n"                                                                                                            \
    "  full the buffer is and what the signal says, and checks that no limit was exceeded.\n"                          \
    "  Exit status: 0 done, 1 a limit was exceeded or a run failed, 2 usage.\n"

enum { BATCH = 32, SAMPLE_MS = 20, PER_SOURCE = 2000, PER_STAGE = 3000, WORDS = 8 };
#define WAIT_NS 20000000

struct work {
    const struct slow_plan *plan;
    struct bench_crew crew;
    char name[CVB_NAME_MAX + 1];
};

/* A handle with the names everybody here uses. */
struct self {
    struct cvb_handle *handle;
    uint32_t stage, source, pipeline;
};

static int join(struct self *s, const struct work *w, unsigned index)
{
    char name[32];
    snprintf(name, sizeof name, "source-%u", index);
    int error = cvb_attach(w->name, &s->handle);
    if (!error)
        error = cvb_stage(s->handle, "slow", &s->stage);
    if (!error)
        error = cvb_pipeline(s->handle, "bench", &s->pipeline);
    return error ? error : cvb_source(s->handle, name, &s->source);
}

static void sleep_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (nanosleep(&t, &t))
        ;
}

/* Sleeps as the signal says; a greedy source only when it must. */
static int heed(struct self *s, bool greedy)
{
    struct cvb_backpressure b;
    int error = cvb_backpressure(s->handle, s->stage, s->source, &b);
    if (error || b.signal == CVB_SIGNAL_NONE)
        return error;
    if (b.signal == CVB_SIGNAL_SLOW_DOWN) {
        sleep_ns(greedy ? 0 : b.delay_ms * UINT64_C(1000000));
        return 0;
    }
    error = cvb_wait_credits(s->handle, s->stage, s->source, WAIT_NS);
    return error == CVB_ETIMEDOUT ? 0 : error;
}

static int put_all(struct work *w, struct self *s, unsigned index)
{
    static uint64_t payload[WORDS];
    struct cvb_record record[BATCH];
    struct peer_control *c = w->crew.control;
    int error = 0;
    for (unsigned i = 0; i < BATCH; i++)
        record[i] = (struct cvb_record){
            .payload = payload, .length = sizeof payload, .source = s->source, .pipeline = s->pipeline};
    while (!error && !atomic_load(&c->stop)) {
        error = heed(s, index == 0);
        int n = error ? 0 : cvb_buffer_batch_for_stage(s->handle, s->stage, record, BATCH, NULL);
        if (n > 0)
            atomic_fetch_add(&c->result[index].count, (uint64_t)n);
        error = n < 0 ? n : error;
    }
    atomic_fetch_add(&c->producers_done, 1);
    return error;
}

static int take_all(struct work *w, struct self *s, unsigned index)
{
    struct cvb_lease lease[BATCH];
    struct peer_control *c = w->crew.control;
    for (;;) {
        bool last = atomic_load(&c->producers_done) == w->plan->sources;
        int n = cvb_get_batch(s->handle, s->stage, lease, BATCH);
        if (n < 0 || (!n && last))
            return n;
        if (!n)
            cvb_wait_records(s->handle, &s->stage, 1, WAIT_NS);
        else if (!last) /* the rest is only emptied */
            sleep_ns((uint64_t)n * w->plan->work_us * 1000);
        int error = n ? cvb_ack(s->handle, lease, (size_t)n) : 0;
        if (error)
            return error;
        atomic_fetch_add(&c->result[index].count, (uint64_t)n);
    }
}

static int process(void *data, unsigned index)
{
    struct work *w = data;
    struct self self;
    int error = join(&self, w, index);
    atomic_fetch_add(&w->crew.control->ready, 1);
    while (!error && !atomic_load(&w->crew.control->go))
        sched_yield();
    if (error)
        return error;
    return index < w->plan->sources ? put_all(w, &self, index) : take_all(w, &self, index);
}

static uint64_t put_so_far(const struct work *w)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < w->plan->sources; i++)
        n += atomic_load(&w->crew.control->result[i].count);
    return n;
}

/* The strongest signal of all sources. */
static struct cvb_backpressure signal_now(const struct work *w, struct self *s)
{
    struct cvb_backpressure b, most = {CVB_SIGNAL_NONE, 0};
    for (uint32_t i = 0; i < w->plan->sources; i++)
        if (!cvb_backpressure(s->handle, s->stage, i, &b) && b.signal >= most.signal)
            most = b;
    return most;
}

/* Returns how often a limit was exceeded. */
static int sample(struct work *w, struct self *s, double start, json_t *samples)
{
    static const char *const signals[] = {"none", "slow_down", "pause"};
    int64_t size = cvb_stage_size(s->handle, s->stage);
    struct cvb_backpressure b = signal_now(w, s);
    uint64_t put = put_so_far(w), taken = atomic_load(&w->crew.control->result[w->plan->sources].count);
    json_array_append_new(samples,
                          json_pack("{s:f,s:I,s:I,s:I,s:s,s:i,s:i}", "t_ms", (bench_now_s() - start) * 1e3, "buffered",
                                    (json_int_t)size, "put", (json_int_t)put, "taken", (json_int_t)taken, "signal",
                                    signals[b.signal], "level", (int)b.signal, "delay_ms", (int)b.delay_ms));
    return size > PER_STAGE || cvb_total_buffered(s->handle) > (int64_t)w->plan->sources * PER_SOURCE;
}

static void watch(struct work *w, struct self *s, json_t *samples, int *exceeded)
{
    double start = bench_now_s();
    while (bench_now_s() - start < w->plan->seconds) {
        *exceeded += sample(w, s, start, samples);
        bench_sleep_ms(SAMPLE_MS);
    }
}

static double stalled_s(struct work *w, struct self *s)
{
    struct cvb_counts counts;
    double ns = 0;
    for (uint32_t i = 0; i < w->plan->sources; i++)
        if (!cvb_source_counts(s->handle, i, &counts))
            ns += (double)counts.stalled_ns;
    return ns / 1e9;
}

static const char *run(struct work *w, const struct bench_cpus *cpus, json_t *samples, int *exceeded, double *stalled)
{
    const char *failure = bench_crew_start(&w->crew, cpus, w->plan->sources + 1, process, w);
    struct self self;
    if (!failure && join(&self, w, 0))
        failure = "cannot attach";
    if (!failure)
        watch(w, &self, samples, exceeded);
    atomic_store(&w->crew.control->stop, 1);
    const char *end = bench_crew_finish(&w->crew, 5);
    if (!failure)
        *stalled = stalled_s(w, &self);
    if (!failure)
        cvb_detach(self.handle);
    if (!failure && !end && put_so_far(w) != atomic_load(&w->crew.control->result[w->plan->sources].count))
        end = "count differs";
    return failure ? failure : end;
}

static double most(const json_t *samples, const char *key)
{
    size_t i;
    json_t *one;
    double value = 0;
    json_array_foreach(samples, i, one) if (results_number(one, key) > value) value = results_number(one, key);
    return value;
}

static void print(const struct work *w, const json_t *samples, const char *failure, int exceeded, double stalled)
{
    size_t i;
    json_t *one;
    unsigned told[3] = {0};
    json_array_foreach(samples, i, one) told[(int)results_number(one, "level") % 3]++;
    printf("\nBackpressure: %u sources, one consumer of %u us a record, limits %d a source and %d a stage\n",
           w->plan->sources, w->plan->work_us, PER_SOURCE, PER_STAGE);
    printf("  buffered at most %.0f; of %zu looks the signal said none %u, slow down %u, pause %u times\n",
           most(samples, "buffered"), json_array_size(samples), told[0], told[1], told[2]);
    printf("  put and taken %llu; sources slept %.2f s in cvb_wait_credits; all processes used %.2f s of processor in "
           "%u s\n",
           (unsigned long long)put_so_far(w), stalled, w->crew.cpu_s, w->plan->seconds);
    printf("  %s\n", failure ? failure : exceeded ? "NOT OK: a limit was exceeded" : "OK: no limit was exceeded");
}

int slow_run(const struct bench_cpus *cpus, const struct slow_plan *plan, json_t *results)
{
    struct work w = {.plan = plan};
    struct cvb_settings settings;
    int exceeded = 0;
    double stalled = 0;
    cvb_settings_init(&settings);
    settings.max_per_source = PER_SOURCE;
    settings.max_per_stage = PER_STAGE;
    settings.payload_size = WORDS * sizeof(uint64_t);
    const char *failure = bench_crew_open(&w.crew);
    if (failure || segment_make(w.name, &settings))
        return 1;
    json_t *samples = json_array();
    failure = run(&w, cpus, samples, &exceeded, &stalled);
    cvb_unlink(w.name);
    print(&w, samples, failure, exceeded, stalled);
    json_object_set_new(results, "backpressure", samples);
    json_object_set_new(results, "backpressure_summary",
                        json_pack("[{s:i,s:i,s:i,s:i,s:f,s:f,s:f,s:f,s:i,s:s?}]", "sources", (int)plan->sources,
                                  "work_us", (int)plan->work_us, "max_per_source", PER_SOURCE, "max_per_stage",
                                  PER_STAGE, "records", (double)put_so_far(&w), "stalled_s", stalled, "cpu_s",
                                  w.crew.cpu_s, "most_buffered", most(samples, "buffered"), "exceeded", exceeded,
                                  "failure", failure));
    bench_crew_close(&w.crew);
    return failure || exceeded;
}

int slow_main(int argc, char **argv)
{
    static const struct option options[] = {{"sources", required_argument, 0, 's'},
                                            {"work-us", required_argument, 0, 'w'},
                                            {"seconds", required_argument, 0, 't'},
                                            RESULTS_OPTIONS};
    struct results_output output = {0};
    struct slow_plan plan = {3, 100, 3};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if ((c == 's' && results_read_number(&plan.sources, optarg, 1, 16)) ||
            (c == 'w' && results_read_number(&plan.work_us, optarg, 1, 100000)) ||
            (c == 't' && results_read_number(&plan.seconds, optarg, 1, 600)) || c == '?' || c == 'h' ||
            (c >= RESULTS_JSON && !results_option(&output, c, optarg)))
            return parts_usage(c == 'h' ? stdout : stderr, USAGE);
    if (optind != argc)
        return parts_usage(stderr, USAGE);
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    json_t *results = results_new("backpressure", &cpus);
    return parts_end(results, &output, slow_run(&cpus, &plan, results));
}
