/* letters.c - one process retires the name of a source while another makes a dead letter of its last record, or (with
 * REVIVE) a record of its last dead letter, or moves that to another unit: from one that the walk over units comes to
 * later to one that it has passed (with UNCARVE, CARVE). The shipped retire.c, restage.c, move.c, journal.c, credit.c.
 *
 * Checked: the name is not retired, for there is a record or a dead letter of it all the time (E3).
 */
#include "segment.h"

#include <conveyor/segment.h>

#include <check.c>
#include <credit.c>
#include <journal.c>
#include <move.c>
#include <near.c>
#include <restage.c>
#include <retire.c>
#include <ring.c>

enum { USER = 2 };
static bool retired;

/* Stand for what decides nothing here: there is no idle unit, and no handle has opened the source. */
void cvb_reclaim_source(struct cvb_handle *h, uint32_t source) { (void)h, (void)source; }
uint64_t cvb_highest_gone(struct cvb_handle *h, uint32_t source) { return (void)h, (void)source, 0; }
int cvb_source_claimed(struct cvb_handle *h, uint32_t id) { return (void)h, (void)id, 0; }

static void *use(void *argument)
{
    struct cvb_handle *h = &handles[USER];
    (void)argument;
#if defined UNCARVE
    cvb_uncarve(h, 0, 1, 1);
#elif defined CARVE
    assert(move(h, 1, cvb_load_pair(&units[1].word), 1, 0, CVB_LEASED));
#elif defined REVIVE
    assert(!cvb_restage(h, 0, 1));
#else
    assert(!cvb_restage(h, 0, CVB_STAGE_DEAD_LETTER));
#endif
    return NULL;
}

static void *retire(void *argument)
{
    (void)argument;
    retired = !try_retire(&handles[0], 0, 0);
    return NULL;
}

/* So many credits of the counter were taken, and so many given back. */
static void credits(uint32_t counter, uint64_t taken, uint64_t returned)
{
    struct cvb_counter *c = &counters[counter];
    *(uint64_t *)(void *)&c->taken = model_pack(&c->taken, (struct cvb_pair){taken, 0});
    *(uint64_t *)(void *)&c->returned = model_pack(&c->returned, (struct cvb_pair){returned, 0});
}

/* The record is a dead letter. */
static void begin_dead(void)
{
    credits(cvb_counter_of_source(&handles[0], 0), 1, 1);
    flags[3 + 2 * STAGES].dead = 0;
#if defined UNCARVE || defined CARVE
    model_word(0, CVB_LEASED, 0, 0, CVB_STAGE_DEAD_LETTER, USER);
    model_word(1, CVB_LEASED, 1, 1, CVB_STAGE_DEAD_LETTER, USER);
#else
    model_word(0, CVB_LEASED, 0, 1, CVB_STAGE_DEAD_LETTER, USER);
#endif
}

static void begin_live(void)
{
    credits(cvb_counter_of_source(&handles[0], 0), 1, 0);
    credits(cvb_counter_of_stage(1), 1, 0);
    flags[3 + 2 * STAGES].dead = 1; /* of another name */
    model_word(0, CVB_LEASED, 0, 1, 1, USER);
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    struct cvb_pair *named = &flags[3 + 2 * STAGES].named;
    *(uint64_t *)(void *)named = model_pack(named, (struct cvb_pair){0, CVB_NAMED_CHANGE});
#if defined UNCARVE || defined CARVE || defined REVIVE
    begin_dead();
#else
    begin_live();
#endif
    pthread_create(&thread[0], NULL, use, NULL);
    pthread_create(&thread[1], NULL, retire, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert(!retired);
    return 0;
}
