/* delay.c - one delays a unit that it has leased, while another asks when the unit is due, or (with RAISE) says anew of
 * the tree's only node what is below it; the shipped delay.c.
 *
 * The unit's entry of due is an old one (with RAISE there is none), and the node's time is one that has passed.
 * Checked: a word that is DELAYED brings its time (D1); a unit that is delayed is below its node's time in the end
 * (D2).
 */
#include "segment.h"

enum { OLD = 5, DUE = 10 };

static uint64_t due[UNITS];

#include <delay.c>

/* The unit never enters a stage here. */
int cvb_enqueue(struct cvb_handle *h, uint32_t unit, struct cvb_pair w, unsigned stage, uint64_t tries)
{
    return (void)h, (void)unit, (void)w, (void)stage, (void)tries, 0;
}
int cvb_publish_helped(struct cvb_handle *h, uint32_t unit, struct cvb_pair w)
{
    return (void)h, (void)unit, (void)w, 0;
}

static void *delay(void *argument)
{
    (void)argument;
    assert(!cvb_delay(&handles[0], 0, cvb_load_pair(&units[0].word), 0, DUE));
    return NULL;
}

static void *look(void *argument)
{
    (void)argument;
#ifdef RAISE
    tighten(&handles[1], 1, 0);
#else
    struct cvb_pair w;
    const uint64_t found = due_of(&handles[1], 0, &w);
    assert(!found || found == DUE);
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    for (uint32_t s = 0; s < SEATS; s++) {
        handles[s].due = due;
        handles[s].soonest = &root;
        handles[s].segment.geometry.due_levels = 1;
        handles[s].segment.geometry.unit_count = 1;
    }
    model_word(0, CVB_LEASED, 0, 1, 1, 0);
    *(uint64_t *)(void *)&root.bound = model_pack(&root.bound, (struct cvb_pair){1, OLD});
#ifndef RAISE
    due[0] = OLD;
#endif
    pthread_create(&thread[0], NULL, delay, NULL);
    pthread_create(&thread[1], NULL, look, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    const uint64_t bound = cvb_load64_acq(&root.bound.hi);
    assert(bound && bound <= DUE);
    return 0;
}
