/* write.c - the payloads of many records go into the members of one unit. */
#include "flow/write.h"
#include "flow/flow.h"

/* While a train is written: of long records so much is fetched before its turn, of others all that the next train has;
 * the processor's own prefetchers fetch for a writer too late. */
#define AHEAD_BYTES 4096u
#define LONG_BYTES 256u

static inline void prefetch_place(const char *at, uint64_t bytes)
{
    for (uint64_t k = 0; at && k < bytes; k += 64)
        cvb_prefetch_write(at + k);
}

/* One record into each of the unit's first n members; how many went in before something was not as it is in a train,
 * whose cells are all of the class found last. Meanwhile the places for others come near: in this train if they are
 * long, and in the next, of unit `next`. */
static inline unsigned fill_train(struct cvb_handle *h, uint32_t u, unsigned n, const struct cvb_record *r,
                                  uint32_t next, const bool plain)
{
    const struct cvb_cells cells = h->cells;
    const uint64_t stride = cells.stride, most = stride < AHEAD_BYTES ? stride : AHEAD_BYTES;
    const unsigned distance = stride > LONG_BYTES ? (unsigned)(AHEAD_BYTES / most) : n;
    struct cvb_member *m = cvb_members_of(h, u);
    struct cvb_ahead ahead = cvb_train_ahead(h, next, n, &cells);
    for (unsigned i = 0; i < n; i++) {
        char *payload = cvb_payload_in(&cells, cvb_load32_rlx(&m[i].cell), r[i].length);
        if (!payload)
            return i;
        prefetch_place(ahead.at, stride <= LONG_BYTES && ahead.stride ? stride : 1);
        ahead.at += ahead.stride;
        if (i + distance < n)
            prefetch_place(cvb_payload_in(&cells, cvb_load32_rlx(&m[i + distance].cell), 0), most);
        write_record(&cells, &m[i], payload, &r[i], r->position, plain);
    }
    return n;
}

/* Records without positions and headers have a loop of their own: 6 of 63 instructions less for each. */
CVB_RARE static unsigned write_train(struct cvb_handle *h, uint32_t u, unsigned n, const struct cvb_record *r,
                                     uint32_t next)
{
    return r->position || h->cells.header_room ? fill_train(h, u, n, r, next, false)
                                               : fill_train(h, u, n, r, next, true);
}

static inline int write_any(struct cvb_handle *h, struct cvb_member *m, uint32_t mask, const struct cvb_record *r,
                            uint64_t first, const bool plain)
{
    for (; mask; mask &= mask - 1, r++) {
        int error = cvb_write_member(h, &m[__builtin_ctz(mask)], r, first, plain);
        if (error)
            return error;
    }
    return 0;
}

/* One record into each member of the unit that the mask has; how far each position is behind the first one goes with
 * its length. `next`: the unit that will be written after it. */
int cvb_write_records(struct cvb_handle *h, uint32_t u, uint32_t mask, const struct cvb_record *r, uint32_t next)
{
    struct cvb_member *m = cvb_members_of(h, u);
    const uint64_t first = r->position;
    if (!cvb_has_room(h, u, mask))
        return CVB_ECORRUPT;
    if (cvb_is_train(mask)) {
        unsigned done = write_train(h, u, cvb_mask_count(mask), r, next);
        r += done;
        mask = cvb_mask_after(mask, done);
    }
    return first || h->cells.header_room ? write_any(h, m, mask, r, first, false) : write_any(h, m, mask, r, 0, true);
}
