/* world.c - the segment under the explorer, and the stand-ins for files, locks and memory. */
#include "position.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../shm/segment.h"
#include "../../shm/system.h"

struct world world;
static char *pristine;
static struct unit_share {
    uint32_t n;
    uint16_t stage, source;
    bool idle, claimed; /* claimed: RES, and was IDLE */
    long since;
} share[WORLD_UNITS];
static uint32_t page_of_ones = 1;

/* Memory for handles: freed as a whole with each schedule, so a killed process leaks nothing. */
static char arena[1 << 20];
static size_t arena_used;

void *explore_calloc(size_t count, size_t size);
void explore_free(void *p);
void *explore_page(void);
void explore_access(const char *access, const void *at);

void *explore_calloc(size_t count, size_t size)
{
    size_t bytes = (count * size + 63) & ~(size_t)63;
    SIM_CHECK(arena_used + bytes <= sizeof arena, "the explorer's arena is too small");
    void *p = memset(arena + arena_used, 0, bytes);
    arena_used += bytes;
    return p;
}

/* The last block is given back: audits come and go. */
void explore_free(void *p) { (void)p; }

void *explore_page(void) { return &page_of_ones; }

__attribute__((noinline)) void explore_access(const char *access, const void *at)
{
    sim_point(access + 4, at, __builtin_return_address(0));
}

/* In place of shm/system.c: what seat.c and known.c ask of the system. */
static void *page_at(void *hint, size_t size, int protection, int flags, int fd, off_t offset)
{
    (void)hint;
    (void)protection;
    (void)flags;
    (void)fd;
    (void)offset;
    return explore_calloc(1, size);
}

static int forget_page(void *page, size_t size) { return (void)page, (void)size, 0; }

static int heed(void *page, size_t size, int advice) { return (void)page, (void)size, (void)advice, 0; }

/* The same segment each time. */
static ssize_t no_random(void *bytes, size_t size) { return memset(bytes, 0, size), (ssize_t)size; }

struct cvb_system cvb_system = {.map = page_at,
                                .unmap = forget_page,
                                .advise = heed,
                                .allocate = explore_calloc,
                                .release = explore_free,
                                .random = no_random};

/* In place of place/process.c. A handle's mapping is the number of its process. */
static int process_of(const struct cvb_handle *h) { return (int)(uintptr_t)h->mapping - 1; }

int cvb_map_wiped(size_t size, void **memory)
{
    *memory = cvb_system.map(NULL, size, 0, 0, -1, 0);
    return *memory == (void *)-1 ? CVB_ESYSTEM : 0;
}

int cvb_join_mapping(struct cvb_handle *h, const char *name)
{
    (void)name;
    h->segment = (struct cvb_segment){world.base, world.settings, world.geometry, {0}};
    h->mapping = (struct cvb_mapping *)(uintptr_t)(sim.current + 1);
    for (int k = 0; k < CVB_KINDS; k++)
        h->known[k] = world.geometry.name_limit[k]; /* schedules use numbers, and name stages to try just that */
    return 0;
}

void cvb_leave_mapping(struct cvb_handle *h)
{
    sim_point("close", NULL, __builtin_return_address(0));
    sim.killed(process_of(h));
}

int cvb_segment_look(const char *name, struct cvb_settings *settings, uint64_t *bytes)
{
    (void)name;
    (void)settings;
    (void)bytes;
    return CVB_ENOENT;
}

static int *lock_of(uint64_t number) { return &world.lock[number / 2 % WORLD_LOCKS]; }

int cvb_lock_number(struct cvb_handle *h, uint64_t number)
{
    int *lock = lock_of(number);
    sim_point("lock", lock, __builtin_return_address(0));
    if (*lock)
        return 1;
    *lock = process_of(h) + 1;
    h->lock = lock;
    return 0;
}

void cvb_unlock_number(struct cvb_handle *h)
{
    sim_point("unlock", h->lock, __builtin_return_address(0));
    if (h->lock && *(int *)h->lock == process_of(h) + 1)
        *(int *)h->lock = 0;
    h->lock = NULL;
}

int cvb_look_begin(struct cvb_handle *h) { return (void)h, 1; }

int cvb_number_locked(struct cvb_handle *h, uint64_t number)
{
    (void)h;
    sim_point("look at lock", lock_of(number), __builtin_return_address(0));
    return *lock_of(number) != 0;
}

bool cvb_look_confirm(struct cvb_handle *h) { return (void)h, true; }

void world_unlock_all(int process)
{
    for (unsigned i = 0; i < WORLD_LOCKS; i++)
        if (world.lock[i] == process + 1)
            world.lock[i] = 0;
}

struct cvb_unit *world_unit(uint32_t u) { return (struct cvb_unit *)(void *)(world.base + world.geometry.units) + u; }

struct cvb_stand *world_stand(uint32_t source)
{
    return (struct cvb_stand *)(void *)(world.base + world.geometry.stands) + source;
}

struct cvb_seat *world_seat(uint32_t s) { return (struct cvb_seat *)(void *)(world.base + world.geometry.seats) + s; }

void world_make(const struct cvb_settings *given)
{
    world.settings = *given;
    if (cvb_settings_complete(&world.settings, NULL, 0))
        sim_fail("the scenario's settings are no good");
    cvb_geometry_of(&world.settings, &world.geometry);
    const struct cvb_settings *s = &world.settings;
    world.counters = 1 + s->max_stages + s->max_sources;
    if (world.counters > WORLD_COUNTERS || world.geometry.unit_count > WORLD_UNITS || s->max_handles > 14)
        sim_fail("the scenario is too large");
    world.made[0] = s->max_total_records;
    for (uint32_t i = 0; i < s->max_stages; i++)
        world.made[1 + i] = i ? s->max_per_stage : s->max_total_records;
    for (uint32_t i = 0; i < s->max_sources; i++)
        world.made[1 + s->max_stages + i] = s->max_per_source;
    free(world.base);
    free(pristine);
    world.base = aligned_alloc(CVB_PAGE, world.geometry.size);
    pristine = aligned_alloc(CVB_PAGE, world.geometry.size);
    memset(pristine, 0, world.geometry.size);
    cvb_segment_format(pristine, s);
    names_make(pristine);
}

void world_reset(void)
{
    memcpy(world.base, pristine, world.geometry.size);
    memset(world.used, 0, sizeof world.used);
    memset(world.shadow, 0, sizeof world.shadow);
    memset(world.idle, 0, sizeof world.idle);
    memset(world.most, 0, sizeof world.most);
    memset(world.long_idle, 0, sizeof world.long_idle);
    memset(world.began, 0, sizeof world.began);
    memset(world.lock, 0, sizeof world.lock);
    memset(world.seat_state, 0, sizeof world.seat_state);
    memset(world.seat_entered, 0, sizeof world.seat_entered);
    memcpy(world.limit, world.made, sizeof world.limit);
    memcpy(world.highest, world.made, sizeof world.highest);
    memset(world.lowered, 0, sizeof world.lowered);
    memset(world.setting, 0, sizeof world.setting);
    memset(share, 0, sizeof share);
    arena_used = 0;
}

void world_begin(int process)
{
    world.began[process] = sim.total;
    for (uint32_t i = 0; i < world.counters; i++) {
        world.least[process][i] = world.limit[i];
        world.long_idle[process][i] = world.idle[i];
        world.strict[process][i] = world.most[process][i] = world.used[i] - world.idle[i];
    }
}

void world_sets(int process, uint32_t counter)
{
    world.setting[process] = counter + 1;
    world.stored[process] = 0;
}

void world_has_set(int process)
{
    const uint32_t i = world.setting[process] - 1;
    world.setting[process] = 0;
    if (world.stored[process] >= world.highest[i])
        return;
    world.highest[i] = world.stored[process];
    world.lowered[i] = sim.total;
}

/* A limit was stored. */
static void note_limit(uint32_t i, uint32_t word)
{
    world.limit[i] = word ? word : world.made[i];
    if (world.highest[i] < world.limit[i])
        world.highest[i] = world.limit[i];
    for (int p = 0; p <= SIM_FIBERS; p++) {
        if (world.least[p][i] > world.limit[i])
            world.least[p][i] = world.limit[i];
        const bool stores = p == sim.current && !world.stored[p];
        if (world.setting[p] == i + 1 && (stores || (world.stored[p] && world.stored[p] < world.limit[i])))
            world.stored[p] = world.limit[i];
    }
    watch_effect(sim.current);
}

static void note_most(int p, uint32_t i)
{
    int64_t busy = world.used[i] - world.long_idle[p][i];
    if (world.most[p][i] < busy)
        world.most[p][i] = busy;
    if (world.strict[p][i] < world.used[i] - world.idle[i])
        world.strict[p][i] = world.used[i] - world.idle[i];
}

/* Has a REPLACE settled the lease of its unit a, though a does not say so yet? */
static bool half_replaced(const struct cvb_journal *j)
{
    return cvb_head_op(j->head) == CVB_OP_REPLACE && cvb_head_phase(j->head) == CVB_OPEN &&
           !cvb_pair_equal(world_unit(j->to_unit)->word, j->to_before) &&
           cvb_pair_equal(world_unit(j->unit)->word, j->before);
}

static int64_t replaced(uint32_t counter)
{
    int64_t n = 0;
    for (uint32_t s = 0; s < world.settings.max_handles; s++) {
        const struct cvb_journal *j = &world_seat(s)->journal;
        bool counts = counter == 0 || counter == 1u + j->stage ||
                      (j->stage && counter == 1 + world.settings.max_stages + j->source);
        n += counts && half_replaced(j) ? j->count : 0;
    }
    return n;
}

static void check_counter(uint32_t i)
{
    if (world.shadow[i] <= world.highest[i] &&
        (i == 1 || (world.used[i] <= world.highest[i] && world.shadow[i] <= world.used[i])))
        return;
    int64_t records = world.shadow[i] - replaced(i);
    SIM_CHECK_TOO(records <= world.made[i], "limit %u exceeded: %lld records of %lld", i, (long long)records,
                  (long long)world.made[i]);
    if (i == 1)
        return; /* the dead-letter stage has no counter of its own */
    SIM_CHECK_TOO(world.used[i] <= world.made[i], "counter %u says %lld of %lld", i, (long long)world.used[i],
                  (long long)world.made[i]);
    SIM_CHECK_TOO(records <= world.used[i], "%lld records have credits of counter %u, which says %lld",
                  (long long)records, i, (long long)world.used[i]);
}

static void add_share(const struct unit_share *s, int sign)
{
    const uint32_t i[] = {0, 1u + s->stage, 1 + world.settings.max_stages + s->source};
    const int held = s->stage ? 3 : 2; /* a dead letter holds no credit of its source */
    for (int k = 0; k < held; k++)
        world.shadow[i[k]] += sign * (int)s->n;
    for (int k = 0; s->idle && k < 3; k++)
        world.idle[i[k]] += sign * (int)s->n;
    for (int k = 0; sign > 0 && k < held; k++)
        check_counter(i[k]);
}

static void end_idle(const struct unit_share *was)
{
    const uint32_t i[] = {0, 1u + was->stage, 1 + world.settings.max_stages + was->source};
    for (int p = 0; p <= SIM_FIBERS; p++)
        for (int k = 0; k < 3; k++) {
            world.long_idle[p][i[k]] -= was->since <= world.began[p] ? was->n : 0;
            note_most(p, i[k]);
        }
}

/* A put enters with a unit that was idle when it claimed it: not if since before that credits in use have been above a
 * limit that was lowered. */
static void check_claimed(const struct unit_share *s)
{
    const uint32_t i[] = {0, 1u + s->stage, 1 + world.settings.max_stages + s->source};
    for (int k = 0; k < 3; k++)
        SIM_CHECK_TOO(s->since <= world.lowered[i[k]] || world.used[i[k]] <= world.highest[i[k]],
                      "a put claims an idle unit, though counter %u says %lld of %lld", i[k],
                      (long long)world.used[i[k]], (long long)world.highest[i[k]]);
}

static void count_unit(uint32_t u)
{
    const struct cvb_unit *unit = world_unit(u);
    unsigned state = cvb_lo_state(unit->word.lo);
    struct unit_share now = {0};
    if (state >= CVB_RES) {
        now.n = cvb_mask_count(cvb_hi_mask(unit->word.hi));
        now.stage = (uint16_t)cvb_hi_stage(unit->word.hi);
        now.source = unit->source;
        now.idle = state == CVB_IDLE;
        now.claimed = state == CVB_RES && (share[u].idle || share[u].claimed);
        now.since = share[u].idle == now.idle && share[u].claimed == now.claimed ? share[u].since : sim.total;
        if (state == CVB_QUEUED && share[u].claimed)
            check_claimed(&share[u]);
        SIM_CHECK(state < CVB_STATES && now.stage < world.settings.max_stages &&
                      now.source < world.settings.max_sources,
                  "unit %u has a word out of bounds", u);
    }
    if ((world.late_at >> state & 1) && !sim_below(3))
        sim_late();
    struct unit_share was = share[u];
    if (was.n)
        add_share(&was, -1);
    share[u] = now;
    if (now.n)
        add_share(&now, 1);
    if (was.idle && !now.idle)
        end_idle(&was);
}

static void count_counter(uint32_t i)
{
    const struct cvb_counter *c = (const struct cvb_counter *)(void *)(world.base + world.geometry.counters) + i;
    const int64_t before = world.used[i];
    world.used[i] = (int64_t)(c->taken.lo - c->returned.lo);
    SIM_CHECK_TOO(world.used[i] <= before || world.used[i] <= world.highest[i],
                  "counter %u says %lld of %lld, and said %lld", i, (long long)world.used[i],
                  (long long)world.highest[i], (long long)before);
    for (int p = 0; p <= SIM_FIBERS; p++)
        note_most(p, i);
    check_counter(i);
}

static const char *const state_names[] = {"FREE", "HELD", "RES", "IDLE", "QUEUED", "LEASED", "DELAYED"};

static void describe_word(char *out, size_t size, const struct cvb_unit *unit)
{
    uint64_t lo = unit->word.lo, hi = unit->word.hi;
    unsigned state = cvb_lo_state(lo);
    snprintf(out, size, "%s(%s%llu m%x st%u seat%u r%u%s)", state < CVB_STATES ? state_names[state] : "?",
             lo & CVB_KIND_GENERATION ? "g" : "p", (unsigned long long)cvb_lo_number(lo), cvb_hi_mask(hi),
             cvb_hi_stage(hi), cvb_hi_seat(hi), cvb_hi_retry(hi), hi & CVB_HI_SPLIT ? " split" : "");
}

static void describe_head(char *out, size_t size, uint64_t head)
{
    static const char *const ops[] = {"none", "REFILL", "GIVE", "MOVE", "RESTAGE", "op5", "op6", "op7"};
    static const char *const phases[] = {"closed", "OPEN", "ABORT", "phase3"};
    snprintf(out, size, "{seq%llu %s %s done%x}", (unsigned long long)cvb_head_seq(head), ops[cvb_head_op(head) & 7],
             phases[cvb_head_phase(head)], cvb_head_done(head));
}

static void describe_in_seats(char *out, size_t size, size_t at)
{
    size_t s = at / sizeof(struct cvb_seat), in = at % sizeof(struct cvb_seat);
    const struct cvb_seat *seat = world_seat((uint32_t)s);
    int n = snprintf(out, size, "seat[%zu]+%zu = %llx ", s, in,
                     (unsigned long long)*(const uint64_t *)(const void *)((const char *)seat + in / 8 * 8));
    if (in == offsetof(struct cvb_seat, journal))
        describe_head(out + n, size - (size_t)n, seat->journal.head);
}

static void describe_address(char *out, size_t size, const void *at)
{
    const struct cvb_geometry *g = &world.geometry;
    if ((const char *)at < world.base || (const char *)at >= world.base + g->size) {
        snprintf(out, size, "lock of number %td", ((const int *)at - world.lock) * 2 + 1);
        return;
    }
    uint64_t o = (uint64_t)((const char *)at - world.base), value = *(const uint64_t *)((uintptr_t)at & ~(uintptr_t)7);
    if (o >= g->cells)
        snprintf(out, size, "cells+%llu", (unsigned long long)(o - g->cells));
    else if (o >= g->rings)
        snprintf(out, size, "ring slot %llu = {lap %llu, unit %llu}", (unsigned long long)(o - g->rings) / 8,
                 (unsigned long long)value >> 24, (unsigned long long)value & 0xffffff);
    else if (o >= g->bitmaps)
        snprintf(out, size, "bitmap %llu = %llx", (unsigned long long)(o - g->bitmaps) / 8 / g->bitmap_words,
                 (unsigned long long)value);
    else if (o >= g->extensions)
        snprintf(out, size, "extension+%llu", (unsigned long long)(o - g->extensions));
    else if (o >= g->units) {
        uint32_t u = (uint32_t)((o - g->units) / 64), in = (uint32_t)((o - g->units) % 64);
        int n = snprintf(out, size, "unit[%u]+%u = ", u, in);
        describe_word(out + n, size - (size_t)n, world_unit(u));
    } else if (o >= g->references[0])
        snprintf(out, size, "names+%llu", (unsigned long long)(o - g->references[0]));
    else if (o >= g->seats)
        describe_in_seats(out, size, o - g->seats);
    else if (o >= g->hints)
        snprintf(out, size, "hint of stage %llu %s = %llu", (unsigned long long)(o - g->hints) / 128,
                 (o - g->hints) % 128 ? "tail" : "head", (unsigned long long)value);
    else
        snprintf(out, size, "counter[%llu] %s = %llu tag %llx", (unsigned long long)(o - g->counters) / 256,
                 (o - g->counters) % 256 / 128 ? "returned" : "taken",
                 (unsigned long long)*(const uint64_t *)(world.base + o / 16 * 16),
                 (unsigned long long)*(const uint64_t *)(world.base + o / 16 * 16 + 8));
}

/* The protocol's line that an access stands in, by addr2line; slow, for traces. */
static const char *line_of(const void *place)
{
    static struct {
        const void *place;
        char text[64];
    } known[1024];
    extern const char __executable_start[];
    unsigned i = (unsigned)((uintptr_t)place * 2654435761u >> 5) % 1024;
    for (; known[i].place && known[i].place != place; i = (i + 1) % 1024)
        ;
    if (!known[i].place) {
        known[i].place = place;
        char command[160], line[400];
        snprintf(command, sizeof command, "addr2line -s -i -e /proc/%d/exe %#tx", (int)getpid(),
                 (const char *)place - __executable_start - 1);
        FILE *p = popen(command, "r");
        while (p && fgets(line, sizeof line, p)) {
            line[strcspn(line, " \n")] = 0;
            if (strncmp(line, "order.h", 7)) {
                snprintf(known[i].text, sizeof known[i].text, "%.60s", line);
                break;
            }
        }
        if (p)
            pclose(p);
    }
    return known[i].text;
}

static void log_step(const char *access, const void *at, const void *place)
{
    char what[200] = "";
    if (at)
        describe_address(what, sizeof what, at);
    sim_log("p%d %-16s %-9s %s", sim.current, line_of(place), access, what);
}

/* Who last made a seat active. */
static void note_seat(uint32_t s)
{
    uint64_t state = world_seat(s)->state;
    SIM_CHECK_TOO(!state || !s || world_seat(s - 1)->state, "seat %u was entered before seat %u ever was", s, s - 1);
    if (state != world.seat_state[s])
        world.seat_entered[s] = state & 1 ? sim.current + 1 : 0;
    world.seat_state[s] = state;
}

/* Words of positions, and what surveys and movers go by: the places where being late is dangerous. */
static void watch_positions(uint64_t o)
{
    const struct cvb_geometry *g = &world.geometry;
    const uint64_t of_seats = o - g->seats, of_moved = o - g->moved, of_stands = o - g->stands;
    if (of_stands < world.settings.max_sources * sizeof(struct cvb_stand)) {
        position_published((uint32_t)(of_stands / sizeof(struct cvb_stand)));
        if (of_stands % sizeof(struct cvb_stand) == offsetof(struct cvb_stand, claim))
            watch_effect(sim.current);
    }
    if (o == g->survey)
        position_survey();
    if (of_moved < (world.settings.max_handles + 1) * world.settings.max_sources * sizeof(struct cvb_moved) ||
        (of_seats < world.settings.max_handles * sizeof(struct cvb_seat) &&
         of_seats % sizeof(struct cvb_seat) == offsetof(struct cvb_seat, journal)))
        position_hot();
}

void world_after_step(const char *access, const void *at, const void *place)
{
    if (sim.trace)
        log_step(access, at, place);
    if (access[0] == 'l' || !at)
        return;
    uint64_t o = (uint64_t)((const char *)at - world.base);
    const struct cvb_geometry *g = &world.geometry;
    if (world.positions)
        watch_positions(o);
    if (o - g->units < (uint64_t)g->unit_count * sizeof(struct cvb_unit)) {
        if ((o - g->units) % sizeof(struct cvb_unit) < 16) {
            count_unit((uint32_t)((o - g->units) / sizeof(struct cvb_unit)));
            watch_unit((uint32_t)((o - g->units) / sizeof(struct cvb_unit)));
            if (world.retires)
                names_unit((uint32_t)((o - g->units) / sizeof(struct cvb_unit)));
            if (world.positions)
                position_unit((uint32_t)((o - g->units) / sizeof(struct cvb_unit)));
        }
    } else if (o - g->rings < g->cells - g->rings) {
        watch_ring((o - g->rings) / sizeof(uint64_t));
    } else if (o - g->counters < (uint64_t)world.counters * sizeof(struct cvb_counter)) {
        const uint32_t i = (uint32_t)((o - g->counters) / sizeof(struct cvb_counter));
        if ((o - g->counters) % sizeof(struct cvb_counter) == offsetof(struct cvb_counter, limit))
            note_limit(i, *(const uint32_t *)at);
        else
            count_counter(i);
    } else if (o - g->seats < (uint64_t)world.settings.max_handles * sizeof(struct cvb_seat) &&
               (o - g->seats) % sizeof(struct cvb_seat) == 0) {
        note_seat((uint32_t)((o - g->seats) / sizeof(struct cvb_seat)));
    } else if (world.retires &&
               o - g->names[CVB_KIND_SOURCE] < g->references[CVB_KIND_PIPELINE] - g->names[CVB_KIND_SOURCE]) {
        names_text_written();
    } else if (world.retires && o - g->flags < g->reasons - g->flags &&
               (o - g->flags) % sizeof(struct cvb_flag) == offsetof(struct cvb_flag, named)) {
        names_written((uint32_t)((o - g->flags) / sizeof(struct cvb_flag)) - 3 - 2 * world.settings.max_stages);
    } else if (o - g->flags < g->reasons - g->flags &&
               (o - g->flags) % sizeof(struct cvb_flag) == offsetof(struct cvb_flag, given)) {
        work_hand_written();
    } else if (world.retires && o - g->lookout == offsetof(struct cvb_lookout, naming)) {
        names_announced();
    } else if (world.retires && o - g->stands < sizeof(struct cvb_stand) * (uint64_t)world.settings.max_sources &&
               (o - g->stands) % sizeof(struct cvb_stand) == offsetof(struct cvb_stand, base)) {
        names_base_written((uint32_t)((o - g->stands) / sizeof(struct cvb_stand)));
    } else if (o - g->events < g->lookout - g->events) {
        work_event_written();
    }
}

const struct cvb_member *world_member(uint32_t u, unsigned i)
{
    if (u >= world.geometry.large_count)
        return &world_unit(u)->member[i];
    return &((const struct cvb_extension *)(void *)(world.base + world.geometry.extensions) + u)->member[i];
}

static const void *payload_of(uint32_t u, unsigned i)
{
    const struct cvb_geometry *g = &world.geometry;
    uint32_t cell = world_member(u, i)->cell, p = 0;
    while (p + 1 < g->parts && cell - g->part[p].first_cell >= g->part[p].cell_count)
        p++;
    const char *cells = world.base + g->part[p].offset + g->header_room;
    return cells + (uint64_t)(cell - g->part[p].first_cell) * g->part[p].stride;
}

int world_member_id(uint32_t u, unsigned i)
{
    int id;
    memcpy(&id, payload_of(u, i), sizeof id);
    return id;
}

bool world_holds(uint32_t id)
{
    for (uint32_t u = 0; u < world.geometry.unit_count; u++) {
        unsigned state = cvb_lo_state(world_unit(u)->word.lo);
        for (uint32_t mask = cvb_hi_mask(world_unit(u)->word.hi); mask && state >= CVB_QUEUED; mask &= mask - 1)
            if (((uint32_t)world_member_id(u, (unsigned)__builtin_ctz(mask)) & 0xffff) == id)
                return true;
    }
    return false;
}

static void visit_members(uint32_t u, uint64_t hi, void (*visit)(uint32_t id, uint32_t stage, bool company))
{
    for (uint32_t mask = cvb_hi_mask(hi); mask; mask &= mask - 1)
        visit((uint32_t)world_member_id(u, (unsigned)__builtin_ctz(mask)), cvb_hi_stage(hi), hi & CVB_HI_COMPANY);
}

void world_leased_by(uint32_t seat, void (*visit)(uint32_t id, uint32_t stage, bool company))
{
    for (uint32_t u = 0; u < world.geometry.unit_count; u++) {
        struct cvb_pair w = world_unit(u)->word;
        bool over = half_replaced(&world_seat(seat)->journal) && world_seat(seat)->journal.unit == u;
        if (cvb_lo_state(w.lo) == CVB_LEASED && cvb_hi_seat(w.hi) == seat && !over)
            visit_members(u, w.hi, visit);
    }
    /* between a MOVE's two steps the members are in no unit, but in the mover's journal */
    const struct cvb_journal *j = &world_seat(seat)->journal;
    if (cvb_head_op(j->head) != CVB_OP_MOVE || cvb_head_phase(j->head) != CVB_OPEN ||
        cvb_lo_state(j->to_after.lo) != CVB_LEASED)
        return;
    struct cvb_pair t = world_unit(j->unit)->word, t2 = world_unit(j->to_unit)->word;
    if (cvb_move_happened(j, seat, t) && cvb_pair_equal(t2, j->to_before))
        visit_members(j->to_unit, j->to_after.hi & ~(uint64_t)cvb_hi_mask(j->to_before.hi), visit);
}

static uint32_t bitmap_of(uint32_t u)
{
    const struct cvb_geometry *g = &world.geometry;
    uint32_t mask = cvb_hi_mask(world_unit(u)->word.hi), p = 0;
    if (!mask)
        return u < g->large_count ? CVB_BITMAP_LARGE(g) : CVB_BITMAP_SMALL(g);
    uint32_t cell = world_member(u, (unsigned)__builtin_ctz(mask))->cell;
    while (p + 1 < g->parts && cell - g->part[p].first_cell >= g->part[p].cell_count)
        p++;
    return mask & (mask - 1) ? CVB_BITMAP_TRAINS(g, p) : CVB_BITMAP_SINGLES(g, p);
}

uint32_t world_free_cells(uint32_t length)
{
    const struct cvb_geometry *g = &world.geometry;
    uint32_t free_cells = 0, least = 0;
    while (least < g->parts && world.settings.classes[least].bytes < length)
        least++;
    for (uint32_t u = 0; u < g->unit_count; u++) {
        unsigned state = cvb_lo_state(world_unit(u)->word.lo);
        uint32_t mask = cvb_hi_mask(world_unit(u)->word.hi);
        if ((state == CVB_FREE || state == CVB_IDLE) && mask &&
            world_member(u, (unsigned)__builtin_ctz(mask))->cell >= g->part[least].first_cell)
            free_cells += cvb_mask_count(mask);
    }
    return free_cells;
}

static bool listed(uint32_t u)
{
    for (uint32_t s = 0; s < world.settings.max_handles; s++) {
        uint64_t stride = cvb_idle_stride(&world.geometry);
        const struct cvb_idle *line = (const struct cvb_idle *)(void *)(world.base + world.geometry.idle + s * stride);
        for (unsigned i = 0; i < 1u << world.geometry.idle_bits; i++)
            for (unsigned k = 0; k < CVB_IDLE_ENTRIES; k++)
                if (line->group[i].header != UINT64_MAX && line->group[i].entry[k] &&
                    (line->group[i].entry[k] & 0xffffff) == u)
                    return true;
    }
    return false;
}

void world_check_hints(void)
{
    for (uint32_t u = 0; u < world.geometry.unit_count; u++) {
        unsigned state = cvb_lo_state(world_unit(u)->word.lo);
        const uint64_t *bits = (const uint64_t *)(void *)(world.base + world.geometry.bitmaps);
        uint64_t bit = bits[bitmap_of(u) * world.geometry.bitmap_words + u / 64] >> u % 64 & 1;
        SIM_CHECK(state != CVB_FREE || bit, "unit %u is free and hidden: no bitmap shows it", u);
        SIM_CHECK(state != CVB_IDLE || listed(u), "unit %u is idle and hidden: no line lists it", u);
    }
}
