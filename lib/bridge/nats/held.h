/* held.h - messages that a bridge has been given and not acknowledged: those that wait for room, and those whose
 * records are not settled. */
#ifndef CONVEYOR_BRIDGE_NATS_HELD_H
#define CONVEYOR_BRIDGE_NATS_HELD_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message, or after it was put its reply subject alone. */
struct nats_held {
    natsMsg *message; /* NULL once its record is put */
    char *reply;      /* where it is acknowledged */
    uint64_t position;
    int64_t touched_ns; /* when the server heard of it last */
    int64_t came_ns;
};

/* Messages that are of no use any more. libnats frees each one on a thread of its own, which a message wakes if it has
 * nothing to do: so many are given to it at once. */
enum { NATS_SPENT_MOST = 512, NATS_SPENT_BYTES = 256 * 1024 };
struct nats_spent {
    natsMsg *message[NATS_SPENT_MOST];
    size_t count, bytes;
};
void nats_spent_add(struct nats_spent *spent, natsMsg *message);
void nats_spent_free(struct nats_spent *spent);

/* A queue: what came first leaves first. */
struct nats_line {
    struct nats_held *place; /* a power of two */
    size_t size, first, count;
};

/* False without memory. */
bool nats_line_add(struct nats_line *line, struct nats_held held);
static inline struct nats_held *nats_line_at(struct nats_line *line, size_t i)
{
    return &line->place[(line->first + i) & (line->size - 1)];
}
/* The first `count` leave, and what they hold is freed. */
void nats_line_drop(struct nats_line *line, size_t count);
void nats_line_free(struct nats_line *line);

#endif
