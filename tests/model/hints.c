/* hints.c - a unit becomes free while another looks for one and finds its bit set too early; the shipped unit.c.
 *
 * Checked: in the end the unit is held, or its bit is set: none is free and hidden.
 */
#include "segment.h"

#include <unit.c>

static uint64_t bitmaps[4];

static void *release(void *argument)
{
    (void)argument;
    cvb_unhold(&handles[0], 0);
    return NULL;
}

static void *hold(void *argument)
{
    uint32_t u;
    (void)argument;
    cvb_hold(&handles[1], CVB_BITMAP_SINGLES(&handles[1].segment.geometry, 0), &u);
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    for (uint32_t s = 0; s < 2; s++) {
        struct cvb_geometry *g = &handles[s].segment.geometry;
        g->parts = g->bitmap_words = 1;
        g->bitmap_count = 4;
        g->bitmaps = (uint64_t)((char *)bitmaps - (char *)seats);
        g->part[0].cell_count = UNITS;
    }
    model_word(0, CVB_HELD, 1, 1, 0, 0);
    bitmaps[1] = 1;
    pthread_create(&thread[0], NULL, release, NULL);
    pthread_create(&thread[1], NULL, hold, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert(cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) == CVB_HELD || bitmaps[1] == 1);
    return 0;
}
