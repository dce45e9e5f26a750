/* ck.c - Concurrency Kit's ck_ring. It has no batches: a batch is a loop. */
#include <ck_ring.h>

#include "loop.h"

struct shared {
    _Alignas(PEER_ALIGN) ck_ring_t full;
    _Alignas(PEER_ALIGN) ck_ring_t free;
    _Alignas(PEER_ALIGN) unsigned slots;
};

/* Where things are, for one process. */
struct self {
    struct shared *shared;
    ck_ring_buffer_t *full, *free;
};

/* A ck_ring holds one less than its size. */
static unsigned slots(const struct peer_shape *shape) { return peer_power_of_two(shape->capacity + 1); }

static size_t bytes(const struct peer_shape *shape)
{
    return peer_round(sizeof(struct shared)) + 2 * peer_round(slots(shape) * sizeof(ck_ring_buffer_t)) +
           shape->capacity * peer_stride(shape->words);
}

static struct self find(void *shared)
{
    struct shared *s = shared;
    char *at = (char *)shared + peer_round(sizeof *s);
    return (struct self){s, (void *)at, (void *)(at + peer_round(s->slots * sizeof(ck_ring_buffer_t)))};
}

typedef bool enqueue_fn(ck_ring_t *ring, ck_ring_buffer_t *buffer, const void *entry);
typedef bool dequeue_fn(ck_ring_t *ring, const ck_ring_buffer_t *buffer, void *entry);

/* The free list is filled in the ring's own way: SPSC and MPMC keep their heads apart. */
static int init_by(void *shared, const struct peer_shape *shape, enqueue_fn *enqueue)
{
    struct shared *s = shared;
    s->slots = slots(shape);
    struct self self = find(shared);
    char *blocks = (char *)self.free + peer_round(s->slots * sizeof(ck_ring_buffer_t));
    ck_ring_init(&s->full, s->slots);
    ck_ring_init(&s->free, s->slots);
    for (unsigned i = 0; i < shape->capacity; i++)
        if (!enqueue(&s->free, self.free, blocks + i * peer_stride(shape->words)))
            return -1;
    return 0;
}

static int init_mpmc(void *shared, const struct peer_shape *shape)
{
    return init_by(shared, shape, ck_ring_enqueue_mpmc);
}
static int init_spsc(void *shared, const struct peer_shape *shape)
{
    return init_by(shared, shape, ck_ring_enqueue_spsc);
}

/* A message is the pointer itself, and the ring's own room limits how many there are. */
PEER_INLINE int put_by(struct self *s, uint64_t first, unsigned n, unsigned words, enqueue_fn *enqueue,
                       dequeue_fn *dequeue)
{
    void *b;
    unsigned i = 0;
    if (words == 1) {
        for (; i < n && enqueue(&s->shared->full, s->full, (void *)(uintptr_t)(first + i)); i++)
            ;
        return (int)i;
    }
    for (; i < n && dequeue(&s->shared->free, s->free, &b); i++) {
        peer_fill(b, first + i, words);
        if (!enqueue(&s->shared->full, s->full, b))
            return -1;
    }
    return (int)i;
}

PEER_INLINE int take_by(struct self *s, unsigned n, unsigned words, uint64_t *sum, uint64_t *values,
                        enqueue_fn *enqueue, dequeue_fn *dequeue)
{
    void *b;
    unsigned i = 0;
    for (; i < n && dequeue(&s->shared->full, s->full, &b); i++) {
        if (words == 1) {
            peer_read(&b, 1, sum, peer_place(values, i));
            continue;
        }
        peer_read(b, words, sum, peer_place(values, i));
        if (!enqueue(&s->shared->free, s->free, b))
            return -1;
    }
    return (int)i;
}

PEER_INLINE int put_mpmc(void *s, uint64_t first, unsigned n, unsigned words)
{
    return put_by(s, first, n, words, ck_ring_enqueue_mpmc, ck_ring_dequeue_mpmc);
}
PEER_INLINE int take_mpmc(void *s, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    return take_by(s, n, words, sum, values, ck_ring_enqueue_mpmc, ck_ring_dequeue_mpmc);
}
PEER_INLINE int put_spsc(void *s, uint64_t first, unsigned n, unsigned words)
{
    return put_by(s, first, n, words, ck_ring_enqueue_spsc, ck_ring_dequeue_spsc);
}
PEER_INLINE int take_spsc(void *s, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    return take_by(s, n, words, sum, values, ck_ring_enqueue_spsc, ck_ring_dequeue_spsc);
}

static int produce_mpmc(struct peer_process *p)
{
    struct self self = find(p->shared);
    return peer_produce(p, &self, put_mpmc);
}
static int consume_mpmc(struct peer_process *p)
{
    struct self self = find(p->shared);
    return peer_consume(p, &self, take_mpmc);
}
static int produce_spsc(struct peer_process *p)
{
    struct self self = find(p->shared);
    return peer_produce(p, &self, put_spsc);
}
static int consume_spsc(struct peer_process *p)
{
    struct self self = find(p->shared);
    return peer_consume(p, &self, take_spsc);
}

static int echo_mpmc(struct peer_process *p)
{
    struct self there = find(p->shared), back = find(p->back);
    return peer_trip(p, &there, &back, put_mpmc, take_mpmc);
}
static int echo_spsc(struct peer_process *p)
{
    struct self there = find(p->shared), back = find(p->back);
    return peer_trip(p, &there, &back, put_spsc, take_spsc);
}

const struct peer peer_ck_mpmc = {.name = "ck_ring MPMC",
                                  .about = "Concurrency Kit",
                                  .bytes = bytes,
                                  .init = init_mpmc,
                                  .produce = produce_mpmc,
                                  .consume = consume_mpmc,
                                  .echo = echo_mpmc};
const struct peer peer_ck_spsc = {.name = "ck_ring SPSC",
                                  .about = "Concurrency Kit, one producer and one consumer only",
                                  .reference = true,
                                  .bytes = bytes,
                                  .init = init_spsc,
                                  .produce = produce_spsc,
                                  .consume = consume_spsc,
                                  .echo = echo_spsc};
