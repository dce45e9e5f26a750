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
    return PEER_ALIGN + 2 * ring_bytes(slots(shape)) + shape->capacity * sizeof(struct peer_block);
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
    struct peer_block *blocks = (void *)((char *)self.free + s->ring_bytes);
    for (unsigned i = 0; i < shape->capacity; i++)
        if (rte_ring_enqueue(self.free, &blocks[i]))
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
PEER_INLINE int give(struct rte_ring *r, struct peer_block **b, unsigned n)
{
    unsigned tries = 0;
    while (!rte_ring_enqueue_bulk(r, (void *const *)b, n, NULL))
        peer_back_off(&tries);
    return (int)n;
}

PEER_INLINE int put(void *at, uint64_t first, unsigned n)
{
    struct self *s = at;
    struct peer_block *b[PEER_BATCH_MAX];
    if (!rte_ring_dequeue_bulk(s->free, (void **)b, n, NULL))
        return 0;
    for (unsigned i = 0; i < n; i++)
        peer_fill(b[i], first + i);
    return give(s->full, b, n);
}

PEER_INLINE int take(void *at, unsigned n, uint64_t *sum)
{
    struct self *s = at;
    struct peer_block *b[PEER_BATCH_MAX];
    n = rte_ring_dequeue_burst(s->full, (void **)b, n, NULL);
    if (!n)
        return 0;
    for (unsigned i = 0; i < n; i++)
        *sum += peer_read(b[i]);
    return give(s->free, b, n);
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

const struct peer peer_rte = {"rte_ring", "DPDK, default", false, bytes, init, produce, consume, NULL};
const struct peer peer_rte_hts = {
    "rte_ring HTS", "DPDK, head and tail in step", false, bytes, init_hts, produce, consume, NULL};
const struct peer peer_rte_rts = {"rte_ring RTS", "DPDK, relaxed tail", false, bytes, init_rts, produce, consume, NULL};
