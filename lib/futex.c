/* futex.c - the two system calls of waiting, on words of a shared mapping. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* As the kernel defines it since Linux 5.16; older headers lack it. */
struct waitv {
    uint64_t value, address;
    uint32_t flags, reserved;
};
#define WAITV_SIZE_32 2u
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static int waitv_missing;

void cvb_futex_forget_waitv(void) { __atomic_store_n(&waitv_missing, 1, __ATOMIC_RELAXED); }
bool cvb_futex_has_waitv(void) { return !__atomic_load_n(&waitv_missing, __ATOMIC_RELAXED); }

uint32_t cvb_futex_wake(uint32_t *word, uint32_t most)
{
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, (int)most, NULL, NULL, 0);
    return woken < 0 ? 0 : (uint32_t)woken;
}

void cvb_futex_wait(uint32_t *word, uint32_t value, uint64_t until_ns)
{
    struct timespec t = {(time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, &t, NULL, FUTEX_BITSET_MATCH_ANY);
}

bool cvb_futex_wait_any(uint32_t *const *word, const uint32_t *value, size_t count, uint64_t until_ns)
{
    struct waitv v[CVB_WAIT_MAX];
    struct timespec t = {(time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u)};
    for (size_t i = 0; i < count; i++)
        v[i] = (struct waitv){value[i], (uint64_t)(uintptr_t)word[i], WAITV_SIZE_32, 0};
    if (syscall(SYS_futex_waitv, v, (unsigned)count, 0, &t, CLOCK_MONOTONIC) >= 0 || errno != ENOSYS)
        return true;
    cvb_futex_forget_waitv();
    return false;
}

uint64_t cvb_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
