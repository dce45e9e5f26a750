/* rte.c - DPDK's rte_ring in its three ways for many producers and consumers: default, HTS (head and tail in step) and
 * RTS (relaxed tail). Only its headers are used, so nothing of DPDK has to run: make_ring does what rte_ring_init does.
 */
#include <rte_ring.h>
#include <string.h>

#include "loop.h"

struct shared {
    size_t ring_bytes;
    unsigned slots;
};

struct self {
    struct rte_ring *full, *free;
};

/* An rte_ring holds one less than its size. */
static unsigned slots(const struct peer_shape *shape) { return peer_power_of_two(shape->capacity + 1); }

static size_t ring_bytes(unsigned n) { return peer_round(sizeof(struct rte_ring) + n * sizeof(void *)); }

static size_t bytes(const struct peer_shape *shape)
{
    return PEER_ALIGN + 2 * ring_bytes(slots(shape)) + shape->capacity * peer_stride(shape->words);
}

static struct self find(void *shared)
{
    struct shared *s = shared;
    char *at = (char *)shared + PEER_ALIGN;
    return (struct self){(void *)at, (void *)(at + s->ring_bytes)};
}

static void make_ring(struct rte_ring *r, unsigned n, enum rte_ring_sync_type type)
{
    memset(r, 0, sizeof *r);
    r->size = n;
    r->mask = n - 1;
    r->capacity = n - 1;
    r->prod.sync_type = type;
    r->cons.sync_type = type;
    if (type == RTE_RING_SYNC_MT_RTS) {
        r->rts_prod.htd_max = r->capacity / 8;
        r->rts_cons.htd_max = r->capacity / 8;
    }
}

static int init_as(void *shared, const struct peer_shape *shape, enum rte_ring_sync_type type)
{
    struct shared *s = shared;
    s->slots = slots(shape);
    s->ring_bytes = ring_bytes(s->slots);
    struct self self = find(shared);
    make_ring(self.full, s->slots, type);
    make_ring(self.free, s->slots, type);
    char *blocks = (char *)self.free + s->ring_bytes;
    for (unsigned i = 0; i < shape->capacity; i++)
        if (rte_ring_enqueue(self.free, blocks + i * peer_stride(shape->words)))
            return -1;
    return 0;
}

static int init(void *shared, const struct peer_shape *shape) { return init_as(shared, shape, RTE_RING_SYNC_MT); }
static int init_hts(void *shared, const struct peer_shape *shape)
{
    return init_as(shared, shape, RTE_RING_SYNC_MT_HTS);
}
static int init_rts(void *shared, const struct peer_shape *shape)
{
    return init_as(shared, shape, RTE_RING_SYNC_MT_RTS);
}

/* There is room for every block; RTS may be late to show it. */
PEER_INLINE int give(struct rte_ring *r, void *const *b, unsigned n)
{
    unsigned tries = 0;
    while (!rte_ring_enqueue_bulk(r, b, n, NULL))
        peer_back_off(&tries);
    return (int)n;
}

/* A message is the pointer itself, and the ring's own room limits how many there are. */
PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct self *s = at;
    void *b[PEER_BATCH_MAX];
    if (words == 1) {
        for (unsigned i = 0; i < n; i++)
            b[i] = (void *)(uintptr_t)(first + i);
        return (int)rte_ring_enqueue_bulk(s->full, b, n, NULL);
    }
    if (!rte_ring_dequeue_bulk(s->free, b, n, NULL))
        return 0;
    for (unsigned i = 0; i < n; i++)
        peer_fill(b[i], first + i, words);
    return give(s->full, b, n);
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    void *b[PEER_BATCH_MAX];
    n = rte_ring_dequeue_burst(s->full, b, n, NULL);
    if (!n)
        return 0;
    for (unsigned i = 0; i < n; i++)
        peer_read(words == 1 ? (void *)&b[i] : b[i], words, sum, peer_place(values, i));
    return words == 1 ? (int)n : give(s->free, b, n);
}

static int produce(struct peer_process *p)
{
    struct self self = find(p->shared);
    return peer_produce(p, &self, put);
}

static int consume(struct peer_process *p)
{
    struct self self = find(p->shared);
    return peer_consume(p, &self, take);
}

static int echo(struct peer_process *p)
{
    struct self there = find(p->shared), back = find(p->back);
    return peer_trip(p, &there, &back, put, take);
}

#define RTE(title, text, make)                                                                                         \
    {                                                                                                                  \
        .name = (title), .about = (text), .bytes = bytes, .init = (make), .produce = produce, .consume = consume,      \
        .echo = echo                                                                                                   \
    }
const struct peer peer_rte = RTE("rte_ring", "DPDK, default", init);
const struct peer peer_rte_hts = RTE("rte_ring HTS", "DPDK, head and tail in step", init_hts);
const struct peer peer_rte_rts = RTE("rte_ring RTS", "DPDK, relaxed tail", init_rts);
