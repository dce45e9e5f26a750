/* loop.h - the loops of a producer and a consumer, inlined around each system's put and take. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <sched.h>

#include "peer.h"

#define PEER_INLINE static inline __attribute__((always_inline))

/* put: up to n records with the values first, first + 1, ... and how many went in. take: how many were taken, their
 * payload added to *sum. Negative: failed. */
typedef int peer_put(void *self, uint64_t first, unsigned n);
typedef int peer_take(void *self, unsigned n, uint64_t *sum);

PEER_INLINE void peer_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The same for everybody: twenty pauses, then the processor is given away. */
PEER_INLINE void peer_back_off(unsigned *tries)
{
    if (++*tries > 20)
        sched_yield();
    else
        peer_relax();
}

PEER_INLINE void peer_write(uint64_t *payload, uint64_t value)
{
    for (unsigned k = 0; k < PEER_WORDS; k++)
        payload[k] = value + k;
}

PEER_INLINE uint64_t peer_sum(const uint64_t *payload)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < PEER_WORDS; k++)
        sum += payload[k];
    return sum;
}

PEER_INLINE void peer_fill(struct peer_block *b, uint64_t value)
{
    b->source = 1;
    b->pipeline = 1;
    b->retry = 0;
    b->length = sizeof b->payload;
    peer_write(b->payload, value);
}

/* Reads both lines of the record. */
PEER_INLINE uint64_t peer_read(const struct peer_block *b)
{
    return peer_sum(b->payload) + (b->length - (uint32_t)sizeof b->payload);
}

/* What peer_sum gives for n records from first on, all together. */
PEER_INLINE uint64_t peer_sum_of(uint64_t first, uint64_t n)
{
    return PEER_WORDS * (n * first + n * (n - 1) / 2) + n * (PEER_WORDS * (PEER_WORDS - 1) / 2);
}

PEER_INLINE void peer_count(struct peer_result *r, uint64_t count, uint64_t sum)
{
    atomic_store_explicit(&r->sum, sum, memory_order_relaxed);
    atomic_store_explicit(&r->count, count, memory_order_relaxed);
}

PEER_INLINE void peer_await_go(struct peer_control *c)
{
    atomic_fetch_add(&c->ready, 1);
    while (!atomic_load_explicit(&c->go, memory_order_acquire))
        sched_yield();
}

PEER_INLINE int peer_produce(struct peer_process *p, void *self, peer_put *put)
{
    struct peer_control *c = p->control;
    uint64_t next = (uint64_t)p->index << 40, count = 0, sum = 0;
    unsigned tries = 0;
    int n = 0;
    peer_await_go(c);
    while (!atomic_load_explicit(&c->stop, memory_order_relaxed)) {
        n = put(self, next, p->shape.batch);
        if (n <= 0) {
            if (n < 0)
                break;
            peer_back_off(&tries);
            continue;
        }
        tries = 0;
        sum += peer_sum_of(next, (uint64_t)n);
        next += (uint64_t)n;
        count += (uint64_t)n;
        peer_count(&c->result[p->index], count, sum);
    }
    atomic_fetch_add(&c->producers_done, 1);
    return n < 0 ? n : 0;
}

PEER_INLINE int peer_consume(struct peer_process *p, void *self, peer_take *take)
{
    struct peer_control *c = p->control;
    uint64_t count = 0, sum = 0;
    unsigned tries = 0;
    peer_await_go(c);
    for (;;) {
        bool last = tries && atomic_load(&c->producers_done) == p->shape.producers;
        int n = take(self, p->shape.batch, &sum);
        if (n < 0 || (!n && last))
            return n;
        if (!n) {
            peer_back_off(&tries);
            continue;
        }
        tries = 0;
        count += (uint64_t)n;
        peer_count(&c->result[p->index], count, sum);
    }
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
