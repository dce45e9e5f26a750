/* bench.h - the harness: where processes run, the state of the machine, one run of one system, the results. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdio.h>

#include "../peers/peer.h"

/* topology.c - the processors this process may use, those that share no core first. */
struct bench_cpus {
    unsigned count;
    int cpu[256];
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

/* run.c - one run of one system. */
struct bench_times {
    unsigned warm_ms, window_ms;
};
struct bench_run {
    const struct peer *peer;
    struct peer_shape shape;
    unsigned repeat;
    double before_ns, after_ns;
    enum bench_state state;
    double records_per_s;
    double cpu_s_per_record;
    uint64_t records;
    const char *failure; /* NULL: counts and sums agree */
    bool stuck;          /* the failure: it did not end in time, which some systems do when preempted */
};
void bench_run_once(struct bench_run *run, const struct bench_cpus *cpus, const struct bench_times *times);

/* stats.c */
struct bench_summary {
    unsigned n;
    double median, min, max;
};
struct bench_summary bench_summarize(double *values, unsigned n); /* sorts them */

/* suite.c - the rows and repeats of a whole comparison. */
struct bench_suite {
    unsigned topology_count, batch_count, repeats, capacity;
    struct {
        unsigned producers, consumers;
    } topology[16];
    unsigned batch[16];
    struct bench_times times;
    struct bench_cpus cpus;
    struct bench_run *runs;
    unsigned run_count, failures, stuck, repeated;
};
int bench_suite_run(struct bench_suite *suite);
struct bench_summary bench_suite_summary(const struct bench_suite *suite, const struct peer *peer,
                                         const struct peer_shape *shape, enum bench_state state);
struct peer_shape bench_suite_shape(const struct bench_suite *suite, unsigned topology, unsigned batch);

/* table.c and output.c */
void bench_table_print(FILE *out, const struct bench_suite *suite);
int bench_json_write(const char *path, const struct bench_suite *suite);

/* main.c of this folder: the command `peers` */
int bench_peers_main(int argc, char **argv);

#endif
