/* tune.h - one run of a user's own work with given settings. */
#ifndef BENCH_TUNE_H
#define BENCH_TUNE_H

#include "parts.h"

enum { TUNE_BATCH_MAX = 128, TUNE_RECORD_MAX = 65536, TUNE_NEVER = 0xffffffff };

/* What the user has. */
struct tune_work {
    unsigned producers, consumers, record_bytes;
    unsigned rate; /* records a second in all; 0: as fast as can be */
};

/* What can be set. */
struct tune_settings {
    unsigned batch;
    unsigned room; /* max_per_source; the stage holds as much for each producer, and so does the ring */
    double threshold, resume;
    unsigned looks; /* a consumer looks so often before cvb_wait_records; TUNE_NEVER: it gives the processor away */
    unsigned payload_bytes;
};

struct tune_result {
    double rate, cpu_ns, sleeps, p50_ns, p99_ns;
    const char *failure;
};

/* tune_run.c */
struct tune_result tune_run(const struct tune_work *work, const struct tune_settings *settings,
                            const struct bench_cpus *cpus);

#endif
