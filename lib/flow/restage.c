/* restage.c - a leased unit goes to another stage in one step, with its payload or in exchange for another unit:
 * forward, and the dead-letter stage.
 *
 * The new stage's credit is taken before, the old one's given back after; source and total stay with the records. But a
 * dead letter holds a credit of the total alone: its source's is given back when it becomes one, and taken again when
 * it leaves, so that dead letters do not hold their source up. Whether it happened is said by the unit's word alone:
 * killed before its CAS the records are redelivered in the old stage, after it they are in the new one (PROTOCOL.md,
 * section 5).
 */
#include "flow/flow.h"
#include "place/stay.h"

/* Takes the credits that a move to f->to_stage needs besides those that stay with the records: the stage's, and the
 * source's if the records are dead letters. After a refusal none is taken, and the journal is closed. */
static int take_for_move(struct cvb_handle *h, const struct cvb_journal *f, enum cvb_op op)
{
    const bool revives = f->stage == CVB_STAGE_DEAD_LETTER && f->to_stage != CVB_STAGE_DEAD_LETTER;
    int error = revives ? cvb_take_credits(h, CVB_TAKE_SOURCE, f) : 0;
    if (!error) {
        error = cvb_take_credits(h, CVB_TAKE_STAGE, f);
        if (!error)
            return 0;
        if (revives) {
            uint64_t *head = &cvb_seat_at(h, h->seat)->journal.head;
            cvb_store64_seq(head, cvb_head(h->seq, op, CVB_ABORT, 1u << CVB_TAKE_SOURCE));
            cvb_return_credits(h, CVB_BACK_SOURCE, f);
        }
    }
    cvb_journal_close(h);
    return error;
}

/* Gives back the credits of f->stage, which the records have left; and those of their source, if they are dead letters
 * now. */
static void give_after_move(struct cvb_handle *h, const struct cvb_journal *f)
{
    if (f->to_stage == CVB_STAGE_DEAD_LETTER)
        cvb_return_credits(h, CVB_BACK_SOURCE, f);
    cvb_return_credits(h, CVB_BACK_STAGE, f);
    cvb_journal_close(h);
    cvb_tally(h, f->stage, f->source, f->to_stage == CVB_STAGE_DEAD_LETTER ? CVB_N_DEAD_LETTERED : CVB_N_FORWARDED,
              f->count);
    cvb_own_add64(&h->tallies[f->to_stage].n[CVB_N_ACCEPTED], f->count);
}

/* Before a record of the source becomes a dead letter and gives its credit of the source back: who retires the name
 * must look for dead letters as well (E3). */
static void has_dead_letters(struct cvb_handle *h, uint32_t source)
{
    const uint32_t id = cvb_id_of_place(h, source);
    if (cvb_load32_rlx(&h->of_sources[source].dead) != id)
        cvb_store32_rel(&h->of_sources[source].dead, id);
}

/* Unit u, which this seat has leased, enters stage `to`. 0, or a refusal, which leaves it as it is, or another error.
 */
CVB_RARE int cvb_restage(struct cvb_handle *h, uint32_t u, uint32_t to)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair w = cvb_load_pair(&unit->word);
    struct cvb_journal f = {
        .unit = u, .before = w, .count = cvb_mask_count(cvb_hi_mask(w.hi)), .to_stage = (uint16_t)to};
    f.stage = (uint16_t)cvb_hi_stage(w.hi);
    f.source = cvb_load16_rlx(&unit->source);
    if (f.stage >= h->segment.settings.max_stages || f.source >= h->segment.settings.max_sources)
        return CVB_ECORRUPT;
    if (to == CVB_STAGE_DEAD_LETTER) {
        cvb_store16_rlx(&unit->origin, f.stage);
        has_dead_letters(h, f.source);
    }
    cvb_enters_stage(unit);
    cvb_journal_open(h, CVB_OP_RESTAGE, &f);
    int error = take_for_move(h, &f, CVB_OP_RESTAGE);
    if (error)
        return error;
    if (cvb_enqueue(h, u, w, to, 0))
        return cvb_corrupt_at_work(h); /* the journal stays open: recovery tells what happened */
    give_after_move(h, &f);
    if (to == CVB_STAGE_DEAD_LETTER)
        cvb_flag_tell_dead_letter(h, f.stage, f.source, f.count);
    return 0;
}

/* Cuts members down to as many as stage `to` has room for now; ESTAGE_FULL if there is none. */
int cvb_admit(struct cvb_handle *h, uint32_t to, uint32_t *members)
{
    const uint32_t counter = cvb_counter_of_stage(to);
    struct cvb_want want = {.stage = to, .count = cvb_mask_count(*members)};
    int64_t room;
    cvb_refusal_begin(h);
    do
        room = cvb_marks_of(h, counter)->limit - cvb_counter_used(h, counter);
    while (room < want.count && cvb_reclaim_for(h, CVB_ESTAGE_FULL, &want, NULL, NULL));
    if (room <= 0)
        return CVB_ESTAGE_FULL;
    if (room < want.count)
        *members = cvb_lowest(*members, (unsigned)room);
    return 0;
}

/* Called after a move of n records of a source to stage `to`, or its refusal: corrects the levels. True if it was
 * refused, and may succeed now. */
bool cvb_restage_again(struct cvb_handle *h, int error, uint32_t n, uint32_t source, uint32_t to)
{
    struct cvb_want want = {.stage = to, .source = source, .count = n};
    if (h->at_high && source < h->segment.settings.max_sources)
        cvb_level_raised(h, to, source, n, CVB_RISES_STAGE | (h->at_high & CVB_RISES_SOURCE));
    return cvb_is_refusal(error) && cvb_reclaim_for(h, error, &want, NULL, NULL);
}

/* HELD unit b enters stage `to` in exchange for the leased unit a, which has as many records and becomes free: source
 * and total pass from a to b. A refusal leaves both as they are. */
int cvb_replace(struct cvb_handle *h, uint32_t a, uint32_t b, uint32_t to)
{
    struct cvb_unit *old = cvb_unit_at(h, a);
    struct cvb_pair w = cvb_load_pair(&old->word);
    struct cvb_journal f = {.unit = a, .to_unit = b, .before = w, .count = cvb_mask_count(cvb_hi_mask(w.hi))};
    f.after = (struct cvb_pair){cvb_lo_generation(CVB_FREE, cvb_load64_rlx(&old->generation) + 1),
                                cvb_hi(cvb_hi_mask(w.hi), 0, 0, 0)};
    f.to_before = cvb_load_pair(&cvb_unit_at(h, b)->word);
    f.stage = (uint16_t)cvb_hi_stage(w.hi);
    f.to_stage = (uint16_t)to;
    f.source = cvb_load16_rlx(&old->source);
    if (f.stage >= h->segment.settings.max_stages || f.source >= h->segment.settings.max_sources)
        return CVB_ECORRUPT;
    const struct cvb_span span = cvb_span_of(h, a, cvb_hi_mask(w.hi));
    f.low = span.lowest;
    cvb_row_high(h, &span); /* before anybody else may free a */
    cvb_journal_open(h, CVB_OP_REPLACE, &f);
    int error = take_for_move(h, &f, CVB_OP_REPLACE);
    if (error)
        return error;
    cvb_row_low(h, &span);
    if (cvb_enqueue(h, b, f.to_before, to, 0) || !cvb_cas_pair(&old->word, w, f.after))
        return cvb_corrupt_at_work(h);
    cvb_set_free_hint(h, a);
    give_after_move(h, &f);
    return 0;
}
