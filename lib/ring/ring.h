/* ring.h - a stage's ring: units are queued, published and leased. */
#ifndef CVB_LIB_RING_H
#define CVB_LIB_RING_H

#include "credit/credit.h"

/* tries: what CVB_HI_TRIES has of the new word */
int cvb_enqueue(struct cvb_handle *h, uint32_t unit, struct cvb_pair from, unsigned stage, uint64_t tries);
int cvb_enqueue_own(struct cvb_handle *h, uint32_t unit, struct cvb_pair reserved, unsigned stage);
int cvb_publish_helped(struct cvb_handle *h, uint32_t unit, struct cvb_pair queued);
uint32_t cvb_unit_ahead(struct cvb_handle *h, uint32_t stage, uint64_t position);
int cvb_ring_has_data(struct cvb_handle *h, uint32_t stage);
bool cvb_lease_single(struct cvb_handle *h, uint32_t stage, bool line, uint32_t *unit, struct cvb_pair *word);
/* True if the handle's head is at the beginning of a line of the ring. */
static inline bool cvb_line_begins(struct cvb_handle *h, uint32_t stage)
{
    return h->rings[stage].head % CVB_LINE_SLOTS == 0;
}
int cvb_lease_next(struct cvb_handle *h, uint32_t stage, size_t want, bool split, uint32_t *unit,
                   struct cvb_pair *word);

#endif
