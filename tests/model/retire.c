/* retire.c - one process retires the name of a source while another takes a credit of it, or (with OPEN) claims it to
 * put records with positions; with TWO, two processes retire it. The shipped retire.c, check.c and credit.c.
 *
 * Checked: who has a credit, or the claim, and saw after that that the name is there, keeps it (E1); of two who retire
 * it one does at most, and a mark that was taken away retires nothing.
 */
#include "segment.h"

#include <conveyor/segment.h>

#include <check.c>
#include <credit.c>
#include <journal.c>
#include <retire.c>

static bool kept, retired[2];

/* Stand for what decides nothing here: there is no idle unit, and no dead letter. */
void cvb_reclaim_source(struct cvb_handle *h, uint32_t source) { (void)h, (void)source; }
uint64_t cvb_highest_gone(struct cvb_handle *h, uint32_t source) { return (void)h, (void)source, 0; }
void cvb_event_set(struct cvb_handle *h, uint32_t stage, uint32_t source, const char *setting, uint64_t before,
                   uint64_t after)
{
    (void)h, (void)stage, (void)source, (void)setting, (void)before, (void)after;
}

static uint64_t claim;
int cvb_source_claimed(struct cvb_handle *h, uint32_t id) { return (void)h, (void)id, cvb_load64_acq(&claim) != 0; }

static void *use(void *argument)
{
    struct cvb_handle *h = &handles[2];
    (void)argument;
#ifdef OPEN
    cvb_cas64(&claim, 0, 1);
    cvb_fence_after_cas();
#else
    struct cvb_journal f = {.count = 1, .stage = 1, .to_stage = 1};
    h->seq = 1;
    if (cvb_take_credits(h, CVB_TAKE_SOURCE, &f))
        return NULL;
    cvb_fence_after_cas();
#endif
    kept = cvb_source_stays(h, 0);
    return NULL;
}

static void *retire(void *argument)
{
    uintptr_t me = (uintptr_t)argument;
    retired[me] = !try_retire(&handles[me], 0, 0);
    return NULL;
}

int main(void)
{
    pthread_t thread[3];
    model_handles();
    struct cvb_pair *named = &flags[3 + 2 * STAGES].named;
    *(uint64_t *)(void *)named = model_pack(named, (struct cvb_pair){0, CVB_NAMED_CHANGE});
    flags[3 + 2 * STAGES].dead = 1; /* of another name */
    pthread_create(&thread[0], NULL, use, NULL);
    pthread_create(&thread[1], NULL, retire, (void *)0);
#ifdef TWO
    pthread_create(&thread[2], NULL, retire, (void *)1);
    pthread_join(thread[2], NULL);
#endif
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert(!(kept && (retired[0] || retired[1])));
    assert(!(retired[0] && retired[1]));
    return 0;
}
