/* sim.h - simulated processes: fibers that run one access at a time under a seeded scheduler.
 *
 * A killed fiber is never run again; a stopped one is not run for a long time. Everything follows from the seed.
 */
#ifndef EXPLORE_SIM_H
#define EXPLORE_SIM_H

#include <stdbool.h>
#include <stdint.h>

enum { SIM_FIBERS = 10, SIM_AFTER = SIM_FIBERS /* the process that comes after all others */ };

struct sim_fiber {
    void *sp;
    char *stack;
    void (*run)(int);
    bool done, killed;
    bool sleeping;
    /* killed or stopped before that step; or, by_write, before the write with that number; resume: by the clock */
    long steps, writes, kill_at, stop_at, resume;
    bool by_write;
    uint64_t priority;
    long alone; /* steps of the operation at work since anybody's success */
    long began; /* the clock at the first step of the operation at work; 0: it has made none */
    const char *access;
    const void *at, *place;
};

extern struct sim {
    struct sim_fiber fiber[SIM_FIBERS];
    int count, current; /* current: SIM_AFTER outside the fibers */
    bool changed;       /* the set of processes that can run has changed */
    long total, skipped, bound[SIM_FIBERS + 1], alone_after;
    uint64_t seed, state;
    const char *scenario;
    bool trace, again, hurt; /* hurt: processes may be killed */
    bool histories_only;     /* the histories are checked, and nothing else that can be left out */
    bool brief;              /* a failure is told without its trace */
    bool sites;              /* stops are likely at some places of the code, and so many deaths */
    unsigned site_deaths;
    long steps_all, kills_all, stops_all;
    int (*choose)(void); /* who does the next step of a schedule that is given; NULL: it is drawn */
    void (*after_step)(const char *access, const void *at, const void *place);
    void (*killed)(int fiber);
    void (*only_sleepers)(void); /* nobody can run but by time going by */
} sim;

uint64_t sim_random(void);
unsigned sim_below(unsigned n);
void sim_reset(uint64_t seed);
int sim_spawn(void (*run)(int));
/* Steps, and time in which nobody ran. */
static inline long sim_clock(void) { return sim.total + sim.skipped; }
/* Not run before that time; or before sim_wake, if it is asleep. */
void sim_pause_until(int fiber, long clock, bool asleep);
void sim_wake(int fiber);
/* A fiber will be killed, or stopped, within this number of its steps; not in a schedule that is given. */
void sim_plan(int fiber, bool kill, unsigned steps);
/* The process at work is stopped within a few of its steps, or dies. */
void sim_late(void);
/* Can it do the next step? */
bool sim_can_run(int fiber);
/* Runs all to their ends. */
void sim_run(void);
/* One step: the scheduler may run others before it. */
void sim_point(const char *access, const void *at, const void *place);
/* Somebody's operation succeeded. */
void sim_progress(void);
void sim_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sim_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
#define SIM_LOG(...) (sim.trace ? sim_log(__VA_ARGS__) : (void)0)
#define SIM_CHECK(condition, ...) ((condition) ? (void)0 : sim_fail(__VA_ARGS__))
/* One that the check of the histories does without. */
#define SIM_CHECK_TOO(condition, ...) SIM_CHECK(sim.histories_only || (condition), __VA_ARGS__)

#endif
