/* wakes.c - two sleep until there is data; one brings two records, one after the other, and wakes one sleeper for each
 * (or with TWO: two bring a record each); the shipped flag.c and wait.c.
 *
 * The kernel keeps a queue of sleepers under a lock of its own. Checked: in the end nobody sleeps: the waiters bit
 * stays as long as somebody does (F5), and each record wakes one.
 */
#include "segment.h"

#include <flag.c>
#include <sleep.c>
#include <wait.c>

static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER;
static uint32_t sleeping;
static uint32_t records;

uint32_t cvb_futex_wake(uint32_t *word, uint32_t most)
{
    (void)word;
    pthread_mutex_lock(&queue);
    uint32_t woken = sleeping < most ? sleeping : most;
    sleeping -= woken;
    pthread_mutex_unlock(&queue);
    return woken;
}

enum cvb_slept cvb_futex_wait_any(struct cvb_handle *h, uint32_t *const *word, const uint32_t *value, size_t count,
                                  uint64_t until_ns)
{
    (void)h, (void)count, (void)until_ns;
    pthread_mutex_lock(&queue);
    sleeping += __atomic_load_n(word[0], __ATOMIC_SEQ_CST) == value[0];
    pthread_mutex_unlock(&queue);
    return CVB_SLEPT_CHANGED;
}

bool cvb_futex_has_waitv(void) { return true; }

static int look(struct cvb_handle *h, const struct cvb_wait *w, bool thorough)
{
    (void)h, (void)w, (void)thorough;
    return cvb_load32_acq(&records) > 0;
}

static void *sleep_for_it(void *argument)
{
    static const uint32_t stage = 1;
    const struct cvb_wait w = {.look = look, .flags = flags_of_data, .stages = &stage, .count = 1};
    cvb_sleep_once(&handles[(uintptr_t)argument], &w, 0, false);
    return NULL;
}

static void bring_one(struct cvb_handle *h)
{
    __atomic_fetch_add(&records, 1, __ATOMIC_SEQ_CST);
    cvb_flag_wake(h, cvb_flag_of_data(1), 1);
}

static void *bring(void *argument)
{
    struct cvb_handle *h = &handles[2];
    (void)argument;
    bring_one(h);
#ifndef TWO
    bring_one(h);
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread[4];
    model_handles();
    pthread_create(&thread[0], NULL, sleep_for_it, (void *)0);
    pthread_create(&thread[1], NULL, sleep_for_it, (void *)1);
    pthread_create(&thread[2], NULL, bring, NULL);
#ifdef TWO
    pthread_create(&thread[3], NULL, bring, NULL);
    pthread_join(thread[3], NULL);
#endif
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    assert(!sleeping);
    return 0;
}
