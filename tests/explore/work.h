/* work.h - what the simulated processes do: a scenario says with which settings and how often each operation. */
#ifndef EXPLORE_WORK_H
#define EXPLORE_WORK_H

#include "ghost.h"

enum op { PUT, PUT_BATCH, GET_ONE, GET_MANY, ACK, RETURN, FORWARD, RECOVER, AUDIT, NAME, REJOIN, OPS };

struct scenario {
    const char *name;
    uint32_t total, stage, source, stages, sources, payload, retries;
    int starters, late; /* processes that are there at first, and that come later */
    int operations;     /* of each */
    unsigned weight[OPS];
};

extern const struct scenario scenarios[];
extern const int scenario_count;

/* One schedule of the scenario whose world has been made. */
void work_schedule(const struct scenario *scenario, uint64_t seed);
extern long work_done[OPS], work_useful[OPS];
extern const char *const work_names[OPS];

void work_only_sleepers(void);

/* after.c: a process that comes when all others are dead or gone: recovers, audits, drains, fills, drains. */
void after_all(const struct scenario *scenario);
/* work.c, for after.c */
struct process {
    struct cvb_handle *handle;
    struct cvb_lease lease[GHOST_BATCH];
    int id[GHOST_BATCH], held;
    bool joining;
};
extern struct process process[SIM_FIBERS + 1];
int work_put(int me, uint32_t stage, const uint32_t *sources, int n, int *why);
int work_get(int me, uint32_t stage, int n);
void work_settle(int me, enum ghost_fate fate, const int *which, int n, uint32_t stage);

#endif
