/* refuse.c - a lease ends and its unit is listed, while a put that a limit refuses looks for such units; the shipped
 * lib/idle.c and lib/reclaim.c. Each list has one group of one entry, which is used for the second time.
 *
 * With ENTER a new owner of the seat closes the group; with FULL a second lease ends and finds no place. Checked: a put
 * that saw all versions raised has found the unit; in the end one that begins finds it, wherever hints lead past.
 */
#define HAS_GIVE
#ifdef ENTER
#define CVB_IDLE_ENTRIES 2u /* it stays open after the first */
#endif
#include "idle.h"

#include "stubs.h"

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
    assert(!cvb_park(h, 0, cvb_load_pair(&units[0].word)));
#ifdef FULL
    assert(!cvb_park(h, 2, cvb_load_pair(&units[2].word)));
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

static void refuse(struct cvb_handle *h)
{
    const struct cvb_want want = {0, 1, 1, 0};
    h->refusal.refusal = 0;
    while (cvb_try_again(h, CVB_ESOURCE_FULL, &want, NULL, NULL))
        continue;
}

static void *put(void *argument)
{
    (void)argument;
#ifdef FULL
    cvb_reclaim_all(&handles[1], CVB_COUNTER_TOTAL); /* once: two acks make it look very often */
#else
    refuse(&handles[1]);
    assert(given || handles[1].refusal.versions < 2);
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    model_idle(1);
    model_word(0, CVB_LEASED, 0, 1, 1, 0);
    units[0].generation = 1;
    model_word(2, CVB_LEASED, 1, 1, 1, 0);
    units[2].generation = 1;
    lists[0].list.groups = 1;
    lists[0].list.group[0].header = header_of(1u << KEY_SOURCE_SHIFT, 0) | HEADER_CLOSED; /* of another source */
    pthread_create(&thread[1], NULL, put, NULL);
    pthread_create(&thread[0], NULL, ack, NULL);
#ifdef ENTER
    pthread_join(thread[0], NULL);
    pthread_create(&thread[0], NULL, enter, NULL);
#endif
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    refuse(&handles[2]);
    assert(cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) == CVB_RES);
    return 0;
}
