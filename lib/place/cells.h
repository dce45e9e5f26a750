/* cells.h - the members of a unit, the cells that they name, and the payloads in them, near and far. */
#ifndef CVB_LIB_CELLS_H
#define CVB_LIB_CELLS_H

#include "place/ahead.h"
#include "place/handle.h"

static inline struct cvb_unit *cvb_unit_at(struct cvb_handle *h, uint32_t u) { return h->units + u; }

static inline bool cvb_is_large(const struct cvb_handle *h, uint32_t u) { return u < h->segment.geometry.large_count; }

static inline unsigned cvb_unit_room(const struct cvb_handle *h, uint32_t u)
{
    return cvb_is_large(h, u) ? CVB_UNIT_MEMBERS : CVB_INLINE_MEMBERS;
}

/* True if the unit has room for all members of the mask. If not, the segment is corrupt. */
static inline bool cvb_has_room(const struct cvb_handle *h, uint32_t u, uint32_t mask)
{
    return cvb_is_large(h, u) || !(mask >> CVB_INLINE_MEMBERS);
}

static inline struct cvb_member *cvb_members_of(struct cvb_handle *h, uint32_t u)
{
    return cvb_is_large(h, u) ? h->extensions[u].member : cvb_unit_at(h, u)->member;
}

/* Member i of a unit; for an i that is too large, of a corrupt mask, one that lies inside the segment. */
static inline struct cvb_member *cvb_member_at(struct cvb_handle *h, uint32_t u, unsigned i)
{
    return cvb_members_of(h, u) + (i < cvb_unit_room(h, u) ? i : 0);
}

/* A member's extent: the length of its record, and how far its position is behind its unit's first one. */
#define CVB_LENGTH_MASK ((1u << CVB_LENGTH_BITS) - 1)
static inline uint32_t cvb_extent(uint32_t length, uint64_t behind)
{
    return length | (uint32_t)behind << CVB_LENGTH_BITS;
}
static inline uint32_t cvb_extent_length(uint32_t extent) { return extent & CVB_LENGTH_MASK; }
static inline uint32_t cvb_extent_behind(uint32_t extent) { return extent >> CVB_LENGTH_BITS; }

/* By how much the position of member i is above that of the unit's first record. */
static inline uint32_t cvb_behind_at(struct cvb_handle *h, uint32_t u, unsigned i)
{
    return cvb_extent_behind(cvb_load32_rlx(&cvb_member_at(h, u, i)->extent));
}

uint32_t cvb_class_of_cell(const struct cvb_handle *h, uint32_t cell);
bool cvb_find_cells(struct cvb_handle *h, uint32_t cell);

/* The payload of a cell; NULL if the cell is none of these, or if it has no room for a record of this length. */
static inline char *cvb_payload_in(const struct cvb_cells *cells, uint32_t cell, uint32_t length)
{
    uint32_t index = cell - cells->first;
    if (index >= cells->count || length > cells->most)
        return NULL;
    char *payload = cells->base + index * cells->stride;
    if (!payload)
        __builtin_unreachable(); /* saves the caller's second question */
    return payload;
}

/* As cvb_payload_in, for a cell of any class. The class that was found last is looked at first; a loop over many
 * payloads of one class keeps a copy of h->cells at hand. */
static inline char *cvb_payload(struct cvb_handle *h, uint32_t cell, uint32_t length)
{
    if (cell - h->cells.first >= h->cells.count && !cvb_find_cells(h, cell))
        return NULL;
    return cvb_payload_in(&h->cells, cell, length);
}

/* Stores into a line of a payload what is there. The caller has leased it, so nobody else writes it. A line that one
 * core has written and another has only read is expensive for the first to write again: each core keeps a copy, and no
 * prefetch takes the reader's away in time (Zen 4: 6 to 20 ns; 2 to 4 ns if the reader has written it too, which costs
 * the reader less than 1). */
static inline void cvb_own_line(char *payload)
{
    uint64_t *word = (uint64_t *)(void *)payload;
    cvb_store64_rlx(word, cvb_load64_rlx(word));
}

/* How many payloads of a unit that will be used soon are fetched at once. */
static inline unsigned cvb_payloads_ahead(unsigned records) { return records > CVB_SHORT_TRAIN ? 1 : records; }

static inline void cvb_prefetch_payload(struct cvb_handle *h, const struct cvb_member *m)
{
    const char *payload = cvb_payload(h, cvb_load32_rlx(&m->cell), 0);
    if (payload)
        cvb_prefetch_write(payload);
}

/* Fetches the first payloads of a unit of `records` records. They are fetched for writing: a put writes them, and a get
 * writes back what it has read (cvb_own_line). */
void cvb_prefetch_others(struct cvb_handle *h, uint32_t u, unsigned records); /* but for the first */
static inline void cvb_prefetch_payloads(struct cvb_handle *h, uint32_t u, unsigned records)
{
    if (u == CVB_NO_UNIT)
        return;
    cvb_prefetch_payload(h, cvb_members_of(h, u));
    if (records > 1)
        cvb_prefetch_others(h, u, cvb_payloads_ahead(records));
}

/* True if the unit was never taken apart: it has just the first members. */
static inline bool cvb_is_whole(uint32_t mask) { return !(mask & (mask + 1)); }
/* True if the unit is a long one that was never taken apart. */
static inline bool cvb_is_train(uint32_t mask) { return mask >> CVB_SHORT_TRAIN && cvb_is_whole(mask); }

/* The mask without the first n members. */
static inline uint32_t cvb_mask_after(uint32_t mask, unsigned n) { return n < CVB_UNIT_MEMBERS ? mask >> n << n : 0; }

/* 16 bytes as a register holds them. */
typedef uint64_t cvb_piece __attribute__((vector_size(16)));

/* Payloads to be fetched one after the other. */
struct cvb_ahead {
    const char *at;
    uint64_t stride;
};

/* The payloads of the train that comes next: if it has as many records as this train, and these are many, and if its
 * cells lie in a row, as those of trains do that were never taken apart. Otherwise one line that is in the cache
 * anyway, again and again. */
static inline struct cvb_ahead cvb_train_ahead(struct cvb_handle *h, uint32_t next, unsigned records,
                                               const struct cvb_cells *cells)
{
    const struct cvb_ahead nothing = {(const char *)h, 0};
    if (records <= CVB_SHORT_TRAIN || !cvb_is_large(h, next))
        return nothing;
    const struct cvb_member *member = h->extensions[next].member;
    uint32_t first = cvb_load32_rlx(&member->cell) - cells->first;
    uint32_t last = cvb_load32_rlx(&member[records - 1].cell) - cells->first;
    bool row = last - first == records - 1 && first < last && last < cells->count;
    return row ? (struct cvb_ahead){cells->base + first * cells->stride, cells->stride} : nothing;
}

#endif
