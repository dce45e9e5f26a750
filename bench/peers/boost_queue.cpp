/* boost_queue.cpp - boost::lockfree::queue of block pointers. It has no batches: a batch is a loop. */
#include <boost/lockfree/queue.hpp>
#include <new>

#include "loop.h"

namespace
{

constexpr unsigned most = 65534; /* its indices have 16 bits */

/* Hands out shared memory, once: the queue allocates its nodes when it is made. */
char *arena;

template <typename T> struct arena_allocator {
    using value_type = T;
    arena_allocator() = default;
    template <typename U> explicit arena_allocator(const arena_allocator<U> &) {}
    T *allocate(std::size_t n)
    {
        char *at = arena;
        arena += peer_round(n * sizeof(T));
        return reinterpret_cast<T *>(at);
    }
    void deallocate(T *, std::size_t) {}
};

using queue = boost::lockfree::queue<uint64_t, boost::lockfree::fixed_sized<true>,
                                     boost::lockfree::allocator<arena_allocator<uint64_t>>>;

struct shared {
    queue *full, *free;
};

/* A node is a cache line. */
size_t queue_bytes(unsigned n) { return peer_round(sizeof(queue)) + (n + 2) * PEER_ALIGN; }

size_t bytes(const struct peer_shape *shape)
{
    return PEER_ALIGN + 2 * queue_bytes(shape->capacity) + shape->capacity * peer_stride(shape->words);
}

queue *make_queue(unsigned n)
{
    void *at = arena;
    arena += peer_round(sizeof(queue));
    return new (at) queue(n);
}

int init(void *at, const struct peer_shape *shape)
{
    if (shape->capacity > most)
        return -1;
    shared *s = static_cast<shared *>(at);
    arena = static_cast<char *>(at) + PEER_ALIGN;
    s->full = make_queue(shape->capacity);
    s->free = make_queue(shape->capacity);
    for (unsigned i = 0; i < shape->capacity; i++)
        if (!s->free->push(reinterpret_cast<uint64_t>(arena + i * peer_stride(shape->words))))
            return -1;
    return 0;
}

/* A message is the number itself, and the queue's own room limits how many there are. */
PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    shared *s = static_cast<shared *>(at);
    unsigned i = 0;
    uint64_t b;
    if (words == 1) {
        while (i < n && s->full->push(first + i))
            i++;
        return static_cast<int>(i);
    }
    for (; i < n && s->free->pop(b); i++) {
        peer_fill(reinterpret_cast<void *>(b), first + i, words);
        if (!s->full->push(b))
            return -1;
    }
    return static_cast<int>(i);
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    shared *s = static_cast<shared *>(at);
    unsigned i = 0;
    uint64_t b;
    for (; i < n && s->full->pop(b); i++) {
        if (words == 1) {
            peer_read(&b, 1, sum, peer_place(values, i));
            continue;
        }
        peer_read(reinterpret_cast<void *>(b), words, sum, peer_place(values, i));
        if (!s->free->push(b))
            return -1;
    }
    return static_cast<int>(i);
}

int produce(struct peer_process *p) { return peer_produce(p, p->shared, put); }
int consume(struct peer_process *p) { return peer_consume(p, p->shared, take); }
int echo(struct peer_process *p) { return peer_trip(p, p->shared, p->back, put, take); }

} // namespace

const struct peer peer_boost_queue = {.name = "boost queue",
                                      .about = "boost::lockfree::queue, fixed size",
                                      .reference = false,
                                      .bytes = bytes,
                                      .init = init,
                                      .produce = produce,
                                      .consume = consume,
                                      .echo = echo,
                                      .end = nullptr,
                                      .server = nullptr,
                                      .server_s = nullptr};
