/* named.h - whose a source's place in the table is, and which ids are stale.
 *
 * A source's id is {generation 16 bits | place 16 bits}: all that the segment keeps of a source lies at its place, and
 * the generation grows when a name is retired. So an id is never used for two names. One word of the place says which
 * id it has and in which state:
 *
 *   FREE --named--> LIVE <--marked, unmarked--> RETIRING --> CLEARING --> FREE, with the next id; or SPENT
 *
 * Rules (PROTOCOL.md, section 11): who has taken a credit of a source looks at the word after that (E1), and takes a
 * mark away if it finds one; who retires the name marks it first, and looks for credits after that. What is kept of the
 * place is begun anew while it is CLEARING, by anybody, by compare-and-swaps from what was read before the word was
 * seen to be CLEARING still (E2).
 */
#ifndef CVB_LIB_NAMED_H
#define CVB_LIB_NAMED_H

#include "place/place.h"

/* LIVE is 0, so that the lo of a place that has a name is the id. All zero: never used, which is FREE. */
enum cvb_named { CVB_NAMED_LIVE, CVB_NAMED_FREE, CVB_NAMED_RETIRING, CVB_NAMED_CLEARING, CVB_NAMED_SPENT };
#define CVB_GENERATION_SHIFT 16
#define CVB_NAMED_SHIFT 32
#define CVB_SLOT_BITS 17 /* of a name: there are fewer than 2^17 of sources and handles together */
#define CVB_NAMED_CHANGE (UINT64_C(1) << CVB_SLOT_BITS)

/* The place of a source's id. */
static inline uint32_t cvb_place_of(uint32_t id) { return (uint16_t)id; }

static inline struct cvb_pair *cvb_named_at(struct cvb_handle *h, uint32_t place)
{
    return &h->of_sources[place].named;
}

static inline uint64_t cvb_named_lo(enum cvb_named state, uint32_t id)
{
    return (uint64_t)state << CVB_NAMED_SHIFT | id;
}
static inline enum cvb_named cvb_named_state(struct cvb_pair w)
{
    return w.hi ? (enum cvb_named)(w.lo >> CVB_NAMED_SHIFT) : CVB_NAMED_FREE;
}
static inline uint32_t cvb_named_slot(uint64_t hi) { return (uint32_t)(hi & (CVB_NAMED_CHANGE - 1)); }
/* The id that the place has now, or the one that it gets next: its number, if it was never used. It is one of this
 * place also if somebody has overwritten the word: callers use the place in it as an index. */
static inline uint32_t cvb_named_id(uint64_t lo, uint32_t place)
{
    return ((uint32_t)lo & ~(uint32_t)UINT16_MAX) | place;
}

/* The id that the place has now. */
static inline uint32_t cvb_id_of_place(struct cvb_handle *h, uint32_t place)
{
    return cvb_named_id(cvb_load64_acq(&cvb_named_at(h, place)->lo), place);
}

/* True if the id is that of a name. */
static inline bool cvb_source_known(struct cvb_handle *h, uint32_t id)
{
    if (cvb_place_of(id) >= h->segment.settings.max_sources)
        return false;
    const struct cvb_pair *named = cvb_named_at(h, cvb_place_of(id));
    const uint64_t lo = cvb_load64_acq(&named->lo);
    return (lo == id && (id || cvb_load64_acq(&named->hi))) || lo == cvb_named_lo(CVB_NAMED_RETIRING, id);
}

/* check.c */
/* True if the id is that of a name, which is not retired as long as the caller keeps what it has taken: a credit of the
 * source, or its claim. */
bool cvb_source_stays(struct cvb_handle *h, uint32_t id);
#endif
