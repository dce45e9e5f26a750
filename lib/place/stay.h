/* stay.h - since when a unit is where it is, how long records wait in a stage, and what a seat's owner did last.
 *
 * A unit's time of two parts: buffered_at_ns is {time 44 bits | since 20 bits}, both in units of 2^20 ns (1.05 ms). The
 * time is when the record was put. `since` is how long after that the unit entered its stage or, while it is LEASED,
 * was leased: a floating point number (mantissa 15 bits, exponent 5), exact for half a minute and to a 30,000th part
 * beyond. A put stores 0; who owns the unit stores the rest: a get when it has leased it, a return, a release and a
 * forward before it is QUEUED again. So it costs no line of its own. A recoverer, which owns nothing, leaves it: what
 * is delivered again after a death counts from when the dead consumer had leased it.
 *
 * The waits of a stage: each seat's owner counts in rows of its own, one for each stage, how long the records had been
 * in the stage that it took, one at most of each tick of its clock. Two windows of 69 seconds take turns, so what is
 * read is of the last one to two minutes. Nothing is decided by any of these words.
 */
#ifndef CVB_LIB_STAY_H
#define CVB_LIB_STAY_H

#include "place/place.h"

#define CVB_SINCE_BITS 20
#define CVB_SINCE_MASK ((UINT64_C(1) << CVB_SINCE_BITS) - 1)
#define CVB_SINCE_EXPONENT_BITS 5
#define CVB_SINCE_MANTISSA_BITS 15
#define CVB_WINDOW_SHIFT 36 /* nanoseconds to the number of a window */

static inline uint64_t cvb_buffered_at(uint64_t time) { return time & ~CVB_SINCE_MASK; }

/* When the unit entered its stage, or was leased. */
static inline uint64_t cvb_since_ns(uint64_t time)
{
    const uint64_t since = time & CVB_SINCE_MASK, exponent = since & ((1u << CVB_SINCE_EXPONENT_BITS) - 1);
    return cvb_buffered_at(time) + (since >> CVB_SINCE_EXPONENT_BITS << exponent << CVB_SINCE_BITS);
}

/* The time with `now` as what it is since. */
static inline uint64_t cvb_time_since(uint64_t time, uint64_t now)
{
    const uint64_t base = cvb_buffered_at(time), units = now > base ? (now - base) >> CVB_SINCE_BITS : 0;
    const unsigned bits = units ? 64u - (unsigned)__builtin_clzll(units) : 0;
    const unsigned exponent = bits > CVB_SINCE_MANTISSA_BITS ? bits - CVB_SINCE_MANTISSA_BITS : 0;
    return base | (units >> exponent) << CVB_SINCE_EXPONENT_BITS | exponent;
}

static inline uint64_t cvb_age_ns(uint64_t since, uint64_t now) { return now > since ? now - since : 0; }

static inline struct cvb_stay *cvb_stay_at(struct cvb_handle *h, uint32_t seat, uint32_t stage)
{
    return (struct cvb_stay *)(void *)(h->segment.base + h->segment.geometry.stays) +
           (uint64_t)seat * h->segment.settings.max_stages + stage;
}

/* This seat's owner is in a call; a time of the monotonic clock. */
static inline void cvb_active_at(struct cvb_handle *h, uint64_t now)
{
    cvb_store64_rlx(&cvb_seat_at(h, h->seat)->active_ns, now);
}

/* stay.c */
/* A unit that this seat owns, and that will be QUEUED next, enters its stage now. */
void cvb_enters_stage(struct cvb_unit *unit);
/* A unit with this time was leased from the stage: sets h->taken_ns and h->taken_stamp, and counts its wait. */
void cvb_took(struct cvb_handle *h, uint64_t time, uint32_t stage);
/* The bucket of a wait of so many units of 2^20 ns, and the shortest wait of a bucket, in such units. */
unsigned cvb_wait_bucket(uint64_t units);
uint64_t cvb_wait_least(unsigned bucket);

#endif
