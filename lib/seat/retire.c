/* retire.c - a source's name is retired: its place may get another name, with another id (PROTOCOL.md, section 11).
 *
 * Overview: idle units give the source's credits back. Then the place is marked RETIRING, and only after that is it
 * asked whether anything holds the source: a credit, a dead letter, or a handle that has opened it. If something does,
 * the mark is taken away. If not, the place becomes CLEARING by a CAS from just this mark: the linearization point.
 *
 * Why nobody puts under a name that is gone: a put takes its credit and looks at the place's word then. Either it sees
 * the mark, or whoever marked the place sees the credit (E1). A put that sees the mark has a credit, so the name is not
 * to be retired: it takes the mark away itself, and waits for nobody. No mark is like another, so a CAS from one that
 * was taken away fails, however late it comes.
 *
 * What is kept of a place: positions go on from a base, counts are told less what they were, a limit and a signal by
 * hand name the id that they are for. Base and counts are set while the place is CLEARING, by anybody who finds it so:
 * each by a CAS from what was read before the place was seen to be CLEARING still. So who is late changes nothing (E2).
 */
#include <conveyor/segment.h>

#include "credit/idle.h"
#include "seat/seat.h"

#define RETIRE_TRIES 3u /* what is acked meanwhile may leave credits with idle units again */

/* The place is as it was when *w was read, and so it was when all was read that the caller has read before. */
static bool still(struct cvb_handle *h, uint32_t place, struct cvb_pair w)
{
    cvb_fence_acq(); /* E2 */
    return cvb_pair_equal(cvb_load_pair(cvb_named_at(h, place)), w);
}

/* The positions of the next name are above all of this one's. */
static void begin_positions(struct cvb_handle *h, uint32_t place, struct cvb_pair w)
{
    uint64_t *base = &h->stands[place].base;
    const uint64_t before = cvb_load64_acq(base), gone = cvb_highest_gone(h, place);
    if (gone > before && still(h, place, w))
        cvb_cas64(base, before, gone);
}

/* What all seats have counted of the place. */
static uint64_t counted(struct cvb_handle *h, uint32_t place, unsigned what)
{
    const uint32_t seats = h->segment.settings.max_handles, index = h->segment.settings.max_stages + place;
    uint64_t sum = what == CVB_N_REDELIVERED ? cvb_load64_rlx(&cvb_tally_at(h, seats, index)->n[what]) : 0;
    for (uint32_t s = 0; s < seats; s++) {
        sum += cvb_load64_rlx(&cvb_tally_at(h, s, index)->n[what]);
        if (what == CVB_N_ACKED)
            sum += row_count(cvb_load64_rlx(&cvb_tally_at(h, s, index)->n[CVB_N_PARKED]));
    }
    return sum;
}

/* The counts of the next name begin at 0. */
static void begin_counts(struct cvb_handle *h, uint32_t place, struct cvb_pair w)
{
    for (unsigned what = 0; what < CVB_N_COUNTS; what++) {
        if (what == CVB_N_CLAIMED || what == CVB_N_PARKED || what == CVB_N_HIGH)
            continue;
        uint64_t *at = &h->stands[place].before.n[what];
        const uint64_t before = cvb_load64_acq(at), sum = counted(h, place, what);
        if (sum != before && still(h, place, w))
            cvb_cas64(at, before, sum);
    }
}

/* Begins anew what is kept of a place that is CLEARING. Any number of processes may do it at once. */
void cvb_place_clear(struct cvb_handle *h, uint32_t place)
{
    const struct cvb_pair w = cvb_load_pair(cvb_named_at(h, place));
    const uint32_t id = (uint32_t)w.lo;
    if (cvb_named_state(w) != CVB_NAMED_CLEARING)
        return;
    begin_positions(h, place, w);
    begin_counts(h, place, w);
    const bool spent = id >> CVB_GENERATION_SHIFT == UINT16_MAX || cvb_position_base(h, place) > INT64_MAX;
    const uint64_t lo =
        spent ? cvb_named_lo(CVB_NAMED_SPENT, id) : cvb_named_lo(CVB_NAMED_FREE, id + (1u << CVB_GENERATION_SHIFT));
    cvb_cas_pair(cvb_named_at(h, place), w, (struct cvb_pair){lo, w.hi + CVB_NAMED_CHANGE});
}

/* The limit that was set for the last name holds no more: the level begins anew, and all who sleep look again. */
void cvb_place_begin(struct cvb_handle *h, uint32_t place)
{
    const uint32_t counter = cvb_counter_of_source(h, place), flag = cvb_flag_of_source(h, place);
    cvb_counter_renew(h, counter);
    cvb_level_begin(h, counter);
    cvb_flag_wake(h, flag, CVB_WAKE_ALL);
    cvb_hand_wake(h, flag);
}

/* True if unit u has a record of the source. */
static bool is_of(struct cvb_handle *h, uint32_t u, uint32_t place)
{
    const struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair seen, w = cvb_load_pair(&unit->word);
    uint32_t source;
    do {
        if (!cvb_is_live(w) || !cvb_hi_mask(w.hi))
            return false;
        seen = w;
        source = cvb_load16_rlx(&unit->source);
        cvb_fence_acq();
        w = cvb_load_pair(&unit->word);
    } while (!cvb_pair_equal(w, seen));
    return source == place;
}

/* True if a seat moves records of the source from one unit to another at this moment. */
static bool is_moving(struct cvb_handle *h, uint32_t place)
{
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        struct cvb_journal f = {0};
        uint64_t head = 0;
        const int open = cvb_journal_survey(h, s, &head, &f);
        if (open < 0 || (open && cvb_head_op(head) == CVB_OP_MOVE && f.source == place))
            return true;
    }
    return false;
}

/* True if there may be a dead letter of the source: they hold no credit of it. E3. */
static bool holds_dead_letters(struct cvb_handle *h, uint32_t place, uint32_t id)
{
    if (cvb_load32_acq(&h->of_sources[place].dead) != id)
        return false;
    const uint64_t moves = cvb_load64_acq(&h->lookout->dead_moves);
    if (is_moving(h, place))
        return true;
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++)
        if (is_of(h, u, place))
            return true;
    return cvb_load64_acq(&h->lookout->dead_moves) != moves;
}

/* True if nothing holds the source, whose place is marked: no credit is taken, there is no dead letter, and no handle
 * has opened it. A dead letter that becomes a record again takes a credit first: so the counter is looked at again
 * after the walk. */
static bool is_unused(struct cvb_handle *h, uint32_t place, uint32_t id)
{
    struct cvb_counter *c = cvb_counter_at(h, cvb_counter_of_source(h, place));
    const struct cvb_pair taken = cvb_load_pair(&c->taken);
    if (cvb_load64_acq(&c->returned.lo) != taken.lo)
        return false;
    if (cvb_source_claimed(h, id) || holds_dead_letters(h, place, id))
        return false;
    return cvb_pair_equal(cvb_load_pair(&c->taken), taken);
}

/* Marks the place, and looks. 0: the name is retired; EBUSY: it is not; EUNKNOWN: it was not there any more. */
static int try_retire(struct cvb_handle *h, uint32_t place, uint32_t id)
{
    struct cvb_pair *named = cvb_named_at(h, place), w = cvb_load_pair(named);
    if (!cvb_source_known(h, id))
        return CVB_EUNKNOWN;
    const struct cvb_pair marked = {cvb_named_lo(CVB_NAMED_RETIRING, id), w.hi + CVB_NAMED_CHANGE};
    if ((w.lo != cvb_named_lo(CVB_NAMED_LIVE, id) && w.lo != marked.lo) || !cvb_cas_pair(named, w, marked))
        return CVB_EBUSY;
    cvb_fence_after_cas(); /* E1 */
    if (!is_unused(h, place, id)) {
        cvb_cas_pair(named, marked, (struct cvb_pair){cvb_named_lo(CVB_NAMED_LIVE, id), marked.hi + CVB_NAMED_CHANGE});
        return CVB_EBUSY;
    }
    const struct cvb_pair clearing = {cvb_named_lo(CVB_NAMED_CLEARING, id), marked.hi + CVB_NAMED_CHANGE};
    return cvb_cas_pair(named, marked, clearing) ? 0 : CVB_EBUSY;
}

int cvb_source_retire(struct cvb_handle *h, uint32_t source)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    const uint32_t place = cvb_place_of(source);
    if (!error && !cvb_source_known(h, source))
        error = CVB_EUNKNOWN;
    if (error)
        return error;
    error = CVB_EBUSY;
    for (unsigned tries = 0; tries < RETIRE_TRIES && error == CVB_EBUSY; tries++) {
        cvb_reclaim_source(h, place);
        error = try_retire(h, place, source);
    }
    if (error)
        return error;
    cvb_place_clear(h, place);
    cvb_place_begin(h, place);
    cvb_event_set(h, CVB_NO_STAGE, source, "retired", 0, 0);
    return 0;
}
