/* long.c - `conveyor-bench long`: records a second in each second of a long run, and how far the worst one lies below
 * the median. */
#include <getopt.h>
#include <string.h>

#include "../report/results.h"
#include "../report/verdict.h"
#include "crew.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench long [--seconds N] [--repeats N] [--systems NAME,...] " RESULTS_USAGE "\n"                  \
    "  Runs of 60 seconds (--seconds) at 1P1C, 2P2C and 4P4C in batches of 1, 4 and 32, full records, and what moved " \
    "in\n"                                                                                                             \
    "  each second: the median, the worst second, and the first and the last sixth. Seconds in which other programs\n" \
    "  took more than a tenth of the processors do not count. Only conveyor, unless --systems names others, too.\n"    \
    "  Exit status: 0 done, 1 a run failed, 2 usage.\n"

enum {
    SECONDS = 60,
    SECONDS_LEAST = 2,
    SECONDS_MAX = 500,
    SECOND_MS = 1000,
    WARM_MS = 200,
    PARTS = 6,
    CAPACITY = 5000
};
static const unsigned topologies[] = {1, 2, 4}, batches[] = {1, 4, 32};
enum { TOPOLOGIES = sizeof topologies / sizeof *topologies, BATCHES = sizeof batches / sizeof *batches };

struct plan {
    unsigned seconds, repeats;
    const char *systems;
    struct bench_window *window; /* room for the seconds of a run */
};

static bool counts(const struct bench_window *w) { return w->others <= BENCH_OTHERS_MAX; }

/* The seconds from `first` on, up to `end`, that count. */
static struct bench_summary summary_of(const struct plan *p, unsigned first, unsigned end)
{
    double rate[SECONDS_MAX];
    unsigned n = 0;
    for (unsigned i = first; i < end; i++)
        if (counts(&p->window[i]))
            rate[n++] = p->window[i].records_per_s;
    return bench_summarize(rate, n);
}

/* Most machines change in a minute, so that does not leave a run out: it is said. */
static const char *core_to_core(const struct bench_run *r)
{
    if (r->state != BENCH_MIXED)
        return bench_state_name(r->state);
    return bench_state_of(r->before_ns, r->before_ns) == BENCH_NEAR ? "near-far" : "far-near";
}

/* What tells a run from others. */
static json_t *work_of(const struct bench_run *r, const struct bench_cpus *cpus)
{
    const unsigned processes = r->shape.producers + r->shape.consumers;
    return json_pack("{s:s,s:i,s:i,s:i,s:i,s:i,s:s,s:i,s:b,s:s?}", "system", r->peer->name, "producers",
                     (int)r->shape.producers, "consumers", (int)r->shape.consumers, "batch", (int)r->shape.batch,
                     "payload", (int)r->shape.words * 8, "capacity", (int)r->shape.capacity, "core_to_core",
                     core_to_core(r), "repeat", (int)r->repeat, "oversubscribed", (int)(processes > cpus->count),
                     "failure", r->failure);
}

static void add_run(const struct plan *p, const struct bench_run *r, const struct bench_cpus *cpus, json_t *all)
{
    const unsigned part = p->seconds < PARTS ? 1 : p->seconds / PARTS;
    const struct bench_summary whole = summary_of(p, 0, p->seconds), first = summary_of(p, 0, part),
                               last = summary_of(p, p->seconds - part, p->seconds);
    json_t *run = work_of(r, cpus);
    json_object_update_new(
        run, json_pack("{s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "seconds", (int)p->seconds, "seconds_that_count",
                       (int)whole.n, "records_per_s", whole.median, "worst_per_s", whole.min, "worst_part",
                       whole.median > 0 ? whole.min / whole.median : 0, "first_per_s", first.median, "last_per_s",
                       last.median, "cpu_ns_per_record", r->cpu_s_per_record * 1e9, "others", r->others));
    json_array_append_new(all, run);
}

static void add_seconds(const struct plan *p, const struct bench_run *r, const struct bench_cpus *cpus, json_t *all)
{
    for (unsigned i = 0; i < p->seconds; i++) {
        json_t *second = work_of(r, cpus);
        json_object_update_new(second, json_pack("{s:i,s:f,s:f}", "t_ms", (int)(i * SECOND_MS), "records_per_s",
                                                 p->window[i].records_per_s, "others", p->window[i].others));
        json_array_append_new(all, second);
    }
}

static int run_once(const struct plan *p, const struct peer *peer, unsigned which, unsigned repeat,
                    const struct bench_cpus *cpus, json_t *results)
{
    const unsigned n = topologies[which / BATCHES];
    static const struct bench_times times = {WARM_MS, SECOND_MS};
    struct bench_run run = {.peer = peer,
                            .shape = {n, n, batches[which % BATCHES], n > 1 ? 2 * CAPACITY : CAPACITY, PEER_WORDS},
                            .repeat = repeat,
                            .windows = p->seconds,
                            .window = p->window};
    memset(p->window, 0, p->seconds * sizeof *p->window);
    bench_run_once(&run, cpus, &times);
    add_run(p, &run, cpus, json_object_get(results, "long"));
    add_seconds(p, &run, cpus, json_object_get(results, "long_seconds"));
    if (run.failure)
        fprintf(stderr, "long: %s at %uP%uC, batch %u: %s\n", peer->name, n, n, run.shape.batch, run.failure);
    return run.failure && peer_is_ours(peer);
}

static void print(FILE *out, const json_t *results)
{
    static const char *const keys[] = {"producers", "consumers", "batch", "system", "core_to_core", NULL};
    const json_t *all = json_object_get(results, "long"), *one;
    json_t *kinds = figure_kinds(all, NULL, keys);
    size_t i;
    fputs("\nRecords a second in each second of a long run, full records\n", out);
    verdict_print(out, results, "long");
    fprintf(out, "  %-6s %5s %-18s %-8s %10s %10s %12s %10s %10s %8s\n", "", "batch", "", "cores", "median", "worst",
            "worst/median", "first", "last", "seconds");
    json_array_foreach(kinds, i, one)
    {
        fprintf(out, "  %.0fP%.0fC   %5.0f %-18s %-8s", results_number(one, "producers"),
                results_number(one, "consumers"), results_number(one, "batch"), results_text(one, "system"),
                results_text(one, "core_to_core"));
        parts_print_number(out, all, one, "records_per_s", 10, 0);
        parts_print_number(out, all, one, "worst_per_s", 10, 0);
        parts_print_number(out, all, one, "worst_part", 12, 2);
        parts_print_number(out, all, one, "first_per_s", 10, 0);
        parts_print_number(out, all, one, "last_per_s", 10, 0);
        parts_print_number(out, all, one, "seconds_that_count", 8, 0);
        const char *why = figure_of(all, one, "records_per_s").why;
        fprintf(out, " %s\n", why ? why : "");
    }
    fprintf(out,
            "Records a second: the median and the worst second of a run, and the medians of its first and last sixth;\n"
            "of several runs the medians. cores: a cache line comes from one to another in less than %.0f ns (near)\n"
            "or not (far), at the start and, if that has changed, at the end. seconds: so many count; in the others\n"
            "other programs took more than %.0f %% of the processors. - (reason at the end): no run counts.\n",
            BENCH_NEAR_NS, BENCH_OTHERS_MAX * 100);
    json_decref(kinds);
}

/* The systems take turns in each row. */
static int run_all(const struct plan *p, const struct bench_cpus *cpus, json_t *results)
{
    enum { WORKS = TOPOLOGIES * BATCHES };
    int failures = 0;
    json_object_set_new(results, "long", json_array());
    json_object_set_new(results, "long_seconds", json_array());
    for (unsigned r = 0; r < p->repeats; r++)
        for (unsigned i = 0; i < WORKS; i++) {
            parts_progress("long", r * WORKS + i, p->repeats * WORKS);
            for (const struct peer *const *peer = peers; *peer; peer++)
                if (bench_is_wanted(p->systems, (*peer)->name) && (!(*peer)->reference || i < BATCHES))
                    failures += run_once(p, *peer, i, r, cpus, results);
        }
    parts_progress_end();
    print(stdout, results);
    return failures;
}

static int set_option(struct plan *p, struct results_output *o, int c)
{
    switch (c) {
    case 's':
        return results_read_number(&p->seconds, optarg, SECONDS_LEAST, SECONDS_MAX);
    case 'r':
        return results_read_number(&p->repeats, optarg, 1, 100);
    case 'y':
        p->systems = optarg;
        return 0;
    default:
        return results_option(o, c, optarg) ? 0 : -1;
    }
}

int long_main(int argc, char **argv)
{
    static const struct option options[] = {{"seconds", required_argument, 0, 's'},
                                            {"repeats", required_argument, 0, 'r'},
                                            {"systems", required_argument, 0, 'y'},
                                            RESULTS_OPTIONS};
    static struct bench_window window[SECONDS_MAX];
    struct results_output output = {0};
    struct plan plan = {SECONDS, 1, "conveyor", window};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'h' || set_option(&plan, &output, c))
            return parts_usage(c == 'h' ? stdout : stderr, USAGE);
    if (optind != argc)
        return parts_usage(stderr, USAGE);
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    json_t *results = results_new("long", &cpus);
    results_describe(results, stdout);
    return parts_end(results, &output, run_all(&plan, &cpus, results));
}
