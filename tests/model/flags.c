/* flags.c - one sleeps until there is data, or (with CREDITS) until credits come back, another brings it; the shipped
 * flag.c and wait.c, with ring.c, or level.c and credit.c. With LEVEL nobody sleeps, but one
 * corrects the flag while credits come back; with RAISED while they are taken; with CLAIMED while an idle unit, which
 * kept its credits, is claimed for a put; with CALM the flag does not say yet that the credits were taken.
 *
 * Checked: who sleeps although it is there is woken; in the end the flag says what the counter says.
 */
#ifdef CREDITS
#include "idle.h"
#else
#include "segment.h"
#endif

#include <flag.c>
#include <near.c>
#include <ring.c>
#include <sleep.c>
#include <wait.c>
#ifdef CREDITS
#include <credit.c>
#endif

#include "sleeper.h"

static int any;

static void *sleep_for_it(void *argument)
{
    static const uint32_t stage = 1;
    (void)argument;
    (void)any;
#ifdef CREDITS
    struct cvb_wait w = {.look = look_for_credits, .flags = flags_of_credits, .class = CVB_NO_CLASS, .count = 1};
    w.counter[0] = cvb_counter_of_stage(stage);
#else
    struct cvb_wait w = {.look = look_for_data, .flags = flags_of_data, .stages = &stage, .count = 1};
#endif
    cvb_sleep_once(&handles[1], &w, 0, false);
    return NULL;
}

static void *correct(void *argument)
{
    (void)argument;
    cvb_level_correct(&handles[1], cvb_counter_of_stage(1), false);
    return NULL;
}

static void *bring_it(void *argument)
{
    (void)argument;
#ifdef CLAIMED
    const struct cvb_want has = {0, 1, 1, 0};
    struct cvb_pair w = cvb_load_pair(&units[0].word);
    assert(cvb_claim_any(&handles[0], 0, &w, &has));
    assert(!cvb_enqueue_own(&handles[0], 0, w, 1)); /* with the put's locked instruction */
    cvb_level_after_put(&handles[0], handles[0].last_cache, 1, 0, 1);
#elif defined RAISED
    struct cvb_journal f = {.count = LIMIT, .stage = 1, .to_stage = 1};
    assert(!cvb_take_credits(&handles[0], CVB_TAKE_STAGE, &f));
    cvb_level_after_put(&handles[0], handles[0].last_cache, 1, 0, LIMIT);
#elif defined CREDITS
    struct cvb_journal f = {.count = LIMIT, .stage = 1};
    cvb_return_credits(&handles[0], CVB_BACK_STAGE, &f);
#else
    assert(!cvb_enqueue_own(&handles[0], 0, cvb_load_pair(&units[0].word), 1));
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
#ifdef CREDITS
    model_idle(1);
    const struct cvb_want kind = {0, 1, 1, 0};
    model_cache(&handles[0], &kind);
    uint32_t *flag = cvb_flag_at(&handles[0], cvb_flag_of_room(&handles[0], 1));
#ifndef RAISED
    *(uint64_t *)(void *)&counters[2].taken = model_pack(&counters[2].taken, (struct cvb_pair){LIMIT, 0});
#endif
#else
    model_word(0, CVB_RES, 1, 1, 1, 0);
#endif
#ifdef CLAIMED
    model_parked(0, 0, 1);
#endif
#if defined CREDITS && !defined CALM
    *flag = CVB_FLAG_PAUSED;
#endif
#ifdef LEVEL
    pthread_create(&thread[0], NULL, correct, NULL);
#else
    pthread_create(&thread[0], NULL, sleep_for_it, NULL);
#endif
    pthread_create(&thread[1], NULL, bring_it, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
#if defined RAISED || defined CLAIMED
    assert(*flag & CVB_FLAG_PAUSED);
#elif defined LEVEL
    assert(!(*flag & CVB_FLAG_PAUSED));
#endif
    assert(!asleep || __atomic_load_n(slept_on, __ATOMIC_RELAXED) != slept_value);
    return 0;
}
