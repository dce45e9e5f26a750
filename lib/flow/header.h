/* header.h - a record's header: opaque bytes that lie in the record's cell, before the payload. Where header_size is 0
 * there is none, and a cell has no room for one. */
#ifndef CVB_LIB_HEADER_H
#define CVB_LIB_HEADER_H

#include <string.h>

#include "place/cells.h"

/* Of a payload in a cell of a segment whose records have headers. */
static inline struct cvb_cell_header *cvb_cell_header_in(const struct cvb_cells *cells, const char *payload)
{
    return (struct cvb_cell_header *)(void *)(uintptr_t)(payload - cells->header_room);
}
static inline struct cvb_cell_header *cvb_cell_header_of(const struct cvb_handle *h, const char *payload)
{
    return cvb_cell_header_in(&h->cells, payload);
}

/* The length that the segment gives, which is not trusted: false if no header can be so long. */
static inline bool cvb_header_length(const struct cvb_handle *h, const struct cvb_cell_header *header, uint32_t *length)
{
    *length = cvb_load32_rlx(&header->length);
    return *length <= h->segment.settings.header_size;
}

/* The lease of a payload in one of these cells gets its header. False if its length is more than `most`. */
static inline bool cvb_lend_header(const struct cvb_cells *cells, uint32_t most, const char *payload,
                                   struct cvb_lease *lease)
{
    const struct cvb_cell_header *header = cvb_cell_header_in(cells, payload);
    const uint32_t length = cvb_load32_rlx(&header->length);
    lease->header = header + 1;
    lease->header_length = length;
    return length <= most;
}

/* 0 if a record's header can be one. */
static inline int cvb_header_check(const struct cvb_handle *h, const struct cvb_record *r)
{
    if (!r->header_length)
        return 0;
    return !r->header ? CVB_EINVAL : r->header_length > h->segment.settings.header_size ? CVB_ETOOLONG : 0;
}

/* header.c */
int cvb_keep_headers(struct cvb_handle *h, uint32_t a, uint32_t members, uint32_t b, const struct cvb_record *results);

#endif
