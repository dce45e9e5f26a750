/* record.h - what put and take do to a record, and how one waits; inlined into each system's file. */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

#include <sched.h>

#include "peer.h"

#define PEER_INLINE static inline __attribute__((always_inline))

/* put: up to n records with the values first, first + 1, ... and how many went in. take: how many were taken, their
 * payload added to *sum, and each one's value stored if values is not NULL. words: of payload, a constant where it
 * matters. Negative: failed. */
typedef int peer_put(void *self, uint64_t first, unsigned n, unsigned words);
typedef int peer_take(void *self, unsigned n, unsigned words, uint64_t *sum, uint64_t *values);

PEER_INLINE void peer_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* How every system waits here: twenty pauses, then the processor is given away. */
PEER_INLINE void peer_back_off(unsigned *tries)
{
    if (++*tries > 20)
        sched_yield();
    else
        peer_relax();
}

PEER_INLINE void peer_write(uint64_t *payload, uint64_t value, unsigned words)
{
    for (unsigned k = 0; k < words; k++)
        payload[k] = value + k;
}

PEER_INLINE void peer_see(const uint64_t *payload, unsigned words, uint64_t *sum, uint64_t *value)
{
    uint64_t all = 0;
    for (unsigned k = 0; k < words; k++)
        all += payload[k];
    *sum += all;
    if (value)
        *value = payload[0];
}

/* Where values[i] goes. */
PEER_INLINE uint64_t *peer_place(uint64_t *values, unsigned i) { return values ? values + i : NULL; }

/* Bytes from one block to the next. */
PEER_INLINE size_t peer_stride(unsigned words)
{
    size_t bytes = offsetof(struct peer_block, payload) + words * sizeof(uint64_t);
    return words == 1 ? sizeof(uint64_t) : (bytes + PEER_ALIGN - 1) / PEER_ALIGN * PEER_ALIGN;
}

/* A record, or a message. */
PEER_INLINE void peer_fill(void *at, uint64_t value, unsigned words)
{
    struct peer_block *b = (struct peer_block *)at;
    if (words == 1) {
        *(uint64_t *)at = value;
        return;
    }
    b->source = 1;
    b->pipeline = 1;
    b->retry = 0;
    b->length = words * (uint32_t)sizeof(uint64_t);
    peer_write(b->payload, value, words);
}

/* Reads all lines of the record. */
PEER_INLINE void peer_read(const void *at, unsigned words, uint64_t *sum, uint64_t *value)
{
    const struct peer_block *b = (const struct peer_block *)at;
    if (words == 1) {
        peer_see((const uint64_t *)at, 1, sum, value);
        return;
    }
    peer_see(b->payload, words, sum, value);
    *sum += b->length - words * (uint32_t)sizeof(uint64_t);
}

/* What peer_see adds for n records from first on, all together. */
PEER_INLINE uint64_t peer_sum_of(uint64_t first, uint64_t n, uint64_t words)
{
    return words * (n * first + n * (n - 1) / 2) + n * (words * (words - 1) / 2);
}

PEER_INLINE void peer_count(struct peer_result *r, uint64_t count, uint64_t sum)
{
    atomic_store_explicit(&r->sum, sum, memory_order_relaxed);
    atomic_store_explicit(&r->count, count, memory_order_relaxed);
}

PEER_INLINE void peer_await_go(struct peer_control *c)
{
    atomic_fetch_add(&c->ready, 1u);
    while (!atomic_load_explicit(&c->go, memory_order_acquire))
        sched_yield();
}

PEER_INLINE unsigned peer_power_of_two(unsigned n)
{
    unsigned p = 1;
    while (p < n)
        p *= 2;
    return p;
}

PEER_INLINE size_t peer_round(size_t bytes) { return (bytes + PEER_ALIGN - 1) / PEER_ALIGN * PEER_ALIGN; }

#endif
