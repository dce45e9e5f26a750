/* mq.c - a POSIX message queue, without blocking. It holds as many messages as this user may have. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "message.h"

enum { MESSAGE_BYTES = 8192, LEAST = 10 }; /* what any user may have */

struct self {
    mqd_t queue;
    struct peer_message message;
};

static size_t bytes(const struct peer_shape *shape)
{
    (void)shape;
    return sizeof(mqd_t);
}

static mqd_t make(const char *name, long messages, long size)
{
    struct mq_attr a = {.mq_maxmsg = messages, .mq_msgsize = size};
    mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK | O_CLOEXEC, 0600, &a);
    if (queue >= 0)
        mq_unlink(name);
    return queue;
}

/* The children inherit the descriptor; the name is not needed again. */
static int init(void *shared, const struct peer_shape *shape)
{
    char name[64];
    unsigned each = peer_per_message(shape->batch, shape->words, MESSAGE_BYTES);
    long messages = (long)(shape->capacity / each ? shape->capacity / each : 1);
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    snprintf(name, sizeof name, "/conveyor-bench-%d", (int)getpid());
    setrlimit(RLIMIT_MSGQUEUE, &none); /* root may */
    mqd_t queue = -1;
    for (; queue < 0 && messages > 0; messages = messages > LEAST ? LEAST : messages - 1)
        queue = make(name, messages, (long)(each * peer_stride(shape->words)));
    *(mqd_t *)shared = queue;
    return queue < 0 ? -1 : 0;
}

static void end(void *shared) { mq_close(*(mqd_t *)shared); }

static long send_one(void *at, const void *message, size_t size)
{
    struct self *s = at;
    return !mq_send(s->queue, message, size, 0) ? (long)size : errno == EAGAIN ? 0 : -1;
}

/* The buffer must hold the queue's largest message, which is the largest of this run. */
static long receive_one(void *at, void *message, size_t size)
{
    struct self *s = at;
    (void)size;
    ssize_t n = mq_receive(s->queue, message, sizeof s->message.bytes, NULL);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    return peer_put_messages(at, &((struct self *)at)->message, send_one, MESSAGE_BYTES, first, n, words);
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    return peer_take_messages(at, &((struct self *)at)->message, receive_one, MESSAGE_BYTES, n, words, sum, values);
}

static int produce(struct peer_process *p)
{
    struct self self = {.queue = *(mqd_t *)p->shared};
    return peer_produce(p, &self, put);
}

static int consume(struct peer_process *p)
{
    struct self self = {.queue = *(mqd_t *)p->shared};
    return peer_consume(p, &self, take);
}

static int echo(struct peer_process *p)
{
    struct self there = {.queue = *(mqd_t *)p->shared}, back = {.queue = *(mqd_t *)p->back};
    return peer_trip(p, &there, &back, put, take);
}

const struct peer peer_mq = {.name = "POSIX mq",
                             .about = "POSIX message queue, without blocking; up to 32 records to a message",
                             .bytes = bytes,
                             .init = init,
                             .produce = produce,
                             .consume = consume,
                             .echo = echo,
                             .end = end};
