/* paced.h - the loops of an open loop: each record has its time, and is late if the system is. Latency counts from the
 * time at which a record was due, not from when it was put at last: no coordinated omission (Tene 2013). */
#ifndef BENCH_PACED_H
#define BENCH_PACED_H

#include <time.h>

#include "../harness/histogram.h"
#include "record.h"

enum { PEER_SLEEP_ABOVE_NS = 150000, PEER_WAKE_EARLY_NS = 100000 };

PEER_INLINE uint64_t peer_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

PEER_INLINE uint64_t peer_due_ns(const struct peer_pace *pace, uint64_t i)
{
    return atomic_load_explicit(pace->start_ns, memory_order_relaxed) + (uint64_t)((double)i * pace->interval_ns);
}

static inline uint64_t peer_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Sleeps if there is much time, and spins for the rest; or only sleeps. */
static inline void peer_until(uint64_t due_ns, bool sleep)
{
    uint64_t now = peer_now_ns();
    if (sleep) {
        struct timespec t = {(time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        return;
    }
    if (due_ns > now + PEER_SLEEP_ABOVE_NS) {
        uint64_t ns = due_ns - now - PEER_WAKE_EARLY_NS;
        struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
        nanosleep(&t, NULL);
    }
    while (peer_now_ns() < due_ns)
        peer_relax();
}

/* How many of the records from i on are due now: at least one, at most a batch. */
PEER_INLINE unsigned peer_due(const struct peer_process *p, uint64_t i, uint64_t now)
{
    unsigned n = 1;
    while (n < p->shape.batch && i + n < p->pace->records && peer_due_ns(p->pace, i + n) <= now)
        n++;
    return n;
}

/* Puts all that is due, each record once; ends with the last. */
PEER_INLINE int peer_produce_paced(struct peer_process *p, void *self, peer_put *put)
{
    const struct peer_pace *pace = p->pace;
    struct peer_control *c = p->control;
    _Atomic(uint64_t) *put_ns = pace->put_ns + p->index * pace->records;
    uint64_t i = 0, begun = 0, sum = 0;
    unsigned tries = 0;
    int n = 0;
    peer_await_go(c);
    uint64_t used = peer_cpu_ns();
    while (i < pace->records && !atomic_load_explicit(&c->stop, memory_order_relaxed)) {
        peer_until(peer_due_ns(pace, i), pace->sleep);
        uint64_t now = peer_now_ns(), first = ((uint64_t)p->index << 40) + i;
        unsigned due = peer_due(p, i, now);
        for (; begun < i + due; begun++)
            atomic_store_explicit(&put_ns[begun], now, memory_order_relaxed);
        n = put(self, first, due, p->shape.words);
        if (n < 0)
            break;
        if (!n) {
            peer_back_off(&tries);
            continue;
        }
        tries = 0;
        sum += peer_sum_of(first, (uint64_t)n, p->shape.words);
        i += (uint64_t)n;
        peer_count(&c->result[p->index], i, sum);
    }
    atomic_store(&c->result[p->index].loop_cpu_ns, peer_cpu_ns() - used);
    atomic_fetch_add(&c->producers_done, 1u);
    return n < 0 ? n : 0;
}

PEER_INLINE void peer_note(const struct peer_process *p, uint64_t value)
{
    const struct peer_pace *pace = p->pace;
    uint64_t producer = value >> 40, i = value & ((UINT64_C(1) << 40) - 1), now = peer_now_ns();
    if (producer >= p->shape.producers || i >= pace->records || i < pace->skip)
        return;
    uint64_t due = peer_due_ns(pace, i);
    uint64_t begun = atomic_load_explicit(&pace->put_ns[producer * pace->records + i], memory_order_relaxed);
    histogram_add(pace->response[p->index], now > due ? now - due : 0);
    histogram_add(pace->service[p->index], now > begun ? now - begun : 0);
}

PEER_INLINE int peer_consume_paced(struct peer_process *p, void *self, peer_take *take)
{
    struct peer_control *c = p->control;
    uint64_t count = 0, sum = 0, values[PEER_BATCH_MAX];
    unsigned tries = 0;
    peer_await_go(c);
    uint64_t used = peer_cpu_ns();
    for (;;) {
        bool last = tries && atomic_load(&c->producers_done) == p->shape.producers;
        int n = take(self, p->shape.batch, p->shape.words, &sum, values);
        if (n < 0 || (!n && last)) {
            atomic_store(&c->result[p->index].loop_cpu_ns, peer_cpu_ns() - used);
            return n;
        }
        if (!n) {
            peer_back_off(&tries);
            continue;
        }
        tries = 0;
        for (int i = 0; i < n; i++)
            peer_note(p, values[i]);
        count += (uint64_t)n;
        peer_count(&c->result[p->index], count, sum);
    }
}

#endif
