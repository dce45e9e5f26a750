/* complete.c - what a dead seat's owner had begun is completed, by as many recoverers as there are (PROTOCOL.md,
 * sections 3 to 5). journal.c says why a recoverer that comes late changes nothing.
 */
#include "crash/crash.h"

static void recover_move(struct cvb_handle *h, uint32_t dead, uint64_t head, const struct cvb_journal *f)
{
    struct cvb_journal *j = &cvb_seat_at(h, dead)->journal;
    struct cvb_unit *t2 = cvb_unit_at(h, f->to_unit);
    if (cvb_pair_equal(cvb_load_pair(&t2->word), f->to_before)) {
        struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, f->unit)->word);
        if (cvb_move_happened(f, dead, w) && cvb_load64_acq(&j->head) == head)
            cvb_cas_pair(&t2->word, f->to_before, f->to_after);
        else if (!cvb_pair_equal(w, cvb_load_pair(&cvb_unit_at(h, f->unit)->word)))
            return; /* torn or moving: come again */
    }
    cvb_cas64(&j->head, head, cvb_head(cvb_head_seq(head), CVB_OP_NONE, CVB_CLOSED, 0));
}

/* Does the steps `which`, which give credits back, and closes the journal. Each step is done once, however many
 * recoverers there are. */
static void recover_returns(struct cvb_handle *h, uint32_t dead, uint64_t head, const struct cvb_journal *f,
                            unsigned which)
{
    struct cvb_journal *j = &cvb_seat_at(h, dead)->journal;
    uint64_t seq = cvb_head_seq(head);
    for (unsigned step = CVB_BACK_SOURCE; step <= CVB_BACK_TO_STAGE; step++)
        if ((which >> step & 1) && cvb_recover_credits(h, dead, seq, (enum cvb_step)step, f) < 0)
            return;
    for (;;) {
        uint64_t now = cvb_load64_acq(&j->head);
        if (cvb_head_seq(now) != seq || cvb_head_phase(now) == CVB_CLOSED ||
            cvb_cas64(&j->head, now, cvb_head(seq, CVB_OP_NONE, CVB_CLOSED, 0)))
            return;
    }
}

static void recover_refill(struct cvb_handle *h, uint32_t dead, uint64_t head, const struct cvb_journal *f)
{
    struct cvb_journal *j = &cvb_seat_at(h, dead)->journal;
    uint64_t seq = cvb_head_seq(head);
    if (cvb_head_phase(head) == CVB_ABORT) {
        recover_returns(h, dead, head, f, (cvb_head_done(head) & 7u) << CVB_BACK_SOURCE);
        return;
    }
    if (!cvb_pair_equal(cvb_load_pair(&cvb_unit_at(h, f->unit)->word), f->before)) {
        cvb_cas64(&j->head, head, cvb_head(seq, CVB_OP_NONE, CVB_CLOSED, 0));
        return;
    }
    unsigned taken = 0;
    for (unsigned step = CVB_TAKE_SOURCE; step <= CVB_TAKE_STAGE; step++)
        if (cvb_recover_credits(h, dead, seq, (enum cvb_step)step, f) == 1)
            taken |= 1u << step;
    cvb_cas64(&j->head, head, cvb_head(seq, CVB_OP_REFILL, CVB_ABORT, taken | (cvb_head_done(head) & 7u)));
}

static void recover_give(struct cvb_handle *h, uint32_t dead, uint64_t head, const struct cvb_journal *f)
{
    if (cvb_cas_pair(&cvb_unit_at(h, f->unit)->word, f->before, f->after))
        cvb_set_free_hint(h, f->unit);
    recover_returns(h, dead, head, f, 7u << CVB_BACK_SOURCE);
}

/* RESTAGE and REPLACE. If the unit that was to enter the new stage is as before, the credits that were taken for it are
 * given back. Otherwise it has entered: it is published, so that nobody sees room in the old stage before it is there;
 * then the unit that was to leave goes, if it has not gone, and the credits of the old stage are given back. */
static int recover_restage(struct cvb_handle *h, uint32_t dead, uint64_t head, const struct cvb_journal *f)
{
    struct cvb_journal *j = &cvb_seat_at(h, dead)->journal;
    uint64_t seq = cvb_head_seq(head);
    bool replace = cvb_head_op(head) == CVB_OP_REPLACE;
    struct cvb_pair entering = replace ? f->to_before : f->before;
    uint32_t u = replace ? f->to_unit : f->unit;
    struct cvb_pair now = cvb_load_pair(&cvb_unit_at(h, u)->word);
    if (cvb_load64_acq(&j->head) != head)
        return 0; /* somebody has completed it: what was to enter may have been given up since, and look like entered */
    if (cvb_head_phase(head) == CVB_ABORT) {
        recover_returns(h, dead, head, f, cvb_returns_of_abort(head));
    } else if (!cvb_pair_equal(now, entering)) { /* the whole word: positions are per stage, so lo may come again */
        bool queued = cvb_lo_state(now.lo) == CVB_QUEUED;
        if (queued && (cvb_hi_stage(now.hi) >= h->segment.settings.max_stages || cvb_publish_helped(h, u, now)))
            return CVB_ECORRUPT;
        if (replace && cvb_cas_pair(&cvb_unit_at(h, f->unit)->word, f->before, f->after))
            cvb_set_free_hint(h, f->unit);
        recover_returns(h, dead, head, f, cvb_returns_of_move(f));
    } else {
        unsigned taken = 0;
        for (unsigned step = CVB_TAKE_SOURCE; step <= CVB_TAKE_STAGE; step += CVB_TAKE_STAGE - CVB_TAKE_SOURCE)
            if (cvb_recover_credits(h, dead, seq, (enum cvb_step)step, f) == 1)
                taken |= 1u << step;
        cvb_cas64(&j->head, head, cvb_head(seq, cvb_head_op(head), CVB_ABORT, taken | cvb_head_done(head)));
    }
    return 0;
}

/* Completes the operation of a seat whose owner is dead in `state`. Any number of processes may do it at once. The
 * seat's state is read after the fields: so the head that was read before them is the dead owner's, and all that
 * follows is tied to its seq (A6). */
int cvb_journal_recover(struct cvb_handle *h, uint32_t dead, uint64_t state)
{
    struct cvb_journal *j = &cvb_seat_at(h, dead)->journal, f = {0};
    for (;;) {
        uint64_t head = cvb_load64_acq(&j->head);
        if (cvb_head_phase(head) == CVB_CLOSED)
            return 0;
        if (!cvb_journal_fields(j, head, &f))
            continue;
        if (cvb_load64_acq(&cvb_seat_at(h, dead)->state) != state)
            return 0;
        if (!cvb_journal_valid(h, head, &f))
            return CVB_ECORRUPT;
        int error = 0;
        if (cvb_head_op(head) == CVB_OP_MOVE)
            recover_move(h, dead, head, &f);
        else if (cvb_head_op(head) == CVB_OP_REFILL)
            recover_refill(h, dead, head, &f);
        else if (cvb_head_op(head) == CVB_OP_GIVE)
            recover_give(h, dead, head, &f);
        else if (cvb_head_op(head) == CVB_OP_RESTAGE || cvb_head_op(head) == CVB_OP_REPLACE)
            error = recover_restage(h, dead, head, &f);
        else if (cvb_head_op(head) == CVB_OP_LIMIT)
            cvb_cas64(&j->head, head, cvb_head(cvb_head_seq(head), CVB_OP_NONE, CVB_CLOSED, 0)); /* it holds nothing */
        else
            error = CVB_ECORRUPT;
        if (error)
            return error;
    }
}
