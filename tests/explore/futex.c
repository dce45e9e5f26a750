/* futex.c - waiting, for simulated processes: in place of wake/futex.c and place/clock.c.
 *
 * The clock is the number of steps, 20 microseconds each, so that a schedule lasts some of the protocol's own
 * intervals. A sleeper is not run before it is woken or its time is over; if nobody else can run, time passes at once.
 */
#include <string.h>

#include "world.h"

static struct {
    const uint32_t *word[CVB_WAIT_MAX];
    size_t count;
} sleeper[SIM_FIBERS + 1];
static bool waitv_missing;

void world_forget_sleepers(bool without_waitv)
{
    memset(sleeper, 0, sizeof sleeper);
    waitv_missing = without_waitv;
}

uint64_t cvb_coarse_ns(void) { return (uint64_t)sim_clock() / 8 * 8 * WORLD_STEP_NS; }
uint64_t cvb_now_ns(void) { return cvb_coarse_ns(); }
uint64_t cvb_monotonic_ns(void) { return (uint64_t)sim_clock() * WORLD_STEP_NS; }
void cvb_futex_forget_waitv(void) { waitv_missing = true; }
bool cvb_futex_has_waitv(void) { return !waitv_missing; }

/* True if the process sleeps on the word. It then does no more, but may still sleep on others: as in the kernel, who
 * was woken by one word and has not run yet is counted by a waker of another. */
static bool leaves(int process, const uint32_t *word)
{
    for (size_t k = 0; k < sleeper[process].count; k++)
        if (sleeper[process].word[k] == word) {
            sleeper[process].word[k] = NULL;
            return true;
        }
    return false;
}

uint32_t cvb_futex_wake(uint32_t *word, uint32_t most)
{
    uint32_t woken = 0;
    sim_point("futex wake", NULL, __builtin_return_address(0));
    for (int i = 0, first = (int)sim_below((unsigned)sim.count); i < sim.count && woken < most; i++) {
        int who = (first + i) % sim.count;
        if (sim.fiber[who].killed || !leaves(who, word))
            continue;
        sim_wake(who);
        woken++;
    }
    return woken;
}

bool cvb_is_woken(struct cvb_handle *h) { return (void)h, false; }

enum cvb_slept cvb_futex_wait_any(struct cvb_handle *h, uint32_t *const *word, const uint32_t *value, size_t count,
                                  uint64_t until_ns)
{
    int me = sim.current;
    (void)h;
    sim_point("futex wait", NULL, __builtin_return_address(0));
    for (size_t i = 0; i < count; i++)
        if (*word[i] != value[i])
            return CVB_SLEPT_CHANGED;
    for (size_t i = 0; i < count; i++)
        sleeper[me].word[i] = word[i];
    sleeper[me].count = count;
    if (me < SIM_FIBERS) {
        sim_pause_until(me, (long)(until_ns / WORLD_STEP_NS) + 1, true);
        sim_point("sleep", NULL, __builtin_return_address(0));
        sim.fiber[me].alone = 0;
    }
    sleeper[me].count = 0;
    return CVB_SLEPT_CHANGED;
}

enum cvb_slept cvb_futex_wait(struct cvb_handle *h, uint32_t *word, uint32_t value, uint64_t until_ns)
{
    return cvb_futex_wait_any(h, &word, &value, 1, until_ns);
}
