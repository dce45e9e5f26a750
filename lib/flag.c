/* flag.c - the futex words, and waking who sleeps on them (PROTOCOL.md, section 8). level.c has their levels.
 *
 * Overview: a flag stands for a counter (a source, the total, a stage's room) and says whether its users should pause;
 * or for a stage's data or the memory, and then has waiters only.
 *
 * Why no wake-up is lost: a sleeper sets the waiters bit, looks at the condition again, and then sleeps on that very
 * value. A waker makes the condition true by a locked instruction and then reads the flag: it sees the bit, or the
 * sleeper sees the condition. A waker that dies between the two is not waited for: every sleep is short.
 */
#include "internal.h"

static uint32_t bumped(uint32_t word, uint32_t keep) { return (word & keep) + (word & ~CVB_FLAG_BITS) + CVB_FLAG_ONE; }

/* Wakes whoever sleeps on the flag. After a locked instruction of the caller's. */
void cvb_flag_wake(struct cvb_handle *h, uint32_t flag)
{
    uint32_t *word = cvb_flag_at(h, flag);
    cvb_fence_after_cas();
    uint32_t now = cvb_load32_acq(word);
    while (now & (CVB_FLAG_WAITERS | CVB_FLAG_WAITERS_ANY)) {
        if (!cvb_cas32(word, now, bumped(now, CVB_FLAG_LEVEL))) {
            now = cvb_load32_acq(word);
            continue;
        }
        cvb_futex_wake(word);
        if (now & CVB_FLAG_WAITERS_ANY)
            cvb_flag_wake_any(h);
        return;
    }
}

void cvb_flag_wake_any(struct cvb_handle *h)
{
    uint32_t *any = cvb_flag_at(h, CVB_FLAG_ANY), now = cvb_load32_acq(any);
    cvb_cas32(any, now, now + CVB_FLAG_ONE); /* somebody else's change serves as well */
    cvb_futex_wake(any);
}

uint32_t cvb_flag_of(struct cvb_handle *h, uint32_t counter)
{
    uint32_t stages = h->segment.settings.max_stages;
    return counter == CVB_COUNTER_TOTAL ? CVB_FLAG_TOTAL
           : counter <= stages          ? cvb_flag_of_room(h, counter - 1)
                                        : cvb_flag_of_source(h, counter - 1 - stages);
}
