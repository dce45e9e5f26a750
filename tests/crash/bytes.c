/* bytes.c - the segment as bytes: all that an operation may change is packed, compared and copied.
 *
 * Of the cells only the first bytes are used by these tests' short records; rounding up to pages is left out too. This
 * file alone knows the layout: for that, and to make hints wrong.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crash.h"
#include "segment.h"

#define CELL_BYTES (64u + 32u) /* with a short header */
#define SEAT_TOLD offsetof(struct cvb_seat, active_ns)
#define EVENTS 64u /* the first ones: there are fewer */

struct range {
    uint64_t at, length;
};
static struct range ranges[128];
static unsigned range_count, told_from; /* the last ones: of what is told, and nothing is decided by */
static size_t packed_size;
static struct cvb_geometry g;

uint32_t header_size;

void settings_of_test(struct cvb_settings *s)
{
    cvb_settings_init(s);
    s->max_total_records = TOTAL;
    s->max_per_stage = PER_STAGE;
    s->max_per_source = PER_SOURCE;
    s->payload_size = PAYLOAD;
    s->max_stages = STAGES;
    s->max_sources = PLACES;
    s->max_pipelines = 3;
    s->max_handles = SEATS;
    s->max_retries = RETRIES;
    s->header_size = header_size;
    s->class_count = 1;
    s->classes[0] = (struct cvb_class){PAYLOAD, TOTAL};
}

static void range(uint64_t at, uint64_t length)
{
    if (range_count == sizeof ranges / sizeof *ranges)
        abort();
    ranges[range_count++] = (struct range){at, length};
    packed_size += length;
}

static void find_ranges(void)
{
    struct cvb_settings s;
    settings_of_test(&s);
    cvb_geometry_of(&s, &g);
    range(g.counters, sizeof(struct cvb_counter) * (1u + STAGES + PLACES));
    range(g.flags, sizeof(struct cvb_flag) * (4u + 2u * STAGES + PLACES));
    range(g.reasons, sizeof(struct cvb_reason) * g.reason_count);
    range(g.lookout + offsetof(struct cvb_lookout, attaches),
          sizeof(struct cvb_lookout) - offsetof(struct cvb_lookout, attaches));
    range(g.hints, sizeof(struct cvb_hint) * STAGES);
    for (uint64_t seat = 0; seat <= SEATS; seat++)
        range(g.seats + seat * sizeof(struct cvb_seat), SEAT_TOLD);
    range(g.idle, cvb_idle_stride(&g) * (SEATS + 1u));
    range(g.tallies, sizeof(struct cvb_tally) * (SEATS + 1u) * (STAGES + PLACES));
    range(g.moved, sizeof(struct cvb_moved) * (SEATS + 1u) * PLACES);
    range(g.survey, sizeof(struct cvb_survey));
    range(g.stands, sizeof(struct cvb_stand) * PLACES);
    for (int k = 0; k < CVB_KINDS; k++) {
        range(g.references[k],
              k == CVB_KIND_SOURCE ? sizeof(struct cvb_pair) * (PLACES + SEATS + 1u) : 4u * g.name_limit[k]);
        range(g.names[k], sizeof(struct cvb_name) * (g.name_limit[k] + SEATS + 1u));
    }
    range(g.units, sizeof(struct cvb_unit) * g.unit_count);
    range(g.extensions, sizeof(struct cvb_extension) * g.large_count);
    range(g.bitmaps, 8u * g.bitmap_words * g.bitmap_count);
    range(g.retry, sizeof(struct cvb_retry));
    range(g.due, 8u * g.unit_count);
    range(g.soonest, sizeof(struct cvb_soonest) * (g.due_first[g.due_levels - 1] + 1u));
    range(g.rings, 8u * ((1u << g.dead_ring_bits) + ((STAGES - 1u) << g.ring_bits)));
    for (uint32_t i = 0; i < g.cell_count; i++)
        range(g.part[0].offset + (uint64_t)i * g.part[0].stride, CELL_BYTES);
    told_from = range_count;
    for (uint64_t seat = 0; seat <= SEATS; seat++)
        range(g.seats + seat * sizeof(struct cvb_seat) + SEAT_TOLD, sizeof(struct cvb_seat) - SEAT_TOLD);
    range(g.events, sizeof(struct cvb_event_ring) + sizeof(struct cvb_event_slot) * EVENTS);
}

size_t bytes_packed_size(void)
{
    if (!range_count)
        find_ranges();
    return packed_size;
}

bool bytes_map(const char *name, struct bytes *b)
{
    char path[256];
    if (cvb_segment_path(name, path, sizeof path))
        return false;
    bytes_packed_size();
    int fd = open(path, O_RDWR | O_CLOEXEC);
    b->size = g.size;
    b->base = fd < 0 ? MAP_FAILED : mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return b->base != MAP_FAILED;
}

void bytes_unmap(struct bytes *b) { munmap(b->base, b->size); }

void bytes_pack(const struct bytes *b, char *packed)
{
    for (unsigned i = 0; i < range_count; packed += ranges[i++].length)
        memcpy(packed, b->base + ranges[i].at, ranges[i].length);
}

void bytes_unpack(const struct bytes *b, const char *packed)
{
    for (unsigned i = 0; i < range_count; packed += ranges[i++].length)
        memcpy(b->base + ranges[i].at, packed, ranges[i].length);
}

static bool ranges_equal(const struct bytes *b, const char *packed, unsigned count)
{
    for (unsigned i = 0; i < count; packed += ranges[i++].length)
        if (memcmp(b->base + ranges[i].at, packed, ranges[i].length))
            return false;
    return true;
}

bool bytes_equal(const struct bytes *b, const char *packed) { return ranges_equal(b, packed, range_count); }

bool bytes_equal_but_told(const struct bytes *b, const char *packed) { return ranges_equal(b, packed, told_from); }

bool bytes_seat_active(const struct bytes *b, uint32_t seat)
{
    return ((const struct cvb_seat *)(const void *)(b->base + g.seats))[seat].state & 1;
}

/* As if the handle that has put its records with positions were gone. */
void bytes_free_source(const struct bytes *b, unsigned source)
{
    ((struct cvb_stand *)(void *)(b->base + g.stands))[source].claim = 0;
}

/* That of the handle that has the seat, or for seat SEATS of the one that attaches next. */
uint64_t bytes_number(const char *segment, uint32_t seat)
{
    struct bytes b;
    if (!bytes_map(segment, &b))
        return 0;
    const struct cvb_seat *seats = (const void *)(b.base + g.seats);
    const struct cvb_lookout *lookout = (const void *)(b.base + g.lookout);
    const uint64_t number = seat < SEATS ? seats[seat].state : lookout->attaches << 1 | 1;
    bytes_unmap(&b);
    return number;
}

/* As if nobody had made a survey lately: a hint. */
void bytes_survey_due(const char *segment)
{
    struct bytes b;
    if (!bytes_map(segment, &b))
        return;
    ((struct cvb_survey *)(void *)(b.base + g.survey))->begun_ns = 0;
    bytes_unmap(&b);
}

/* Heads and tails at the beginning; the bitmaps of free units full of units that are not, or empty. */
void bytes_wrong_hints(const struct bytes *b, enum wrong_hints how)
{
    memset(b->base + g.hints, 0, sizeof(struct cvb_hint) * STAGES);
    uint64_t *map = (void *)(b->base + g.bitmaps);
    for (uint32_t b0 = 0; b0 < g.bitmap_count; b0++)
        for (uint32_t u = 0; u < g.unit_count; u++) {
            uint64_t *word = &map[b0 * g.bitmap_words + u / 64], bit = UINT64_C(1) << u % 64;
            *word = how == HINTS_NONE ? *word & ~bit : *word | bit;
        }
}
