/* futex.c - sleeping on words of a shared mapping, and ending a sleep of this process.
 *
 * Overview: a sleep ends when a word changes, at its time, or when it is interrupted: by cvb_wake from another thread
 * or from a signal handler, or by a signal if the handle asks for that. Each handle has a word of its own, `wake`; it
 * is one more word of the sleep.
 *
 * Without futex_waitv, with more words than it takes, or if a signal may end the wait, which futex_waitv goes on after
 * if the handler has SA_RESTART, a waiter sleeps on the segment's common word alone, and cvb_wake raises that one too.
 * Why such a wake is not lost: the sleeper reads the common word first, then `wake`; the waker sets `wake` first, then
 * raises the common word. A sleeper that finds out now that futex_waitv does not serve says so before it reads `wake`,
 * and a waker asks after it has set it (both sequentially consistent): one of them sees the other.
 *
 * Where the system refuses both calls, a sleep is a series of short naps: late, but not a loop that burns.
 */
#include <conveyor/wait.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <time.h>

#include "system.h"
#include "wake/wake.h"

/* As the kernel defines it since Linux 5.16; older headers lack it. */
struct waitv {
    uint64_t value, address;
    uint32_t flags, reserved;
};
#define WAITV_SIZE_32 2u
#define WAITV_PRIVATE 128u
#define NAP_NS UINT64_C(2000000) /* the longest nap where there are no futexes: how late a change is seen */

static int waitv_missing;

void cvb_futex_forget_waitv(void) { __atomic_store_n(&waitv_missing, 1, __ATOMIC_SEQ_CST); }
bool cvb_futex_has_waitv(void) { return !__atomic_load_n(&waitv_missing, __ATOMIC_SEQ_CST); }

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

uint32_t cvb_futex_wake(uint32_t *word, uint32_t most)
{
    long woken = cvb_system.futex(word, FUTEX_WAKE, most, NULL, 0);
    return woken < 0 ? 0 : (uint32_t)woken;
}

bool cvb_is_woken(struct cvb_handle *h)
{
    return __atomic_load_n(&h->wake, __ATOMIC_SEQ_CST) && __atomic_exchange_n(&h->wake, 0, __ATOMIC_SEQ_CST);
}

/* What a futex call that has failed with this errno says; MISSING if it is not an answer of the call itself. */
static enum cvb_slept slept_by(const struct cvb_handle *h, int reason)
{
    switch (reason) {
    case EAGAIN:
        return CVB_SLEPT_CHANGED;
    case EINTR:
        return h->interruptible ? CVB_SLEPT_INTERRUPTED : CVB_SLEPT_CHANGED;
    case ETIMEDOUT:
        return CVB_SLEPT_TIMED_OUT;
    default:
        return CVB_SLEPT_MISSING;
    }
}

static enum cvb_slept nap(const struct cvb_handle *h, uint64_t until_ns)
{
    uint64_t end = cvb_monotonic_ns() + NAP_NS;
    struct timespec t = timespec_of(end < until_ns ? end : until_ns);
    int before = cvb_guard(), reason = cvb_system.sleep_until(&t);
    cvb_unguard(before);
    if (reason == EINTR)
        return slept_by(h, EINTR);
    if (!reason)
        return CVB_SLEPT_CHANGED;
    errno = reason;
    return CVB_SLEPT_REFUSED;
}

enum cvb_slept cvb_futex_wait(struct cvb_handle *h, uint32_t *word, uint32_t value, uint64_t until_ns)
{
    struct timespec t = timespec_of(until_ns);
    if (cvb_is_woken(h))
        return CVB_SLEPT_INTERRUPTED;
    enum cvb_slept slept = CVB_SLEPT_CHANGED;
    if (cvb_system.futex(word, FUTEX_WAIT_BITSET, value, &t, FUTEX_BITSET_MATCH_ANY))
        slept = slept_by(h, errno);
    if (slept == CVB_SLEPT_MISSING)
        slept = nap(h, until_ns);
    return cvb_is_woken(h) ? CVB_SLEPT_INTERRUPTED : slept;
}

enum cvb_slept cvb_futex_wait_any(struct cvb_handle *h, uint32_t *const *word, const uint32_t *value, size_t count,
                                  uint64_t until_ns)
{
    struct waitv v[CVB_WAIT_MAX + 2];
    struct timespec t = timespec_of(until_ns);
    for (size_t i = 0; i < count; i++)
        v[i] = (struct waitv){value[i], (uint64_t)(uintptr_t)word[i], WAITV_SIZE_32, 0};
    v[count] = (struct waitv){0, (uint64_t)(uintptr_t)&h->wake, WAITV_SIZE_32 | WAITV_PRIVATE, 0};
    enum cvb_slept slept = CVB_SLEPT_CHANGED; /* also by `wake` */
    if (cvb_system.futex_waitv(v, (unsigned)count + 1, &t) < 0)
        slept = slept_by(h, errno);
    if (slept == CVB_SLEPT_MISSING)
        cvb_futex_forget_waitv();
    return cvb_is_woken(h) ? CVB_SLEPT_INTERRUPTED : slept;
}

int cvb_wake(struct cvb_handle *h)
{
    int error = cvb_handle_reads(h);
    if (!error && h->observer)
        error = CVB_EREADONLY; /* it never waits */
    if (error)
        return error;
    int kept = errno;
    __atomic_store_n(&h->wake, 1, __ATOMIC_SEQ_CST);
    cvb_system.futex(&h->wake, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, 0);
    if (!cvb_futex_has_waitv() || __atomic_load_n(&h->interruptible, __ATOMIC_SEQ_CST) ||
        __atomic_load_n(&h->common, __ATOMIC_SEQ_CST))
        cvb_flag_wake_any(h);
    errno = kept;
    return 0;
}

int cvb_interruptible(struct cvb_handle *h, int on)
{
    int error = cvb_handle_check(h);
    if (!error)
        __atomic_store_n(&h->interruptible, on, __ATOMIC_SEQ_CST);
    return error;
}
