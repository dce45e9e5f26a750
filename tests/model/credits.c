/* credits.c - a process dies while it takes credits (or gives them back, with GIVE), another changes a counter of its,
 * and a third completes the dead one's journal meanwhile (or with TWO: both complete it); the shipped credit.c and
 * journal.c. With REFUSED the stage has no credit left.
 *
 * KILL is the write before which it dies, of those with an order: 0 opens the journal. Checked: in the end each counter
 * says what the units hold (C1, C2).
 */
#include "segment.h"

#include <complete.c>
#include <credit.c>
#include <journal.c>

static void *die(void *argument)
{
    (void)argument;
    model_left_ordered = KILL + 1;
#ifdef GIVE
    cvb_give(&handles[0], 0);
#else
    cvb_refill(&handles[0], 0, 1);
#endif
    return NULL;
}

static int others; /* of the source's credits */

/* One step of another's operation on the source's counter: its tag takes the place of the dead one's. */
static void *disturb(void *argument)
{
    struct cvb_journal f = {.count = 1, .stage = 1, .to_stage = 1};
    (void)argument;
    handles[1].seq = 1;
#ifdef GIVE
    cvb_return_credits(&handles[1], CVB_BACK_SOURCE, &f);
    others = -1;
#else
    assert(!cvb_take_credits(&handles[1], CVB_TAKE_SOURCE, &f));
    others = 1;
#endif
    return NULL;
}

static void *recover(void *argument)
{
    assert(!cvb_journal_recover(&handles[(uintptr_t)argument], 0, 3));
    return NULL;
}

static void check(uint32_t i, int more)
{
    uint64_t taken = cvb_load64_rlx(&counters[i].taken.lo), back = cvb_load64_rlx(&counters[i].returned.lo);
    bool holds = cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) == CVB_RES;
    assert((int)(taken - back) == holds + more);
}

int main(void)
{
    model_handles();
    seats[0].state = 3; /* active in generation 1; that its lock is free is the kernel's word */
    int before = 0;
#ifdef GIVE
    model_word(0, CVB_RES, 1, 1, 1, 0);
    before = 1;
    for (uint32_t i = 0; i < 1 + STAGES + SOURCES; i++)
        *(uint64_t *)(void *)&counters[i].taken = model_pack(&counters[i].taken, (struct cvb_pair){2, 0});
#else
    model_word(0, CVB_HELD, 1, 1, 0, 0);
#endif
    int full = 0;
#ifdef REFUSED
    full = LIMIT;
    *(uint64_t *)(void *)&counters[2].taken = model_pack(&counters[2].taken, (struct cvb_pair){LIMIT, 0});
#endif
#ifdef TWO
    model_after_death(die, recover, recover);
#else
    model_after_death(die, disturb, recover);
#endif
    check(0, before);
    check(2, before + full);
    check(3, before + others);
    return 0;
}
