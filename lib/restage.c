/* restage.c - a leased unit goes to another stage in one step, with its payload or in exchange for another unit:
 * forward, and the dead-letter stage.
 *
 * The new stage's credit is taken before, the old one's given back after; source and total stay with the records.
 * Whether it happened is said by the unit's word alone: killed before its CAS the records are redelivered in the old
 * stage, after it they are in the new one (PROTOCOL.md, section 5).
 */
#include "internal.h"

CVB_RARE int cvb_restage(struct cvb_handle *h, uint32_t u, uint32_t to)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair w = cvb_load_pair(&unit->word);
    struct cvb_journal f = {.unit = u, .before = w, .count = cvb_mask_count(cvb_hi_mask(w.hi)), .stage2 = (uint16_t)to};
    f.stage = (uint16_t)cvb_hi_stage(w.hi);
    f.source = cvb_load16_rlx(&unit->source);
    if (f.stage >= h->segment.settings.max_stages || f.source >= h->segment.settings.max_sources)
        return CVB_ECORRUPT;
    if (to == CVB_STAGE_DEAD_LETTER)
        cvb_store16_rlx(&unit->origin, f.stage);
    cvb_journal_open(h, CVB_OP_RESTAGE, &f);
    int error = cvb_counter_step(h, h->seat, h->seq, CVB_TAKE_STAGE, &f, true);
    if (error < 0) {
        cvb_journal_close(h);
        return error;
    }
    error = cvb_enqueue(h, u, w, to, 0);
    if (error)
        return CVB_ECORRUPT; /* the journal stays open: recovery tells what happened */
    cvb_counter_step(h, h->seat, h->seq, CVB_BACK_STAGE, &f, true);
    cvb_journal_close(h);
    cvb_tally(h, f.stage, f.source, to == CVB_STAGE_DEAD_LETTER ? CVB_N_DEAD_LETTERED : CVB_N_FORWARDED, f.count);
    cvb_own_add64(&cvb_tally_at(h, h->seat, to)->n[CVB_N_ACCEPTED], f.count);
    return 0;
}

/* Cuts members down to as many as stage `to` has room for now; ESTAGE_FULL if there is none. */
int cvb_admit(struct cvb_handle *h, uint32_t to, uint32_t *members)
{
    struct cvb_want want = {.stage = to, .count = cvb_mask_count(*members)};
    int64_t room;
    cvb_refusal_begin(h);
    do
        room = h->segment.settings.max_per_stage - cvb_counter_used(h, cvb_counter_of_stage(to));
    while (room < want.count && cvb_try_again(h, CVB_ESTAGE_FULL, &want, NULL, NULL));
    if (room <= 0)
        return CVB_ESTAGE_FULL;
    if (room < want.count)
        *members = cvb_lowest(*members, (unsigned)room);
    return 0;
}

/* After a move of n records to `to`, or its refusal: the level; and is it worth trying again? */
bool cvb_restage_again(struct cvb_handle *h, int error, uint32_t n, uint32_t to)
{
    struct cvb_want want = {.stage = to, .count = n};
    if (h->near)
        cvb_level_raised(h, to, 0, n, CVB_RISES_STAGE);
    return error == CVB_ESTAGE_FULL && cvb_try_again(h, error, &want, NULL, NULL);
}

/* HELD unit b enters stage `to` in exchange for the leased unit a, which has as many records and becomes free: source
 * and total pass from a to b. A refusal leaves both as they are. */
int cvb_replace(struct cvb_handle *h, uint32_t a, uint32_t b, uint32_t to)
{
    struct cvb_unit *old = cvb_unit_at(h, a);
    struct cvb_pair w = cvb_load_pair(&old->word);
    struct cvb_journal f = {.unit = a, .unit2 = b, .before = w, .count = cvb_mask_count(cvb_hi_mask(w.hi))};
    f.after = (struct cvb_pair){cvb_lo_generation(CVB_FREE, cvb_load64_rlx(&old->generation) + 1),
                                cvb_hi(cvb_hi_mask(w.hi), 0, 0, 0)};
    f.before2 = cvb_load_pair(&cvb_unit_at(h, b)->word);
    f.stage = (uint16_t)cvb_hi_stage(w.hi);
    f.stage2 = (uint16_t)to;
    f.source = cvb_load16_rlx(&old->source);
    if (f.stage >= h->segment.settings.max_stages || f.source >= h->segment.settings.max_sources)
        return CVB_ECORRUPT;
    cvb_journal_open(h, CVB_OP_REPLACE, &f);
    int error = cvb_counter_step(h, h->seat, h->seq, CVB_TAKE_STAGE, &f, true);
    if (error < 0) {
        cvb_journal_close(h);
        return error;
    }
    if (cvb_enqueue(h, b, f.before2, to, 0) || !cvb_cas_pair(&old->word, w, f.after))
        return CVB_ECORRUPT;
    cvb_set_free_hint(h, a);
    cvb_counter_step(h, h->seat, h->seq, CVB_BACK_STAGE, &f, true);
    cvb_journal_close(h);
    cvb_tally(h, f.stage, f.source, CVB_N_FORWARDED, f.count);
    cvb_own_add64(&cvb_tally_at(h, h->seat, to)->n[CVB_N_ACCEPTED], f.count);
    return 0;
}
