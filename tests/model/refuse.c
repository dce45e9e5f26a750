/* refuse.c - a lease ends and its unit is listed, while a put that a limit refuses looks for such units; the shipped
 * idle.c, note.c, level.c and reclaim.c. Each list has one group of one entry; that of the first seat
 * is used for the second time.
 *
 * With STAGE the stage's limit refuses, else the source's; with ENTER a new owner of the seat closes the group; with
 * FULL a second lease ends and finds no place; with KILL the process whose lease ends dies before its write number
 * KILL. Checked: a put that counts the unit (I3), or sees the note of it (I4), finds it; in the end a put that begins
 * then finds it, if it is IDLE, wherever hints lead past (I1, I2).
 *
 * With HOP another unit waits, and is claimed after the first one was listed: one of the two waits all the time.
 * Checked: no put is refused for good, though it looks at each list once (I5).
 */
#ifdef STAGE
#define REFUSAL CVB_ESTAGE_FULL
#else
#define REFUSAL CVB_ESOURCE_FULL
#endif
#ifdef ENTER
#define CVB_IDLE_ENTRIES 2u /* it stays open after the first */
#endif
#include "idle.h"

static const struct cvb_want want = {0, 1, 1, 0};
static int given; /* by the put that runs beside the ack */

int cvb_give(struct cvb_handle *h, uint32_t u)
{
    if (h == &handles[1] && !u)
        given = 1;
    return 0;
}

static void *ack(void *argument)
{
    struct cvb_handle *h = &handles[0];
    (void)argument;
#ifdef KILL
    model_left = KILL + 1;
#endif
    assert(!cvb_park(h, 0, cvb_load_pair(&units[0].word)));
#ifdef FULL
    assert(!cvb_park(h, 2, cvb_load_pair(&units[2].word)));
#endif
#ifdef HOP
    struct cvb_pair w = cvb_load_pair(&units[2].word);
    if (cvb_lo_state(w.lo) == CVB_IDLE)
        cvb_claim_any(h, 2, &w, &want);
#endif
    return NULL;
}

/* The seat's next owner. */
static void *enter(void *argument)
{
    (void)argument;
    cvb_idle_enter(&handles[0]);
    return NULL;
}

/* True if it is refused for good. */
static bool refuse(struct cvb_handle *h, uint32_t looks, uint32_t groups)
{
    h->refusal = (struct cvb_refusal){looks, groups};
    while (h->refusal.looks)
        if (!cvb_reclaim_for(h, REFUSAL, &want, NULL, NULL))
            return true;
    return false;
}

static void *put(void *argument)
{
    struct cvb_handle *h = &handles[1];
    (void)argument;
#ifdef HOP
    assert(!refuse(h, 1, 2));
#elif defined FULL
    refuse(h, 1, 2); /* once: two acks make it look very often */
#else
    bool counted = cvb_idle_count(h, counter_of(h, REFUSAL, &want)) > 0;
    assert(!refuse(h, 2, 4) || given || !counted);
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    model_word(0, CVB_LEASED, 0, 1, 1, 0);
    units[0].generation = 1;
    struct cvb_pair *taken = &counters[counter_of(&handles[0], REFUSAL, &want)].taken;
    *(uint64_t *)(void *)taken = model_pack(taken, (struct cvb_pair){LIMIT, 0});
#ifdef HOP
    model_idle(2);
    model_parked(1, 2, 1);
    lists[1].list.groups = 1;
    lists[1].list.group[0].header = header_of(key_of(&want), 0) | HEADER_CLOSED;
    lists[1].list.group[0].entry[0] = 2 | UINT64_C(1) << VERSION_SHIFT;
#else
    model_idle(1);
    model_word(2, CVB_LEASED, 1, 1, 1, 0);
    units[2].generation = 1;
    lists[0].list.groups = 1;
    lists[0].list.group[0].header = header_of(1u << KEY_SOURCE_SHIFT, 0) | HEADER_CLOSED; /* of another source */
#endif
#ifdef KILL
    pthread_create(&thread[0], NULL, ack, NULL);
    pthread_join(thread[0], NULL);
    pthread_create(&thread[0], NULL, put, NULL);
    pthread_join(thread[0], NULL);
    refuse(&handles[2], 2, 4);
    assert(cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) != CVB_IDLE);
    return 0;
#endif
    pthread_create(&thread[1], NULL, put, NULL);
    pthread_create(&thread[0], NULL, ack, NULL);
#ifdef ENTER
    pthread_join(thread[0], NULL);
    pthread_create(&thread[0], NULL, enter, NULL);
#endif
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
#ifndef HOP
    refuse(&handles[2], 2, 4);
    assert(cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) != CVB_IDLE);
#endif
    return 0;
}
