/* verdict.h - what a list of results says, in three lines at most; the same on a terminal and on the page. */
#ifndef BENCH_VERDICT_H
#define BENCH_VERDICT_H

#include <stdio.h>

#include "figures.h"

enum { VERDICT_LINES = 3, VERDICT_SIZE = 320 };

struct verdict {
    unsigned count;
    char line[VERDICT_LINES][VERDICT_SIZE];
};

/* Of the list of that name: runs, pipeline, round_trip, latency, half_load, limits, wake_up, brokers, cost, heal, long,
 * backpressure, job or python. */
struct verdict verdict_of(const json_t *results, const char *list);

/* Two spaces and a line each, if there are any. */
void verdict_print(FILE *out, const json_t *results, const char *list);

#endif
