/* split.c - one consumer takes a part of a unit, another the rest, which helps the first, or finds it dead; the shipped
 * ring.c, move.c and journal.c.
 *
 * KILL is the write before which the first one dies, if it is given, of those with an order: 0 opens the journal. Then
 * what it left is recovered (with TWO while the rest is taken). Checked: each record is leased once, with the member's
 * own payload (J3, J4).
 */
#include "segment.h"

#include <complete.c>
#include <journal.c>
#include <move.c>
#include <near.c>
#include <ring.c>

static int taken[2];

static void count(uint32_t u)
{
    struct cvb_pair w = cvb_load_pair(&units[u].word);
    for (uint32_t mask = cvb_hi_mask(w.hi); mask; mask &= mask - 1) {
        uint32_t cell = cvb_load32_rlx(&cvb_members_of(&handles[0], u)[__builtin_ctz(mask)].cell);
        assert(cell < 2 && payloads[cell] == (int)cell + 10);
        taken[cell]++;
    }
}

static void *take_part(void *argument)
{
    struct cvb_handle *h = &handles[0];
    struct cvb_pair w = cvb_load_pair(&units[0].word);
    uint32_t u;
    (void)argument;
#ifdef KILL
    model_left_ordered = KILL + 1;
#endif
    if (cvb_lo_state(w.lo) == CVB_QUEUED)
        cvb_split_queued(h, 0, w, 1, &u);
    return NULL;
}

static void *take_rest(void *argument)
{
    uint32_t u;
    struct cvb_pair w;
    (void)argument;
    int got = cvb_lease_next(&handles[1], 1, 2, false, &u, &w);
    assert(got == 1);
    return NULL;
}

static void *recover(void *argument)
{
    (void)argument;
    assert(!cvb_journal_recover(&handles[2], 0, 3));
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    for (unsigned i = 0; i < 2; i++) {
        payloads[i] = (int)i + 10;
        cvb_members_of(&handles[0], 0)[i].cell = i;
    }
    cvb_members_of(&handles[0], 1)[0].cell = 9;
    model_word(0, CVB_QUEUED, 0, 3, 1, 2);
    model_word(1, CVB_HELD, 1, 0, 0, 0);
    rings[1][0] = (uint64_t)1 << 24;
    seats[0].state = 3;
    pthread_create(&thread[0], NULL, take_part, NULL);
#ifdef TWO
    pthread_join(thread[0], NULL);
    pthread_create(&thread[0], NULL, recover, NULL);
#endif
    pthread_create(&thread[1], NULL, take_rest, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
#ifdef KILL
    recover(NULL);
#endif
    count(0);
    if (cvb_lo_state(cvb_load64_rlx(&units[1].word.lo)) == CVB_LEASED)
        count(1);
    assert(taken[0] == 1 && taken[1] == 1);
    return 0;
}
