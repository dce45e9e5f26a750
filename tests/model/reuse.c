/* reuse.c - a lease ends and its unit serves the next put: the shipped idle.c and reuse.c. With OPEN the unit
 * is listed in a group that was opened before; with NEXT it is claimed in the short way of single records.
 *
 * Checked: the next payload is written after the last reader has read (a race on the payload is a violation); the unit
 * is claimed once.
 */
#ifdef OPEN
#define CVB_IDLE_ENTRIES 2u
#endif
#include "idle.h"

static void *ack(void *argument)
{
    struct cvb_pair w = cvb_load_pair(&units[0].word);
    (void)argument;
    assert(payloads[0] == 7);
    assert(!cvb_park(&handles[0], 0, w));
    return NULL;
}

static void *put(void *argument)
{
    uint32_t s = (uint32_t)(uintptr_t)argument, u;
    const struct cvb_want want = {0, 1, 1, 0};
    struct cvb_pair w;
#ifdef NEXT
    struct cvb_claim_cache *cache = handles[s].last_cache;
    if (find_candidates(&handles[s], cache, CVB_SCAN_ALL) && cvb_claim_next(&handles[s], cache, &want, &u, &w))
#else
    if (cvb_claim_idle(&handles[s], &want, CVB_SCAN_ALL, &u, &w))
#endif
        payloads[u] = 8;
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    model_idle(SEATS);
    for (uint32_t s = 0; s < SEATS; s++) {
        const struct cvb_want want = {0, 1, 1, 0};
        model_cache(&handles[s], &want);
    }
#ifdef OPEN
    uint32_t key = handles[0].cache[0].key;
    struct cvb_parked *open = &handles[0].park[cvb_kind_number(&handles[0].acked, key)];
    open->header = header_of(key, 0);
    open->group = &lists[0].group[0];
    open->left = 1;
    lists[0].list.groups = 1;
    lists[0].list.group[0].header = header_of(key, 0);
#endif
    payloads[0] = 7;
    model_word(0, CVB_LEASED, 0, 1, 1, 0);
    units[0].generation = 1;
    pthread_create(&thread[0], NULL, ack, NULL);
    pthread_create(&thread[1], NULL, put, (void *)1);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
