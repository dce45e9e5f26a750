/* peek.c - looking at the records that wait in a stage, without leasing them and without changing a word.
 *
 * Overview: the slots are walked from the head on; a unit that is QUEUED at its position is copied member by member.
 *
 * Why a copy is of one record: a QUEUED word names a stage and a position, and no word repeats (A2); fields, members
 * and payloads are written only while their unit is HELD or reserved. So what was copied between two equal reads of the
 * word is what that word stood for. If the word has changed between them, the look begins again, LOOKS_MOST times at
 * most, so that it ends after a bounded number of steps whatever other processes do.
 */
#include <conveyor/state.h>
#include <string.h>

#include "flow/flow.h"
#include "flow/header.h"
#include "place/stay.h"
#include "ring/slot.h"

#define LOOKS_MOST 1000

/* Finds the first unit, from *position on, that is QUEUED at its position. 1 if found, 0 if there is none. Looks at
 * twice as many positions as the ring has slots at most, so that it does not run after producers and consumers. */
static int find_waiting(struct cvb_handle *h, uint32_t stage, uint64_t *position, uint32_t *unit, struct cvb_pair *word)
{
    const struct cvb_ring_view *e = &h->rings[stage];
    uint64_t size = UINT64_C(1) << e->bits;
    for (uint64_t places = 0; places < 2 * size; places++) {
        uint64_t slot = cvb_load64_acq(&e->ring[*position & (size - 1)]);
        int64_t ahead = lap_ahead(slot, *position, e->bits);
        if (ahead < 0)
            return 0;
        if (ahead > 0) {
            *position += ((uint64_t)(ahead - 1) << e->bits) + 1;
            continue;
        }
        *unit = slot_unit(slot);
        if (*unit >= h->segment.geometry.unit_count)
            return CVB_ECORRUPT;
        *word = cvb_load_pair(&cvb_unit_at(h, *unit)->word);
        if (word->lo == cvb_lo_position(CVB_QUEUED, *position) && cvb_hi_stage(word->hi) == stage &&
            cvb_hi_mask(word->hi))
            return 1;
        ++*position;
    }
    return 0;
}

/* Copies by the functions that read shared words, because the bytes may be overwritten meanwhile. A cell is a multiple
 * of 64 bytes, so the last word, which is read in full, lies inside. */
static void copy_payload(char *to, const char *from, uint32_t length)
{
    for (uint32_t i = 0; i < length; i += 8) {
        uint64_t word = cvb_load64_rlx((const uint64_t *)(const void *)(from + i));
        memcpy(to + i, &word, length - i < 8 ? length - i : 8);
    }
}

/* Copies the header behind the payload, if the buffer has room for both. */
static int copy_header(struct cvb_handle *h, const char *payload, struct cvb_lease *seen, char *buffer, size_t size)
{
    const struct cvb_cell_header *header = cvb_cell_header_of(h, payload);
    if (!cvb_header_length(h, header, &seen->header_length))
        return CVB_ECORRUPT;
    if ((uint64_t)seen->length + seen->header_length > size)
        return 0;
    seen->header = buffer + seen->length;
    copy_payload(buffer + seen->length, (const char *)(header + 1), seen->header_length);
    return 0;
}

/* Copies member i of a unit whose word was w, whatever becomes of the unit meanwhile. */
static int copy_member(struct cvb_handle *h, uint32_t u, struct cvb_pair w, unsigned i, struct cvb_lease *seen,
                       void *buffer, size_t size)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    if (i >= cvb_unit_room(h, u))
        return CVB_ECORRUPT;
    struct cvb_member *m = cvb_member_at(h, u, i);
    const uint32_t extent = cvb_load32_rlx(&m->extent), source = cvb_load16_rlx(&unit->source);
    if (source >= h->segment.settings.max_sources)
        return CVB_ECORRUPT;
    *seen = (struct cvb_lease){.payload = buffer,
                               .buffered_at_ns = cvb_buffered_at(cvb_load64_rlx(&unit->buffered_at_ns)),
                               .length = cvb_extent_length(extent),
                               .source = cvb_id_of_place(h, source),
                               .pipeline = cvb_load16_rlx(&unit->pipeline),
                               .stage = cvb_hi_stage(w.hi),
                               .retry_count = cvb_hi_retry(w.hi),
                               .origin = cvb_hi_stage(w.hi) ? cvb_hi_stage(w.hi) : cvb_load16_rlx(&unit->origin),
                               .position = cvb_position_told(h, source, cvb_load64_rlx(&unit->first)) +
                                           cvb_extent_behind(extent)};
    const char *payload = cvb_payload(h, cvb_load32_rlx(&m->cell), seen->length);
    if (!payload)
        return CVB_ECORRUPT;
    copy_payload(buffer, payload, seen->length < size ? seen->length : (uint32_t)size);
    return h->cells.header_room ? copy_header(h, payload, seen, buffer, size) : 0;
}

/* One look. 1: a record was copied; 0: none waits; CVB_ESETTLED: its unit was taken meanwhile, look again. */
static int look(struct cvb_handle *h, uint32_t stage, struct cvb_cursor *at, struct cvb_lease *seen, void *buffer,
                size_t size)
{
    uint32_t u;
    struct cvb_pair w;
    uint64_t from = at->position;
    int found = find_waiting(h, stage, &at->position, &u, &w);
    if (found <= 0)
        return found;
    if (at->position != from)
        at->member = 0;
    uint32_t left = at->member < CVB_UNIT_MEMBERS ? cvb_hi_mask(w.hi) >> at->member << at->member : 0;
    if (!left) {
        *at = (struct cvb_cursor){at->position + 1, 0};
        return CVB_ESETTLED;
    }
    unsigned i = (unsigned)__builtin_ctz(left);
    int error = copy_member(h, u, w, i, seen, buffer, size);
    cvb_fence_acq();
    if (!cvb_pair_equal(cvb_load_pair(&cvb_unit_at(h, u)->word), w))
        return CVB_ESETTLED;
    at->member = i + 1;
    return error ? error : 1;
}

int cvb_peek(struct cvb_handle *h, uint32_t stage, struct cvb_cursor *cursor, struct cvb_lease *seen, void *buffer,
             size_t size)
{
    CVB_ONE_USER(h);
    int error = cvb_reader_check(h), found = CVB_ESETTLED;
    if (error || !cursor || !seen || (size && !buffer))
        return error ? error : CVB_EINVAL;
    if (!cvb_id_known(h, CVB_KIND_STAGE, stage))
        return CVB_EUNKNOWN;
    uint64_t head = cvb_load64_acq(&h->rings[stage].hint->head);
    if (cursor->position < head)
        *cursor = (struct cvb_cursor){head, 0};
    for (int looks = 0; found == CVB_ESETTLED && looks < LOOKS_MOST; looks++)
        found = look(h, stage, cursor, seen, buffer, size);
    return found == CVB_ESETTLED ? 0 : found;
}
