/* work.h - what the simulated processes do: a scenario says with which settings, and how often each operation. */
#ifndef EXPLORE_WORK_H
#define EXPLORE_WORK_H

#include "ghost.h"
#include "position.h"
#include "watch.h"

enum op {
    PUT,
    PUT_BATCH,
    RESERVE,
    PUBLISH,
    CANCEL,
    GET_ONE,
    GET_MANY,
    TAKE,
    ACK,
    RETURN,
    DELAY,
    RELEASE,
    FORWARD,
    REPLACE,
    STALE,
    RECOVER,
    AUDIT,
    NAME,
    STATE,
    LIMIT,
    WAIT_RECORDS,
    WAIT_CREDITS,
    OPEN,
    PROGRESS,
    SIGNAL,
    HOLD,
    GIVEN,
    EVENTS,
    NAMED,
    RETIRE,
    REJOIN,
    OPS
};
enum { PARTS = 4, NAMES = 4 };

struct scenario {
    const char *name;
    uint32_t total, stage, source, stages, sources, payload, retries;
    int starters, late; /* processes that are there at first, and that come later */
    int operations;     /* of each */
    unsigned weight[OPS];
    unsigned part[PARTS]; /* what the first of them do, a bit each; 0, and for all others: whatever has a weight */
    struct cvb_class classes[2]; /* or none */
    unsigned doomed;             /* how many of the first are killed early */
    unsigned late_at;            /* stops are likely where a unit has come into one of these states, a bit each */
    bool unhurt;                 /* nobody is killed */
    bool tight;                  /* no seat to spare: late ones need a seat of the dead */
    bool systematic, directed;   /* not drawn: systematic.c, directed.c */
    bool rounds;                 /* put, get, ack, again and again */
    bool positions;              /* who has opened a source puts with positions */
    bool headers;                /* records have them */
    bool dead;                   /* as much is done with dead letters as with the rest */
    bool retires;                /* names of sources are given and retired */
    bool sites;                  /* stops are likely at a few places of the code too: sim.h */
};

/* The scenario "any": drawn anew for each ANY_BLOCK seeds. */
enum { ANY_BLOCK = 256 };
void scenario_draw(struct scenario *scenario, uint64_t seed);
extern const struct scenario scenarios[];
extern const int scenario_count;
extern const char *const work_names[OPS];
extern long work_done[OPS], work_useful[OPS];

struct process {
    struct cvb_handle *handle;
    struct cvb_lease lease[GHOST_BATCH], old; /* old: one that was settled */
    int id[GHOST_BATCH], held;
    struct cvb_slot slot[GHOST_BATCH];
    uint32_t slot_stage[GHOST_BATCH], slot_source[GHOST_BATCH];
    int slots;
    struct cvb_slot old_slot; /* one that was published or canceled */
    bool has_old, has_old_slot, joining;
    bool knows[NAMES];
    enum { AWAKE, FOR_RECORDS, FOR_CREDITS, FOR_ROOM, FOR_ANY } waits;
    uint32_t wait_stage, wait_other, wait_source;
    bool opened[POSITION_SOURCES];
    uint32_t opened_id[POSITION_SOURCES];
    long claims_until[POSITION_SOURCES]; /* a source that it has opened or tries to open may be its own so long */
    uint64_t position[POSITION_SOURCES]; /* of the last record that it put, of a source that it has opened */
    uint32_t name_id[NAMES];             /* the ids of names that it was told: of those that it knows */
    uint32_t putting[16];                /* by place: the id that it puts records of */
    unsigned called_to; /* stages that have records, as a wait said, in which it has not looked since: bits */
};
extern struct process process[SIM_FIBERS + 1];

/* The world of a scenario. */
void work_make(const struct scenario *scenario);
/* One schedule of the scenario whose world has been made. */
void work_schedule(const struct scenario *scenario, uint64_t seed);
/* Before a schedule: all that the last one left is forgotten. */
void work_reset(const struct scenario *scenario, uint64_t seed);
/* Only sleepers are left: has a wake-up been lost? */
void work_only_sleepers(void);
/* All claims of sources that the process may have end now. progress.c */
void work_unclaim(int me);
/* Every operation of process `me` begins with this. */
void work_begin(int me);
/* Ends an operation: it did `done` of its records; why not more, or 0. */
void work_end(int me, int done, int why);
/* A process was killed, exits, or has detached. */
void work_death(int me);
/* A refusal is true if the limit was reached at some moment of the operation. */
void work_check_refusal(int me, int why, uint32_t stage, uint32_t source, uint32_t length);

/* put.c; each says whether it had an effect */
int work_put(int me, uint32_t stage, const uint32_t *sources, int n, int *why);
bool work_reserve(int me, uint32_t stage, uint32_t source, int n);
bool work_publish(int me);
bool work_cancel(int me);
bool work_stale_slot(int me);
/* take.c */
int work_get(int me, uint32_t stage, int n);
int work_take(int me, uint32_t stage, int n);
void work_settle(int me, enum ghost_fate fate, const int *which, int n, uint32_t stage);
bool work_on_held(int me, enum ghost_fate fate, uint32_t stage);
bool work_stale(int me);
bool work_twice(int me);
/* live.c */
bool work_join(int me);
void work_leave(int me);
bool work_recover(int me);
bool work_audit(int me);
bool work_name(int me);
bool work_state(int me);
bool work_limit(int me, uint32_t stage, uint32_t source);
bool work_wait_records(int me, uint32_t stage);
bool work_wait_credits(int me, uint32_t stage, uint32_t source);
void work_forget_names(void);
/* progress.c */
bool work_open(int me, uint32_t source);
void work_close(int me, uint32_t source);
bool work_progress(int me, uint32_t source);
/* names.c */
void names_reset(void);
bool names_live(uint32_t id);
bool names_choose(int me, uint32_t *id);
void names_unknown(int me, uint32_t id);
bool names_ask(int me, unsigned name);
bool names_retire(int me, uint32_t id);
bool work_named(int me);
bool work_retire(int me);
void names_fill(int me);
void names_end(int me);
/* hand.c */
bool work_signal(int me, uint32_t stage, uint32_t source);
bool work_hold(int me, uint32_t stage);
bool work_hold_if(int me, uint32_t stage, bool on);
bool work_given(int me, uint32_t stage, uint32_t source);
bool work_events(int me);
void work_lift_all(int me);
void work_hand_reset(void);
/* systematic.c: all schedules of the smallest scenario that differ from a plain one in two ways. */
uint64_t systematic_explore(const struct scenario *scenario, uint64_t only);
/* directed.c: schedules that are written down, all or the one with that number. */
uint64_t directed_explore(uint64_t only);
/* after.c: a process that comes when all others are dead or gone: recovers, audits, drains, fills, drains. */
void after_all(const struct scenario *scenario);

#endif
