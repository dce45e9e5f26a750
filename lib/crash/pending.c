/* pending.c - what operations at work hold beyond what the units say, read from their journals, for the audit. While a
 * process is stopped in the middle of an operation, counters and units differ, and its journal says by how much. Reads
 * only; the mirror of cvb_journal_recover, which completes the operation.
 */
#include "crash/crash.h"

static bool unit_is(struct cvb_handle *h, uint32_t u, struct cvb_pair word)
{
    return cvb_pair_equal(cvb_load_pair(&cvb_unit_at(h, u)->word), word);
}

/* Adds the credits of those of the steps that have happened; or, if `happened` is false, of those that have not. */
static void add(struct cvb_handle *h, uint32_t seat, const struct cvb_journal *f, struct cvb_pending *p, unsigned steps,
                bool happened)
{
    for (unsigned step = CVB_TAKE_SOURCE; step <= CVB_BACK_TO_STAGE; step++) {
        uint32_t counter;
        bool yes = cvb_step_happened(h, seat, cvb_head_seq(p->head), (enum cvb_step)step, f, &counter);
        if ((steps >> step & 1) && yes == happened && counter != CVB_NO_COUNTER) {
            p->credit[p->credits].counter = counter;
            p->credit[p->credits++].n = f->count;
        }
    }
}

static void of_refill(struct cvb_handle *h, uint32_t seat, const struct cvb_journal *f, struct cvb_pending *p)
{
    if (cvb_head_phase(p->head) == CVB_ABORT)
        add(h, seat, f, p, (cvb_head_done(p->head) & 7u) << CVB_BACK_SOURCE, false);
    else if (unit_is(h, f->unit, f->before))
        add(h, seat, f, p, 7u << CVB_TAKE_SOURCE, true);
}

/* RESTAGE and REPLACE. In REPLACE the old unit is settled from the moment on that the new one is queued. */
static void of_restage(struct cvb_handle *h, uint32_t seat, const struct cvb_journal *f, struct cvb_pending *p)
{
    bool replace = cvb_head_op(p->head) == CVB_OP_REPLACE;
    bool entered = replace ? !unit_is(h, f->to_unit, f->to_before) : !unit_is(h, f->unit, f->before);
    if (cvb_head_phase(p->head) == CVB_ABORT) {
        add(h, seat, f, p, cvb_returns_of_abort(p->head), false);
    } else if (!entered) {
        add(h, seat, f, p, 1u << CVB_TAKE_STAGE | 1u << CVB_TAKE_SOURCE, true);
    } else {
        add(h, seat, f, p, cvb_returns_of_move(f), false);
        if (replace && unit_is(h, f->unit, f->before)) {
            p->unit = f->unit;
            p->word = f->after;
        }
    }
}

static void of_move(struct cvb_handle *h, uint32_t seat, const struct cvb_journal *f, struct cvb_pending *p)
{
    struct cvb_pair t = cvb_load_pair(&cvb_unit_at(h, f->unit)->word);
    if (cvb_move_happened(f, seat, t) && unit_is(h, f->to_unit, f->to_before)) {
        p->unit = f->to_unit;
        p->word = f->to_after;
    }
}

static bool of_seat(struct cvb_handle *h, uint32_t seat, struct cvb_pending *p)
{
    struct cvb_journal f = {0};
    *p = (struct cvb_pending){.unit = CVB_NO_UNIT};
    if (!cvb_journal_read(h, seat, &p->head, &f))
        return false;
    if (cvb_head_op(p->head) == CVB_OP_REFILL)
        of_refill(h, seat, &f, p);
    else if (cvb_head_op(p->head) == CVB_OP_GIVE && !unit_is(h, f.unit, f.before))
        add(h, seat, &f, p, 7u << CVB_BACK_SOURCE, false);
    else if (cvb_head_op(p->head) == CVB_OP_RESTAGE || cvb_head_op(p->head) == CVB_OP_REPLACE)
        of_restage(h, seat, &f, p);
    else if (cvb_head_op(p->head) == CVB_OP_MOVE)
        of_move(h, seat, &f, p);
    return true;
}

/* Fills h->pending with what open journals hold. Returns how many there are. */
uint32_t cvb_pending_all(struct cvb_handle *h)
{
    uint32_t n = 0;
    for (uint32_t seat = 0; seat < h->segment.settings.max_handles; seat++)
        n += of_seat(h, seat, &h->pending[n]);
    return n;
}

/* A unit's word; or the word that it gets next, if one of the n operations at work is about to change it. */
struct cvb_pair cvb_pending_word(struct cvb_handle *h, uint32_t u, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (h->pending[i].unit == u)
            return h->pending[i].word;
    return cvb_load_pair(&cvb_unit_at(h, u)->word);
}
