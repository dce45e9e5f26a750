/* position.c - which positions a unit has, and what a seat's owner notes of those that it takes out of one.
 *
 * Overview: records carry positions of their sources. A seat's owner that takes records out of a unit raises its seat's
 * `high` to the highest of them; one that moves records to another unit notes the lowest, with the number of the survey
 * that began last. Surveys (lib/crash/survey.c) read both.
 *
 * Why it is correct: PROTOCOL.md, section 9. The order of the steps decides: `high` first, then the journal's head,
 * then the survey's number, then low and epoch, and only then the change of the unit.
 */
#include "unit/unit.h"

/* The lowest and highest position of some members of a unit: positions grow from member to member. CVB_NO_POSITION and
 * 0 if they have none. If the unit is not this seat's, the caller reads the unit's word afterwards: the positions are
 * right only if it has not changed. */
struct cvb_span cvb_span_of(struct cvb_handle *h, uint32_t u, uint32_t mask)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint64_t first = cvb_load64_rlx(&unit->first);
    struct cvb_span span;
    span.source = cvb_load16_rlx(&unit->source);
    span.lowest = CVB_NO_POSITION;
    span.highest = 0;
    if (!first || !mask || span.source >= h->segment.settings.max_sources)
        return span;
    const unsigned low = (unsigned)__builtin_ctz(mask), high = 31 - (unsigned)__builtin_clz(mask);
    span.lowest = first + cvb_behind_at(h, u, low);
    span.highest = first + cvb_behind_at(h, u, high);
    return span;
}

/* Raises `high`, before the first step after which another process may take these records out of their unit (G1). */
void cvb_row_high(struct cvb_handle *h, const struct cvb_span *span)
{
    if (span->highest)
        cvb_high_raise(&h->tallies[h->segment.settings.max_stages + span->source], span->highest);
}

/* Notes `low`, after the journal was opened and before the operation's first change of a unit (G3). */
void cvb_row_low(struct cvb_handle *h, const struct cvb_span *span)
{
    if (span->lowest == CVB_NO_POSITION)
        return;
    struct cvb_moved *row = cvb_moved_at(h, h->seat, span->source);
    cvb_fence_seq(); /* G7: the survey sees the journal's head, or this its number */
    const uint64_t epoch = cvb_load64_acq(&h->survey->number);
    if (cvb_load64_rlx(&row->epoch) < epoch) {
        cvb_store64_rel(&row->low, span->lowest);
        cvb_store64_rel(&row->epoch, epoch);
    } else if (span->lowest < cvb_load64_rlx(&row->low)) {
        cvb_store64_rel(&row->low, span->lowest);
    }
}

/* Gives the members of unit b, HELD by this seat, the positions of the members of its lease a, in order; there are as
 * many. */
void cvb_copy_positions(struct cvb_handle *h, uint32_t a, uint32_t b)
{
    uint32_t mask_a = cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, a)->word.hi));
    uint32_t mask_b = cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, b)->word.hi));
    cvb_store64_rlx(&cvb_unit_at(h, b)->first, cvb_load64_rlx(&cvb_unit_at(h, a)->first));
    for (; mask_a && mask_b; mask_a &= mask_a - 1, mask_b &= mask_b - 1) {
        uint32_t *to = &cvb_member_at(h, b, (unsigned)__builtin_ctz(mask_b))->extent;
        uint32_t behind = cvb_behind_at(h, a, (unsigned)__builtin_ctz(mask_a));
        cvb_store32_rlx(to, cvb_extent(cvb_extent_length(cvb_load32_rlx(to)), behind));
    }
}
