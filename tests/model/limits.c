/* limits.c - one lowers the limit of a stage while another takes a credit of it, or (with CLAIM) claims an idle unit,
 * which has its credit; the shipped limit.c and credit.c, with CLAIM level.c, idle.c and reuse.c.
 *
 * Checked: who takes a credit after the counter got its new tag heeds the new limit (L1); a unit that is still idle
 * when the limit has been set serves no put that has it above the limit (L2).
 */
#ifdef CLAIM
#include "idle.h"
#else
#include "segment.h"

#include <credit.c>
#include <journal.c>
#endif

#include <limit.c>

static bool accepted, still_idle;

#ifdef CLAIM
/* As in flag.c, whose sleepers and events nobody needs here. */
uint32_t cvb_flag_of(struct cvb_handle *h, uint32_t counter)
{
    return counter == CVB_COUNTER_TOTAL ? CVB_FLAG_TOTAL
           : counter <= STAGES          ? cvb_flag_of_room(h, counter - 1)
                                        : cvb_flag_of_source(h, counter - 1 - STAGES);
}
void cvb_flag_wake(struct cvb_handle *h, uint32_t flag, uint32_t most) { (void)h, (void)flag, (void)most; }
void cvb_flag_wake_any(struct cvb_handle *h) { (void)h; }
void cvb_flag_tell_level(struct cvb_handle *h, uint32_t flag, bool paused) { (void)h, (void)flag, (void)paused; }

/* The counter has its tag by credit.c, as the other variant shows. */
void cvb_counter_renew(struct cvb_handle *h, uint32_t counter) { (void)h, (void)counter; }

/* The unit's credits come back. */
int cvb_give(struct cvb_handle *h, uint32_t u) { return (void)h, (void)u, 0; }
#endif

static void *lower(void *argument)
{
    (void)argument;
    cvb_store64_rel(&counters[2].limit, 1);
    heed(&handles[0], 2);
#ifdef CLAIM
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* it has returned: what comes now is seen by all after that */
    still_idle = cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) == CVB_IDLE;
#endif
    return NULL;
}

static void *put(void *argument)
{
    (void)argument;
#ifdef CLAIM
    const struct cvb_want want = {0, 1, 1, 0};
    uint32_t u;
    struct cvb_pair w;
#ifdef NEXT
    accepted = cvb_claim_next(&handles[1], handles[1].last_cache, &want, &u, &w);
#else
    accepted = cvb_claim_idle(&handles[1], &want, CVB_SCAN_FAR, &u, &w);
#endif
#else
    struct cvb_journal f = {.count = 1, .stage = 1, .to_stage = 1};
    handles[1].seq = 1;
    accepted = !cvb_take_credits(&handles[1], CVB_TAKE_STAGE, &f);
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
#ifdef CLAIM
    model_idle(2);
    for (uint32_t s = 0; s < SEATS; s++) {
        const struct cvb_want want = {0, 1, 1, 0};
        model_cache(&handles[s], &want);
    }
    model_parked(0, 0, 1);
    struct cvb_claim_cache *cache = handles[1].last_cache;
    lists[0].group[0].entry[0] = 0 | UINT64_C(1) << VERSION_SHIFT;
    cache->candidates[0].at = &lists[0].group[0].entry[0];
    cache->candidates[0].entry = lists[0].group[0].entry[0];
    cache->groups[0].group = &lists[0].group[0];
    cache->groups[0].end = cache->group_end = cache->end = cache->count = 1;
    *(uint64_t *)(void *)&counters[2].taken = model_pack(&counters[2].taken, (struct cvb_pair){LIMIT, 0});
#else
    *(uint64_t *)(void *)&counters[2].taken = model_pack(&counters[2].taken, (struct cvb_pair){1, 0});
#endif
    pthread_create(&thread[0], NULL, lower, NULL);
    pthread_create(&thread[1], NULL, put, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
#ifdef CLAIM
    assert(!(accepted && still_idle));
#else
    const uint64_t last = cvb_load_pair(&counters[2].taken).hi >> 53;
    assert(!accepted || last == 0 + 1); /* the tag of who set the limit came after it */
#endif
    return 0;
}
