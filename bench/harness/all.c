/* all.c - `conveyor-bench all`: every part of the suite, one after the other, in a set time; what is left of it goes to
 * the comparison with other systems. */
#include <getopt.h>
#include <string.h>

#include "../report/results.h"
#include "crew.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench all [--quick] [--seconds N] [--rate RECORDS/S] [--hgrm FOLDER] " RESULTS_USAGE "\n"         \
    "  All parts of the suite in one go: cost as work grows, time to heal, backpressure, pipelines, round trips,\n"    \
    "  latency at a rate (100000 a second) and at half of the greatest one, records a second against the limit and\n"  \
    "  beside Redis and NATS, the cost of a wake-up, and records a second beside other systems, which get the rest\n"  \
    "  of the time.\n"                                                                                                 \
    "  Ends within ten minutes, with --quick within two, or in about as many seconds as one says.\n"                   \
    "  Exit status: 0 done, 1 a run failed, 2 usage.\n"

#define FULL_S 565.0
#define QUICK_S 104.0
#define PARTS 0.65 /* of the time is for all but the comparison, at most */

struct wish {
    bool quick;
    unsigned seconds, rate;
    const char *hgrm;
};

static int run_pipelines(const struct bench_cpus *cpus, double deadline, json_t *results)
{
    static const struct flow_plan plans[] = {{1, 1, 1, 32, 150, 5, false}, {2, 3, 1, 32, 150, 5, false},
                                             {2, 3, 1, 32, 150, 5, true},  {2, 3, 1, 1, 150, 5, false},
                                             {4, 3, 2, 32, 150, 5, false}, {4, 6, 2, 32, 150, 5, false}};
    return flow_run(cpus, plans, sizeof plans / sizeof *plans, deadline, results);
}

/* A part ends after a quarter of the time, and when what is left is the comparison's. */
static double deadline(double start, double all)
{
    double quarter = bench_now_s() + all / 4, last = start + all * PARTS;
    return quarter < last ? quarter : last;
}

/* Everything but the comparison. */
static int run_parts(const struct bench_cpus *cpus, const struct wish *w, double start, double all, json_t *results)
{
    struct pace_plan pace = {w->rate, 1, 1, 32, w->quick ? 1 : 2, PEER_WORDS, w->hgrm, NULL};
    struct slow_plan slow = {3, 100, w->quick ? 2 : 4};
    int failures = slow_run(cpus, &slow, results);
    failures += cost_run(cpus, w->quick, 5, deadline(start, all), results);
    failures += heal_run(cpus, w->quick ? 5 : 10, deadline(start, all), results);
    failures += run_pipelines(cpus, deadline(start, all), results);
    failures += trip_run(cpus, w->quick ? 5 : 7, w->quick ? 40 : 120, deadline(start, all), results);
    failures += pace_run(cpus, &pace, deadline(start, all), results);
    failures += limits_run(cpus, w->quick ? 1 : 3, deadline(start, all), results);
    failures += brokers_run(cpus, w->quick ? 1 : 3, deadline(start, all), results);
    failures += wake_run(cpus, w->quick ? 1 : 3, deadline(start, all), results);
    return failures + half_run(cpus, w->quick ? 1 : 3, deadline(start, all), results);
}

static int run(const struct wish *w, const struct results_output *output)
{
    static struct bench_suite suite;
    double start = bench_now_s(), all = w->seconds ? w->seconds : w->quick ? QUICK_S : FULL_S;
    bench_cpus_find(&suite.cpus);
    json_t *results = results_new("all", &suite.cpus);
    results_describe(results, stdout);
    int failures = run_parts(&suite.cpus, w, start, all, results);
    double left = all - (bench_now_s() - start);
    bench_peers_default(&suite, w->quick, left > 5 ? left : 5);
    failures += bench_peers_run(&suite, results);
    printf("%s after %.0f s\n", failures ? "NOT OK: some runs failed (see above)" : "OK: all parts ended well",
           bench_now_s() - start);
    return parts_end(results, output, failures);
}

int all_main(int argc, char **argv)
{
    static const struct option options[] = {{"quick", no_argument, 0, 'q'},
                                            {"seconds", required_argument, 0, 's'},
                                            {"rate", required_argument, 0, 'r'},
                                            {"hgrm", required_argument, 0, 'g'},
                                            RESULTS_OPTIONS};
    struct results_output output = {0};
    struct wish wish = {.rate = 100000};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'q')
            wish.quick = true;
        else if (c == 'g')
            wish.hgrm = optarg;
        else if ((c == 's' && results_read_number(&wish.seconds, optarg, 20, 100000)) ||
                 (c == 'r' && results_read_number(&wish.rate, optarg, 1, 20000000)) || c == '?' || c == 'h' ||
                 (c >= RESULTS_JSON && !results_option(&output, c, optarg)))
            return parts_usage(c == 'h' ? stdout : stderr, USAGE);
    }
    return optind != argc ? parts_usage(stderr, USAGE) : run(&wish, &output);
}
