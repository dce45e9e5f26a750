/* judge.h - the judges: each says in words what one list of results holds. */
#ifndef BENCH_JUDGE_H
#define BENCH_JUDGE_H

#include "verdict.h"

/* The next line; what does not fit is cut. */
__attribute__((format(printf, 2, 3))) void verdict_say(struct verdict *v, const char *format, ...);

/* As figure_of; takes `what`. */
struct figure figure_where(const json_t *list, const char *key, json_t *what);

/* judge_peers.c, judge_times.c, judge_parts.c; `list` is a member of the results. */
typedef void verdict_judge(struct verdict *v, const json_t *results, const json_t *list);
verdict_judge judge_runs, judge_trips, judge_latency, judge_half_load, judge_wake_up, judge_limits, judge_brokers,
    judge_long, judge_cost, judge_heal, judge_pipelines, judge_backpressure, judge_python, judge_job;

#endif
