/* write.h - a record's payload, length and header go into a member of a unit. */
#ifndef CVB_LIB_WRITE_H
#define CVB_LIB_WRITE_H

#include <string.h>

#include "flow/header.h"

/* Short payloads without a call: 8 or 16 bytes at a time, the last ones again. A line as one piece. */
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

/* Of a unit whose first position is `first`. `plain`: its records have none, and no headers. */
static inline void write_record(const struct cvb_cells *cells, struct cvb_member *m, char *payload,
                                const struct cvb_record *r, uint64_t first, const bool plain)
{
    const uint32_t length = r->length, extent = plain ? length : cvb_extent(length, r->position - first);
    if (cvb_load32_rlx(&m->extent) != extent)
        cvb_store32_rlx(&m->extent, extent); /* a line that does not change stays with its readers */
    copy(payload, r->payload, length);
    if (!plain && cells->header_room)
        cvb_write_header(cvb_cell_header_in(cells, payload), r->header, r->header_length);
}

static inline int cvb_write_member(struct cvb_handle *h, struct cvb_member *m, const struct cvb_record *r,
                                   uint64_t first, const bool plain)
{
    char *payload = cvb_payload(h, cvb_load32_rlx(&m->cell), r->length);
    if (!payload)
        return CVB_ECORRUPT;
    write_record(&h->cells, m, payload, r, first, plain);
    return 0;
}

#endif
