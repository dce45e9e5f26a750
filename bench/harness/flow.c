/* flow.c - `conveyor-bench pipeline`: several sources put into the first stage, workers forward from stage to stage,
 * and those of the last one settle. Idle processes sleep. Counts and sums are verified at the end. */
#include <conveyor/buffer.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "../report/results.h"
#include "../report/verdict.h"
#include "crew.h"
#include "parts.h"
#include "segment.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench pipeline [--sources N] [--stages N] [--workers N] [--batch N] [--rewrite] [--repeats N]\n"  \
    "                               [--window-ms N] " RESULTS_USAGE "\n"                                               \
    "  Full records from N sources (2) through N stages (3) with N workers each (1), in batches (32); every process\n" \
    "  sleeps when it has nothing to do. --rewrite: each stage forwards a new payload instead of the old one.\n"       \
    "  Exit status: 0 done, 1 a run failed or its sums disagree, 2 usage.\n"

enum { STAGES_MAX = 12, WORDS = 8, CAPACITY = 5000 };
#define WAIT_NS 5000000
#define WARM_MS 50

struct work {
    const struct flow_plan *plan;
    struct bench_crew crew;
    char name[CVB_NAME_MAX + 1];
};

/* One process. */
struct self {
    struct work *work;
    unsigned index;
    struct cvb_handle *handle;
    uint32_t stage[STAGES_MAX], source, pipeline;
    uint64_t count, sum;
    uint64_t payload[PEER_BATCH_MAX][WORDS];
    struct cvb_record record[PEER_BATCH_MAX];
    struct cvb_lease lease[PEER_BATCH_MAX];
};

static int join(struct self *s)
{
    char name[32];
    int error = cvb_attach(s->work->name, &s->handle);
    for (unsigned i = 0; i < s->work->plan->stages && !error; i++) {
        snprintf(name, sizeof name, "stage-%u", i);
        error = cvb_stage(s->handle, name, &s->stage[i]);
    }
    snprintf(name, sizeof name, "source-%u", s->index);
    if (!error && s->index < s->work->plan->sources)
        error = cvb_source(s->handle, name, &s->source);
    if (!error)
        error = cvb_pipeline(s->handle, "bench", &s->pipeline);
    for (unsigned i = 0; i < PEER_BATCH_MAX; i++)
        s->record[i] = (struct cvb_record){
            .payload = s->payload[i], .length = sizeof s->payload[i], .source = s->source, .pipeline = s->pipeline};
    return error;
}

static uint64_t sum_of(const uint64_t *payload)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < WORDS; k++)
        sum += payload[k];
    return sum;
}

static void note(struct self *s)
{
    struct peer_result *r = &s->work->crew.control->result[s->index];
    atomic_store_explicit(&r->sum, s->sum, memory_order_relaxed);
    atomic_store_explicit(&r->count, s->count, memory_order_relaxed);
}

static bool stopped(const struct self *s) { return atomic_load(&s->work->crew.control->stop); }

/* Puts without rest; a refusal waits for credits. */
static int put_all(struct self *s)
{
    uint64_t next = (uint64_t)s->index << 40;
    int error = 0;
    while (!error && !stopped(s)) {
        int why = 0;
        for (unsigned i = 0; i < s->work->plan->batch; i++)
            for (unsigned k = 0; k < WORDS; k++)
                s->payload[i][k] = next + i + k;
        int n = cvb_buffer_batch_for_stage(s->handle, s->stage[0], s->record, s->work->plan->batch, &why);
        for (int i = 0; i < n; i++)
            s->sum += sum_of(s->payload[i]);
        if (n < 0 || (why && !segment_is_full(why)))
            return n < 0 ? n : why;
        s->count += (uint64_t)n;
        next += (uint64_t)n;
        note(s);
        if (!n)
            error = cvb_wait_credits(s->handle, s->stage[0], s->source, WAIT_NS);
        error = error == CVB_ETIMEDOUT ? 0 : error;
    }
    atomic_fetch_add(&s->work->crew.control->producers_done, 1);
    return error;
}

static uint64_t total(const struct work *w, unsigned from, unsigned to, bool sums)
{
    uint64_t n = 0;
    for (unsigned i = from; i < to; i++)
        n += sums ? atomic_load(&w->crew.control->result[i].sum) : atomic_load(&w->crew.control->result[i].count);
    return n;
}

static unsigned processes_of(const struct flow_plan *p) { return p->sources + p->stages * p->workers; }
static unsigned first_of_last(const struct flow_plan *p) { return p->sources + (p->stages - 1) * p->workers; }

static bool all_is_through(const struct work *w)
{
    const struct flow_plan *p = w->plan;
    return atomic_load(&w->crew.control->producers_done) == p->sources &&
           total(w, 0, p->sources, false) == total(w, first_of_last(p), processes_of(p), false);
}

/* Sends n leases on, all of them. */
static int send_on(struct self *s, uint32_t to, int n)
{
    for (int done = 0; done < n;) {
        int why = 0;
        size_t left = (size_t)(n - done);
        int sent = s->work->plan->rewrite
                       ? cvb_forward_records(s->handle, to, s->lease + done, s->record + done, left, &why)
                       : cvb_forward(s->handle, to, s->lease + done, left, &why);
        if (sent < 0)
            return sent;
        done += sent;
        int error = done < n ? cvb_wait_credits(s->handle, to, CVB_NO_SOURCE, WAIT_NS) : 0;
        if (error && error != CVB_ETIMEDOUT)
            return error;
    }
    return 0;
}

static int settle(struct self *s, int n)
{
    for (int i = 0; i < n; i++)
        s->sum += sum_of(s->lease[i].payload);
    int error = cvb_ack(s->handle, s->lease, (size_t)n);
    s->count += (uint64_t)n;
    note(s);
    return error;
}

/* One of stage `number`'s workers. A rewritten payload is read and written anew. */
static int work(struct self *s, unsigned number)
{
    bool last = number + 1 == s->work->plan->stages;
    int n = 0;
    while (n >= 0) {
        n = cvb_get_batch(s->handle, s->stage[number], s->lease, s->work->plan->batch);
        if (!n) {
            if (stopped(s) && all_is_through(s->work))
                return 0;
            n = cvb_wait_records(s->handle, &s->stage[number], 1, WAIT_NS);
            n = n == CVB_ETIMEDOUT ? 0 : n;
            continue;
        }
        for (int i = 0; i < n && s->work->plan->rewrite && !last; i++)
            memcpy(s->payload[i], s->lease[i].payload, sizeof s->payload[i]);
        if (n > 0)
            n = last ? settle(s, n) : send_on(s, s->stage[number + 1], n);
    }
    return n;
}

static int process(void *data, unsigned index)
{
    static struct self self;
    struct work *w = data;
    self.work = w;
    self.index = index;
    int error = join(&self);
    atomic_fetch_add(&w->crew.control->ready, 1);
    while (!error && !atomic_load(&w->crew.control->go))
        sched_yield();
    if (error)
        return error;
    return index < w->plan->sources ? put_all(&self) : work(&self, (index - w->plan->sources) / w->plan->workers);
}

static const char *verify(const struct work *w)
{
    const struct flow_plan *p = w->plan;
    if (total(w, 0, p->sources, false) != total(w, first_of_last(p), processes_of(p), false))
        return "count differs";
    return total(w, 0, p->sources, true) != total(w, first_of_last(p), processes_of(p), true) ? "sum differs" : NULL;
}

static const char *run_processes(struct work *w, const struct bench_cpus *cpus, double *rate, double *others)
{
    const struct flow_plan *p = w->plan;
    const char *failure = bench_crew_start(&w->crew, cpus, processes_of(p), process, w);
    struct bench_load load = bench_load_start(cpus);
    if (!failure) {
        bench_sleep_ms(WARM_MS);
        double start = bench_now_s();
        uint64_t before = total(w, first_of_last(p), processes_of(p), false);
        bench_sleep_ms(p->window_ms);
        *rate = (double)(total(w, first_of_last(p), processes_of(p), false) - before) / (bench_now_s() - start);
    }
    atomic_store(&w->crew.control->stop, 1);
    const char *end = bench_crew_finish(&w->crew, 5);
    *others = bench_load_others(&load, cpus, w->crew.cpu_s);
    return failure ? failure : end ? end : verify(w);
}

static struct cvb_settings settings_all(void)
{
    struct cvb_settings s;
    cvb_settings_init(&s);
    s.payload_size = WORDS * sizeof(uint64_t);
    s.max_per_source = CAPACITY;
    s.max_per_stage = 2 * CAPACITY;
    return s;
}

static int run_once(const struct flow_plan *p, unsigned repeat, const struct bench_cpus *cpus, json_t *all)
{
    struct work w = {.plan = p};
    struct cvb_settings settings = settings_all();
    double rate = 0, others = 0, before_ns = bench_probe_ns(cpus);
    if (segment_make(w.name, &settings))
        return 1;
    const char *failure = bench_crew_open(&w.crew);
    uint64_t done = 0;
    if (!failure) {
        failure = run_processes(&w, cpus, &rate, &others);
        done = total(&w, first_of_last(p), processes_of(p), false);
    }
    cvb_unlink(w.name);
    bench_crew_close(&w.crew);
    enum bench_state state = bench_state_of(before_ns, bench_probe_ns(cpus));
    if (failure)
        fprintf(stderr, "pipeline: %u sources, %u stages, %u workers: %s\n", p->sources, p->stages, p->workers,
                failure);
    json_array_append_new(
        all, json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:s,s:b,s:i,s:f,s:f,s:f,s:f,s:s?}", "system", "conveyor", "mode",
                       p->rewrite ? "rewrite" : "forward", "sources", (int)p->sources, "stages", (int)p->stages,
                       "workers", (int)p->workers, "batch", (int)p->batch, "state", bench_state_name(state),
                       "oversubscribed", (int)(processes_of(p) > cpus->count), "repeat", (int)repeat, "records_per_s",
                       rate, "cpu_ns_per_record", done ? w.crew.cpu_s * 1e9 / (double)done : 0, "sleeps_per_record",
                       done ? (double)w.crew.sleeps / (double)done : 0, "others", others, "failure", failure));
    return failure != NULL;
}

static void print(FILE *out, const json_t *all, const struct flow_plan *p, const struct bench_cpus *cpus)
{
    json_t *what =
        json_pack("{s:s,s:i,s:i,s:i,s:i}", "mode", p->rewrite ? "rewrite" : "forward", "sources", (int)p->sources,
                  "stages", (int)p->stages, "workers", (int)p->workers, "batch", (int)p->batch);
    struct figure rate = figure_of(all, what, "records_per_s");
    char text[FIGURE_TEXT];
    fprintf(out, "  %7u %6u %7u %5u %-8s %24s", p->sources, p->stages, p->workers, p->batch,
            p->rewrite ? "rewrite" : "forward", figure_text(text, &rate, 1e-6));
    parts_print_number(out, all, what, "cpu_ns_per_record", 10, 0);
    parts_print_number(out, all, what, "sleeps_per_record", 8, 4);
    fputs(processes_of(p) > cpus->count ? "  OVERSUBSCRIBED\n" : "\n", out);
    json_decref(what);
}

int flow_run(const struct bench_cpus *cpus, const struct flow_plan *plans, unsigned count, double deadline,
             json_t *results)
{
    json_t *all = json_array();
    int failures = 0;
    json_object_set_new(results, "pipeline", all);
    for (unsigned i = 0; i < count; i++)
        for (unsigned r = 0; r < plans[i].repeats && bench_now_s() < deadline; r++)
            failures += run_once(&plans[i], r, cpus, all);
    fputs("\nPipelines: full records, all processes sleep when they have nothing to do\n", stdout);
    verdict_print(stdout, results, "pipeline");
    printf("  %7s %6s %7s %5s %-8s %24s %10s %8s\n", "sources", "stages", "workers", "batch", "", "M/s", "cpu ns",
           "sleeps");
    for (unsigned i = 0; i < count; i++)
        print(stdout, all, &plans[i], cpus);
    fputs(
        "workers: of each stage. M/s: million records a second through all stages, median (least-greatest) and number\n"
        "of runs. cpu ns, sleeps: of all processes for each record that has left the last stage. rewrite: each stage\n"
        "forwards a new payload. OVERSUBSCRIBED: more processes than processors.\n",
        stdout);
    return failures;
}

static int set_option(struct flow_plan *p, struct results_output *o, int c)
{
    switch (c) {
    case 's':
        return results_read_number(&p->sources, optarg, 1, 16);
    case 't':
        return results_read_number(&p->stages, optarg, 1, STAGES_MAX);
    case 'w':
        return results_read_number(&p->workers, optarg, 1, 16);
    case 'b':
        return results_read_number(&p->batch, optarg, 1, PEER_BATCH_MAX);
    case 'r':
        return results_read_number(&p->repeats, optarg, 1, 64);
    case 'm':
        return results_read_number(&p->window_ms, optarg, 1, 60000);
    case 'x':
        p->rewrite = true;
        return 0;
    default:
        return results_option(o, c, optarg) ? 0 : -1;
    }
}

int flow_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"sources", required_argument, 0, 's'}, {"stages", required_argument, 0, 't'},
        {"workers", required_argument, 0, 'w'}, {"batch", required_argument, 0, 'b'},
        {"repeats", required_argument, 0, 'r'}, {"window-ms", required_argument, 0, 'm'},
        {"rewrite", no_argument, 0, 'x'},       RESULTS_OPTIONS};
    struct results_output output = {0};
    struct flow_plan plan = {2, 3, 1, 32, 200, 5, false};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'h' || set_option(&plan, &output, c))
            return parts_usage(c == 'h' ? stdout : stderr, USAGE);
    if (optind != argc || processes_of(&plan) > PEER_PROCESSES_MAX)
        return parts_usage(stderr, USAGE);
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    json_t *results = results_new("pipeline", &cpus);
    return parts_end(results, &output, flow_run(&cpus, &plan, 1, 1e300, results));
}
