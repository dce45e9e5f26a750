/* bench.h - the harness: where processes run, the state of the machine, one run of one system, all runs. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdio.h>

#include "../peers/peer.h"

/* topology.c - the processors this process may use, those that share no core first. */
struct bench_cpus {
    unsigned count;
    int cpu[256], package[256], core[256];
};
void bench_cpus_find(struct bench_cpus *cpus);
int bench_pin(const struct bench_cpus *cpus, unsigned index);
void bench_unpin(const struct bench_cpus *cpus);

/* probe.c - how long a cache line takes from the first of these processors to the second: nanoseconds one way, 0 if
 * there is only one. A host may change this at will, and every figure changes with it. */
double bench_probe_ns(const struct bench_cpus *cpus);
#define BENCH_NEAR_NS 80.0
enum bench_state { BENCH_NEAR, BENCH_FAR, BENCH_MIXED, BENCH_STATES };
enum bench_state bench_state_of(double before_ns, double after_ns);
const char *bench_state_name(enum bench_state state);

/* load.c - the seconds these processors have worked since the machine started, for whomever; good to 10 ms. */
double bench_busy_s(const struct bench_cpus *cpus);

/* What part of the processors others took since the start; own_s: the processor time of one's own processes. In less
 * than a tenth of a second the kernel's counts are too coarse for it. */
struct bench_load {
    double start_s, busy_s;
};
struct bench_load bench_load_start(const struct bench_cpus *cpus);
double bench_load_others(const struct bench_load *load, const struct bench_cpus *cpus, double own_s);
double bench_own_s(void);    /* processor time of this process, and of those of its children that have ended */
#define BENCH_OTHERS_MAX 0.1 /* above: the run was disturbed */

/* run.c - one run of one system. */
struct bench_times {
    unsigned warm_ms, window_ms;
};
struct bench_window {
    double records_per_s;
    double others; /* the part of the processors that went to other processes, or to the host */
};
struct bench_run {
    const struct peer *peer;
    struct peer_shape shape;
    unsigned repeat;
    unsigned windows;            /* so many, one after the other, if `window` is given; else it is one */
    struct bench_window *window; /* gets what each has seen; may be NULL */
    double before_ns, after_ns;
    enum bench_state state;
    double records_per_s;
    double cpu_s_per_record, sleeps_per_record;
    double fairness; /* between the producers: the slowest one's part of the fastest one's records */
    double others;   /* the part of the processors that went to other processes, or to the host */
    uint64_t records;
    const char *failure; /* NULL: counts and sums agree */
    bool stuck;          /* the failure: it did not end in time, which some systems do when preempted */
    bool unfit;          /* the failure: it cannot have this room here */
};
void bench_run_once(struct bench_run *run, const struct bench_cpus *cpus, const struct bench_times *times);

/* Is a system's name in a list with commas between? In NULL everything is. */
bool bench_is_wanted(const char *list, const char *name);

/* stats.c */
struct bench_summary {
    unsigned n;
    double median, min, max;
};
struct bench_summary bench_summarize(double *values, unsigned n); /* sorts them */

/* suite.c - the rows and repeats of a whole comparison. A group is one block of the table: processes, payload, and a
 * column for each batch. */
struct bench_group {
    unsigned producers, consumers, words, batch_count, batch[16];
};
struct bench_suite {
    const char *name;                /* as it is called in the progress */
    const struct peer *const *peers; /* NULL-terminated */
    unsigned group_count, repeats, capacity;
    struct bench_group group[16];
    struct bench_times times;
    double seconds; /* ends after so long with fewer repeats; 0: with all of them */
    unsigned least; /* runs of conveyor in each row, so that two results can be compared; 0: as many as of the others */
    unsigned again; /* so often a run is done again if the machine changed or others took much of it */
    const char *systems; /* only these, with commas between; NULL: all */
    struct bench_cpus cpus;
    struct bench_run *runs;
    unsigned planned, room, run_count, failures, stuck, unfit, repeated, dropped;
};
int bench_suite_run(struct bench_suite *suite);
struct peer_shape bench_suite_shape(const struct bench_suite *suite, const struct bench_group *group, unsigned batch);

/* output.c - adds the runs to the results. */
struct json_t;
int bench_peers_add(struct json_t *results, const struct bench_suite *suite);
struct json_t *bench_runs_json(const struct bench_suite *suite);

/* main.c of this folder: the command `peers`, and its parts for the whole suite. */
int bench_peers_main(int argc, char **argv);
void bench_peers_default(struct bench_suite *suite, bool quick, double seconds);
int bench_peers_run(struct bench_suite *suite, struct json_t *results);

#endif
