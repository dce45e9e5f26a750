/* zmq.c - ZeroMQ, PUSH to PULL over ipc. Each consumer binds a socket of its own; a producer takes turns with them. Its
 * queues lie in the processes, so nothing says that all is over: each producer ends with an empty message to each. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

#include "message.h"

enum { MESSAGE_BYTES = sizeof(struct peer_message), CONNECT_MS = 8000, WAIT_MS = 10 };

struct shared {
    char name[64];
};

struct self {
    void *context, *socket[PEER_PROCESSES_MAX];
    unsigned sockets, next, ends;
    const struct peer_process *process;
    struct peer_message message;
};

static size_t bytes(const struct peer_shape *shape)
{
    (void)shape;
    return sizeof(struct shared);
}

/* In the abstract namespace: nothing is left behind. */
static int init(void *shared, const struct peer_shape *shape)
{
    static unsigned made;
    (void)shape;
    snprintf(((struct shared *)shared)->name, sizeof(struct shared), "ipc://@conveyor-bench-%d-%u", (int)getpid(),
             made++);
    return 0;
}

/* The queues of both sides together have the room. */
static int make_socket(struct self *s, int type, const struct peer_process *p)
{
    const struct peer_shape *shape = &p->shape;
    unsigned messages = shape->capacity / peer_per_message(shape->batch, shape->words, MESSAGE_BYTES);
    int room = (int)(messages / (2 * shape->producers * shape->consumers)) + 1;
    void *socket = zmq_socket(s->context, type);
    s->socket[s->sockets++] = socket;
    return !socket || zmq_setsockopt(socket, ZMQ_SNDHWM, &room, sizeof room) ||
           zmq_setsockopt(socket, ZMQ_RCVHWM, &room, sizeof room);
}

/* Waits until the consumer has answered, so that no run begins before. */
static int connect_to(void *socket, const char *address)
{
    int yes = 1;
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLOUT};
    if (zmq_setsockopt(socket, ZMQ_IMMEDIATE, &yes, sizeof yes) || zmq_connect(socket, address))
        return -1;
    return zmq_poll(&item, 1, CONNECT_MS) == 1 ? 0 : -1;
}

static int join(struct self *s, const struct peer_process *p, const void *shared, int type, unsigned consumer)
{
    char address[96];
    s->process = p;
    if (!s->context)
        s->context = zmq_ctx_new();
    snprintf(address, sizeof address, "%s-%u", ((const struct shared *)shared)->name, consumer);
    if (make_socket(s, type, p))
        return -1;
    void *socket = s->socket[s->sockets - 1];
    return type == ZMQ_PULL ? zmq_bind(socket, address) : connect_to(socket, address);
}

/* Sends what is still queued. */
static void leave(struct self *s)
{
    for (unsigned i = 0; i < s->sockets; i++)
        zmq_close(s->socket[i]);
    zmq_ctx_term(s->context);
}

static long send_one(void *at, const void *message, size_t size)
{
    struct self *s = at;
    for (unsigned i = 0; i < s->sockets; i++) {
        void *socket = s->socket[s->next++ % s->sockets];
        int n = zmq_send(socket, message, size, ZMQ_DONTWAIT);
        if (n >= 0 || errno != EAGAIN)
            return n;
    }
    return 0;
}

static bool only_ends_are_left(const struct self *s)
{
    return atomic_load(&s->process->control->producers_done) == s->process->shape.producers &&
           s->ends < s->process->shape.producers;
}

/* When all producers are done, it waits for what is under way, or for their ends. */
static long receive_one(void *at, void *message, size_t size)
{
    struct self *s = at;
    (void)size;
    for (;;) {
        bool wait = only_ends_are_left(s);
        int n = zmq_recv(s->socket[0], message, sizeof s->message.bytes, wait ? 0 : ZMQ_DONTWAIT);
        if (n > 0)
            return n;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        s->ends++;
    }
}

/* Sleeps in the call, but not for ever. */
static long receive_waiting(void *at, void *message, size_t size)
{
    struct self *s = at;
    (void)size;
    for (;;) {
        int n = zmq_recv(s->socket[0], message, sizeof s->message.bytes, 0);
        if (n > 0)
            return n;
        if (!n)
            s->ends++;
        else if (errno != EAGAIN)
            return -1;
        else if (!only_ends_are_left(s))
            return 0;
    }
}

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    return peer_put_messages(at, &((struct self *)at)->message, send_one, MESSAGE_BYTES, first, n, words);
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    return peer_take_messages(at, &((struct self *)at)->message, receive_one, MESSAGE_BYTES, n, words, sum, values);
}

PEER_INLINE int take_waiting(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    return peer_take_messages(at, &((struct self *)at)->message, receive_waiting, MESSAGE_BYTES, n, words, sum, values);
}

static int produce(struct peer_process *p)
{
    static struct self self;
    for (unsigned i = 0; i < p->shape.consumers; i++)
        if (join(&self, p, p->shared, ZMQ_PUSH, p->shape.producers + i))
            return -1;
    int error = peer_produce(p, &self, put);
    for (unsigned i = 0; i < self.sockets; i++)
        zmq_send(self.socket[i], NULL, 0, 0);
    leave(&self);
    return error;
}

static int consume(struct peer_process *p)
{
    static struct self self;
    if (join(&self, p, p->shared, ZMQ_PULL, p->index))
        return -1;
    int error = peer_consume(p, &self, take);
    leave(&self);
    return error;
}

static int consume_waiting(struct peer_process *p)
{
    static struct self self;
    const int wait_ms = WAIT_MS;
    if (join(&self, p, p->shared, ZMQ_PULL, p->index) ||
        zmq_setsockopt(self.socket[0], ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms))
        return -1;
    int error = peer_consume(p, &self, take_waiting);
    leave(&self);
    return error;
}

/* The process that reads a way binds it. */
static int echo(struct peer_process *p)
{
    static struct self there, back;
    if (join(&there, p, p->shared, p->index ? ZMQ_PULL : ZMQ_PUSH, 0) ||
        join(&back, p, p->back, p->index ? ZMQ_PUSH : ZMQ_PULL, 0))
        return -1;
    return peer_trip(p, &there, &back, put, take);
}

const struct peer peer_zmq = {.name = "ZeroMQ ipc",
                              .about = "ZeroMQ, PUSH to PULL over ipc; up to 32 records to a message",
                              .bytes = bytes,
                              .init = init,
                              .produce = produce,
                              .consume = consume,
                              .echo = echo};

const struct peer peer_zmq_wait = {.name = "ZeroMQ ipc wait",
                                   .about = "as ZeroMQ ipc; an idle consumer sleeps in zmq_recv",
                                   .bytes = bytes,
                                   .init = init,
                                   .produce = produce,
                                   .consume = consume_waiting};
