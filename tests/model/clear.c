/* clear.c - one process puts the last record of a source and retires its name; it and another begin anew what is kept
 * of the place; the first one goes on, names the place and puts a record, while the other may still be at it. The
 * shipped retire.c and check.c.
 *
 * Checked: base and counts are those of the last name, whoever is late (E2).
 */
#include "segment.h"

#include <conveyor/segment.h>

enum { ONE_COUNT = CVB_N_ACCEPTED + 1, OF_LAST = 5 };
#define CVB_N_COUNTS ONE_COUNT /* few turns of a loop */
#include <check.c>
#include <retire.c>

void cvb_reclaim_source(struct cvb_handle *h, uint32_t source) { (void)h, (void)source; }
void cvb_event_set(struct cvb_handle *h, uint32_t stage, uint32_t source, const char *setting, uint64_t before,
                   uint64_t after)
{
    (void)h, (void)stage, (void)source, (void)setting, (void)before, (void)after;
}
int cvb_source_claimed(struct cvb_handle *h, uint32_t id) { return (void)h, (void)id, 0; }

static struct cvb_stand stand;
static uint64_t *const high = &tallies[1][STAGES].n[CVB_N_HIGH], *const accepted =
                                                                     &tallies[1][STAGES].n[CVB_N_ACCEPTED];
uint64_t cvb_highest_gone(struct cvb_handle *h, uint32_t source) { return (void)h, (void)source, cvb_load64_acq(high); }

static void *clear(void *argument)
{
    (void)argument;
    cvb_place_clear(&handles[0], 0);
    return NULL;
}

static void count(uint64_t records)
{
    cvb_store64_rlx(high, records);
    cvb_store64_rlx(accepted, records);
}

static void *clear_and_use(void *argument)
{
    struct cvb_handle *h = &handles[1];
    struct cvb_pair *named = cvb_named_at(h, 0), w = cvb_load_pair(named);
    (void)argument;
    count(OF_LAST);
    cvb_cas_pair(named, w, (struct cvb_pair){cvb_named_lo(CVB_NAMED_CLEARING, 0), w.hi + CVB_NAMED_CHANGE});
    cvb_place_clear(h, 0);
    w = cvb_load_pair(named);
    const uint32_t id = 1u << CVB_GENERATION_SHIFT;
    assert(w.lo == cvb_named_lo(CVB_NAMED_FREE, id));
    assert(cvb_load64_acq(&stand.base) == OF_LAST);
    cvb_cas_pair(named, w, (struct cvb_pair){cvb_named_lo(CVB_NAMED_LIVE, id), w.hi + CVB_NAMED_CHANGE});
    cvb_fence_after_cas(); /* of the put's credit */
    count(OF_LAST + 1);
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    struct cvb_pair *named = &flags[3 + 2 * STAGES].named;
    *(uint64_t *)(void *)named =
        model_pack(named, (struct cvb_pair){cvb_named_lo(CVB_NAMED_RETIRING, 0), CVB_NAMED_CHANGE});
    *high = *accepted = OF_LAST - 1;
    handles[0].stands = handles[1].stands = &stand;
    pthread_create(&thread[0], NULL, clear, NULL);
    pthread_create(&thread[1], NULL, clear_and_use, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert(stand.base == OF_LAST);
    assert(stand.before.n[CVB_N_ACCEPTED] == OF_LAST);
    return 0;
}
