/* reuse.c - a lease ends and its unit serves the next put: the shipped lib/idle.c.
 *
 * Checked: the next payload is written after the last reader has read (a race on the payload is a violation); the unit
 * is claimed once.
 */
#define HAS_IDLE
#define CVB_IDLE_ENTRIES 1u
#include "segment.h"

#include <string.h>

/* GenMC takes no memset of a length that is computed. */
static void model_clear(uint64_t *at, size_t bytes)
{
    for (; bytes; bytes -= 8)
        *at++ = 0;
}
#define memset(at, zero, bytes) model_clear(at, bytes)
#include <idle.c>

#include "stubs.h"

static struct {
    struct cvb_idle list;
    struct cvb_idle_group group[1];
} lists[SEATS] __attribute__((aligned(64)));
static uint64_t from[SEATS][SEATS];

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
    if (cvb_claim_idle(&handles[s], &want, CVB_LOOK_ALL, &u, &w))
        payloads[u] = 8;
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    for (uint32_t s = 0; s < SEATS; s++) {
        handles[s].idle = (char *)lists;
        handles[s].idle_stride = sizeof lists[0];
        handles[s].idle_mask = 0;
        handles[s].looked = &handles[s].look[0]; /* it has put records of this kind before */
        handles[s].look[0].want = (struct cvb_want){0, 1, 1, 0};
        handles[s].look[0].key = cvb_idle_key(&handles[s].look[0].want);
        handles[s].look[0].from = from[s];
    }
    payloads[0] = 7;
    model_word(0, CVB_LEASED, 0, 1, 1, 0);
    units[0].generation = 1;
    pthread_create(&thread[0], NULL, ack, NULL);
    pthread_create(&thread[1], NULL, put, (void *)1);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
