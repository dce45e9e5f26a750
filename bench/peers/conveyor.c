/* conveyor.c - ours: a segment with one stage and one source for each producer, all limits on. Puts copy the payload in
 * (conveyor), or write it in place (conveyor reserve). */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"

struct shared {
    char name[CVB_NAME_MAX];
};

enum { WAIT_NS = 10000000 }; /* how often a waiting process looks for the end of the run */

struct self {
    struct cvb_handle *handle;
    uint32_t stage, source, pipeline;
    struct cvb_record records[PEER_BATCH_MAX];
    uint64_t payload[PEER_BATCH_MAX * PEER_WORDS_MAX];
    struct cvb_slot slots[PEER_BATCH_MAX];
    struct cvb_lease leases[PEER_BATCH_MAX];
};

static size_t bytes(const struct peer_shape *shape)
{
    (void)shape;
    return sizeof(struct shared);
}

static int init(void *shared, const struct peer_shape *shape)
{
    static unsigned made;
    struct shared *s = shared;
    struct cvb_settings settings;
    cvb_settings_init(&settings);
    settings.payload_size = shape->words * (uint32_t)sizeof(uint64_t);
    settings.max_per_stage = shape->capacity;
    if (settings.max_total_records < shape->capacity)
        settings.max_total_records = shape->capacity;
    settings.max_per_source = shape->capacity / shape->producers;
    snprintf(s->name, sizeof s->name, "conveyor-bench-peer-%d-%u", (int)getpid(), made++);
    cvb_unlink(s->name);
    return cvb_create(s->name, &settings);
}

static void end(void *shared) { cvb_unlink(((struct shared *)shared)->name); }

static int join(struct self *self, const struct peer_process *p, void *shared)
{
    char source[32];
    snprintf(source, sizeof source, "producer-%u", p->index);
    int error = cvb_attach(((struct shared *)shared)->name, &self->handle);
    if (!error)
        error = cvb_stage(self->handle, "work", &self->stage);
    if (!error && (p->index < p->shape.producers || p->trip))
        error = cvb_source(self->handle, source, &self->source);
    if (!error)
        error = cvb_pipeline(self->handle, "bench", &self->pipeline);
    for (unsigned i = 0; i < PEER_BATCH_MAX; i++)
        self->records[i] = (struct cvb_record){.payload = self->payload + i * p->shape.words,
                                               .length = p->shape.words * (uint32_t)sizeof(uint64_t),
                                               .source = self->source,
                                               .pipeline = self->pipeline};
    return error;
}

static bool is_full(int why) { return why <= CVB_ESTAGE_FULL && why >= CVB_EMEMORY_FULL; }

PEER_INLINE int put(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct self *s = at;
    int why = 0;
    for (unsigned i = 0; i < n; i++)
        peer_write(s->payload + i * words, first + i, words);
    int done = cvb_buffer_batch_for_stage(s->handle, s->stage, s->records, n, &why);
    return done || !why || is_full(why) ? done : why;
}

PEER_INLINE int put_in_place(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct self *s = at;
    int why = 0, done = cvb_reserve(s->handle, s->stage, s->records, s->slots, n, &why);
    if (done <= 0)
        return done || !why || is_full(why) ? done : why;
    for (int i = 0; i < done; i++)
        peer_write(s->slots[i].payload, first + (unsigned)i, words);
    int error = cvb_publish(s->handle, s->slots, (size_t)done);
    return error ? error : done;
}

PEER_INLINE int put_sleeping(void *at, uint64_t first, unsigned n, unsigned words)
{
    struct self *s = at;
    for (unsigned i = 0; i < n; i++)
        peer_write(s->payload + i * words, first + i, words);
    int done = cvb_put_wait(s->handle, s->stage, s->records, n, WAIT_NS, NULL);
    return done == CVB_ETIMEDOUT ? 0 : done;
}

/* Reads what was leased and acks it. */
PEER_INLINE int settle(struct self *s, int got, unsigned words, uint64_t *sum, uint64_t *values)
{
    if (got <= 0)
        return got;
    for (int i = 0; i < got; i++) {
        peer_see(s->leases[i].payload, words, sum, peer_place(values, (unsigned)i));
        *sum += s->leases[i].length - words * (uint32_t)sizeof(uint64_t);
    }
    int error = cvb_ack(s->handle, s->leases, (size_t)got);
    return error ? error : got;
}

PEER_INLINE int take(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    return settle(s, cvb_get_batch(s->handle, s->stage, s->leases, n), words, sum, values);
}

PEER_INLINE int take_sleeping(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    int got = cvb_get_wait(s->handle, s->stage, s->leases, n, WAIT_NS);
    return settle(s, got == CVB_ETIMEDOUT ? 0 : got, words, sum, values);
}

PEER_INLINE int take_waiting(void *at, unsigned n, unsigned words, uint64_t *sum, uint64_t *values)
{
    struct self *s = at;
    int got = take(at, n, words, sum, values);
    if (got)
        return got;
    int error = cvb_wait_records(s->handle, &s->stage, 1, WAIT_NS);
    return error < 0 && error != CVB_ETIMEDOUT ? error : 0;
}

/* Too large for a stack. */
static struct self mine, other;

PEER_INLINE int produce_by(struct peer_process *p, peer_put *how)
{
    int error = join(&mine, p, p->shared);
    return error ? error : peer_produce(p, &mine, how);
}

PEER_INLINE int consume_by(struct peer_process *p, peer_take *how)
{
    int error = join(&mine, p, p->shared);
    return error ? error : peer_consume(p, &mine, how);
}

PEER_INLINE int echo_by(struct peer_process *p, peer_put *put_how, peer_take *take_how)
{
    int error = join(&mine, p, p->shared);
    if (!error)
        error = join(&other, p, p->back);
    return error ? error : peer_trip(p, &mine, &other, put_how, take_how);
}

static int produce(struct peer_process *p) { return produce_by(p, put); }
static int produce_in_place(struct peer_process *p) { return produce_by(p, put_in_place); }
static int produce_sleeping(struct peer_process *p) { return produce_by(p, put_sleeping); }
static int consume(struct peer_process *p) { return consume_by(p, take); }
static int consume_waiting(struct peer_process *p) { return consume_by(p, take_waiting); }
static int consume_sleeping(struct peer_process *p) { return consume_by(p, take_sleeping); }
static int echo(struct peer_process *p) { return echo_by(p, put, take); }
static int echo_in_place(struct peer_process *p) { return echo_by(p, put_in_place, take); }
static int echo_waiting(struct peer_process *p) { return echo_by(p, put, take_waiting); }

const struct peer peer_conveyor = {.name = "conveyor",
                                   .about = "put with a copy, lease, ack; limits on",
                                   .bytes = bytes,
                                   .init = init,
                                   .produce = produce,
                                   .consume = consume,
                                   .echo = echo,
                                   .end = end};
const struct peer peer_conveyor_reserve = {.name = "conveyor reserve",
                                           .about = "reserve, publish, lease, ack; limits on",
                                           .bytes = bytes,
                                           .init = init,
                                           .produce = produce_in_place,
                                           .consume = consume,
                                           .echo = echo_in_place,
                                           .end = end};
const struct peer peer_conveyor_wait = {.name = "conveyor wait",
                                        .about = "as conveyor; an idle consumer calls cvb_wait_records: spins, then "
                                                 "sleeps",
                                        .bytes = bytes,
                                        .init = init,
                                        .produce = produce,
                                        .consume = consume_waiting,
                                        .echo = echo_waiting,
                                        .end = end};
const struct peer peer_conveyor_sleep = {.name = "conveyor",
                                         .about = "cvb_put_wait, cvb_get_wait, ack: both sides sleep; limits on",
                                         .bytes = bytes,
                                         .init = init,
                                         .produce = produce_sleeping,
                                         .consume = consume_sleeping,
                                         .end = end};
