/* segment.h - a segment of the smallest size for the models: its parts are variables, and handles point to them. */
#ifndef MODEL_SEGMENT_H
#define MODEL_SEGMENT_H

#include <seat/seat.h>

#ifndef MODEL_STAGES
#define MODEL_STAGES 2
#endif
enum { UNITS = 3, SEATS = 3, STAGES = MODEL_STAGES, SOURCES = 1, RING_BITS = 1, LIMIT = 2 };

static struct cvb_unit units[UNITS] __attribute__((aligned(64)));
static struct cvb_counter counters[1 + STAGES + SOURCES] __attribute__((aligned(64)));
static struct cvb_flag flags[4 + 2 * STAGES + SOURCES] __attribute__((aligned(64)));
static struct cvb_hint hints[STAGES];
static struct cvb_seat seats[SEATS + 1];
static uint64_t rings[STAGES][1 << RING_BITS];
static struct cvb_extension extensions[1];
static struct cvb_ring_view ends[SEATS][STAGES];
static struct cvb_tally tallies[SEATS + 1][STAGES + SOURCES];
static struct cvb_handle handles[SEATS];
static struct cvb_lookout lookout __attribute__((aligned(64)));
static struct cvb_soonest root __attribute__((aligned(16)));
static struct cvb_thresholds thresholds = {.word = UINT64_C(1000000000) | UINT64_C(500000000) << 32}; /* 1, 0.5 */
static uint64_t died_in[SEATS][SEATS];
static struct cvb_reason reasons[2] __attribute__((aligned(16)));
static struct model_events { /* a ring of one */
    uint64_t next;
    uint8_t pad_next[56];
    struct cvb_event_slot slot[1];
} events __attribute__((aligned(64)));
static struct cvb_pair model_writers[SOURCES + SEATS + 1] __attribute__((aligned(64)));
static int payloads[UNITS]; /* plain memory: a race on it is a violation */

static inline bool model_is_unit(const void *at)
{
    uintptr_t o = (uintptr_t)at - (uintptr_t)units;
    return o < sizeof units && o % sizeof units[0] < sizeof units[0].word;
}

static inline bool model_is_written(const void *at)
{
    uintptr_t o = (uintptr_t)at - (uintptr_t)reasons;
    return (o < sizeof reasons && o % sizeof reasons[0] < sizeof reasons[0].owner) ||
           (uintptr_t)at - (uintptr_t)&events.slot[0].word < sizeof events.slot[0].word ||
           (uintptr_t)at - (uintptr_t)model_writers < sizeof model_writers;
}

static inline bool model_is_named(const void *at)
{
    uintptr_t o = (uintptr_t)at - (uintptr_t)flags;
    return (o < sizeof flags && o % sizeof flags[0] - offsetof(struct cvb_flag, named) < sizeof flags[0].named) ||
           (uintptr_t)at - (uintptr_t)&lookout.naming < sizeof lookout.naming;
}

static inline bool model_packed(const void *at)
{
    uintptr_t o = (uintptr_t)at - (uintptr_t)counters;
    return model_is_unit(at) || model_is_written(at) || model_is_named(at) ||
           (uintptr_t)at - (uintptr_t)&root < sizeof root ||
           (o < sizeof counters && o % 128 < sizeof counters[0].taken);
}

static inline uint64_t model_pack(const void *at, struct cvb_pair p)
{
    if (model_is_written(at)) /* generation and state; seat and what it says; flag */
        return (p.lo & 0xfff) | (p.hi & 0xff) << 12 | (p.hi >> 17 & 0xffff) << 20;
    if (model_is_named(at)) /* place, generation, state; slot, changes. Of a naming: its number, id and slot */
        return (p.lo & 0xf) | (p.lo >> 16 & 0xf) << 4 | (p.lo >> 32 & 7) << 8 | (p.hi & 0xf) << 12 |
               (p.hi >> 16 & 0xffff) << 16 | (p.hi >> 32 & 0xf) << 32;
    if (!model_is_unit(at))
        return (p.lo & 0xfff) | (p.hi >> 53 & 15) << 12 | (p.hi & 0xfff) << 16;
    return p.lo >> 59 << 27 | (p.lo & 0xfff) << 15 | (p.hi & 15) << 11 | (p.hi >> 32 & 3) << 9 | (p.hi >> 44 & 7) << 6 |
           (p.hi >> 54 & 7) << 3 | (p.hi >> 62 & 3);
}

static inline struct cvb_pair model_unpack(const void *at, uint64_t x)
{
    if (model_is_written(at))
        return (struct cvb_pair){x & 0xfff, (x >> 12 & 0xff) | (x >> 20 & 0xffff) << 17};
    if (model_is_named(at))
        return (struct cvb_pair){(x & 0xf) | (x >> 4 & 0xf) << 16 | (x >> 8 & 7) << 32,
                                 (x >> 12 & 0xf) | (x >> 16 & 0xffff) << 16 | (x >> 32 & 0xf) << 32};
    if (!model_is_unit(at))
        return (struct cvb_pair){x & 0xfff, (x >> 12 & 15) << 53 | (x >> 16 & 0xfff)};
    return (struct cvb_pair){x >> 27 << 59 | (x >> 15 & 0xfff), (x >> 11 & 15) | (x >> 9 & 3) << 32 |
                                                                    (x >> 6 & 7) << 44 | (x >> 3 & 7) << 54 |
                                                                    (x & 3) << 62};
}

static void model_word(uint32_t u, enum cvb_state state, uint64_t number, uint32_t mask, unsigned stage, unsigned seat)
{
    bool placed = state == CVB_QUEUED || state == CVB_LEASED;
    struct cvb_pair w = {placed ? cvb_lo_position(state, number) : cvb_lo_generation(state, number),
                         cvb_hi(mask, stage, seat, 0)};
    *(uint64_t *)(void *)&units[u].word = model_pack(&units[u].word, w);
    units[u].generation = number;
}

/* One dies, as handle 0; then the others run side by side, as handles 1 and 2. */
static inline void model_after_death(void *(*dies)(void *), void *(*first)(void *), void *(*second)(void *))
{
    pthread_t thread[2];
    pthread_create(&thread[0], NULL, dies, NULL);
    pthread_join(thread[0], NULL); /* the kernel orders its end before anybody sees its lock free */
    pthread_create(&thread[0], NULL, first, (void *)1);
    pthread_create(&thread[1], NULL, second, (void *)2);
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
}

static void model_handles(void)
{
    static const uint64_t not_entered; /* no handle of a model loses its seat */
    for (uint32_t s = 0; s < SEATS; s++) {
        struct cvb_handle *h = &handles[s];
        h->seat = s;
        h->seat_state = &not_entered;
        h->units = units;
        h->extensions = extensions;
        h->counters = counters;
        h->flags = flags;
        h->of_sources = &flags[3 + 2 * STAGES];
        h->reasons = reasons;
        h->segment.geometry.reason_count = 2;
        h->rings = ends[s];
        h->lookout = &lookout;
        h->root = &root;
        h->pass.died_in = died_in[s];
        h->tallies = tallies[s];
        h->segment.base = (char *)seats; /* what is reached by offsets: the seats, and the tallies */
        h->segment.geometry.large_count = 1;
        h->segment.geometry.unit_count = UNITS;
        h->segment.settings.max_handles = SEATS;
        h->segment.settings.max_stages = STAGES;
        h->segment.settings.max_sources = SOURCES;
        h->segment.settings.max_per_source = h->segment.settings.max_per_stage = LIMIT;
        h->segment.settings.max_total_records = LIMIT;
        h->segment.geometry.tallies = (uint64_t)((char *)tallies - (char *)seats);
        h->thresholds = &thresholds;
        for (uint32_t i = 0; i < STAGES; i++) {
            ends[s][i].ring = rings[i];
            ends[s][i].hint = &hints[i];
            ends[s][i].data = &flags[cvb_flag_of_data(i)];
            ends[s][i].bits = RING_BITS;
            ends[s][i].mask = (1u << RING_BITS) - 1;
        }
    }
}

#endif
