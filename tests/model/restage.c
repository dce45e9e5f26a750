/* restage.c - a process dies while it moves a leased unit to another stage (or, with REPLACE, exchanges it for a unit
 * that enters the other stage), another takes a credit of that stage, and a third completes the dead one's journal
 * meanwhile (or with TWO: both complete it); the shipped restage.c, credit.c, journal.c and ring.c.
 *
 * KILL is the write before which it dies, of those with an order: 0 opens the journal. Checked: in the end each counter
 * says what the units hold.
 */
#define MODEL_STAGES 3
#include "segment.h"

#include <complete.c>
#include <credit.c>
#include <journal.c>
#include <near.c>
#include <restage.c>
#include <ring.c>

static void *die(void *argument)
{
    (void)argument;
    model_left_ordered = KILL + 1;
#ifdef REPLACE
    assert(!cvb_replace(&handles[0], 0, 1, 2));
#else
    assert(!cvb_restage(&handles[0], 0, 2));
#endif
    return NULL;
}

static int others; /* of the second stage's credits */

/* A step of another's operation on the second stage's counter: its tag takes the place of the dead one's. */
static void *disturb(void *argument)
{
    struct cvb_journal f = {.count = 1, .stage = 2, .to_stage = 2};
    (void)argument;
    handles[1].seq = 1;
    assert(!cvb_take_credits(&handles[1], CVB_TAKE_STAGE, &f));
    others = 1;
    return NULL;
}

static void *recover(void *argument)
{
    assert(!cvb_journal_recover(&handles[(uintptr_t)argument], 0, 3));
    return NULL;
}

/* Credits of a stage that the counter says are used, and that the units hold. */
static void check(uint32_t stage, int more)
{
    int held = 0;
    for (uint32_t u = 0; u < 2; u++) {
        struct cvb_pair w = cvb_load_pair(&units[u].word);
        unsigned state = cvb_lo_state(w.lo);
        held += (state == CVB_LEASED || state == CVB_QUEUED) && cvb_hi_stage(w.hi) == stage;
    }
    struct cvb_counter *c = &counters[cvb_counter_of_stage(stage)];
    assert((int)(cvb_load64_rlx(&c->taken.lo) - cvb_load64_rlx(&c->returned.lo)) == held + more);
}

int main(void)
{
    model_handles();
    seats[0].state = 3; /* active in generation 1; that its lock is free is the kernel's word */
    model_word(0, CVB_LEASED, 0, 1, 1, 0);
    units[0].generation = 1;
    model_word(1, CVB_HELD, 1, 1, 0, 0);
    struct cvb_counter *first = &counters[cvb_counter_of_stage(1)];
    *(uint64_t *)(void *)&first->taken = model_pack(&first->taken, (struct cvb_pair){1, 0});
#ifdef TWO
    model_after_death(die, recover, recover);
#else
    model_after_death(die, disturb, recover);
#endif
    check(1, 0);
    check(2, others);
    return 0;
}
