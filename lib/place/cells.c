/* cells.c - which class a cell is of, and the payloads that will be used soon. */
#include "place/cells.h"

/* The class a cell is of; class_count if there is no such cell. */
uint32_t cvb_class_of_cell(const struct cvb_handle *h, uint32_t cell)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    uint32_t p = 0;
    while (p < g->parts && cell - g->part[p].first_cell >= g->part[p].cell_count)
        p++;
    return p;
}

/* The class that the cell is of becomes h->cells; false if there is no such cell. */
CVB_RARE bool cvb_find_cells(struct cvb_handle *h, uint32_t cell)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    uint32_t p = cvb_class_of_cell(h, cell), longest = h->segment.settings.payload_size;
    if (p == g->parts)
        return false;
    h->cells.base = h->segment.base + g->part[p].offset + g->header_room;
    h->cells.first = g->part[p].first_cell;
    h->cells.count = g->part[p].cell_count;
    h->cells.stride = g->part[p].stride;
    const uint32_t room = g->part[p].stride - g->header_room;
    h->cells.most = room < longest ? room : longest;
    return true;
}

CVB_RARE void cvb_prefetch_others(struct cvb_handle *h, uint32_t u, unsigned records)
{
    const struct cvb_cells cells = h->cells; /* the first one's class */
    const struct cvb_member *m = cvb_members_of(h, u);
    const unsigned room = cvb_unit_room(h, u), n = records < room ? records : room;
    const uint32_t last = cvb_load32_rlx(&m[n - 1].cell);
    const char *end = cvb_payload_in(&cells, last, 0);
    if (end && last - cvb_load32_rlx(&m->cell) == n - 1) { /* they lie in a row, as those that were never taken apart */
        for (unsigned i = 1; i < n; i++, end -= cells.stride)
            cvb_prefetch_write(end);
        return;
    }
    for (unsigned i = 1; i < n; i++) {
        const char *payload = cvb_payload_in(&cells, cvb_load32_rlx(&m[i].cell), 0);
        if (payload)
            cvb_prefetch_write(payload);
    }
}
