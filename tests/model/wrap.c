/* wrap.c - the ring's second lap, and hints: one process fills the ring of two slots, empties it and begins the second
 * lap; another enters a unit meanwhile; the shipped ring.c, with hints written at each position.
 *
 * Checked: a producer that follows a hint (P3) or goes from slot to slot (P4) finds the slots behind it filled; a
 * consumer may follow an old head (P5); no put fails; all records are taken once.
 */
#define CVB_HINT_PERIOD 1u
#include "segment.h"

#include <near.c>
#include <ring.c>

static int taken[UNITS];

static int take(struct cvb_handle *h)
{
    uint32_t u = CVB_NO_UNIT;
    struct cvb_pair w;
    int got = cvb_lease_next(h, 1, 1, false, &u, &w);
    assert(got == 0 || got == 1);
    if (!got)
        return 0;
    assert(payloads[u] == (int)u + 10);
    __atomic_fetch_add(&taken[u], 1, __ATOMIC_RELAXED);
    return 1;
}

static void put(struct cvb_handle *h, uint32_t u)
{
    payloads[u] = (int)u + 10;
    assert(!cvb_enqueue_own(h, u, cvb_load_pair(&units[u].word), 1));
}

static void *go_round(void *argument)
{
    struct cvb_handle *h = &handles[0];
    (void)argument;
    put(h, 0);
    take(h);
    put(h, 1);
    take(h);
    return NULL;
}

static void *enter(void *argument)
{
    (void)argument;
    put(&handles[1], 2);
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    model_word(0, CVB_RES, 1, 1, 1, 0);
    model_word(1, CVB_RES, 1, 1, 1, 0);
    model_word(2, CVB_RES, 1, 1, 1, 1);
    pthread_create(&thread[0], NULL, go_round, NULL);
    pthread_create(&thread[1], NULL, enter, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < UNITS; i++)
        take(&handles[2]);
    assert(taken[0] == 1 && taken[1] == 1 && taken[2] == 1);
    return 0;
}
