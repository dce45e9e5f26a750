/* layout.c - from settings to sizes and offsets. */
#include "layout.h"

#include <ck_md.h>
#include <string.h>

#include "fields.h"

/* Tests that explore tiny segments set these. */
#ifndef CVB_RESERVE_BYTES
#define CVB_RESERVE_BYTES (64u << 10)
#endif
#ifndef CVB_TRAIN_BYTES
#define CVB_TRAIN_BYTES (64u << 10)
#endif
#ifndef CVB_IDLE_BITS_MIN
#define CVB_IDLE_BITS_MIN 3u
#endif
#define CVB_IDLE_BITS_MAX 12u
#ifndef CVB_CELL_LEAST
#define CVB_CELL_LEAST 8u
#endif
#define CVB_PAYLOAD_LEAST 8u /* bytes: the holder of a lease writes the payload's first word back (cvb_own_line) */
#ifndef CVB_RING_BITS_MIN
#define CVB_RING_BITS_MIN 6u
#endif

static uint32_t ring_bits_for(uint32_t records)
{
    uint32_t bits = CVB_RING_BITS_MIN;
    while ((1u << bits) < records)
        bits++;
    return bits;
}

/* Groups for all of a stage's records, within reason, so that a burst of acks keeps their credits. */
static uint32_t idle_bits_for(uint32_t records)
{
    uint32_t bits = CVB_IDLE_BITS_MIN;
    while (bits < CVB_IDLE_BITS_MAX && CVB_IDLE_ENTRIES << bits < records)
        bits++;
    return bits;
}

static uint64_t place(uint64_t *end, uint64_t bytes)
{
    uint64_t at = *end;
    *end = (at + bytes + CVB_PAGE - 1) / CVB_PAGE * CVB_PAGE;
    return at;
}

/* Whole lines. Less than a line: a power of two, so that no cell lies across two, and a train takes few lines. */
static uint32_t stride_of(uint32_t bytes)
{
    uint32_t stride = CVB_CELL_LEAST;
    while (stride < bytes && stride < CVB_LINE)
        stride *= 2;
    return bytes > stride ? (bytes + CVB_LINE - 1) / CVB_LINE * CVB_LINE : stride;
}

/* What stands before the payload; it keeps the payload's place a multiple of 16 where there are headers. */
static uint32_t header_room_for(uint32_t header_size)
{
    return header_size ? ((uint32_t)sizeof(struct cvb_cell_header) + header_size + 15) / 16 * 16 : 0;
}

static void place_cells(const struct cvb_settings *s, struct cvb_geometry *g)
{
    g->parts = s->class_count;
    g->header_room = header_room_for(s->header_size);
    for (uint32_t i = 0; i < g->parts; i++) {
        const uint32_t bytes = s->classes[i].bytes;
        uint32_t stride = stride_of(g->header_room + (bytes > CVB_PAYLOAD_LEAST ? bytes : CVB_PAYLOAD_LEAST));
        uint32_t reserve = CVB_RESERVE_BYTES / stride;
        reserve = reserve > 64 ? 64 : reserve ? reserve : 1;
        uint32_t train = CVB_TRAIN_BYTES / stride;
        g->part[i].train = train > CVB_UNIT_MEMBERS ? CVB_UNIT_MEMBERS : train ? train : 1;
        g->part[i].stride = stride;
        g->part[i].first_cell = g->cell_count;
        g->part[i].cell_count = s->classes[i].count + reserve * s->max_handles;
        g->cell_count += g->part[i].cell_count;
    }
}

/* The tree over the due times of all units: numbers its nodes, level by level, and says how many there are. */
static uint64_t count_nodes(struct cvb_geometry *g)
{
    uint32_t nodes = 0, below = g->unit_count;
    do {
        below = (below + CVB_DUE_CHILDREN - 1) / CVB_DUE_CHILDREN;
        g->due_first[g->due_levels++] = nodes;
        nodes += below;
    } while (below > 1 && g->due_levels < CVB_DUE_LEVELS);
    return nodes;
}

void cvb_geometry_of(const struct cvb_settings *s, struct cvb_geometry *g)
{
    memset(g, 0, sizeof *g);
    place_cells(s, g);
    g->unit_count = g->cell_count + 4 * s->max_handles;
    g->large_count = g->cell_count / 8 + 2 * s->max_handles;
    g->bitmap_words = (g->unit_count + 63) / 64;
    g->bitmap_count = 2 * g->parts + 2;
    const uint32_t per_stage = cvb_most_in_stage(s);
    g->ring_bits = ring_bits_for(per_stage);
    g->dead_ring_bits = ring_bits_for(s->max_total_records);
    const uint32_t limits[CVB_KINDS] = {s->max_stages, s->max_sources, s->max_pipelines};
    uint64_t end = CVB_PAGE;
    g->counters = place(&end, sizeof(struct cvb_counter) * (1ull + s->max_stages + s->max_sources));
    g->thresholds = place(&end, sizeof(struct cvb_thresholds));
    g->flags = place(&end, sizeof(struct cvb_flag) * (4ull + 2ull * s->max_stages + s->max_sources));
    g->reason_count = 3 + 2 * s->max_stages + s->max_sources + s->max_handles + 1;
    g->reasons = place(&end, sizeof(struct cvb_reason) * (uint64_t)g->reason_count);
    g->events = place(&end, sizeof(struct cvb_event_ring) + sizeof(struct cvb_event_slot) * (uint64_t)CVB_EVENTS);
    g->lookout = place(&end, sizeof(struct cvb_lookout));
    g->hints = place(&end, sizeof(struct cvb_hint) * s->max_stages);
    g->seats = place(&end, sizeof(struct cvb_seat) * (s->max_handles + 1ull));
    g->idle_bits = idle_bits_for(per_stage);
    g->idle = place(&end, cvb_idle_stride(g) * (s->max_handles + 1ull));
    g->tallies =
        place(&end, sizeof(struct cvb_tally) * (s->max_handles + 1ull) * ((uint64_t)s->max_stages + s->max_sources));
    g->stays = place(&end, sizeof(struct cvb_stay) * (s->max_handles + 1ull) * s->max_stages);
    g->moved = place(&end, sizeof(struct cvb_moved) * (s->max_handles + 1ull) * s->max_sources);
    g->survey = place(&end, sizeof(struct cvb_survey));
    g->stands = place(&end, sizeof(struct cvb_stand) * s->max_sources);
    for (int k = 0; k < CVB_KINDS; k++) {
        g->name_limit[k] = limits[k];
        const uint64_t slots = (uint64_t)limits[k] + s->max_handles + 1;
        g->references[k] = place(&end, k == CVB_KIND_SOURCE ? sizeof(struct cvb_pair) * slots : 4ull * limits[k]);
        g->names[k] = place(&end, sizeof(struct cvb_name) * slots);
    }
    g->units = place(&end, sizeof(struct cvb_unit) * (uint64_t)g->unit_count);
    g->extensions = place(&end, sizeof(struct cvb_extension) * (uint64_t)g->large_count);
    g->bitmaps = place(&end, 8ull * g->bitmap_words * g->bitmap_count);
    g->retry = place(&end, sizeof(struct cvb_retry));
    g->due = place(&end, 8ull * g->unit_count);
    g->soonest = place(&end, sizeof(struct cvb_soonest) * count_nodes(g));
    g->rings = place(&end, 8ull * ((1ull << g->dead_ring_bits) + ((s->max_stages - 1ull) << g->ring_bits)));
    g->cells = end;
    for (uint32_t i = 0; i < g->parts; i++)
        g->part[i].offset = place(&end, (uint64_t)g->part[i].stride * g->part[i].cell_count);
    g->size = end;
}

uint64_t cvb_hash(const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* What is kept apart on lines of the layout is on lines of this machine, too. */
static_assert(CVB_LINE % CK_MD_CACHELINE == 0, "a cache line of this machine is longer than the layout's");

/* Each line of fields.h is true of what this compiler makes of layout.h. */
#define PLACED(type, field, at, bytes)                                                                                 \
    static_assert(offsetof(struct type, field) == (at) && sizeof(((struct type *)0)->field) == (bytes),                \
                  #type "." #field);
#define SIZED(type, bytes) static_assert(sizeof(struct type) == (bytes), #type);
CVB_FIELDS(PLACED, SIZED)
#undef PLACED
#undef SIZED

/* Of all offsets and sizes of the structs, and of the numbers that lay out the rest. */
uint64_t cvb_fingerprint(void)
{
#define PLACE_OF(type, field, at, bytes) offsetof(struct type, field), sizeof(((struct type *)0)->field),
#define SIZE_OF(type, bytes) sizeof(struct type),
    static const uint32_t numbers[] = {CVB_FIELDS(PLACE_OF, SIZE_OF) CVB_RING_BITS_MIN,
                                       CVB_IDLE_BITS_MIN,
                                       CVB_IDLE_BITS_MAX,
                                       CVB_RESERVE_BYTES,
                                       CVB_TRAIN_BYTES,
                                       CVB_CELL_LEAST,
                                       CVB_EVENTS,
                                       CVB_LENGTH_BITS,
                                       CVB_DUE_BITS,
                                       CVB_N_COUNTS};
#undef PLACE_OF
#undef SIZE_OF
    return cvb_hash(numbers, sizeof numbers);
}
