/* notes.c - a process dies while it parks a unit, or with CLAIM while it claims one, before its write number KILL; one
 * recovers it while another claims an idle unit (or with TWO: both recover it); the shipped idle.c and note.c.
 *
 * Who recovers takes what the dead owner still has afterwards, as recover.c does. Checked: in the end the rows of
 * the total, the stage and the source say how many records are idle (I6, B3, B4).
 */
#include "idle.h"

static const struct cvb_want want = {0, 1, 1, 0};

static void *die(void *argument)
{
    struct cvb_handle *h = &handles[0];
    struct cvb_pair w = cvb_load_pair(&units[0].word);
    (void)argument;
    model_left = KILL + 1;
#ifdef CLAIM
    cvb_claim_any(h, 0, &w, &want);
#else
    cvb_park(h, 0, w);
#endif
    return NULL;
}

/* A put of another claims it, if it is IDLE. */
static void *disturb(void *argument)
{
    struct cvb_pair w = cvb_load_pair(&units[0].word);
    (void)argument;
    if (cvb_lo_state(w.lo) == CVB_IDLE)
        cvb_claim_any(&handles[1], 0, &w, &want);
    return NULL;
}

static void *recover(void *argument)
{
    struct cvb_handle *h = &handles[(uintptr_t)argument];
    assert(!cvb_note_recover(h, 0, 1));
    struct cvb_pair w = cvb_load_pair(&units[0].word);
    if (cvb_lo_state(w.lo) != CVB_IDLE && cvb_hi_seat(w.hi) == 0)
        cvb_cas_pair(&units[0].word, w, (struct cvb_pair){cvb_lo_generation(CVB_HELD, 3), cvb_hi(1, 1, h->seat, 0)});
    return NULL;
}

int main(void)
{
    model_handles();
    model_idle(SEATS);
#ifdef CLAIM
    model_parked(0, 0, 1);
#else
    model_word(0, CVB_LEASED, 0, 1, 1, 0);
#endif
    units[0].generation = 1;
#ifdef TWO
    model_after_death(die, recover, recover);
#else
    model_after_death(die, disturb, recover);
#endif
    const int64_t idle = cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) == CVB_IDLE;
    assert(cvb_idle_sum(&handles[1], CVB_COUNTER_TOTAL) == idle);
    assert(cvb_idle_sum(&handles[1], cvb_counter_of_stage(1)) == idle);
    assert(cvb_idle_sum(&handles[1], cvb_counter_of_source(&handles[1], 0)) == idle);
    assert(!lists[0].list.note);
    return 0;
}
