/* journal.c - a seat's journal: opened and closed by its owner, completed by anybody once the owner is dead.
 *
 * Why it is correct: fields are written only while the head is closed, so fields read between two equal open heads are
 * one operation's. seq never repeats, so every CAS on the head, and every step that was checked against the head after
 * its evidence was read, belongs to that operation; a recoverer that comes late fails its CAS. PROTOCOL.md, sections 3
 * to 5.
 */
#include "unit/unit.h"

void cvb_journal_open(struct cvb_handle *h, enum cvb_op op, const struct cvb_journal *f)
{
    struct cvb_journal *j = &cvb_seat_at(h, h->seat)->journal;
    cvb_fence_rel();
    cvb_store32_rlx(&j->unit, f->unit);
    cvb_store32_rlx(&j->to_unit, f->to_unit);
    cvb_store64_rlx(&j->before.lo, f->before.lo);
    cvb_store64_rlx(&j->before.hi, f->before.hi);
    cvb_store64_rlx(&j->after.lo, f->after.lo);
    cvb_store64_rlx(&j->after.hi, f->after.hi);
    cvb_store64_rlx(&j->to_before.lo, f->to_before.lo);
    cvb_store64_rlx(&j->to_before.hi, f->to_before.hi);
    cvb_store64_rlx(&j->to_after.lo, f->to_after.lo);
    cvb_store64_rlx(&j->to_after.hi, f->to_after.hi);
    cvb_store32_rlx(&j->count, f->count);
    cvb_store16_rlx(&j->source, f->source);
    cvb_store16_rlx(&j->stage, f->stage);
    cvb_store16_rlx(&j->to_stage, f->to_stage);
    cvb_store64_rlx(&j->low, f->low);
    h->seq++;
    cvb_store64_rel(&j->head, cvb_head(h->seq, op, CVB_OPEN, 0));
}

void cvb_journal_close(struct cvb_handle *h)
{
    cvb_store64_rel(&cvb_seat_at(h, h->seat)->journal.head, cvb_head(h->seq, CVB_OP_NONE, CVB_CLOSED, 0));
}

/* Reads the fields that belong to head. False if the head has changed meanwhile: they may be another operation's. */
bool cvb_journal_fields(struct cvb_journal *j, uint64_t head, struct cvb_journal *f)
{
    f->unit = cvb_load32_rlx(&j->unit);
    f->to_unit = cvb_load32_rlx(&j->to_unit);
    f->before.lo = cvb_load64_rlx(&j->before.lo);
    f->before.hi = cvb_load64_rlx(&j->before.hi);
    f->after.lo = cvb_load64_rlx(&j->after.lo);
    f->after.hi = cvb_load64_rlx(&j->after.hi);
    f->to_before.lo = cvb_load64_rlx(&j->to_before.lo);
    f->to_before.hi = cvb_load64_rlx(&j->to_before.hi);
    f->to_after.lo = cvb_load64_rlx(&j->to_after.lo);
    f->to_after.hi = cvb_load64_rlx(&j->to_after.hi);
    f->count = cvb_load32_rlx(&j->count);
    f->source = cvb_load16_rlx(&j->source);
    f->stage = cvb_load16_rlx(&j->stage);
    f->to_stage = cvb_load16_rlx(&j->to_stage);
    f->low = cvb_load64_rlx(&j->low);
    cvb_fence_acq();
    return cvb_load64_acq(&j->head) == head;
}

/* True if the fields name only what the segment has. */
bool cvb_journal_valid(struct cvb_handle *h, uint64_t head, const struct cvb_journal *f)
{
    const struct cvb_settings *s = &h->segment.settings;
    bool two = cvb_head_op(head) == CVB_OP_MOVE || cvb_head_op(head) == CVB_OP_REPLACE;
    return f->unit < h->segment.geometry.unit_count && (!two || f->to_unit < h->segment.geometry.unit_count) &&
           f->source < s->max_sources && f->stage < s->max_stages && f->to_stage < s->max_stages &&
           f->count <= CVB_UNIT_MEMBERS;
}

/* Reads the open journal of a seat, as it is at one moment. False if it is closed, or if its owner changed it
 * meanwhile. */
bool cvb_journal_read(struct cvb_handle *h, uint32_t seat, uint64_t *head, struct cvb_journal *f)
{
    struct cvb_journal *j = &cvb_seat_at(h, seat)->journal;
    *head = cvb_load64_acq(&j->head);
    return cvb_head_phase(*head) != CVB_CLOSED && cvb_journal_fields(j, *head, f) && cvb_journal_valid(h, *head, f);
}

/* Reads the open journal of a seat for a survey, which must not miss one: if the head has changed meanwhile, it is read
 * again as long as it is open. Each turn means that the seat's owner has made a step. Returns 1, 0 if it is closed, or
 * CVB_ECORRUPT. */
int cvb_journal_survey(struct cvb_handle *h, uint32_t seat, uint64_t *head, struct cvb_journal *f)
{
    struct cvb_journal *j = &cvb_seat_at(h, seat)->journal;
    for (;;) {
        *head = cvb_load64_acq(&j->head);
        if (cvb_head_phase(*head) == CVB_CLOSED)
            return 0;
        if (!cvb_journal_fields(j, *head, f))
            continue;
        if (!cvb_journal_valid(h, *head, f))
            return CVB_ECORRUPT;
        return 1;
    }
}
