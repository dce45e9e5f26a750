/* delay.h - records that wait for their time before they enter their stage again: lib/ring/delay.c. */
#ifndef CVB_LIB_DELAY_H
#define CVB_LIB_DELAY_H

#include "place/handle.h"

/* A unit that this seat has leased, whose word is w, is DELAYED from now on, until due_ns of the monotonic clock.
 * tries: what CVB_HI_TRIES has of the new word. */
int cvb_delay(struct cvb_handle *h, uint32_t unit, struct cvb_pair w, uint64_t tries, uint64_t due_ns);
/* Makes the tree show a unit that is DELAYED. Any process may call it, any number of times. */
void cvb_delay_announce(struct cvb_handle *h, uint32_t unit);
/* Units that are due enter their stages, those that are due first before others, and as many as one call has time for.
 * Returns how many, or an error. */
int cvb_delay_end(struct cvb_handle *h, uint64_t now_ns);

/* Nothing is due before this time; 0: nothing is delayed. */
static inline uint64_t cvb_delay_next(const struct cvb_handle *h) { return cvb_load64_acq(&h->root->bound.hi); }
/* True if any record was ever delayed: each change of a bound has a number. */
static inline bool cvb_delay_used(const struct cvb_handle *h) { return cvb_load64_acq(&h->root->bound.lo); }
/* As cvb_delay_next, or `until_ns` if that is sooner or nothing is delayed. */
static inline uint64_t cvb_delay_or(const struct cvb_handle *h, uint64_t until_ns)
{
    const uint64_t next = cvb_delay_next(h);
    return next && next < until_ns ? next : until_ns;
}

#endif
