/* idle.h - idle lists of one group for each seat, for the models of idle.c, reuse.c, reclaim.c, note.c
 * and level.c. Before segment.h. */
#ifndef MODEL_IDLE_H
#define MODEL_IDLE_H
#ifndef CVB_IDLE_ENTRIES
#define CVB_IDLE_ENTRIES 1u
#endif
#include "segment.h"

#include <string.h>

/* GenMC takes no memset of a length that is computed. */
static void model_clear(uint64_t *at, size_t bytes)
{
    for (; bytes; bytes -= 8)
        *at++ = 0;
}
#define memset(at, zero, bytes) model_clear(at, bytes)
#include <idle.c>
#include <level.c>
#include <note.c>
#include <reclaim.c>
#include <reuse.c>

static struct {
    struct cvb_idle list;
    struct cvb_idle_group group[1];
} lists[SEATS + 1] __attribute__((aligned(64)));

/* Handles that look at the lists of the active seats, and count those of the next one, which serves handles without a
 * seat. */
static void model_idle(uint32_t seats_active)
{
    for (uint32_t s = 0; s < SEATS; s++) {
        handles[s].idle = (char *)lists;
        handles[s].list = &lists[s].list;
        handles[s].parked = &handles[s].park[0];
        seats[s].state = s < seats_active;
        handles[s].idle_stride = sizeof lists[0];
        handles[s].idle_mask = 0;
        handles[s].segment.settings.max_handles = seats_active;
    }
}

/* The unit is IDLE: a record of source 0 in stage 1, which this seat's owner has parked, and counted. */
static void model_parked(uint32_t seat, uint32_t u, uint64_t generation)
{
    model_word(u, CVB_IDLE, generation, 1, 1, seat);
    lists[seat].list.parked = row_after(lists[seat].list.parked, 1);
    tallies[seat][1].n[CVB_N_PARKED] = row_after(tallies[seat][1].n[CVB_N_PARKED], 1);
    tallies[seat][STAGES].n[CVB_N_PARKED] = row_after(tallies[seat][STAGES].n[CVB_N_PARKED], 1);
}

/* The handle has put records of this kind before, and seen nothing. Field by field: GenMC copies no struct to a place
 * that is known before the program runs. */
static void model_cache(struct cvb_handle *h, const struct cvb_want *want)
{
    static uint64_t from[SEATS][SEATS];
    const struct cvb_rows rows = rows_of(h, NOTE_CLAIM, want);
    h->last_cache = &h->cache[0];
    h->cache[0].rows.total = rows.total;
    h->cache[0].rows.stage = rows.stage;
    h->cache[0].rows.source = rows.source;
    h->cache[0].rows.note = rows.note;
    h->cache[0].room_of_source = cvb_flag_at(h, cvb_flag_of_source(h, want->source));
    h->cache[0].room_of_stage = cvb_flag_at(h, cvb_flag_of_room(h, want->stage));
    h->cache[0].kind = kind_wanted(want);
    h->cache[0].key = key_of(want);
    h->scan.from = from[h->seat];
    cvb_kind_number(&h->put, key_of(want));
}

#endif
