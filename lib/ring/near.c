/* near.c - keeping the two sides of a ring apart, and fetching what comes next (near.h). */
#include "ring/near.h"

/* The unit at the position, or CVB_NO_UNIT if none is there yet. */
uint32_t cvb_unit_ahead(struct cvb_handle *h, uint32_t stage, uint64_t position)
{
    return unit_at(h, &h->rings[stage], position);
}

#define GAP_MOST 63u /* units: Zen 4 was seen to fetch 42 lines ahead of a reader */
#define GAP_LEAST (STREAM_UNITS - 1)
#define GAP_PART 16u /* of the limits */

/* How many units of so many records each one source may have queued in a stage. */
static uint32_t most_queued(const struct cvb_settings *s, unsigned records) { return cvb_least_limit(s) / records; }

/* How many units, of so many records each, a consumer stays behind the tail of a stream: a part of what may be queued.
 */
static uint64_t gap_behind(const struct cvb_settings *s, unsigned records)
{
    uint32_t gap = most_queued(s, records) / GAP_PART;
    if (records > CVB_LONG_TRAIN)
        return CVB_LINE_SLOTS;
    return gap > GAP_MOST ? GAP_MOST : gap < GAP_LEAST ? GAP_LEAST : gap;
}

/* In a stream a consumer that comes too near to the tail rests: the processor's own prefetchers run ahead of it, and
 * would take the lines that the producers write next. It does not rest where units come one by one, and each is taken
 * at once. */
static void keep_behind(struct cvb_handle *h, struct cvb_ring_view *e, uint64_t position, unsigned records)
{
    const uint64_t last = position + gap_behind(&h->segment.settings, records);
    if (unit_at(h, e, last) != CVB_NO_UNIT) {
        e->spare_lines -= e->spare_lines > 0;
        return;
    }
    e->spare_lines = most_queued(&h->segment.settings, records) / CVB_LINE_SLOTS + 1;
    if ((position < e->stream && records <= CVB_LONG_TRAIN) || !cvb_pacer_rest(h, &e->rest))
        return;
    cvb_pacer_rested(&e->rest, unit_at(h, e, last) != CVB_NO_UNIT);
}

/* Fetches the units of the next line's slots, if the line is full. */
static void prefetch_line(struct cvb_handle *h, struct cvb_ring_view *e, uint64_t next)
{
    const uint64_t *line = &e->ring[next & e->mask], lap = (next >> e->bits) + 1;
    const uint32_t units = h->segment.geometry.unit_count;
    if (e->mask < CVB_LINE_SLOTS || unit_at(h, e, next + CVB_LINE_SLOTS - 1) == CVB_NO_UNIT)
        return;
    e->full = next + CVB_LINE_SLOTS;
    for (unsigned i = 0; i < CVB_LINE_SLOTS; i++) {
        uint64_t unit = slot_unit_of_lap(cvb_load64_rlx(&line[i]), lap);
        if (unit < units)
            cvb_prefetch_write(cvb_unit_at(h, (uint32_t)unit));
    }
}

/* Fetches the units of the next line, once in each line. Of long trains only the next unit: their payloads keep the
 * core busy. */
CVB_RARE void cvb_prefetch_units(struct cvb_handle *h, struct cvb_ring_view *e, uint64_t position, unsigned records)
{
    if (position % CVB_LINE_SLOTS == 0)
        keep_behind(h, e, position, records);
    if (records <= CVB_LONG_TRAIN) {
        prefetch_line(h, e, position + CVB_LINE_SLOTS);
        return;
    }
    uint32_t next = unit_at(h, e, position + 1);
    if (next != CVB_NO_UNIT)
        cvb_prefetch_write(cvb_unit_at(h, next));
}
