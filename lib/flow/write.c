/* write.c - records go into the members of a unit: payload, length, position and header. */
#include <string.h>

#include "flow/flow.h"
#include "flow/header.h"

/* Copies n bytes, up to 128 without a call: a line as one piece; others 8 or 16 bytes at a time, where the last piece
 * ends with the payload and may overlap the piece before it. */
static inline void copy(char *to, const char *from, size_t n)
{
    if (__builtin_expect(n == 64, 1)) {
        memcpy(to, from, 64);
        return;
    }
    if (n - 8 < 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
        return;
    }
    if (n < 16 || n > 128) {
        if (n)
            memcpy(to, from, n);
        return;
    }
    for (size_t i = 0; i + 16 < n; i += 16)
        memcpy(to + i, from + i, 16);
    memcpy(to + n - 16, from + n - 16, 16);
}

/* Writes the header of a record whose payload is there. Most headers have 16 to 32 bytes: an id or two. */
static inline void write_header(const struct cvb_cells *cells, char *payload, const struct cvb_record *r)
{
    struct cvb_cell_header *header = cvb_cell_header_in(cells, payload);
    const uint32_t length = r->header_length;
    char *to = (char *)(header + 1);
    const char *from = r->header;
    cvb_store32_rlx(&header->length, length);
    if (length - 16 > 16) {
        copy(to, from, length);
        return;
    }
    memcpy(to, from, 16);
    memcpy(to + length - 16, from + length - 16, 16);
}

/* Writes a record into a member of a unit whose first position is `first`. `plain`: the unit's records have neither
 * positions nor headers. */
static inline void write_record(const struct cvb_cells *cells, struct cvb_member *m, char *payload,
                                const struct cvb_record *r, uint64_t first, const bool plain)
{
    const uint32_t length = r->length, extent = plain ? length : cvb_extent(length, r->position - first);
    if (cvb_load32_rlx(&m->extent) != extent)
        cvb_store32_rlx(&m->extent, extent); /* a line that does not change stays with its readers */
    copy(payload, r->payload, length);
    if (!plain && cells->header_room)
        write_header(cells, payload, r);
}

static inline int write_member(struct cvb_handle *h, struct cvb_member *m, const struct cvb_record *r, uint64_t first,
                               const bool plain)
{
    char *payload = cvb_payload(h, cvb_load32_rlx(&m->cell), r->length);
    if (!payload)
        return CVB_ECORRUPT;
    write_record(&h->cells, m, payload, r, first, plain);
    return 0;
}

/* True if a unit's records have neither positions, of which `first` would be the first one, nor headers. */
static inline bool are_plain(const struct cvb_handle *h, uint64_t first) { return !first && !h->cells.header_room; }

/* Writes a record with that position into the only member of a unit. */
int cvb_write_single(struct cvb_handle *h, uint32_t u, const struct cvb_record *r, uint64_t position)
{
    struct cvb_member *m = cvb_members_of(h, u);
    return are_plain(h, position) ? write_member(h, m, r, 0, true) : write_member(h, m, r, position, false);
}

/* Fetches the lines of so many bytes, one line at least. */
static inline void prefetch_place(const char *at, uint64_t bytes)
{
    cvb_prefetch_write(at);
    for (uint64_t k = CVB_LINE; k < bytes; k += CVB_LINE)
        cvb_prefetch_write(at + k);
}

/* Fetches a long cell of this train. */
static inline void prefetch_long(const struct cvb_cells *cells, const struct cvb_member *m, uint64_t bytes)
{
    const char *payload = cvb_payload_in(cells, cvb_load32_rlx(&m->cell), 0);
    if (payload)
        prefetch_place(payload, bytes);
}

/* Writes one record into each of the first n members of a train: all its cells are of the class that was found last.
 * Returns how many it wrote, up to the first member that is not so. Meanwhile the cells that are written next come
 * near: those of this train if they are long, and those of the train `next`. */
static inline unsigned fill_train(struct cvb_handle *h, uint32_t u, unsigned n, const struct cvb_record *r,
                                  uint32_t next, const bool plain)
{
    const struct cvb_cells cells = h->cells;
    const uint64_t stride = cells.stride, most = stride < CVB_AHEAD_BYTES ? stride : CVB_AHEAD_BYTES;
    const unsigned distance = stride > CVB_LONG_CELL ? (unsigned)(CVB_AHEAD_BYTES / most) : n;
    const unsigned far = n > distance ? n - distance : 0; /* records whose followers in this train are fetched */
    struct cvb_member *m = cvb_members_of(h, u);
    struct cvb_ahead ahead = cvb_train_ahead(h, next, n, &cells);
    const uint64_t fetched = stride <= CVB_LONG_CELL && ahead.stride ? stride : 1, first = r->position;
    for (unsigned i = 0; i < n; i++) {
        char *payload = cvb_payload_in(&cells, cvb_load32_rlx(&m[i].cell), r[i].length);
        if (!payload)
            return i;
        prefetch_place(ahead.at, fetched);
        ahead.at += ahead.stride;
        if (i < far)
            prefetch_long(&cells, &m[i + distance], most);
        write_record(&cells, &m[i], payload, &r[i], first, plain);
    }
    return n;
}

/* As fill_train. Records without positions and headers have a loop of their own: 6 of 63 instructions less for each. */
CVB_RARE CVB_FLAT static unsigned write_train(struct cvb_handle *h, uint32_t u, unsigned n, const struct cvb_record *r,
                                              uint32_t next)
{
    return are_plain(h, r->position) ? fill_train(h, u, n, r, next, true) : fill_train(h, u, n, r, next, false);
}

/* Writes one record into each member of m that the mask names. */
static inline int write_any(struct cvb_handle *h, struct cvb_member *m, uint32_t mask, const struct cvb_record *r,
                            uint64_t first, const bool plain)
{
    for (; mask; mask &= mask - 1, r++) {
        int error = write_member(h, &m[__builtin_ctz(mask)], r, first, plain);
        if (error)
            return error;
    }
    return 0;
}

/* Writes one record into each member of the unit that the mask names. `next`: the unit that will probably be written
 * after it. */
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
    return are_plain(h, first) ? write_any(h, m, mask, r, 0, true) : write_any(h, m, mask, r, first, false);
}
