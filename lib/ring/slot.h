/* slot.h - how a ring's slot is packed: the lap of its position, and the unit that was entered there. */
#ifndef CVB_LIB_SLOT_H
#define CVB_LIB_SLOT_H

#include <stdint.h>

#define UNIT_BITS 24
#define LAP_MASK ((UINT64_C(1) << 40) - 1)

static inline uint64_t slot_of(uint64_t lap, uint32_t unit) { return (lap & LAP_MASK) << UNIT_BITS | unit; }
static inline uint32_t slot_unit(uint64_t slot) { return (uint32_t)slot & ((1u << UNIT_BITS) - 1); }

/* What takes the place of `former` a lap later. */
static inline uint64_t slot_after(uint64_t former, uint32_t unit) { return slot_of((former >> UNIT_BITS) + 1, unit); }

/* The unit in the slot, if the slot is of lap number `lap`; else no unit's number, 2^24 at least. */
static inline uint64_t slot_unit_of_lap(uint64_t slot, uint64_t lap) { return slot - (lap << UNIT_BITS); }

/* slot's lap less the lap that position p has, as a signed number */
static inline int64_t lap_ahead(uint64_t slot, uint64_t p, uint32_t bits)
{
    uint64_t lap = (p >> bits) + 1;
    return (int64_t)(((slot >> UNIT_BITS) - lap) << 24) >> 24;
}

#endif
