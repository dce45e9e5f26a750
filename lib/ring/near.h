/* near.h - what a consumer will lease soon comes near in time, and nothing else: the lines of the ring, the units,
 * their payloads. For speed alone: nothing depends on it.
 */
#ifndef CVB_LIB_NEAR_H
#define CVB_LIB_NEAR_H

#include "ring/ring.h"
#include "ring/slot.h"

/* Of a unit so long the hint is raised at once: after CVB_HINT_PERIOD of them it would come too late. */
#ifndef CVB_COARSE_BYTES
#define CVB_COARSE_BYTES (1u << 14)
#endif

/* A consumer must not read ahead in a line of the ring where a producer is at work: each read takes the line away from
 * the producer, both become slow, and the ring stays short. So once in each line it looks whether the next line is
 * full, and only then reads what is in it. Of long trains it looks at the next one each time, because a line comes and
 * goes with each of them anyway. */
#define STREAM_UNITS (2 * CVB_LINE_SLOTS) /* without an empty place between them */

static inline uint32_t unit_at(const struct cvb_handle *h, const struct cvb_ring_view *e, uint64_t position)
{
    uint64_t slot = cvb_load64_rlx(&e->ring[position & e->mask]);
    uint64_t unit = slot_unit_of_lap(slot, (position >> e->bits) + 1);
    return unit < h->segment.geometry.unit_count ? (uint32_t)unit : CVB_NO_UNIT;
}

/* near.c */
void cvb_prefetch_units(struct cvb_handle *h, struct cvb_ring_view *e, uint64_t position, unsigned records);

/* Fetches what will be leased soon, if it is there already: a line takes as long to come from another core as several
 * leases take. */
static inline void prefetch_after(struct cvb_handle *h, struct cvb_ring_view *e, uint64_t position, unsigned records)
{
    const uint64_t near = position + CVB_AHEAD_UNITS;
    if (records > CVB_LONG_TRAIN || position % CVB_LINE_SLOTS == 0)
        cvb_prefetch_units(h, e, position, records);
    if (near < e->full && records <= CVB_LONG_TRAIN)
        cvb_prefetch_payloads(h, unit_at(h, e, near), records);
}

#endif
