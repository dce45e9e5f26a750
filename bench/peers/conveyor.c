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

struct self {
    struct cvb_handle *handle;
    uint32_t stage, source, pipeline;
    struct cvb_record records[PEER_BATCH_MAX];
    uint64_t payload[PEER_BATCH_MAX][PEER_WORDS];
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
    struct shared *s = shared;
    struct cvb_settings settings;
    cvb_settings_init(&settings);
    settings.payload_size = PEER_WORDS * sizeof(uint64_t);
    settings.max_per_stage = shape->capacity;
    if (settings.max_total_records < shape->capacity)
        settings.max_total_records = shape->capacity;
    settings.max_per_source = shape->capacity / shape->producers;
    snprintf(s->name, sizeof s->name, "conveyor-bench-peer-%d", (int)getpid());
    cvb_unlink(s->name);
    return cvb_create(s->name, &settings);
}

static void end(void *shared) { cvb_unlink(((struct shared *)shared)->name); }

static int join(struct self *self, const struct peer_process *p)
{
    char source[32];
    snprintf(source, sizeof source, "producer-%u", p->index);
    int error = cvb_attach(((struct shared *)p->shared)->name, &self->handle);
    if (!error)
        error = cvb_stage(self->handle, "work", &self->stage);
    if (!error && p->index < p->shape.producers)
        error = cvb_source(self->handle, source, &self->source);
    if (!error)
        error = cvb_pipeline(self->handle, "bench", &self->pipeline);
    for (unsigned i = 0; i < PEER_BATCH_MAX; i++)
        self->records[i] = (struct cvb_record){self->payload[i], sizeof self->payload[i], self->source, self->pipeline};
    return error;
}

static bool is_full(int why) { return why <= CVB_ESTAGE_FULL && why >= CVB_EMEMORY_FULL; }

PEER_INLINE int put(void *at, uint64_t first, unsigned n)
{
    struct self *s = at;
    int why = 0;
    for (unsigned i = 0; i < n; i++)
        peer_write(s->payload[i], first + i);
    int done = cvb_buffer_batch_for_stage(s->handle, s->stage, s->records, n, &why);
    return done || !why || is_full(why) ? done : why;
}

PEER_INLINE int put_in_place(void *at, uint64_t first, unsigned n)
{
    struct self *s = at;
    int why = 0, done = cvb_reserve(s->handle, s->stage, s->records, s->slots, n, &why);
    if (done <= 0)
        return done || !why || is_full(why) ? done : why;
    for (int i = 0; i < done; i++)
        peer_write(s->slots[i].payload, first + (unsigned)i);
    int error = cvb_publish(s->handle, s->slots, (size_t)done);
    return error ? error : done;
}

PEER_INLINE int take(void *at, unsigned n, uint64_t *sum)
{
    struct self *s = at;
    int got = cvb_get_batch(s->handle, s->stage, s->leases, n);
    if (got <= 0)
        return got;
    for (int i = 0; i < got; i++)
        *sum += peer_sum(s->leases[i].payload) + (s->leases[i].length - (uint32_t)sizeof s->payload[0]);
    int error = cvb_ack(s->handle, s->leases, (size_t)got);
    return error ? error : got;
}

static int produce(struct peer_process *p)
{
    static struct self self;
    int error = join(&self, p);
    return error ? error : peer_produce(p, &self, put);
}

static int produce_in_place(struct peer_process *p)
{
    static struct self self;
    int error = join(&self, p);
    return error ? error : peer_produce(p, &self, put_in_place);
}

static int consume(struct peer_process *p)
{
    static struct self self;
    int error = join(&self, p);
    return error ? error : peer_consume(p, &self, take);
}

const struct peer peer_conveyor = {
    "conveyor", "put with a copy, lease, ack; limits on", false, bytes, init, produce, consume, end};
const struct peer peer_conveyor_reserve = {
    "conveyor reserve", "reserve, publish, lease, ack; limits on", false, bytes, init, produce_in_place, consume, end};
