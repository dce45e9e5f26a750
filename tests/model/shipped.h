/* shipped.h - lets GenMC run the shipped protocol files: included before them, in place of shm/order.h.
 *
 * GenMC knows accesses of up to 64 bits. A unit's word, and a counter's, has 16 bytes and is changed by a 16-byte
 * compare-and-swap: here both halves are packed into the first 64 bits of its place, so that it is still changed by one
 * access. A load of a half is a load of all, of which a half is taken: cvb_load_pair's lo, hi and lo again are three
 * loads, as in the library. Everything else is what shm/order.h says, with the order that the name says.
 *
 * What a packed word cannot show: that lo and hi are two locations. The first load of a pair being an acquire is argued
 * in MEMORY-MODEL.md instead.
 */
#ifndef MODEL_SHIPPED_H
#define MODEL_SHIPPED_H
#define CVB_SHM_ORDER_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
typedef unsigned long dev_t, ino_t; /* GenMC's types lack these */
#ifndef static_assert
#define static_assert _Static_assert /* GenMC has an assert.h of its own */
#endif

struct cvb_pair {
    uint64_t lo;
    uint64_t hi;
};

/* Is this address of a word that is packed? Each model says it. */
static inline bool model_packed(const void *at);

/* lo: state 4, kind 1, number 12; hi: mask 4, stage 2, seat 3, retry 3, marks 2. Of a counter: value 12; tag: seat 4,
 * seq 9, step 3. */
static inline uint64_t model_pack(const void *at, struct cvb_pair p);
static inline struct cvb_pair model_unpack(const void *at, uint64_t packed);

/* A thread that shall die sets one of these to the number of writes that it still does, and one: of all, or of those
 * that have an order, so that the number is the same whatever fields are written before one of them. */
static __thread unsigned model_left, model_left_ordered;

static inline void model_write(bool ordered)
{
    if (model_left && !--model_left)
        pthread_exit(NULL);
    if (ordered && model_left_ordered && !--model_left_ordered)
        pthread_exit(NULL);
}

/* In the place of an access, to see whether a model does it at all. */
static inline void model_reached(void) { assert(!"reached"); }

static inline void *model_place(const void *at) { return (void *)((uintptr_t)at & ~(uintptr_t)15); }

static inline uint64_t model_half(const void *at, uint64_t packed)
{
    struct cvb_pair p = model_unpack(model_place(at), packed);
    return (uintptr_t)at & 8 ? p.hi : p.lo;
}

/* A half is changed by the word's owner alone, so nobody comes between. */
static inline uint64_t model_with_half(uint64_t *at, uint64_t value)
{
    uint64_t *place = model_place(at);
    struct cvb_pair p = model_unpack(place, __atomic_load_n(place, __ATOMIC_RELAXED));
    if ((uintptr_t)at & 8)
        p.hi = value;
    else
        p.lo = value;
    return model_pack(place, p);
}

#define MODEL_LOAD(bits, name, order)                                                                                  \
    static inline uint##bits##_t cvb_load##bits##_##name(const uint##bits##_t *at)                                     \
    {                                                                                                                  \
        if (bits == 64 && model_packed(at))                                                                            \
            return (uint##bits##_t)model_half(at, __atomic_load_n((uint64_t *)model_place(at), order));                \
        return __atomic_load_n(at, order);                                                                             \
    }
/* On x86-64 (X86, for GenMC's --tso) a sequentially consistent store is a locked instruction, and the fence after one
 * is for the compiler alone. */
#ifdef X86
#define MODEL_LOCKED(order)                                                                                            \
    if ((order) == __ATOMIC_SEQ_CST)                                                                                   \
    __atomic_thread_fence(__ATOMIC_SEQ_CST)
static inline void cvb_fence_after_cas(void) {}
#else
#define MODEL_LOCKED(order) (void)0
static inline void cvb_fence_after_cas(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
#endif

#define MODEL_STORE(bits, name, order, ordered)                                                                        \
    static inline void cvb_store##bits##_##name(uint##bits##_t *at, uint##bits##_t value)                              \
    {                                                                                                                  \
        model_write(ordered);                                                                                          \
        if (bits == 64 && model_packed(at))                                                                            \
            __atomic_store_n((uint64_t *)model_place(at), model_with_half((uint64_t *)(void *)at, value), order);      \
        else                                                                                                           \
            __atomic_store_n(at, value, order);                                                                        \
        MODEL_LOCKED(order);                                                                                           \
    }
#define MODEL_CAS(bits, name, good, bad)                                                                               \
    static inline bool cvb_cas##bits##name(uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t desired)        \
    {                                                                                                                  \
        model_write(true);                                                                                             \
        return __atomic_compare_exchange_n(at, &expected, desired, false, good, bad);                                  \
    }
#define MODEL_WIDTH(bits)                                                                                              \
    MODEL_LOAD(bits, rlx, __ATOMIC_RELAXED)                                                                            \
    MODEL_LOAD(bits, acq, __ATOMIC_ACQUIRE)                                                                            \
    MODEL_LOAD(bits, seq, __ATOMIC_SEQ_CST)                                                                            \
    MODEL_LOAD(bits, weak, __ATOMIC_RELAXED)                                                                           \
    MODEL_STORE(bits, weak, __ATOMIC_RELAXED, true)                                                                    \
    MODEL_STORE(bits, rlx, __ATOMIC_RELAXED, false)                                                                    \
    MODEL_STORE(bits, rel, __ATOMIC_RELEASE, true)                                                                     \
    MODEL_STORE(bits, seq, __ATOMIC_SEQ_CST, true)                                                                     \
    MODEL_CAS(bits, , __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)                                                              \
    MODEL_CAS(bits, _rlx, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
MODEL_WIDTH(16)
MODEL_WIDTH(32)
MODEL_WIDTH(64)

static inline void cvb_or64(uint64_t *at, uint64_t bits) { __atomic_fetch_or(at, bits, __ATOMIC_SEQ_CST); }
static inline void cvb_or64_rlx(uint64_t *at, uint64_t bits) { __atomic_fetch_or(at, bits, __ATOMIC_RELAXED); }
static inline void cvb_and64(uint64_t *at, uint64_t bits) { __atomic_fetch_and(at, bits, __ATOMIC_SEQ_CST); }
static inline void cvb_and64_rlx(uint64_t *at, uint64_t bits) { __atomic_fetch_and(at, bits, __ATOMIC_RELAXED); }
static inline uint64_t cvb_add64(uint64_t *at, uint64_t n) { return __atomic_fetch_add(at, n, __ATOMIC_SEQ_CST); }
static inline void cvb_own_add64(uint64_t *at, uint64_t n) { (void)at, (void)n; }
static inline void cvb_explore_step(void) {}
static inline void cvb_prefetch_write(const void *p) { (void)p; }
static inline void cvb_pause(void) {}
static inline void cvb_fence_seq(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void cvb_fence_acq(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void cvb_fence_rel(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
static inline void cvb_fence_none(void) {}

#define MODEL_LOAD_PAIR(name, order)                                                                                   \
    static inline struct cvb_pair name(const struct cvb_pair *at)                                                      \
    {                                                                                                                  \
        uint64_t *place = (uint64_t *)(uintptr_t)at, again = __atomic_load_n(place, order), lo;                        \
        struct cvb_pair p;                                                                                             \
        do {                                                                                                           \
            lo = model_unpack(place, again).lo;                                                                        \
            p.hi = model_unpack(place, __atomic_load_n(place, order)).hi;                                              \
            again = __atomic_load_n(place, order);                                                                     \
            p.lo = model_unpack(place, again).lo;                                                                      \
        } while (p.lo != lo);                                                                                          \
        return p;                                                                                                      \
    }
MODEL_LOAD_PAIR(cvb_load_pair, __ATOMIC_ACQUIRE)
MODEL_LOAD_PAIR(cvb_load_pair_rlx, __ATOMIC_RELAXED)

#define MODEL_LOAD_HALVES(name, order)                                                                                 \
    static inline struct cvb_pair name(const struct cvb_pair *at)                                                      \
    {                                                                                                                  \
        uint64_t *place = (uint64_t *)(uintptr_t)at;                                                                   \
        struct cvb_pair p;                                                                                             \
        p.lo = model_unpack(place, __atomic_load_n(place, order)).lo;                                                  \
        p.hi = model_unpack(place, __atomic_load_n(place, order)).hi;                                                  \
        return p;                                                                                                      \
    }
MODEL_LOAD_HALVES(cvb_load_halves, __ATOMIC_ACQUIRE)
MODEL_LOAD_HALVES(cvb_load_halves_rlx, __ATOMIC_RELAXED)

static inline bool cvb_pair_equal(struct cvb_pair a, struct cvb_pair b) { return a.lo == b.lo && a.hi == b.hi; }

/* On every CPU it is a full barrier (gcc's __sync builtins), which C11's compare-and-swap is not: what is written after
 * it may be seen before it. Models whose claim needs that set BARRIER. */
#ifdef BARRIER
#define MODEL_BARRIER __atomic_thread_fence(__ATOMIC_SEQ_CST)
#else
#define MODEL_BARRIER (void)0
#endif

#define MODEL_CAS_PAIR(name, good, bad, barrier)                                                                       \
    static inline bool name(struct cvb_pair *at, struct cvb_pair expected, struct cvb_pair desired)                    \
    {                                                                                                                  \
        model_write(true);                                                                                             \
        uint64_t e = model_pack(at, expected), d = model_pack(at, desired);                                            \
        bool done = __atomic_compare_exchange_n((uint64_t *)(void *)at, &e, d, false, good, bad);                      \
        barrier;                                                                                                       \
        return done;                                                                                                   \
    }
MODEL_CAS_PAIR(cvb_cas_pair, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST, MODEL_BARRIER)
MODEL_CAS_PAIR(cvb_cas_pair_rlx, __ATOMIC_RELAXED, __ATOMIC_RELAXED, (void)0)

/* run --edges writes MODEL_REACHED_ before an access, to see whether any model does it. */
#define MODEL_REACHED_cvb_load16_acq(...) (model_reached(), cvb_load16_acq(__VA_ARGS__))
#define MODEL_REACHED_cvb_load16_seq(...) (model_reached(), cvb_load16_seq(__VA_ARGS__))
#define MODEL_REACHED_cvb_store16_rel(...) (model_reached(), cvb_store16_rel(__VA_ARGS__))
#define MODEL_REACHED_cvb_store16_seq(...) (model_reached(), cvb_store16_seq(__VA_ARGS__))
#define MODEL_REACHED_cvb_cas16(...) (model_reached(), cvb_cas16(__VA_ARGS__))
#define MODEL_REACHED_cvb_load32_acq(...) (model_reached(), cvb_load32_acq(__VA_ARGS__))
#define MODEL_REACHED_cvb_load32_seq(...) (model_reached(), cvb_load32_seq(__VA_ARGS__))
#define MODEL_REACHED_cvb_store32_rel(...) (model_reached(), cvb_store32_rel(__VA_ARGS__))
#define MODEL_REACHED_cvb_store32_seq(...) (model_reached(), cvb_store32_seq(__VA_ARGS__))
#define MODEL_REACHED_cvb_cas32(...) (model_reached(), cvb_cas32(__VA_ARGS__))
#define MODEL_REACHED_cvb_load64_acq(...) (model_reached(), cvb_load64_acq(__VA_ARGS__))
#define MODEL_REACHED_cvb_load64_seq(...) (model_reached(), cvb_load64_seq(__VA_ARGS__))
#define MODEL_REACHED_cvb_store64_rel(...) (model_reached(), cvb_store64_rel(__VA_ARGS__))
#define MODEL_REACHED_cvb_store64_seq(...) (model_reached(), cvb_store64_seq(__VA_ARGS__))
#define MODEL_REACHED_cvb_cas64(...) (model_reached(), cvb_cas64(__VA_ARGS__))
#define MODEL_REACHED_cvb_cas_pair(...) (model_reached(), cvb_cas_pair(__VA_ARGS__))
#define MODEL_REACHED_cvb_load_pair(...) (model_reached(), cvb_load_pair(__VA_ARGS__))
#define MODEL_REACHED_cvb_load_halves(...) (model_reached(), cvb_load_halves(__VA_ARGS__))
#define MODEL_REACHED_cvb_or64(...) (model_reached(), cvb_or64(__VA_ARGS__))
#define MODEL_REACHED_cvb_and64(...) (model_reached(), cvb_and64(__VA_ARGS__))
#define MODEL_REACHED_cvb_fence_seq(...) (model_reached(), cvb_fence_seq(__VA_ARGS__))
#define MODEL_REACHED_cvb_fence_acq(...) (model_reached(), cvb_fence_acq(__VA_ARGS__))
#define MODEL_REACHED_cvb_fence_rel(...) (model_reached(), cvb_fence_rel(__VA_ARGS__))
#define MODEL_REACHED_cvb_fence_after_cas(...) (model_reached(), cvb_fence_after_cas(__VA_ARGS__))

#endif
