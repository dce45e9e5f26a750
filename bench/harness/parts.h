/* parts.h - the parts of the suite beside `peers`: each measures, prints its table and adds a list to the results. */
#ifndef BENCH_PARTS_H
#define BENCH_PARTS_H

#include <jansson.h>

#include "bench.h"
#include "histogram.h"

/* Each part's run returns how many runs failed, and ends soon after the deadline (seconds of the monotonic clock). */

/* trip.c: round trips */
int trip_run(const struct bench_cpus *cpus, unsigned repeats, unsigned window_ms, double deadline, json_t *results);
int trip_main(int argc, char **argv);

/* pace.c: latency in an open loop */
struct pace_plan {
    unsigned rate, producers, consumers, batch, seconds, words;
    const char *hgrm;    /* folder for .hgrm files, or NULL */
    const char *systems; /* only these; NULL: all */
};
int pace_run(const struct bench_cpus *cpus, const struct pace_plan *plan, double deadline, json_t *results);
int pace_main(int argc, char **argv);

/* half.c: response times at half of the greatest rate; wake.c: what a wake-up costs */
int half_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results);
int half_main(int argc, char **argv);
int wake_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results);
int wake_main(int argc, char **argv);

/* limits.c: throughput against the limit */
int limits_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results);
int limits_main(int argc, char **argv);

/* flow.c: pipelines with forward, several sources and stages */
struct flow_plan {
    unsigned sources, stages, workers, batch, window_ms, repeats;
    bool rewrite; /* forward with new payloads */
};
int flow_run(const struct bench_cpus *cpus, const struct flow_plan *plans, unsigned count, double deadline,
             json_t *results);
int flow_main(int argc, char **argv);

/* slow.c: a slow consumer, and what backpressure does */
struct slow_plan {
    unsigned sources, work_us, seconds;
};
int slow_run(const struct bench_cpus *cpus, const struct slow_plan *plan, json_t *results);
int slow_main(int argc, char **argv);

/* cost.c: what a record costs as work grows */
int cost_run(const struct bench_cpus *cpus, bool quick, unsigned repeats, double deadline, json_t *results);
int cost_main(int argc, char **argv);

/* heal.c: the time from a kill to the last record's delivery */
int heal_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results);
int heal_main(int argc, char **argv);

/* brokers.c: the same job by Redis and NATS */
int brokers_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results);
int brokers_main(int argc, char **argv);

/* long.c: records a second in each second of a long run */
int long_main(int argc, char **argv);

/* tune.c: which settings are good for a given work */
int tune_main(int argc, char **argv);

/* all.c: the whole suite */
int all_main(int argc, char **argv);

/* parts.c: what they share. */
struct results_output;

/* The whole of a part that has only --repeats and the options of its results; it is called as its command. */
typedef int parts_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results);
int parts_main(int argc, char **argv, const char *usage, unsigned repeats, parts_run *run);

/* The end of a part: writes the results and gives them back; the exit status. */
int parts_end(json_t *results, const struct results_output *output, int failures);
int parts_usage(FILE *to, const char *text); /* the exit status: 0 on stdout, 2 on stderr */
void parts_progress(const char *part, unsigned done, unsigned all);

/* A part's cases, each of them run `repeats` times, in turns, and some that the machine has spoilt up to twice again,
 * until the deadline. `run` adds to the list, and returns how many runs failed. */
struct parts_turns {
    const char *part, *list; /* as it is called in the progress, and in the results */
    unsigned cases, repeats;
    double deadline;
    int (*run)(const struct bench_cpus *cpus, unsigned which, unsigned repeat, json_t *list);
};
int parts_in_turns(const struct parts_turns *t, const struct bench_cpus *cpus, json_t *results);
void parts_progress_end(void);

/* Adds count, p50_ns, p90_ns, p99_ns, p99_9_ns, p99_99_ns and max_ns. */
void parts_add_quantiles(json_t *object, const struct histogram *h);

/* The smallest data cache of the first processor that holds so much: "L1", "L2", ...; else "memory"; "" if the kernel
 * does not tell. */
const char *parts_cache_of(double bytes);

/* The median of one number of those entries, or "-". */
void parts_print_number(FILE *out, const json_t *list, const json_t *what, const char *key, int width, int digits);

/* The medians of those entries of the list, and their largest value. */
void parts_print_quantiles(FILE *out, const json_t *list, const json_t *what);

#endif
