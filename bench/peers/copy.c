/* copy.c - the floor: one producer writes records straight into a ring, one consumer reads them there. */
#include <string.h>

#include "loop.h"

struct ring {
    alignas(PEER_ALIGN) _Atomic(uint64_t) tail; /* the producer's */
    alignas(PEER_ALIGN) _Atomic(uint64_t) head; /* the consumer's */
    alignas(PEER_ALIGN) uint64_t size;
    alignas(PEER_ALIGN) char block[];
};

/* Each side keeps its own end, and the other's as it last saw it. */
struct self {
    struct ring *ring;
    uint64_t mine, theirs;
};

static size_t bytes(const struct peer_shape *shape)
{
    return sizeof(struct ring) + peer_power_of_two(shape->capacity) * peer_stride(shape->words);
}

static int init(void *shared, const struct peer_shape *shape)
{
    ((struct ring *)shared)->size = peer_power_of_two(shape->capacity);
    return 0;
}

PEER_INLINE void *block(struct ring *r, uint64_t position, unsigned words)
{
    return r->block + (position & (r->size - 1)) * peer_stride(words);
}

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct self *s = at;
    struct ring *r = s->ring;
    if (s->mine + n - s->theirs > r->size) {
        s->theirs = atomic_load_explicit(&r->head, memory_order_acquire);
        if (s->mine + n - s->theirs > r->size)
            return 0;
    }
    for (unsigned i = 0; i < n; i++)
        peer_fill(block(r, s->mine + i, words), first + i, words);
    s->mine += n;
    atomic_store_explicit(&r->tail, s->mine, memory_order_release);
    return (int)n;
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    struct ring *r = s->ring;
    if (s->theirs - s->mine < n)
        s->theirs = atomic_load_explicit(&r->tail, memory_order_acquire);
    if (s->theirs - s->mine < n)
        n = (unsigned)(s->theirs - s->mine);
    if (!n)
        return 0;
    for (unsigned i = 0; i < n; i++)
        peer_read(block(r, s->mine + i, words), words, sum, peer_place(values, i));
    s->mine += n;
    atomic_store_explicit(&r->head, s->mine, memory_order_release);
    return (int)n;
}

static int produce(struct peer_process *p)
{
    struct self self = {p->shared, 0, 0};
    return peer_produce(p, &self, put);
}

static int consume(struct peer_process *p)
{
    struct self self = {p->shared, 0, 0};
    return peer_consume(p, &self, take);
}

static int echo(struct peer_process *p)
{
    struct self there = {p->shared, 0, 0}, back = {p->back, 0, 0};
    return peer_trip(p, &there, &back, put, take);
}

const struct peer peer_copy = {.name = "plain copy",
                               .about = "the floor: inline SPSC, no limits",
                               .reference = true,
                               .bytes = bytes,
                               .init = init,
                               .produce = produce,
                               .consume = consume,
                               .echo = echo};
