/* pace.h - one run of an open loop: pace_run.c does it, and latency, half-load and wake-up ask for it. */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include <jansson.h>

#include "crew.h"
#include "histogram.h"

enum { PACE_CAPACITY = 5000 };

struct pace_work {
    /* what is wanted */
    const struct peer *peer;
    const struct bench_cpus *cpus;
    struct peer_shape shape;
    double rate;      /* records a second that are due, of all producers */
    uint64_t records; /* of each producer */
    double limit_s;   /* after so long processes that do not keep up are stopped */
    bool sleep;       /* producers sleep until a record is due, and do not spin */
    /* what came of it */
    const char *failure; /* NULL: none */
    enum bench_state state;
    double others, elapsed_s; /* elapsed: from the first record's time to the end */
    double cpu_s;             /* of all processes, from the start of the first to the end of the last */
    double loop_cpu_s;        /* of their loops only */
    uint64_t taken, sleeps;
    struct histogram *sum; /* [0] response, [1] service, of all consumers; NULL: no memory */
};

/* Fills in what came of it; pace_free gives back the histograms. */
void pace_measure(struct pace_work *work);
void pace_free(struct pace_work *work);

/* Adds to an object what all lists of such runs have: state, others, cpu_ns_per_record, sleeps_per_record, failure and
 * the quantiles of a histogram. */
void pace_describe(json_t *object, const struct pace_work *work, const struct histogram *h, double cpu_s);

#endif
