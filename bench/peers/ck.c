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
           shape->capacity * sizeof(struct peer_block);
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
    struct peer_block *blocks = (void *)((char *)self.free + peer_round(s->slots * sizeof(ck_ring_buffer_t)));
    ck_ring_init(&s->full, s->slots);
    ck_ring_init(&s->free, s->slots);
    for (unsigned i = 0; i < shape->capacity; i++)
        if (!enqueue(&s->free, self.free, &blocks[i]))
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

PEER_INLINE int put_by(struct self *s, uint64_t first, unsigned n, enqueue_fn *enqueue, dequeue_fn *dequeue)
{
    struct peer_block *b;
    unsigned i = 0;
    for (; i < n && dequeue(&s->shared->free, s->free, &b); i++) {
        peer_fill(b, first + i);
        if (!enqueue(&s->shared->full, s->full, b))
            return -1;
    }
    return (int)i;
}

PEER_INLINE int take_by(struct self *s, unsigned n, uint64_t *sum, enqueue_fn *enqueue, dequeue_fn *dequeue)
{
    struct peer_block *b;
    unsigned i = 0;
    for (; i < n && dequeue(&s->shared->full, s->full, &b); i++) {
        *sum += peer_read(b);
        if (!enqueue(&s->shared->free, s->free, b))
            return -1;
    }
    return (int)i;
}

PEER_INLINE int put_mpmc(void *s, uint64_t first, unsigned n)
{
    return put_by(s, first, n, ck_ring_enqueue_mpmc, ck_ring_dequeue_mpmc);
}
PEER_INLINE int take_mpmc(void *s, unsigned n, uint64_t *sum)
{
    return take_by(s, n, sum, ck_ring_enqueue_mpmc, ck_ring_dequeue_mpmc);
}
PEER_INLINE int put_spsc(void *s, uint64_t first, unsigned n)
{
    return put_by(s, first, n, ck_ring_enqueue_spsc, ck_ring_dequeue_spsc);
}
PEER_INLINE int take_spsc(void *s, unsigned n, uint64_t *sum)
{
    return take_by(s, n, sum, ck_ring_enqueue_spsc, ck_ring_dequeue_spsc);
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

const struct peer peer_ck_mpmc = {"ck_ring MPMC", "Concurrency Kit", false,        bytes,
                                  init_mpmc,      produce_mpmc,      consume_mpmc, NULL};
const struct peer peer_ck_spsc = {"ck_ring SPSC", "Concurrency Kit, one producer and one consumer only",
                                  true,           bytes,
                                  init_spsc,      produce_spsc,
                                  consume_spsc,   NULL};
