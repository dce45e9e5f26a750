/* watch.h - the history of a schedule: what the simulated processes call, and what their steps are seen to do. */
#ifndef EXPLORE_WATCH_H
#define EXPLORE_WATCH_H

#include "ghost.h"
#include "history.h"

extern struct watch {
    bool on;                                      /* this schedule's history is kept */
    long checked, undecided, searched, unwatched; /* schedules; searched: not explained by the first way tried */
    long refusals, exact_refusals;                /* exact: nobody else was at work */
} watch;

void watch_reset(void);
/* The calls of a process; when they begin and end says the explorer. */
void watch_call(int process, enum history_verb verb, uint32_t stage, int n);
void watch_argument(int process, uint32_t stage, uint32_t source, const void *payload);
void watch_lease(int process, const struct cvb_lease *lease);
/* What it was told of a size, in the terms of the model. */
void watch_size(int process, enum model_kind kind, uint32_t which, int64_t size);
/* It sets a limit. */
void watch_set(int process, enum model_limit which, uint32_t stage, uint32_t source, uint32_t limit);
/* The limit is seen to be set, or a source to be claimed. */
void watch_effect(int process);
/* The stage of its get was held at a moment. */
void watch_held(int process);
/* It returns records after that time. */
void watch_delay(int process, uint32_t delay_ms);
void watch_settled(int process, const struct cvb_lease *lease, uint32_t stage, const void *becomes);
void watch_ended(int process, int done, int why);
void watch_death(int process);
/* After a write to a unit's word, or to a ring. */
void watch_unit(uint32_t u);
void watch_ring(uint64_t slot);
/* All is recovered and drained: does a sequential order explain it? */
void watch_check(void);

#endif
