/* trip.c - `conveyor-bench round-trip`: how long a record takes to another process and back. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../report/results.h"
#include "../report/verdict.h"
#include "crew.h"
#include "histogram.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench round-trip [--quick] [--repeats N] [--window-ms N] " RESULTS_USAGE "\n"                     \
    "  One record of 64 bytes goes to another process and back, again and again: p50 to p99.99 and the largest, in\n"  \
    "  nanoseconds. spin: both sides look without rest. wait: both call cvb_wait_records, which spins first and "      \
    "then\n"                                                                                                           \
    "  sleeps. sleep: the question comes after 2 ms of rest, so that the other side sleeps; raw futex is the floor.\n" \
    "  The ratios are those of one repeat each: what the machine does to all of them changes from repeat to repeat.\n" \
    "  Exit status: 0 done, 1 a run failed, 2 usage.\n"

#define REST_NS 2000000
#define MOST_S 3.0
enum { CAPACITY = 64, TRIPS_MAX = 32, TRIPS_LEAST = 10, REST_PARTS = 4 };

/* A system in one of the three ways. */
struct trip {
    const struct peer *peer;
    const char *mode;
    uint64_t rest_ns;
};

struct work {
    const struct trip *trip;
    struct peer_shape shape;
    struct bench_crew crew;
    double others; /* the part of the processors that other programs took */
    void *way[2];
    struct peer_trip how;
};

static int process(void *data, unsigned index)
{
    struct work *w = data;
    struct peer_process p = {.control = w->crew.control,
                             .shape = w->shape,
                             .shared = w->way[0],
                             .back = w->way[1],
                             .index = index,
                             .trip = &w->how};
    return w->trip->peer->echo(&p);
}

/* The window, and longer if others keep the processors so that hardly a record has come back. */
static void await_trips(const struct work *w, unsigned window_ms)
{
    const volatile uint64_t *count = &w->how.time->count;
    double limit = bench_now_s() + MOST_S;
    do
        bench_sleep_ms(window_ms);
    while (*count < TRIPS_LEAST && bench_now_s() < limit);
}

static const char *travel(struct work *w, const struct bench_cpus *cpus, unsigned window_ms)
{
    const struct peer *peer = w->trip->peer;
    for (unsigned i = 0; i < 2; i++)
        if (!w->way[i] || peer->init(w->way[i], &w->shape))
            return "cannot be set up";
    struct bench_load load = bench_load_start(cpus);
    const char *failure = bench_crew_start(&w->crew, cpus, 2, process, w);
    if (!failure)
        await_trips(w, window_ms);
    atomic_store(&w->crew.control->stop, 1);
    const char *end = bench_crew_finish(&w->crew, 3);
    /* The window is short: what may be no more than a tick of the kernel's clock on each processor is no disturbance.
     */
    w->others = bench_load_others(&load, cpus, w->crew.cpu_s + cpus->count / (double)sysconf(_SC_CLK_TCK));
    for (unsigned i = 0; i < 2 && peer->end; i++)
        peer->end(w->way[i]);
    return failure ? failure : end;
}

static json_t *figures(const struct work *w, enum bench_state state, unsigned repeat, const char *failure)
{
    json_t *one = json_pack("{s:s,s:s,s:i,s:s,s:i,s:f,s:s?}", "system", w->trip->peer->name, "mode", w->trip->mode,
                            "payload", (int)w->shape.words * 8, "state", bench_state_name(state), "repeat", (int)repeat,
                            "others", w->others, "failure", failure);
    parts_add_quantiles(one, w->how.time);
    return one;
}

/* One run of one system; adds what it gave. */
static int run_once(const struct trip *trip, const struct bench_cpus *cpus, unsigned window_ms, unsigned repeat,
                    json_t *all)
{
    struct work w = {.trip = trip, .shape = {1, 1, 1, CAPACITY, PEER_WORDS}};
    size_t bytes = trip->peer->bytes(&w.shape);
    w.how = (struct peer_trip){trip->rest_ns, bench_share(sizeof *w.how.time)};
    w.way[0] = bench_share(bytes);
    w.way[1] = bench_share(bytes);
    double before_ns = bench_probe_ns(cpus);
    const char *failure = bench_crew_open(&w.crew);
    if (!failure)
        failure = w.how.time ? travel(&w, cpus, window_ms) : "no memory";
    enum bench_state state = bench_state_of(before_ns, bench_probe_ns(cpus));
    if (failure)
        fprintf(stderr, "round-trip: %s: %s\n", trip->peer->name, failure);
    if (w.how.time)
        json_array_append_new(all, figures(&w, state, repeat, failure));
    bench_crew_close(&w.crew);
    for (unsigned i = 0; i < 2; i++)
        if (w.way[i])
            munmap(w.way[i], bytes);
    if (w.how.time)
        munmap(w.how.time, sizeof *w.how.time);
    return failure && peer_is_ours(trip->peer);
}

static unsigned list(struct trip *trips)
{
    unsigned n = 0;
    for (const struct peer *const *p = peers; *p; p++)
        if ((*p)->echo)
            trips[n++] = (struct trip){*p, "spin", 0};
    for (const struct peer *const *p = peers_waiting; *p; p++)
        trips[n++] = (struct trip){*p, "wait", 0};
    for (const struct peer *const *p = peers_waiting; *p; p++)
        trips[n++] = (struct trip){*p, "sleep", REST_NS};
    return n;
}

static void print(FILE *out, const json_t *results)
{
    static const char *const keys[] = {"system", "mode", "state", NULL};
    const json_t *all = json_object_get(results, "round_trip");
    json_t *kinds = figure_kinds(all, NULL, keys), *one;
    size_t i;
    fputs("\nRound trip of a record of 64 bytes, nanoseconds\n", out);
    verdict_print(out, results, "round_trip");
    fprintf(out, "  %-18s %-6s %-5s %10s %10s %10s %10s %10s %12s %5s %s\n", "", "mode", "state", "p50", "p90", "p99",
            "p99.9", "p99.99", "max", "runs", "their p50");
    json_array_foreach(kinds, i, one)
    {
        struct figure f = figure_of(all, one, "p50_ns");
        fprintf(out, "  %-18s %-6s %-5s", results_text(one, "system"), results_text(one, "mode"),
                results_text(one, "state"));
        parts_print_quantiles(out, all, one);
        fprintf(out, f.left_out ? " %3u/%u" : " %5u", f.n, f.n + f.left_out);
        if (f.why)
            fprintf(out, " - (%s)\n", f.why);
        else
            fprintf(out, " %.0f-%.0f\n", f.least, f.most);
    }
    fputs("p50: half of the round trips take no longer; p99.99: all but one in ten thousand. Medians over the runs; "
          "max: the\n"
          "largest of all. spin: both look without rest; wait: both spin, then sleep; sleep: the other was asleep.\n"
          "runs: 3/5: two of five do not count; - (disturbed): others took too much of the processors in all of them.\n"
          "The ratios are ours to the other in one repeat, median (least-greatest).\n",
          out);
    json_decref(kinds);
}

/* Each system in turn; those that sleep, which take what the machine does to a sleeper, in shorter turns. */
int trip_run(const struct bench_cpus *cpus, unsigned repeats, unsigned window_ms, double deadline, json_t *results)
{
    struct trip trips[TRIPS_MAX];
    unsigned n = list(trips), done = 0, resting = 0;
    json_t *all = json_array();
    int failures = 0;
    for (unsigned i = 0; i < n; i++)
        resting += trips[i].rest_ns != 0;
    for (unsigned r = 0; r < repeats * REST_PARTS; r++)
        for (unsigned i = 0; i < n && bench_now_s() < deadline; i++) {
            if (r % REST_PARTS && !trips[i].rest_ns)
                continue;
            parts_progress("round-trip", done++, repeats * (n + (REST_PARTS - 1) * resting));
            failures += run_once(&trips[i], cpus, window_ms, trips[i].rest_ns ? r : r / REST_PARTS, all);
        }
    parts_progress_end();
    json_object_set_new(results, "round_trip", all);
    print(stdout, results);
    return failures;
}

int trip_main(int argc, char **argv)
{
    static const struct option options[] = {{"quick", no_argument, 0, 'q'},
                                            {"repeats", required_argument, 0, 'r'},
                                            {"window-ms", required_argument, 0, 'w'},
                                            RESULTS_OPTIONS};
    struct results_output output = {0};
    unsigned repeats = 7, window_ms = 150;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'h')
            return parts_usage(stdout, USAGE);
        if (c == 'q')
            repeats = 3, window_ms = 100;
        else if (!results_option(&output, c, optarg) &&
                 (c == '?' || (c == 'r' && results_read_number(&repeats, optarg, 1, 64)) ||
                  (c == 'w' && results_read_number(&window_ms, optarg, 1, 60000))))
            return parts_usage(stderr, USAGE);
    }
    if (optind != argc)
        return parts_usage(stderr, USAGE);
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    json_t *results = results_new("round-trip", &cpus);
    return parts_end(results, &output, trip_run(&cpus, repeats, window_ms, 1e300, results));
}
