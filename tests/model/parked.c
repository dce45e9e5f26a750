/* parked.c - one sleeps until credits come back, while a lease ends whose unit keeps them; the shipped idle.c,
 * level.c, flag.c and wait.c.
 *
 * With LEVEL nobody sleeps, but one corrects the flag, which does not say yet that the credits were taken.
 *
 * Checked: who sleeps although a unit waits for its next put is woken (F4); in the end nobody is told to pause.
 */
#include "idle.h"

#include <flag.c>
#include <sleep.c>
#include <wait.c>

#include "sleeper.h"

/* The stage's credits come back by one change of the counter, as in credit.c. */
int cvb_give(struct cvb_handle *h, uint32_t u)
{
    struct cvb_pair *back = &counters[2].returned, w = cvb_load_pair(back);
    (void)u;
    assert(cvb_cas_pair(back, w, (struct cvb_pair){w.lo + LIMIT, 0}));
    cvb_level_returned(h, 2, LIMIT);
    return 0;
}

static void *ack(void *argument)
{
    (void)argument;
    assert(!cvb_park(&handles[0], 0, cvb_load_pair(&units[0].word)));
    return NULL;
}

static void *sleep_for_it(void *argument)
{
    struct cvb_wait w = {.look = look_for_credits, .flags = flags_of_credits, .class = CVB_NO_CLASS, .count = 1};
    (void)argument;
    w.counter[0] = cvb_counter_of_stage(1);
    cvb_sleep_once(&handles[1], &w, 0, false);
    return NULL;
}

static void *correct(void *argument)
{
    (void)argument;
    cvb_level_correct(&handles[1], cvb_counter_of_stage(1), false);
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    model_idle(1);
    model_word(0, CVB_LEASED, 0, (1 << LIMIT) - 1, 1, 0);
    units[0].generation = 1;
    *(uint64_t *)(void *)&counters[2].taken = model_pack(&counters[2].taken, (struct cvb_pair){LIMIT, 0});
#ifdef LEVEL
    pthread_create(&thread[1], NULL, correct, NULL);
#else
    *cvb_flag_at(&handles[0], cvb_flag_of_room(&handles[0], 1)) = CVB_FLAG_PAUSED;
    pthread_create(&thread[1], NULL, sleep_for_it, NULL);
#endif
    pthread_create(&thread[0], NULL, ack, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert(!asleep || __atomic_load_n(slept_on, __ATOMIC_RELAXED) != slept_value);
    assert(!(*cvb_flag_at(&handles[0], cvb_flag_of_room(&handles[0], 1)) & CVB_FLAG_PAUSED));
    return 0;
}
