/* boost_messages.cpp - Boost.Interprocess message_queue, without blocking. */
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstdio>
#include <new>
#include <unistd.h>

#include "message.h"

namespace
{

using boost::interprocess::create_only;
using boost::interprocess::interprocess_exception;
using boost::interprocess::message_queue;

enum { MESSAGE_BYTES = sizeof(struct peer_message) };

struct self {
    message_queue *queue;
    struct peer_message message;
};

/* Where the queue's object lies; the children inherit its mapping. */
struct shared {
    message_queue *queue;
};

size_t bytes(const struct peer_shape *) { return sizeof(shared); }

int init(void *at, const struct peer_shape *shape)
{
    static unsigned made;
    char name[64];
    unsigned each = peer_per_message(shape->batch, shape->words, MESSAGE_BYTES);
    unsigned messages = shape->capacity / each ? shape->capacity / each : 1;
    std::snprintf(name, sizeof name, "conveyor-bench-%d-%u", static_cast<int>(getpid()), made++);
    try {
        message_queue::remove(name);
        static_cast<shared *>(at)->queue =
            new message_queue(create_only, name, messages, each * peer_stride(shape->words));
    } catch (const interprocess_exception &) {
        return -1;
    }
    message_queue::remove(name);
    return 0;
}

void end(void *at) { delete static_cast<shared *>(at)->queue; }

long send_one(void *at, const void *message, size_t size)
{
    return static_cast<self *>(at)->queue->try_send(message, size, 0) ? static_cast<long>(size) : 0;
}

long receive_one(void *at, void *message, size_t)
{
    self *s = static_cast<self *>(at);
    message_queue::size_type got = 0;
    unsigned priority;
    return s->queue->try_receive(message, sizeof s->message.bytes, got, priority) ? static_cast<long>(got) : 0;
}

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    return peer_put_messages(at, &static_cast<self *>(at)->message, send_one, MESSAGE_BYTES, first, n, words);
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    return peer_take_messages(at, &static_cast<self *>(at)->message, receive_one, MESSAGE_BYTES, n, words, sum, values);
}

self mine, other;

int produce(struct peer_process *p)
{
    mine.queue = static_cast<shared *>(p->shared)->queue;
    return peer_produce(p, &mine, put);
}

int consume(struct peer_process *p)
{
    mine.queue = static_cast<shared *>(p->shared)->queue;
    return peer_consume(p, &mine, take);
}

int echo(struct peer_process *p)
{
    mine.queue = static_cast<shared *>(p->shared)->queue;
    other.queue = static_cast<shared *>(p->back)->queue;
    return peer_trip(p, &mine, &other, put, take);
}

} // namespace

const struct peer peer_boost_messages = {
    .name = "boost messages",
    .about = "Boost.Interprocess message_queue, without blocking; up to 32 records to a message",
    .reference = false,
    .bytes = bytes,
    .init = init,
    .produce = produce,
    .consume = consume,
    .echo = echo,
    .end = end,
    .server = nullptr,
    .server_s = nullptr};
