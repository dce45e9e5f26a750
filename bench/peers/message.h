/* message.h - for systems that carry messages: up to 32 records travel in one, or as many as one may hold. */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include "loop.h"

enum { PEER_MESSAGE_RECORDS = 32 };

/* Room for the largest message. */
struct peer_message {
    alignas(PEER_ALIGN) char bytes[PEER_MESSAGE_RECORDS * 9 * PEER_ALIGN];
};

/* Bytes handed over, 0 for no room or nothing there, negative: failed. */
typedef long peer_send(void *self, const void *bytes, size_t size);
typedef long peer_receive(void *self, void *bytes, size_t size);

/* Records to a message of at most `most` bytes. */
PEER_INLINE unsigned peer_per_message(unsigned batch, unsigned words, size_t most)
{
    unsigned n = PEER_MESSAGE_RECORDS;
    size_t fit = most / peer_stride(words);
    if (batch < n)
        n = batch;
    return fit < n ? (unsigned)(fit ? fit : 1) : n;
}

PEER_INLINE void peer_pack(struct peer_message *m, uint64_t first, unsigned n, unsigned words)
{
    for (unsigned i = 0; i < n; i++)
        peer_fill(m->bytes + i * peer_stride(words), first + i, words);
}

PEER_INLINE unsigned peer_unpack(const struct peer_message *m, size_t bytes, unsigned words, uint64_t *sum,
                                 uint64_t *values)
{
    unsigned n = (unsigned)(bytes / peer_stride(words));
    for (unsigned i = 0; i < n; i++)
        peer_read(m->bytes + i * peer_stride(words), words, sum, peer_place(values, i));
    return n;
}

PEER_INLINE int peer_put_messages(void *self, struct peer_message *m, peer_send *send, size_t most, uint64_t first,
                                  unsigned n, unsigned words)
{
    unsigned done = 0, each = peer_per_message(n, words, most);
    while (done < n) {
        unsigned k = n - done < each ? n - done : each;
        peer_pack(m, first + done, k, words);
        long sent = send(self, m->bytes, k * peer_stride(words));
        if (sent <= 0)
            return sent < 0 ? -1 : (int)done;
        done += k;
    }
    return (int)done;
}

/* A message has at most what is still wanted: both sides use the same batch. */
PEER_INLINE int peer_take_messages(void *self, struct peer_message *m, peer_receive *receive, size_t most, unsigned n,
                                   unsigned words, uint64_t *sum, uint64_t *values)
{
    unsigned done = 0, each = peer_per_message(n, words, most);
    while (done + each <= n) {
        long got = receive(self, m->bytes, each * peer_stride(words));
        if (got < 0)
            return -1;
        if (!got)
            break;
        done += peer_unpack(m, (size_t)got, words, sum, peer_place(values, done));
    }
    return (int)done;
}

#endif
