/* futex.c - the floor of waiting: one word each way, and a raw futex; for round trips only. The taker sleeps at
 * once; the putter wakes it if it sleeps. */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop.h"

struct word {
    alignas(PEER_ALIGN) _Atomic(uint32_t) count; /* of puts */
    _Atomic(uint32_t) sleeps;
    uint64_t payload[PEER_WORDS];
};

struct self {
    struct word *word;
    uint32_t seen;
};

static const struct timespec slice = {0, 10000000}; /* looks for the end of the run this often */

static size_t bytes(const struct peer_shape *shape)
{
    (void)shape;
    return sizeof(struct word);
}

static int init(void *shared, const struct peer_shape *shape)
{
    (void)shared;
    return shape->words <= PEER_WORDS ? 0 : -1;
}

static int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct word *w = ((struct self *)at)->word;
    peer_write(w->payload, first, words);
    atomic_fetch_add(&w->count, 1u);
    if (atomic_load(&w->sleeps))
        syscall(SYS_futex, &w->count, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    return (int)n;
}

static int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    if (atomic_load(&s->word->count) == s->seen) {
        atomic_store(&s->word->sleeps, 1u);
        syscall(SYS_futex, &s->word->count, FUTEX_WAIT, s->seen, &slice, NULL, 0);
        atomic_store(&s->word->sleeps, 0u);
        if (atomic_load(&s->word->count) == s->seen)
            return 0;
    }
    s->seen++;
    peer_see(s->word->payload, words, sum, values);
    return (int)n;
}

static int echo(struct peer_process *p)
{
    struct self there = {p->shared, 0}, back = {p->back, 0};
    return peer_trip(p, &there, &back, put, take);
}

const struct peer peer_futex = {.name = "raw futex",
                                .about = "one word each way, no buffer: sleeps at once, woken by FUTEX_WAKE",
                                .reference = true,
                                .bytes = bytes,
                                .init = init,
                                .echo = echo};
