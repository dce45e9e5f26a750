/* word.h - how a unit's word is packed (lib/PROTOCOL.md, section 1, has the states and arrows). */
#ifndef CVB_SHM_WORD_H
#define CVB_SHM_WORD_H

#include "order.h"

enum cvb_state { CVB_FREE, CVB_HELD, CVB_RES, CVB_IDLE, CVB_QUEUED, CVB_LEASED, CVB_DELAYED, CVB_STATES };

#define CVB_NUMBER_BITS 59
#define CVB_NUMBER_MASK ((UINT64_C(1) << CVB_NUMBER_BITS) - 1)
#define CVB_KIND_GENERATION (UINT64_C(1) << CVB_NUMBER_BITS)
#define CVB_HI_SPLIT (UINT64_C(1) << 62)   /* QUEUED: the mover that the seat names has taken members out */
#define CVB_HI_COMPANY (UINT64_C(1) << 62) /* LEASED: by a get that may have leased others with it */
#define CVB_HI_SUSPECT (UINT64_C(1) << 63) /* QUEUED, LEASED: its consumer died once, when it was leased in company */

static inline uint64_t cvb_lo_generation(enum cvb_state state, uint64_t generation)
{
    return (uint64_t)state << 60 | CVB_KIND_GENERATION | (generation & CVB_NUMBER_MASK);
}

static inline uint64_t cvb_lo_position(enum cvb_state state, uint64_t position)
{
    return (uint64_t)state << 60 | (position & CVB_NUMBER_MASK);
}

static inline uint64_t cvb_hi(uint32_t mask, unsigned stage, unsigned seat, unsigned retry)
{
    return (uint64_t)mask | (uint64_t)stage << 32 | (uint64_t)seat << 44 | (uint64_t)retry << 54;
}

/* How often it was tried, and whether it is suspect: what stays of a hi when its unit is queued again. */
#define CVB_HI_TRIES (UINT64_C(0xff) << 54 | CVB_HI_SUSPECT)

/* The same, but of this seat, and not split; or of this seat, and nothing else than its members and its stage. */
static inline uint64_t cvb_hi_by(uint64_t hi, unsigned seat)
{
    return (hi & ~(UINT64_C(0x3ff) << 44 | UINT64_C(3) << 62)) | (uint64_t)seat << 44;
}
static inline uint64_t cvb_hi_anew(uint64_t hi, unsigned seat)
{
    return (hi & ((UINT64_C(1) << 44) - 1)) | (uint64_t)seat << 44;
}

static inline unsigned cvb_lo_state(uint64_t lo) { return (unsigned)(lo >> 60); }
static inline uint64_t cvb_lo_number(uint64_t lo) { return lo & CVB_NUMBER_MASK; }
static inline uint32_t cvb_hi_mask(uint64_t hi) { return (uint32_t)hi; }
static inline unsigned cvb_hi_stage(uint64_t hi) { return (unsigned)(hi >> 32) & 0xfff; }
static inline unsigned cvb_hi_seat(uint64_t hi) { return (unsigned)(hi >> 44) & 0x3ff; }
static inline unsigned cvb_hi_retry(uint64_t hi) { return (unsigned)(hi >> 54) & 0xff; }
/* Failures that count against a record: a death in company does not. */
static inline unsigned cvb_hi_failures(uint64_t hi)
{
    return cvb_hi_retry(hi) - (hi & CVB_HI_SUSPECT && cvb_hi_retry(hi));
}
/* The tries of hi, and one more. */
static inline uint64_t cvb_hi_failed(uint64_t hi)
{
    return (hi & CVB_HI_TRIES) + (cvb_hi_retry(hi) < 255 ? UINT64_C(1) << 54 : 0);
}
static inline unsigned cvb_mask_count(uint32_t mask) { return (unsigned)__builtin_popcount(mask); }

#endif
