/* trip.h - round trips: one process asks, the other answers; the time from the question to its answer is counted. */
#ifndef BENCH_TRIP_H
#define BENCH_TRIP_H

#include "paced.h"

enum { PEER_TRIP_SKIP = 200 };

/* Takes one record, or sees that it is over: -1 failed, 0 over, 1 taken. */
PEER_INLINE int peer_take_one(struct peer_process *p, void *self, peer_take *take, uint64_t *value)
{
    uint64_t sum = 0;
    for (;;) {
        int n = take(self, 1, p->shape.words, &sum, value);
        if (n)
            return n;
        if (atomic_load_explicit(&p->control->stop, memory_order_relaxed))
            return 0;
        peer_relax();
    }
}

PEER_INLINE int peer_put_one(void *self, peer_put *put, uint64_t value, unsigned words)
{
    int n;
    while (!(n = put(self, value, 1, words)))
        peer_relax();
    return n;
}

PEER_INLINE int peer_ask(struct peer_process *p, void *there, void *back, peer_put *put, peer_take *take)
{
    uint64_t value = 0;
    for (uint64_t i = 1; !atomic_load_explicit(&p->control->stop, memory_order_relaxed); i++) {
        if (p->trip->rest_ns)
            peer_until(peer_now_ns() + p->trip->rest_ns, false);
        uint64_t start = peer_now_ns();
        int n = peer_put_one(there, put, i, p->shape.words);
        if (n > 0)
            n = peer_take_one(p, back, take, &value);
        if (n <= 0)
            return n;
        if (value != i)
            return -1;
        if (i > (p->trip->rest_ns ? 2 : PEER_TRIP_SKIP))
            histogram_add(p->trip->time, peer_now_ns() - start);
    }
    return 0;
}

PEER_INLINE int peer_answer(struct peer_process *p, void *there, void *back, peer_put *put, peer_take *take)
{
    uint64_t value = 0;
    int n;
    while ((n = peer_take_one(p, there, take, &value)) > 0)
        if ((n = peer_put_one(back, put, value, p->shape.words)) < 0)
            break;
    return n;
}

PEER_INLINE int peer_trip(struct peer_process *p, void *there, void *back, peer_put *put, peer_take *take)
{
    peer_await_go(p->control);
    return p->index ? peer_answer(p, there, back, put, take) : peer_ask(p, there, back, put, take);
}

#endif
