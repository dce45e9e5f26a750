/* loop.h - the loops of a producer and a consumer, inlined around each system's put and take. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include "paced.h"
#include "trip.h"

PEER_INLINE int peer_produce_words(struct peer_process *p, void *self, peer_put *put, unsigned words)
{
    struct peer_control *c = p->control;
    uint64_t next = (uint64_t)p->index << 40, count = 0, sum = 0;
    unsigned tries = 0;
    int n = 0;
    peer_await_go(c);
    while (!atomic_load_explicit(&c->stop, memory_order_relaxed)) {
        n = put(self, next, p->shape.batch, words);
        if (n <= 0) {
            if (n < 0)
                break;
            peer_back_off(&tries);
            continue;
        }
        tries = 0;
        sum += peer_sum_of(next, (uint64_t)n, words);
        next += (uint64_t)n;
        count += (uint64_t)n;
        peer_count(&c->result[p->index], count, sum);
    }
    atomic_fetch_add(&c->producers_done, 1u);
    return n < 0 ? n : 0;
}

PEER_INLINE int peer_consume_words(struct peer_process *p, void *self, peer_take *take, unsigned words)
{
    struct peer_control *c = p->control;
    uint64_t count = 0, sum = 0;
    unsigned tries = 0;
    peer_await_go(c);
    for (;;) {
        bool last = tries && atomic_load(&c->producers_done) == p->shape.producers;
        int n = take(self, p->shape.batch, words, &sum, NULL);
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

/* The two sizes that decide most get code of their own. */
PEER_INLINE int peer_produce(struct peer_process *p, void *self, peer_put *put)
{
    if (p->pace)
        return peer_produce_paced(p, self, put);
    if (p->shape.words == PEER_WORDS)
        return peer_produce_words(p, self, put, PEER_WORDS);
    if (p->shape.words == 1)
        return peer_produce_words(p, self, put, 1);
    return peer_produce_words(p, self, put, p->shape.words);
}

PEER_INLINE int peer_consume(struct peer_process *p, void *self, peer_take *take)
{
    if (p->pace)
        return peer_consume_paced(p, self, take);
    if (p->shape.words == PEER_WORDS)
        return peer_consume_words(p, self, take, PEER_WORDS);
    if (p->shape.words == 1)
        return peer_consume_words(p, self, take, 1);
    return peer_consume_words(p, self, take, p->shape.words);
}

#endif
