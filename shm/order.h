/* order.h - every access to shared memory, with its memory order in its name.
 *
 * Overview: shared words are plain integers in the segment; nothing else in this project reads or writes them than the
 * functions below. Built with CVB_EXPLORE each access first calls cvb_explore_step(), so the shipped protocol code runs
 * one access at a time under a seeded scheduler that kills and stops.
 *
 * Usage: cvb_load64_acq(&slot), cvb_store64_rel(&word->lo, v), cvb_cas_pair(&word, expected, desired).
 *
 * Why a pair may be read by 8-byte loads: lo, hi and lo again; with the same lo before and after, hi is of a word that
 * had this lo, because a lo hardly ever comes again (positions of two stages may be equal), and the decisions that
 * could not bear even that end in a cvb_cas_pair from exactly what was read. A turn of the loop costs somebody's
 * success.
 */
#ifndef CVB_SHM_ORDER_H
#define CVB_SHM_ORDER_H

#include <ck_pr.h>
#include <stdbool.h>
#include <stdint.h>

/* Most of it is C11. The pause of a loop that waits is Concurrency Kit's (ck; on aarch64 that is none). The 16-byte
 * compare-and-swap is the compiler's own: C11's is a call of libatomic that may take a lock, and ck's takes what it
 * expects from memory, where it was stored a moment ago, and orders nothing on aarch64. */

struct cvb_pair {
    uint64_t lo;
    uint64_t hi;
} __attribute__((aligned(16)));

#ifdef CVB_EXPLORE
void cvb_explore_step(void);
#else
static inline void cvb_explore_step(void) {}
#endif

#define CVB_ORDER_LOADS(bits)                                                                                          \
    static inline uint##bits##_t cvb_load##bits##_rlx(const uint##bits##_t *at)                                        \
    {                                                                                                                  \
        cvb_explore_step();                                                                                            \
        return __atomic_load_n(at, __ATOMIC_RELAXED);                                                                  \
    }                                                                                                                  \
    static inline uint##bits##_t cvb_load##bits##_acq(const uint##bits##_t *at)                                        \
    {                                                                                                                  \
        cvb_explore_step();                                                                                            \
        return __atomic_load_n(at, __ATOMIC_ACQUIRE);                                                                  \
    }                                                                                                                  \
    static inline uint##bits##_t cvb_load##bits##_seq(const uint##bits##_t *at)                                        \
    {                                                                                                                  \
        cvb_explore_step();                                                                                            \
        return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                                                  \
    }                                                                                                                  \
    static inline void cvb_store##bits##_rlx(uint##bits##_t *at, uint##bits##_t value)                                 \
    {                                                                                                                  \
        cvb_explore_step();                                                                                            \
        __atomic_store_n(at, value, __ATOMIC_RELAXED);                                                                 \
    }                                                                                                                  \
    static inline void cvb_store##bits##_rel(uint##bits##_t *at, uint##bits##_t value)                                 \
    {                                                                                                                  \
        cvb_explore_step();                                                                                            \
        __atomic_store_n(at, value, __ATOMIC_RELEASE);                                                                 \
    }                                                                                                                  \
    static inline void cvb_store##bits##_seq(uint##bits##_t *at, uint##bits##_t value)                                 \
    {                                                                                                                  \
        cvb_explore_step();                                                                                            \
        __atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                                                 \
    }                                                                                                                  \
    static inline bool cvb_cas##bits(uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t desired)              \
    {                                                                                                                  \
        cvb_explore_step();                                                                                            \
        return __atomic_compare_exchange_n(at, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);         \
    }
CVB_ORDER_LOADS(16)
CVB_ORDER_LOADS(32)
CVB_ORDER_LOADS(64)
#undef CVB_ORDER_LOADS

static inline void cvb_or64(uint64_t *at, uint64_t bits)
{
    cvb_explore_step();
    __atomic_fetch_or(at, bits, __ATOMIC_SEQ_CST);
}

/* What it was before. */
static inline uint64_t cvb_add64(uint64_t *at, uint64_t n)
{
    cvb_explore_step();
    return __atomic_fetch_add(at, n, __ATOMIC_SEQ_CST);
}

static inline void cvb_and64(uint64_t *at, uint64_t bits)
{
    cvb_explore_step();
    __atomic_fetch_and(at, bits, __ATOMIC_SEQ_CST);
}

/* A count that only its owner writes and nothing is decided by: no step of the protocol. */
static inline void cvb_own_add64(uint64_t *at, uint64_t n)
{
    __atomic_store_n(at, __atomic_load_n(at, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* Orders earlier relaxed loads before later loads: closes a read between two equal reads of a journal's head. */
static inline void cvb_fence_acq(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
/* Orders an earlier store before later relaxed stores: a journal is seen closed before its fields are seen to change.
 */
static inline void cvb_fence_rel(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

/* Orders an earlier compare-and-swap before later loads: making a condition true, and reading who waits for it. */
static inline void cvb_fence_after_cas(void)
{
#if defined(__x86_64__)
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* a locked instruction is a full barrier */
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Orders earlier stores before later loads. */
static inline void cvb_fence_seq(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/* The line at p will be written by this core. */
static inline void cvb_prefetch_write(const void *p)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)p));
#else
    __builtin_prefetch(p, 1);
#endif
}

static inline void cvb_pause(void)
{
    cvb_explore_step();
#if defined(__x86_64__)
    ck_pr_stall();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/* A word of one moment: see the head of this file. */
static inline struct cvb_pair cvb_load_pair(const struct cvb_pair *at)
{
    struct cvb_pair p;
    uint64_t again = cvb_load64_acq(&at->lo);
    do {
        p.lo = again;
        p.hi = cvb_load64_acq(&at->hi);
        again = cvb_load64_acq(&at->lo);
    } while (again != p.lo);
    return p;
}

/* As cvb_load_pair, but the halves may be of two words: for a compare-and-swap from exactly these, which then fails. */
static inline struct cvb_pair cvb_load_halves(const struct cvb_pair *at)
{
    struct cvb_pair p;
    p.lo = cvb_load64_acq(&at->lo);
    p.hi = cvb_load64_acq(&at->hi);
    return p;
}

static inline bool cvb_pair_equal(struct cvb_pair a, struct cvb_pair b) { return a.lo == b.lo && a.hi == b.hi; }

static inline bool cvb_cas_pair(struct cvb_pair *at, struct cvb_pair expected, struct cvb_pair desired)
{
    cvb_explore_step();
    unsigned __int128 e = (unsigned __int128)expected.hi << 64 | expected.lo;
    unsigned __int128 d = (unsigned __int128)desired.hi << 64 | desired.lo;
    return __sync_bool_compare_and_swap((unsigned __int128 *)(void *)at, e, d);
}

#endif
