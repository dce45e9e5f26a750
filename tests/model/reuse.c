/* reuse.c - a lease ends and its unit serves the next put: the shipped lib/idle.c.
 *
 * Checked: the next payload is written after the last reader has read (a race on the payload is a violation); the unit
 * is claimed once.
 */
#define HAS_IDLE
#include "segment.h"

#include <idle.c>

#include "stubs.h"

static struct {
    struct cvb_idle list;
    uint64_t entry[2];
} lists[SEATS] __attribute__((aligned(64)));
static uint64_t seen[SEATS][SEATS];

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
    if (cvb_claim_idle(&handles[s], &want, &u))
        payloads[u] = 8;
    return NULL;
}

int main(void)
{
    pthread_t thread[3];
    model_handles();
    for (uint32_t s = 0; s < SEATS; s++) {
        handles[s].idle = (char *)lists;
        handles[s].idle_stride = sizeof lists[0];
        handles[s].idle_mask = 1;
        handles[s].idle_seen = seen[s];
    }
    payloads[0] = 7;
    model_word(0, CVB_LEASED, 0, 1, 1, 0);
    units[0].generation = 1;
    pthread_create(&thread[0], NULL, ack, NULL);
    pthread_create(&thread[1], NULL, put, (void *)1);
    pthread_create(&thread[2], NULL, put, (void *)2);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
