/* hostile.c - a segment whose header is right and whose body is not: every operation ends, with some answer, and
 * touches nothing outside the mapping. Each round damages a fresh segment in a child and runs all verbs over it there;
 * a crash or a hang shows as the child's signal (SIGALRM for a hang).
 */
#include "../support/support.h"
#include "layout.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct round {
    uint64_t seed;
    const char *name;
    bool under_a_handle; /* damage while attached, or before */
    enum { SCATTER, ONES, ZEROS, REGION, DAMAGES } damage;
    struct {
        uint64_t from, to;
    } part; /* where */
};

/* The first `size` bytes of the segment, as a hostile process has them. */
static char *map_segment(const char *name, uint64_t size)
{
    char path[128];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    int fd = open(path, O_RDWR);
    char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (base == MAP_FAILED)
        _exit(90);
    return base;
}

static void damage(const struct round *r)
{
    uint64_t seed = r->seed, size = r->part.to - r->part.from;
    char *base = map_segment(r->name, r->part.to), *at = base + r->part.from;
    if (r->damage == ONES || r->damage == ZEROS)
        memset(at, r->damage == ONES ? 0xff : 0, size);
    else if (r->damage == REGION)
        for (uint64_t i = 0; i + 8 <= size; i += 8) {
            uint64_t v = random_next(&seed);
            memcpy(at + i, &v, 8);
        }
    else
        for (unsigned i = 0, n = 1 + random_below(&seed, 64); i < n; i++)
            at[random_below(&seed, (uint32_t)size)] ^= (char)(1u << random_below(&seed, 8));
    munmap(base, r->part.to);
}

/* Every other segment has headers. */
enum { HEADER = 20 };
static struct cvb_settings settings_of(uint64_t seed)
{
    struct cvb_settings s = small_settings(200, 100, 100);
    s.header_size = seed % 2 ? HEADER : 0;
    return s;
}

/* Bytes of header that a record of the segment may have, at most 4. */
static uint32_t headers(struct cvb_handle *h)
{
    struct cvb_settings s;
    return !cvb_settings_of(h, &s) && s.header_size ? 4 : 0;
}

static void use_payloads(const struct cvb_lease *l, int n)
{
    volatile unsigned char sum = 0;
    for (int i = 0; i < n; i++) {
        for (uint32_t b = 0; b < l[i].length; b++)
            sum = (unsigned char)(sum + ((const unsigned char *)l[i].payload)[b]);
        if (cvb_source_place(l[i].source) >= 8) /* small_settings */
            abort();
        for (uint32_t b = 0; b < l[i].header_length; b++)
            sum = (unsigned char)(sum + ((const unsigned char *)l[i].header)[b]);
    }
}

static void use_reading(struct cvb_handle *h)
{
    uint32_t stages[8];
    char text[CVB_NAME_MAX + 1];
    struct cvb_counts counts;
    struct cvb_peer peer;
    struct cvb_audit audit;
    struct cvb_census total, of_stage[8], of_source[8], of_handle[24];
    cvb_stages_with_data(h, stages, 8);
    for (uint32_t i = 0; i < 9; i++) {
        struct cvb_backpressure b;
        cvb_stage_size(h, i);
        cvb_stage_utilization(h, i);
        cvb_stage_counts(h, i, &counts);
        cvb_source_counts(h, i, &counts);
        cvb_stage_name(h, i, text);
        cvb_source_name(h, i, text);
        uint32_t id;
        if (!cvb_source_at(h, i, &id) && cvb_source_place(id) != i)
            abort(); /* callers use it as an index */
        cvb_pipeline_name(h, i, text);
        cvb_backpressure(h, i, i, &b);
        cvb_available_credits(h, i);
        cvb_wait_credits(h, i, i, 0);
        cvb_wait_records(h, &i, 1, 0);
        struct cvb_cursor cursor = {0};
        struct cvb_lease seen;
        char payload[64 + HEADER];
        for (int n = 0; n < 100 && cvb_peek(h, i, &cursor, &seen, payload, sizeof payload) == 1; n++)
            ;
    }
    for (uint32_t i = 0; i < 24; i++)
        cvb_peer(h, i, &peer);
    cvb_census(h, &total, of_stage, of_source, of_handle);
    cvb_total_buffered(h);
    cvb_global_utilization(h);
    cvb_audit(h, &audit);
}

static void use_writing(struct cvb_handle *h, uint64_t *seed)
{
    struct cvb_lease l[64];
    struct cvb_slot slots[8];
    uint32_t id, stage = random_below(seed, 8), why;
    struct cvb_record taken[8],
        shape = {.payload = "payload", .length = 7, .source = random_below(seed, 8), .header_length = headers(h)};
    const struct cvb_record with_header = {
        .payload = "result", .length = 6, .header = "head", .header_length = headers(h)};
    char copies[512];
    cvb_stage(h, "a new name", &id);
    if (!cvb_source_at(h, random_below(seed, 8), &id))
        cvb_source_retire(h, id);
    cvb_source(h, "another", &id);
    put_numbers(h, stage, random_below(seed, 8), 7, 1 + random_below(seed, 60), NULL);
    int n = cvb_reserve(h, stage, &shape, slots, 8, (int *)&why);
    if (n > 0) {
        memset(slots[0].payload, 1, shape.length);
        if (shape.header_length)
            memset(slots[0].header, 1, shape.header_length);
        cvb_publish(h, slots, (size_t)(n + 1) / 2);
        cvb_cancel(h, slots + (n + 1) / 2, (size_t)n / 2);
    }
    n = cvb_get_batch(h, stage, l, 1 + random_below(seed, 64));
    use_payloads(l, n);
    for (int i = 0; i < n; i++) {
        unsigned how = random_below(seed, 4);
        if (how == 0)
            cvb_ack(h, &l[i], 1);
        else if (how == 1)
            cvb_return_to_buffer(h, &l[i], 1);
        else if (how == 2)
            cvb_forward(h, random_below(seed, 8), &l[i], 1, NULL);
        else
            cvb_forward_records(h, random_below(seed, 8), &l[i], i % 2 ? &shape : &with_header, 1, NULL);
    }
    cvb_take_batch(h, stage, taken, 8, copies, sizeof copies);
    cvb_recover(h);
}

static int use_damaged(void *argument)
{
    struct round *r = argument;
    struct cvb_handle *h = NULL;
    uint64_t seed = r->seed;
    alarm(60);
    if (!r->under_a_handle)
        damage(r);
    if (cvb_attach(r->name, &h))
        return 0; /* it was noticed at once */
    if (r->under_a_handle) {
        use_writing(h, &seed);
        damage(r);
    }
    for (int turn = 0; turn < 12; turn++) {
        use_writing(h, &seed);
        use_reading(h);
    }
    cvb_detach(h);
    return 0;
}

/* Some records in several states, and a dead peer that held some. */
static int leave_some(void *name)
{
    struct cvb_handle *h;
    struct cvb_lease l[20];
    if (cvb_attach(name, &h) || !name_everything(h))
        return 1;
    for (uint32_t stage = 1; stage < 4; stage++)
        if (put_numbers(h, stage, stage, 0, 30, NULL) != 30 || cvb_get_batch(h, stage, l, 13) != 13)
            return 2;
    raise(SIGKILL);
    return 0;
}

static void one_round(struct round *r)
{
    struct cvb_settings s = settings_of(r->seed);
    cvb_unlink(r->name);
    cr_assert_eq(cvb_create(r->name, &s), 0);
    cr_assert_eq(reap(spawn(leave_some, (void *)(uintptr_t)r->name)), SIGNALED + SIGKILL);
    int code = reap(spawn(use_damaged, r));
    cr_assert_eq(code, 0, "seed %llu, %d, bytes %llu to %llu, %s: ended with %d%s", (unsigned long long)r->seed,
                 (int)r->damage, (unsigned long long)r->part.from, (unsigned long long)r->part.to,
                 r->under_a_handle ? "attached" : "before", code, code == SIGNALED + SIGALRM ? " (a hang)" : "");
    cvb_unlink(r->name);
}

/* Each part of the segment in turn, then all of it. */
static void damage_part(unsigned part, unsigned rounds)
{
    struct round r = {.seed = 1000 * (part + 1), .name = segment_name("hostile")};
    for (unsigned i = 0; i < rounds; i++, r.seed++) {
        struct cvb_settings s = settings_of(r.seed);
        struct cvb_geometry g;
        cr_assert_eq(cvb_settings_complete(&s, NULL, 0), 0);
        cvb_geometry_of(&s, &g);
        const uint64_t bounds[] = {g.counters,   g.hints,   g.seats, g.references[0], g.units,
                                   g.extensions, g.bitmaps, g.rings, g.cells,         g.size};
        enum { PARTS = sizeof bounds / sizeof bounds[0] - 1 };
        r.part.from = part < PARTS ? bounds[part] : g.counters;
        r.part.to = part < PARTS ? bounds[part + 1] : g.cells;
        r.damage = i / 2 % DAMAGES;
        r.under_a_handle = i / 2 / DAMAGES % 2;
        one_round(&r);
    }
}

Test(hostile, counters, .timeout = 500) { damage_part(0, 48); }
Test(hostile, hints, .timeout = 500) { damage_part(1, 48); }
Test(hostile, seats, .timeout = 500) { damage_part(2, 48); }
Test(hostile, names, .timeout = 500) { damage_part(3, 48); }
Test(hostile, units, .timeout = 500) { damage_part(4, 96); }
Test(hostile, extensions, .timeout = 500) { damage_part(5, 48); }
Test(hostile, bitmaps, .timeout = 500) { damage_part(6, 48); }
Test(hostile, rings, .timeout = 500) { damage_part(7, 96); }
Test(hostile, cells, .timeout = 500) { damage_part(8, 16); }
Test(hostile, everything, .timeout = 500) { damage_part(9, 160); }

/* Records that wait for their time, and times of units or of nodes that no clock says. */
struct times {
    const char *name;
    uint64_t due;
    bool of_units, of_nodes;
};

static void set_times(const struct times *t)
{
    struct cvb_settings s = settings_of(0);
    struct cvb_geometry g;
    if (cvb_settings_complete(&s, NULL, 0))
        _exit(91);
    cvb_geometry_of(&s, &g);
    char *base = map_segment(t->name, g.rings);
    struct cvb_soonest *node = (void *)(base + g.soonest), *end = (void *)(base + g.rings);
    for (uint32_t u = 0; t->of_units && u < g.unit_count; u++)
        ((uint64_t *)(void *)(base + g.due))[u] = t->due;
    for (; t->of_nodes && node + 1 <= end; node++)
        node->bound.hi = t->due;
    munmap(base, g.rings);
}

enum { DELAYED = 20 };
static int use_delayed(void *argument)
{
    const struct times *t = argument;
    const uint32_t stage = 1;
    struct cvb_handle *h = NULL;
    struct cvb_lease l[DELAYED];
    uint64_t seed = 1;
    alarm(60);
    if (cvb_attach(t->name, &h) || !name_everything(h) || put_numbers(h, stage, 0, 0, DELAYED, NULL) != DELAYED ||
        get_all(h, stage, l, DELAYED) != DELAYED || cvb_return_after(h, l, DELAYED / 2, 1) ||
        cvb_return_after(h, l + DELAYED / 2, DELAYED / 2, 3600000))
        return 1;
    set_times(t);
    if (t->of_units && t->of_nodes && t->due == 1 && get_all(h, stage, l, DELAYED) != DELAYED)
        return 2; /* all was due long ago */
    for (int turn = 0; turn < 4; turn++) {
        cvb_wait_records(h, &stage, 1, 3000000);
        use_writing(h, &seed);
        use_reading(h);
    }
    return cvb_detach(h);
}

/* A time decides when a record comes, and nothing else: none is lost or counted twice. */
Test(hostile, times_of_delays, .timeout = 500)
{
    static const uint64_t due[] = {0, 1, INT64_MAX, UINT64_MAX - 1, UINT64_MAX};
    struct times t = {.name = segment_name("times")};
    struct cvb_settings s = settings_of(0);
    for (unsigned i = 0; i < 3 * sizeof due / sizeof due[0]; i++) {
        t.due = due[i / 3];
        t.of_units = i % 3 != 1;
        t.of_nodes = i % 3 != 0;
        struct cvb_handle *h = make_segment(t.name, &s);
        struct cvb_audit a;
        cr_assert_not_null(h);
        int code = reap(spawn(use_delayed, &t));
        cr_assert_eq(code, 0, "time %llx of%s%s: ended with %d", (unsigned long long)t.due, t.of_units ? " units" : "",
                     t.of_nodes ? " nodes" : "", code);
        cr_assert_eq(cvb_audit(h, &a), 0);
        cr_assert(a.exact && !a.problems, "time %llx: %s", (unsigned long long)t.due, a.first_problem);
        cr_assert_eq(cvb_detach(h), 0);
        cvb_unlink(t.name);
    }
}
