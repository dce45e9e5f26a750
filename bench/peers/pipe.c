/* pipe.c - a pipe, without blocking. Writes of up to 4,096 bytes stay whole, so that many may write and read. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "message.h"

enum { WAIT_MS = 10 }; /* how often a waiting process looks for the end of the run */

struct shared {
    int fd[2];
};

struct self {
    int read, write;
    struct peer_message message;
};

static size_t bytes(const struct peer_shape *shape)
{
    (void)shape;
    return sizeof(struct shared);
}

/* As large as the run wants it, or as this user may have it. */
static int init(void *shared, const struct peer_shape *shape)
{
    struct shared *s = shared;
    if (pipe2(s->fd, O_NONBLOCK | O_CLOEXEC))
        return -1;
    for (size_t size = shape->capacity * peer_stride(shape->words); size > PIPE_BUF; size /= 2)
        if (fcntl(s->fd[1], F_SETPIPE_SZ, (int)size) >= 0)
            break;
    return 0;
}

static void end(void *shared)
{
    struct shared *s = shared;
    close(s->fd[0]);
    close(s->fd[1]);
}

static long send_one(void *at, const void *message, size_t size)
{
    ssize_t n = write(((struct self *)at)->write, message, size);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

static long receive_some(void *at, void *message, size_t size)
{
    ssize_t n = read(((struct self *)at)->read, message, size);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    return peer_put_messages(at, &((struct self *)at)->message, send_one, PIPE_BUF, first, n, words);
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    return peer_take_messages(at, &((struct self *)at)->message, receive_some, PIPE_BUF, n, words, sum, values);
}

/* Waits, but not for ever: the end of the run is nothing that can be read. */
PEER_INLINE int take_waiting(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct pollfd p = {.fd = ((struct self *)at)->read, .events = POLLIN};
    int ready = poll(&p, 1, WAIT_MS);
    return ready > 0 ? take(at, n, words, sum, values) : ready;
}

static struct self open_ends(void *shared)
{
    struct shared *s = shared;
    return (struct self){.read = s->fd[0], .write = s->fd[1]};
}

static int produce(struct peer_process *p)
{
    struct self self = open_ends(p->shared);
    return peer_produce(p, &self, put);
}

static int consume(struct peer_process *p)
{
    struct self self = open_ends(p->shared);
    return peer_consume(p, &self, take);
}

static int consume_waiting(struct peer_process *p)
{
    struct self self = open_ends(p->shared);
    return peer_consume(p, &self, take_waiting);
}

static int echo(struct peer_process *p)
{
    struct self there = open_ends(p->shared), back = open_ends(p->back);
    return peer_trip(p, &there, &back, put, take);
}

const struct peer peer_pipe = {.name = "pipe",
                               .about = "a pipe, without blocking; writes of up to 4 KiB",
                               .bytes = bytes,
                               .init = init,
                               .produce = produce,
                               .consume = consume,
                               .echo = echo,
                               .end = end};

const struct peer peer_pipe_wait = {.name = "pipe wait",
                                    .about = "a pipe; an idle consumer sleeps in poll",
                                    .bytes = bytes,
                                    .init = init,
                                    .produce = produce,
                                    .consume = consume_waiting,
                                    .end = end};
