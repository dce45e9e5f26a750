/* put_take.c - put and take: two producers enter a unit each, a consumer takes; the shipped ring.c.
 *
 * Checked: each record is taken once, after its payload was written (P1, P2). With KILL the first producer dies before
 * its write number KILL, and one that recovers publishes what it left.
 */
#include "segment.h"

#include <near.c>
#include <ring.c>

static int taken[UNITS];

static void *produce(void *argument)
{
    uint32_t s = (uint32_t)(uintptr_t)argument;
    payloads[s] = (int)s + 10;
#ifdef KILL
    model_left = s ? 0 : KILL + 1;
#endif
    assert(!cvb_enqueue_own(&handles[s], s, cvb_load_pair(&units[s].word), 1));
    return NULL;
}

static void take(struct cvb_handle *h)
{
    uint32_t u = CVB_NO_UNIT;
    struct cvb_pair w;
    int got = cvb_lease_next(h, 1, 1, false, &u, &w);
    assert(got == 0 || got == 1);
    if (!got)
        return;
    assert(payloads[u] == (int)u + 10);
    assert(!__atomic_fetch_add(&taken[u], 1, __ATOMIC_RELAXED));
}

static void *help(void *argument)
{
    (void)argument;
    struct cvb_pair w = cvb_load_pair(&units[0].word);
    if (cvb_lo_state(w.lo) == CVB_QUEUED)
        assert(!cvb_publish_helped(&handles[1], 0, w));
    return NULL;
}

static void *consume(void *argument)
{
    (void)argument;
    take(&handles[2]);
    return NULL;
}

int main(void)
{
    pthread_t thread[3];
    model_handles();
    model_word(0, CVB_RES, 1, 1, 1, 0);
    model_word(1, CVB_RES, 1, 1, 1, 1);
    pthread_create(&thread[0], NULL, produce, (void *)0);
#ifdef KILL
    pthread_create(&thread[1], NULL, help, NULL);
#else
    pthread_create(&thread[1], NULL, produce, (void *)1);
#endif
    pthread_create(&thread[2], NULL, consume, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
#ifdef KILL
    help(NULL);
#endif
    take(&handles[2]); /* by whose head may have passed a record */
    take(&handles[2]);
#ifdef KILL
    assert(taken[0] == (cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) != CVB_RES));
#else
    assert(taken[0] == 1 && taken[1] == 1);
#endif
    return 0;
}
