/* sleep.c - sleeping until a condition holds: announce, look again, sleep.
 *
 * Overview: a wait looks; spins for a short time; then announces itself on the flags of what is in its way, looks
 * again, and sleeps on the values that it has announced. While it sleeps it may be the lookout of all sleepers
 * (crash/lookout.c): then it also looks for the dead, and ends the delay of records that are due.
 *
 * Why no wake-up is lost: a waker changes what is waited for and then reads the flag; the sleeper changes the flag and
 * then looks at what is waited for. One of the two sees the other (F1, wake/flag.c). A sleep that ends too soon, by a
 * change that was meant for another sleeper, costs one more turn.
 */
#include "watch/sleep.h"

#include "place/stay.h"

#define LOOK_NS UINT64_C(100000000) /* between two looks of the lookout for the dead: ten wake-ups a second */
/* A sleep that ended sooner would have been a spin of at most so long, which costs less than sleep and wake-up. */
#define SHORT_SLEEP_NS UINT64_C(100000)
/* Turns of a spin before a sleep: at most about 50 us of looks at a flag. It doubles while spins find what they wait
 * for, and halves when they do not, down to a spin that costs less than a system call. */
#ifndef CVB_SPIN_MAX
#define CVB_SPIN_MAX 1024u
#define CVB_SPIN_MIN 16u
#endif

/* Announces a sleeper on a flag: sets the waiters bits, and clears the woken bit, so that a waker that has set that one
 * sees that a sleeper has come since (flag.c). Returns what the flag shows then. */
uint32_t cvb_announce(uint32_t *word, uint32_t bits)
{
    uint32_t now, shown;
    do {
        now = cvb_load32_acq(word);
        shown = (now | bits) & ~CVB_FLAG_WOKEN;
    } while (!cvb_cas32(word, now, shown));
    return shown;
}

static bool is_among(uint32_t one, const uint32_t *flag, size_t count)
{
    while (count)
        if (flag[--count] == one)
            return true;
    return false;
}

/* True if the sleeper, who has announced itself on these flags, will be woken by them when its condition may hold.
 * False if other flags tell of that by now: then it looks again. */
bool cvb_must_sleep(struct cvb_handle *h, const struct cvb_wait *w, const uint32_t *flag, size_t count)
{
    uint32_t now[CVB_WAIT_MAX];
    size_t n = w->flags(h, w, now), announced = 0;
    for (size_t i = 0; i < n; i++)
        announced += is_among(now[i], flag, count);
    return w->any_brings_it ? announced == n : announced;
}

/* The error that ends a wait after such a sleep; 0 if it goes on. */
static int ended_by(enum cvb_slept slept)
{
    return slept == CVB_SLEPT_INTERRUPTED ? CVB_EINTERRUPTED : slept == CVB_SLEPT_REFUSED ? CVB_EUNSUPPORTED : 0;
}

/* True if the sleep is by futex_waitv. That call goes on after a signal handler with SA_RESTART, so it does not serve a
 * wait that a signal is to end. */
static bool sleeps_by_waitv(struct cvb_handle *h) { return cvb_futex_has_waitv() && !h->interruptible; }

/* Field by field: the model checker cannot follow a struct that is cleared as a whole. */
void cvb_wait_set_begin(struct cvb_handle *h, struct cvb_wait_set *set)
{
    set->count = 0;
    set->waitv = sleeps_by_waitv(h);
    set->any = cvb_flag_at(h, CVB_FLAG_ANY);
    set->any_value = cvb_load32_acq(set->any);
}

/* The sleep itself, until a word changes or the time comes. 0, or what ends the wait. */
int cvb_sleep_on(struct cvb_handle *h, const struct cvb_wait *w, const struct cvb_wait_set *set, uint64_t until)
{
    enum cvb_slept slept = set->waitv ? cvb_futex_wait_any(h, set->word, set->value, set->count, until)
                                      : cvb_futex_wait(h, set->any, set->any_value, until);
    int ended = ended_by(slept), there = ended ? w->look(h, w, true) : 0;
    return there ? there : ended;
}

/* Announces, looks again, and sleeps until a flag changes or the time comes. 0, or what ends the wait. */
int cvb_sleep_once(struct cvb_handle *h, const struct cvb_wait *w, uint64_t until, bool lookout)
{
    uint32_t flag[CVB_WAIT_MAX + 1];
    struct cvb_wait_set set;
    cvb_wait_set_begin(h, &set);
    set.count = w->flags(h, w, flag);
    if (lookout)
        flag[set.count++] = cvb_flag_of_time(h);
    for (size_t i = 0; i < set.count; i++) {
        set.word[i] = cvb_flag_word(h, flag[i]);
        set.value[i] = cvb_announce(set.word[i], (set.waitv ? CVB_FLAG_WAITERS : CVB_FLAG_WAITERS_ANY) | w->bits);
    }
    cvb_fence_after_cas();
    if (lookout)
        until = cvb_delay_or(h, until);
    int there = w->look(h, w, true);
    if (there || !cvb_must_sleep(h, w, flag, set.count))
        return there;
    return cvb_sleep_on(h, w, &set, until);
}

/* Looks again and again, for about as long as that has helped lately. Returns what the last look says. */
static int spin(struct cvb_handle *h, const struct cvb_wait *w)
{
    uint32_t turns = h->spin < CVB_SPIN_MIN ? CVB_SPIN_MIN : h->spin;
    for (uint32_t i = 0; i < turns; i++) {
        int there = w->look(h, w, false);
        if (there) {
            h->spin = turns < CVB_SPIN_MAX ? turns * 2 : CVB_SPIN_MAX;
            return there;
        }
        cvb_pause();
    }
    h->spin = turns / 2;
    return 0;
}

/* Sleeps until the condition holds or the time `end` has come; *now: the time, before and after. */
static int sleep_until(struct cvb_handle *h, const struct cvb_wait *w, uint64_t end, uint64_t *now)
{
    int there = 0;
    uint64_t look_at = *now + LOOK_NS;
    while (!there && *now < end) {
        bool lookout = cvb_lookout_promise(h, *now);
        uint64_t until = lookout ? look_at : *now + cvb_lookout_slice(h);
        if (w->period_ns && until > *now + w->period_ns)
            until = *now + w->period_ns;
        until = until < end ? until : end;
        there = w->sleep(h, w, until, lookout);
        *now = cvb_monotonic_ns();
        cvb_active_at(h, *now);
        if (!there && lookout)
            there = cvb_delay_end(h, *now) < 0 ? CVB_ECORRUPT : 0;
        if (!there && lookout && *now >= look_at) {
            there = cvb_lookout_look(h);
            look_at = *now + LOOK_NS;
        }
        if (!there && (*now < until || *now >= end)) /* else the next turn looks */
            there = w->look(h, w, true);
    }
    cvb_lookout_leave(h);
    return there;
}

/* Waits until the condition holds. Returns what the last look says, CVB_ETIMEDOUT, or another error. *slept_ns: set if
 * it has slept. */
int cvb_wait_for(struct cvb_handle *h, const struct cvb_wait *w, int64_t timeout_ns, uint64_t *slept_ns)
{
    int there = w->look(h, w, true);
    if (there)
        return there;
    if (cvb_is_woken(h))
        return CVB_EINTERRUPTED;
    if (!timeout_ns)
        return CVB_ETIMEDOUT;
    if (!w->any && (there = spin(h, w)))
        return there;
    uint64_t start = cvb_monotonic_ns(), now = start;
    cvb_active_at(h, start);
    bool for_ever = timeout_ns < 0 || (uint64_t)timeout_ns > UINT64_MAX / 2 - start;
    there = sleep_until(h, w, for_ever ? UINT64_MAX : start + (uint64_t)timeout_ns, &now);
    *slept_ns = now - start;
    cvb_recover_soon(h);
    if (there > 0 && *slept_ns < SHORT_SLEEP_NS) /* a longer spin would have been the quicker way */
        h->spin = h->spin < CVB_SPIN_MAX / 4 ? (h->spin + CVB_SPIN_MIN) * 4 : CVB_SPIN_MAX;
    return there ? there : CVB_ETIMEDOUT;
}
