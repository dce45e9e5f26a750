/* peek.c - a record is looked at while it is taken and its unit serves the next put; the shipped peek.c and
 * ring.c. Checked: what was copied is of one record.
 *
 * A payload is written here by relaxed stores, as peek reads it by relaxed loads: a race on it is expected.
 */
#include "segment.h"

#include <string.h>

/* As struct cvb_lease, without what peek always leaves zero: GenMC takes no memset of a part of a struct. */
struct model_lease {
    const void *payload;
    uint64_t buffered_at_ns;
    uint32_t length, source, pipeline, stage, retry_count, origin;
    uint64_t position;
    const void *header;
    uint32_t header_length;
};
#define cvb_lease model_lease
#define pid_t int
#define memcpy(to, word, bytes) (*(uint64_t *)(void *)(to) = *(word))
#include <peek.c>
#undef memcpy
#include <near.c>
#include <ring.c>

static uint64_t cells[8] = {10};

/* Take, ack, and put again: what ring.c and idle.c do to the unit's word. */
static void *take_and_put(void *argument)
{
    struct cvb_unit *unit = &units[0];
    struct cvb_pair w, reserved = {cvb_lo_generation(CVB_RES, 2), cvb_hi(1, 1, 0, 0)};
    uint32_t u;
    (void)argument;
    assert(cvb_lease_next(&handles[0], 1, 1, false, &u, &w) == 1);
    cvb_store64_seq(&unit->word.lo, cvb_lo_generation(CVB_IDLE, 2));
    assert(cvb_cas_pair(&unit->word, cvb_load_pair(&unit->word), reserved));
    cvb_store16_rlx(&unit->pipeline, 2);
    cvb_store64_rlx(&cells[0], 20);
    assert(!cvb_enqueue_own(&handles[0], 0, reserved, 1));
    return NULL;
}

static void *look_at_it(void *argument)
{
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    uint64_t copy = 0;
    (void)argument;
    int found = cvb_peek(&handles[1], 1, &cursor, &seen, &copy, sizeof copy);
    assert(found == 0 || found == 1);
    assert(!found || (seen.pipeline == 1 && copy == 10) || (seen.pipeline == 2 && copy == 20));
    return NULL;
}

int main(void)
{
    static const uint32_t here = 1;
    pthread_t thread[2];
    model_handles();
    handles[1].same_process = &here;
    handles[1].cells = (struct cvb_cells){(char *)cells, sizeof cells, 0, 1, sizeof cells};
    model_word(0, CVB_QUEUED, 0, 1, 1, 0);
    units[0].pipeline = 1;
    cvb_members_of(&handles[1], 0)[0].extent = 8;
    rings[1][0] = (uint64_t)1 << 24;
    pthread_create(&thread[0], NULL, take_and_put, NULL);
    pthread_create(&thread[1], NULL, look_at_it, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
