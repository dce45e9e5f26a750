/* empty.c - a put empties the group of what it has claimed, while the owner of the list wants its place again; the
 * shipped idle.c, reuse.c and reclaim.c. The list has one group of one entry, which names an idle unit at first.
 *
 * Checked: who looks through the lists afterwards finds every idle unit.
 */
#define CVB_CLAIM_CACHES 1u
#include "idle.h"

int cvb_give(struct cvb_handle *h, uint32_t u) { return (void)h, (void)u, 0; }

static void *ack(void *argument)
{
    (void)argument;
    assert(!cvb_park(&handles[0], 2, cvb_load_pair(&units[2].word)));
    return NULL;
}

static void *put(void *argument)
{
    const struct cvb_want want = {0, 1, 1, 0};
    struct cvb_pair w;
    uint32_t u;
    (void)argument;
    cvb_claim_idle(&handles[1], &want, CVB_SCAN_FULL, &u, &w);
    cvb_idle_leave(&handles[1]);
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    const struct cvb_want want = {0, 1, 1, 0};
    model_handles();
    model_idle(1);
    model_cache(&handles[1], &want);
    model_parked(0, 0, 0);
    model_word(2, CVB_LEASED, 0, 1, 1, 0);
    units[2].generation = 1;
    lists[0].list.groups = 1;
    lists[0].list.group[0].header = header_of(key_of(&want), 0) | HEADER_CLOSED;
    lists[0].list.group[0].entry[0] = UINT64_C(1) << VERSION_SHIFT;
    pthread_create(&thread[0], NULL, ack, NULL);
    pthread_create(&thread[1], NULL, put, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    const struct cvb_want all = {0, 1, 2, 0};
    handles[2].refusal = (struct cvb_refusal){1, 2};
    cvb_reclaim_for(&handles[2], CVB_ETOTAL_FULL, &all, NULL, NULL);
    assert(cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) == CVB_RES);
    assert(cvb_lo_state(cvb_load64_rlx(&units[2].word.lo)) != CVB_IDLE);
    return 0;
}
