/* flow.h - records are put, reserved, taken, settled and forwarded: what these share. */
#ifndef CVB_LIB_FLOW_H
#define CVB_LIB_FLOW_H

#include "crash/crash.h"
#include "place/named.h"

/* What a call returns that did `done` records and then met `error`, or 0: the number of records; but the error if the
 * segment is corrupt, or if it did none and no limit was the reason. */
static inline int cvb_count_or_error(int error, size_t done)
{
    return error && !cvb_is_refusal(error) && (!done || error == CVB_ECORRUPT) ? error : (int)done;
}

/* put.c */
size_t cvb_positions_together(const uint64_t *first, size_t stride, size_t n);
int cvb_stage_check(struct cvb_handle *h, uint32_t stage);
/* True if a record asks for what only a later version has. */
static inline bool cvb_asks_more(const struct cvb_record *r) { return r->reserved[0] != 0; }
int cvb_record_check(struct cvb_handle *h, const struct cvb_record *r);
void cvb_tally_refusal(struct cvb_handle *h, uint32_t stage, uint32_t source, int error);

/* source.c */
int cvb_source_claimed(struct cvb_handle *h, uint32_t id);
int cvb_position_refused(struct cvb_handle *h, uint32_t id, uint64_t position);
/* 0 if a record of the source may have the position: if it is above all that were accepted. Its place is in the table.
 */
static inline int cvb_position_check(struct cvb_handle *h, uint32_t id, uint64_t position)
{
    const uint64_t next = h->next_position[cvb_place_of(id)];
    return next && position >= next && position <= INT64_MAX ? 0 : cvb_position_refused(h, id, position);
}
/* Positions in the segment grow on from name to name of a place; 0 stays 0. */
static inline uint64_t cvb_position_base(struct cvb_handle *h, uint32_t place)
{
    return cvb_load64_acq(&h->stands[place].base);
}
static inline uint64_t cvb_position_within(struct cvb_handle *h, uint32_t place, uint64_t position)
{
    return position ? position + cvb_position_base(h, place) : 0;
}
static inline uint64_t cvb_position_above(uint64_t within, uint64_t base) { return within > base ? within - base : 0; }
static inline uint64_t cvb_position_told(struct cvb_handle *h, uint32_t place, uint64_t within)
{
    return within ? cvb_position_above(within, cvb_position_base(h, place)) : 0;
}

/* obtain.c */
uint32_t cvb_class_for(struct cvb_handle *h, uint32_t length);
int cvb_obtain(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, unsigned n, uint32_t *u,
               struct cvb_pair *word);
int cvb_obtain_of(struct cvb_handle *h, struct cvb_claim_cache *cache, struct cvb_want want, const struct cvb_record *r,
                  uint32_t *u, struct cvb_pair *word);
int cvb_hold_cells(struct cvb_handle *h, uint32_t length, unsigned n, uint32_t *unit);

/* write.c */
int cvb_write_single(struct cvb_handle *h, uint32_t unit, const struct cvb_record *r, uint64_t position);
int cvb_write_records(struct cvb_handle *h, uint32_t unit, uint32_t members, const struct cvb_record *r, uint32_t next);

/* Ends a call that did `done` records and then met `error`, or 0, at record r: a refusal is counted, and the next wait
 * for credits knows the class that had no memory. Returns what the call returns. */
static inline int cvb_call_ends(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, int error,
                                size_t done, int *why)
{
    if (cvb_is_refusal(error))
        cvb_tally_refusal(h, stage, r->source, error);
    h->refused_class = error == CVB_EMEMORY_FULL ? cvb_class_for(h, r->length) : CVB_NO_CLASS;
    if (why)
        *why = error;
    return cvb_count_or_error(error, done);
}

/* settle.c */
/* The places of an array of leases or reservations, as the caller gave it; `state`: what their units must be. */
struct cvb_places {
    const struct cvb_place *first;
    size_t stride, count;
    enum cvb_state state;
};
static inline struct cvb_places cvb_places_of(const struct cvb_lease *leases, size_t count)
{
    return (struct cvb_places){leases ? &leases->place : NULL, sizeof *leases, count, CVB_LEASED};
}
/* Settles one unit: `to` is the stage it goes to, if it goes to another one. */
typedef int (*cvb_settle_fn)(struct cvb_handle *h, uint32_t unit, uint32_t to);
int cvb_place_check(struct cvb_handle *h, const struct cvb_place *p, enum cvb_state state);
bool cvb_places_whole(struct cvb_handle *h, const struct cvb_places *p, struct cvb_pair *word);
int cvb_places_check(struct cvb_handle *h, const struct cvb_places *p);
int cvb_places_run(struct cvb_handle *h, const struct cvb_places *p, size_t i, uint32_t *members, size_t *n);
int cvb_settle(struct cvb_handle *h, const struct cvb_places *p, cvb_settle_fn how, const uint32_t *to, size_t *done);
int cvb_release_unit(struct cvb_handle *h, uint32_t unit, uint32_t unused);

/* restage.c */
int cvb_admit(struct cvb_handle *h, uint32_t to, uint32_t *members);
bool cvb_restage_again(struct cvb_handle *h, int error, uint32_t n, uint32_t source, uint32_t to);
int cvb_restage(struct cvb_handle *h, uint32_t unit, uint32_t to);
int cvb_replace(struct cvb_handle *h, uint32_t a, uint32_t b, uint32_t to);

#endif
