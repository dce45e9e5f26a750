/* world.h - the segment that all simulated processes share, who lives, and what the units and counters say.
 *
 * After each write to a unit's word or a counter the shadow counts are corrected and the limits checked.
 */
#ifndef EXPLORE_WORLD_H
#define EXPLORE_WORLD_H

#include <conveyor/buffer.h>

#include "flow/flow.h"
#include "sim.h"

enum { WORLD_COUNTERS = 16, WORLD_UNITS = 256, WORLD_LOCKS = 1024 };
enum { WORLD_STEP_NS = 20000, WORLD_MS_STEPS = 1000000 / WORLD_STEP_NS }; /* the clock of the simulation */

extern struct world {
    struct cvb_settings settings;
    struct cvb_geometry geometry;
    char *base;
    uint32_t counters; /* how many */
    bool positions;    /* records have some */
    bool retires;      /* names of sources are given and retired */
    unsigned late_at;  /* a scenario's */
    /* by counter: credits taken; records that hold one, those of idle units among them */
    int64_t used[WORLD_COUNTERS], shadow[WORLD_COUNTERS], idle[WORLD_COUNTERS];
    /* the limit that the segment shows, what it was made for, and the highest that may still be in force: a call that
     * lowers it has not returned */
    int64_t limit[WORLD_COUNTERS], made[WORLD_COUNTERS], highest[WORLD_COUNTERS];
    long lowered[WORLD_COUNTERS];     /* when `highest` became less */
    uint32_t setting[SIM_FIBERS + 1]; /* by process: the counter whose limit it has stored and not returned, and 1 */
    int64_t stored[SIM_FIBERS + 1];   /* the highest that was stored since */
    int64_t least[SIM_FIBERS + 1][WORLD_COUNTERS]; /* by process: the lowest limit since its operation began */
    /* by process: records in units that have been idle since its operation began (a put may miss one that an ack makes
     * idle meanwhile), and the most credits of any moment since that were not theirs */
    int64_t long_idle[SIM_FIBERS + 1][WORLD_COUNTERS], most[SIM_FIBERS + 1][WORLD_COUNTERS];
    int64_t strict[SIM_FIBERS + 1][WORLD_COUNTERS]; /* as most, but without all that is idle */
    long began[SIM_FIBERS + 1];
    int lock[WORLD_LOCKS], seat_entered[16]; /* who holds a number's lock, and who made a seat active: process + 1 */
    uint64_t seat_state[16];
} world;

/* Once for each scenario, then once for each schedule. */
void world_make(const struct cvb_settings *settings);
void world_reset(void);
void world_after_step(const char *access, const void *at, const void *place);
/* futex.c: nobody sleeps; and is this a kernel without futex_waitv? */
void world_forget_sleepers(bool without_waitv);
void world_begin(int process);
/* The process sets the limit of a counter; it has returned from that. */
void world_sets(int process, uint32_t counter);
void world_has_set(int process);
/* The process's locks are gone. */
void world_unlock_all(int process);
struct cvb_unit *world_unit(uint32_t u);
struct cvb_seat *world_seat(uint32_t s);
const struct cvb_member *world_member(uint32_t u, unsigned i);
struct cvb_stand *world_stand(uint32_t source);
/* The first word of a member's payload: the record's number. */
int world_member_id(uint32_t u, unsigned i);
/* Cells that are free, or idle, and large enough. */
uint32_t world_free_cells(uint32_t length);
/* names.c: each place of a source has a name from the beginning; the id that a place has now. */
void names_make(char *base);
uint32_t world_id(uint32_t place);
/* After a write to the word of the last naming, to a place's word, to a name's bytes, to a unit's word. */
void names_announced(void);
void names_written(uint32_t place);
void names_text_written(void);
void names_base_written(uint32_t place);
void names_unit(uint32_t u);
/* hand.c: after a write to the ring of events. */
void work_event_written(void);
/* After a write to a flag's signal or hold; is a stage held since before that step; was it at one since; does a flag's
 * signal or hold say pause? */
void work_hand_written(void);
bool work_held_throughout(uint32_t stage, long began);
bool work_was_held(uint32_t stage, long began);
bool work_stops(uint32_t flag);
/* When nobody is at work: each free unit has its bit, each idle unit is listed. */
void world_check_hints(void);
/* Is the record in a unit that is queued or leased? */
bool world_holds(uint32_t id);
/* Calls visit for each record that the seat has leased, by the units' words, with its stage there. */
void world_leased_by(uint32_t seat, void (*visit)(uint32_t id, uint32_t stage, bool company));

#endif
