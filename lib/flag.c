/* flag.c - the futex words: their levels and their waiters (PROTOCOL.md, section 8).
 *
 * Overview: a flag stands for a counter (a source, the total, a stage's room) and says whether its users should pause;
 * or for a stage's data or the memory, and then has waiters only.
 *
 * Why no wake-up is lost: a sleeper sets the waiters bit, looks at the condition again, and then sleeps on that very
 * value. A waker makes the condition true by a locked instruction and then reads the flag: it sees the bit, or the
 * sleeper sees the condition. A waker that dies between the two is not waited for: the lookout sees the bit and the
 * condition (lookout.c).
 *
 * Why the bit is there as long as somebody sleeps: a waker of some sleepers only leaves it. It goes when the kernel
 * woke fewer than were asked for, so that nobody was left, by a compare-and-swap from the very value that this waker
 * set. That value has the woken bit, which each announcement of a sleep takes away: so nobody has announced a sleep on
 * it, and nobody sleeps. A sleeper that had announced itself on an older value finds another one and does not sleep.
 *
 * Why the level is right: whoever changes a counter reads the flag after it, and corrects it if it is wrong; whoever
 * changes the flag looks at the counter again (F1). One that dies before that leaves a wrong level, which everybody who
 * acts on it corrects first.
 */
#include "internal.h"

/* Wakes up to `most` of those who sleep on the word, which showed a waiters bit. It shows one until nobody is left. */
CVB_RARE static void wake_waiters(struct cvb_handle *h, uint32_t *word, uint32_t most)
{
    uint32_t now, marked;
    do {
        now = cvb_load32_acq(word);
        if (!(now & CVB_FLAG_WAITERS_EITHER))
            return;
        marked = (now + CVB_FLAG_COUNT) | CVB_FLAG_WOKEN;
    } while (!cvb_cas32(word, now, marked));
    uint32_t woken = now & CVB_FLAG_WAITERS ? cvb_futex_wake(word, most) : 0,
             over = woken < most ? CVB_FLAG_WAITERS : 0;
    if (now & CVB_FLAG_WAITERS_ANY) {
        cvb_flag_wake_any(h);
        over |= CVB_FLAG_WAITERS_ANY;
    }
    if (over)
        cvb_cas32(word, marked, marked & ~(over | CVB_FLAG_WOKEN));
}

/* Wakes up to `most` of those who sleep on the flag, or CVB_WAKE_ALL. After a locked instruction of the caller's. */
void cvb_flag_wake(struct cvb_handle *h, uint32_t flag, uint32_t most)
{
    uint32_t *word = cvb_flag_at(h, flag);
    cvb_fence_after_cas();
    if (cvb_load32_acq(word) & CVB_FLAG_WAITERS_EITHER)
        wake_waiters(h, word, most);
}

/* Those who sleep on the common word: each of them looks at its own flags. */
void cvb_flag_wake_any(struct cvb_handle *h)
{
    uint32_t *any = cvb_flag_at(h, CVB_FLAG_ANY), now = cvb_load32_acq(any);
    cvb_cas32(any, now, now + CVB_FLAG_COUNT); /* somebody else's change serves as well */
    cvb_futex_wake(any, CVB_WAKE_ALL);
}

static uint32_t limit_of(struct cvb_handle *h, uint32_t counter)
{
    const struct cvb_settings *s = &h->segment.settings;
    return counter == CVB_COUNTER_TOTAL ? s->max_total_records
           : counter <= s->max_stages   ? s->max_per_stage
                                        : s->max_per_source;
}

uint32_t cvb_flag_of(struct cvb_handle *h, uint32_t counter)
{
    uint32_t stages = h->segment.settings.max_stages;
    return counter == CVB_COUNTER_TOTAL ? CVB_FLAG_TOTAL
           : counter <= stages          ? cvb_flag_of_room(h, counter - 1)
                                        : cvb_flag_of_source(h, counter - 1 - stages);
}

void cvb_marks_of(struct cvb_handle *h, uint32_t counter, struct cvb_marks *m)
{
    uint32_t limit = limit_of(h, counter);
    double high = limit * h->segment.settings.backpressure_threshold;
    m->limit = limit;
    m->high = (uint32_t)high < high ? (uint32_t)high + 1 : (uint32_t)high;
    m->low = (uint32_t)(limit * h->segment.settings.resume_threshold);
    if (m->low >= m->high)
        m->low = m->high - 1;
}

int64_t cvb_counter_used(struct cvb_handle *h, uint32_t counter)
{
    uint64_t taken = cvb_load64_acq(&cvb_counter_at(h, counter)->taken.lo);
    int64_t used = (int64_t)(taken - cvb_load64_acq(&cvb_counter_at(h, counter)->returned.lo));
    return used < 0 ? 0 : used > INT32_MAX ? INT32_MAX : used; /* more than a limit only in a corrupt segment */
}

/* Makes the flag of a counter say what the counter says; true if it says pause. */
bool cvb_flag_correct(struct cvb_handle *h, uint32_t counter)
{
    struct cvb_marks m;
    cvb_marks_of(h, counter, &m);
    uint32_t *word = cvb_flag_at(h, cvb_flag_of(h, counter));
    for (;;) {
        uint32_t now = cvb_load32_acq(word);
        int64_t used = cvb_counter_used(h, counter);
        bool paused = now & CVB_FLAG_PAUSED, should = used >= m.high || (paused && used > m.low);
        if (paused == should)
            return paused;
        if (should)
            cvb_cas32(word, now, (now | CVB_FLAG_PAUSED) + CVB_FLAG_COUNT);
        else if (cvb_cas32(word, now, (now & ~CVB_FLAG_PAUSED) + CVB_FLAG_COUNT))
            cvb_flag_wake(h, cvb_flag_of(h, counter), CVB_WAKE_ALL);
        cvb_fence_after_cas(); /* with that of who changes the counter: one of the two sees the other (F1) */
    }
}

/* After credits were given back. */
void cvb_flag_after(struct cvb_handle *h, uint32_t counter)
{
    cvb_fence_after_cas();
    uint32_t flag = cvb_flag_of(h, counter), now = cvb_load32_acq(cvb_flag_at(h, flag));
    if (now & CVB_FLAG_PAUSED)
        cvb_flag_correct(h, counter);
    else if (now & CVB_FLAG_WAITERS_EITHER)
        cvb_flag_wake(h, flag, CVB_WAKE_ALL); /* left by one who found at his last look that he need not sleep */
}

/* As cvb_flag_correct, but first all that is idle is given back if it may make the difference. With the journal closed.
 */
bool cvb_flag_settle(struct cvb_handle *h, uint32_t counter)
{
    struct cvb_marks m;
    cvb_marks_of(h, counter, &m);
    bool paused = cvb_load32_acq(cvb_flag_at(h, cvb_flag_of(h, counter))) & CVB_FLAG_PAUSED;
    if (cvb_counter_used(h, counter) >= (paused ? m.low + INT64_C(1) : m.high))
        cvb_reclaim_all(h, counter);
    return cvb_flag_correct(h, counter);
}

/* After a put: the counters that it has seen near their limits get their flags, unless they have them. */
void cvb_flag_raise(struct cvb_handle *h, uint32_t stage, uint32_t source)
{
    const uint32_t counter[] = {cvb_counter_of_source(h, source), CVB_COUNTER_TOTAL, cvb_counter_of_stage(stage)};
    cvb_fence_after_cas();
    for (unsigned x = 0; x < 3; x++)
        if ((h->near >> x & 1) && !(cvb_load32_acq(cvb_flag_at(h, cvb_flag_of(h, counter[x]))) & CVB_FLAG_PAUSED))
            cvb_flag_settle(h, counter[x]);
    h->near = 0;
}
