/* seqpacket.c - a pair of AF_UNIX SEQPACKET sockets, without blocking: each record is a packet, a batch is one call of
 * sendmmsg and of recvmmsg. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "message.h"

enum { PACKET_COST = 1024, RECORD_MAX = 9 * PEER_ALIGN }; /* cost: what the kernel counts for a packet, about */

struct shared {
    int fd[2];
};

struct self {
    int fd;
    struct mmsghdr header[PEER_BATCH_MAX];
    struct iovec part[PEER_BATCH_MAX];
    alignas(PEER_ALIGN) char record[PEER_BATCH_MAX][RECORD_MAX];
};

static size_t bytes(const struct peer_shape *shape)
{
    (void)shape;
    return sizeof(struct shared);
}

static int init(void *shared, const struct peer_shape *shape)
{
    struct shared *s = shared;
    int size = (int)(shape->capacity * (PACKET_COST + peer_stride(shape->words)) / 2); /* the kernel doubles it */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s->fd))
        return -1;
    if (setsockopt(s->fd[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size))
        setsockopt(s->fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

static void end(void *shared)
{
    struct shared *s = shared;
    close(s->fd[0]);
    close(s->fd[1]);
}

static void set_up(struct self *s, int fd, unsigned words)
{
    s->fd = fd;
    for (unsigned i = 0; i < PEER_BATCH_MAX; i++) {
        s->part[i] = (struct iovec){s->record[i], peer_stride(words)};
        s->header[i].msg_hdr = (struct msghdr){.msg_iov = &s->part[i], .msg_iovlen = 1};
    }
}

static int result(int n) { return n >= 0 ? n : errno == EAGAIN || errno == ENOBUFS ? 0 : -1; }

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct self *s = at;
    for (unsigned i = 0; i < n; i++)
        peer_fill(s->record[i], first + i, words);
    return result(sendmmsg(s->fd, s->header, n, 0));
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    int got = result(recvmmsg(s->fd, s->header, n, 0, NULL));
    for (int i = 0; i < got; i++)
        peer_read(s->record[i], words, sum, peer_place(values, (unsigned)i));
    return got;
}

/* Too large for a stack. */
static struct self mine, other;

static int produce(struct peer_process *p)
{
    set_up(&mine, ((struct shared *)p->shared)->fd[0], p->shape.words);
    return peer_produce(p, &mine, put);
}

static int consume(struct peer_process *p)
{
    set_up(&mine, ((struct shared *)p->shared)->fd[1], p->shape.words);
    return peer_consume(p, &mine, take);
}

static int echo(struct peer_process *p)
{
    set_up(&mine, ((struct shared *)p->shared)->fd[p->index], p->shape.words);
    set_up(&other, ((struct shared *)p->back)->fd[!p->index], p->shape.words);
    return peer_trip(p, &mine, &other, put, take);
}

const struct peer peer_seqpacket = {.name = "seqpacket",
                                    .about = "AF_UNIX SEQPACKET, without blocking; sendmmsg and recvmmsg",
                                    .bytes = bytes,
                                    .init = init,
                                    .produce = produce,
                                    .consume = consume,
                                    .echo = echo,
                                    .end = end};
