/* lines.c - counts the cache lines that change hands for each put, get and ack, in the library itself.
 *
 * usage: lines [PRODUCERS...]
 *
 * The shipped files of the library are built once more with lines_hook.h, so each access to shared memory is seen, and
 * each prefetch. P producers and as many consumers, handles of this one process, take turns by lot, a call at a time,
 * and each has a cache of its own (coherence.h). So what is counted is what the code asks for; what several processes
 * do to one line at the same moment is for bench/scale/model.py to say.
 *
 * A payload that a put copies is not seen by the hook: it is counted after the put, from the unit that it has entered.
 *
 * Prints JSON: for each number of producers and each batch what a put, a get and an ack moves by what the lines hold:
 * [waited, beside]. The clock stands still, so nobody looks for the dead; lots are the same each time, so the output
 * is. bench/scale/lines.json is this program's output, and tests/bench/scale.py compares the two.
 */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/support.h"
#include "coherence.h"
#include "place/place.h"
#include "ring/slot.h"

enum { PAYLOAD = 64, LIMIT = 5000, BATCH_MAX = 32, CALLS = 200, PROCESSES = COHERENCE_PROCESSES };

enum holds { COUNTER, FLAG, SLACK, HINT, SEAT, ROW, LIST, GROUP, UNIT, MEMBERS, BITMAP, SLOT, LINE_PAYLOAD, OTHER };
static const char *const class_names[] = {"counter", "flag", "slack",   "hint",   "seat", "row",     "list",
                                          "group",   "unit", "members", "bitmap", "slot", "payload", "other"};
enum { CLASSES = sizeof class_names / sizeof *class_names };
static_assert((int)CLASSES <= (int)COHERENCE_CLASSES, "classes");

enum call { PUT, GET, ACK, CALL_KINDS };
static const char *const call_names[] = {"put", "get", "ack"};

static struct process {
    struct cvb_handle *handle;
    uint32_t source;
    struct cvb_lease lease[BATCH_MAX];
    int leased, queued; /* of a consumer; of a producer: records on their way */
} process[PROCESSES];

static struct {
    unsigned producers, batch;
    uint32_t stage;
    int queued; /* records in the stage */
    char *base; /* of the segment; NULL: nothing is counted */
    struct cvb_geometry geometry;
    struct coherence_moved moved[CALL_KINDS];
    unsigned long calls[CALL_KINDS];
    uint64_t lots;
} run;

uint64_t cvb_monotonic_ns(void);
uint64_t cvb_coarse_ns(void);
uint64_t cvb_now_ns(void);
void explore_access(const char *access, const void *at);
void lines_prefetch(const void *p, int write);

/* In place of place/clock.c. */
uint64_t cvb_monotonic_ns(void) { return UINT64_C(1) << 40; }
uint64_t cvb_coarse_ns(void) { return UINT64_C(1) << 40; }
uint64_t cvb_now_ns(void) { return UINT64_C(1) << 60; }

static void fail(const char *what, int error)
{
    fprintf(stderr, "lines: %s: %s\n", what, error < 0 ? cvb_error_text(error) : "not as it should be");
    exit(1);
}

/* What a line of the segment holds. */
static enum holds holds_at(uint64_t offset)
{
    const struct cvb_geometry *g = &run.geometry;
    if (offset >= g->cells)
        return LINE_PAYLOAD;
    if (offset >= g->rings)
        return SLOT;
    if (offset >= g->units)
        return offset < g->extensions ? UNIT : offset < g->bitmaps ? MEMBERS : offset < g->retry ? BITMAP : OTHER;
    if (offset >= g->tallies)
        return offset < g->stays ? ROW : OTHER;
    if (offset >= g->idle) {
        const uint64_t in = (offset - g->idle) % cvb_idle_stride(g);
        return in < CVB_LINE ? ROW : in < 2 * CVB_LINE ? LIST : GROUP;
    }
    if (offset >= g->hints)
        return offset < g->seats ? HINT : SEAT;
    if (offset >= g->flags && offset < g->reasons)
        return (offset - g->flags) % sizeof(struct cvb_flag) < CVB_LINE ? FLAG : SLACK;
    return offset >= g->counters && offset < g->thresholds ? COUNTER : OTHER;
}

/* The offset of an address in the segment; false if it is none, or nothing is counted. */
static bool offset_of(const void *p, uint64_t *offset)
{
    *offset = (uint64_t)((const char *)p - run.base);
    return run.base && p && *offset < run.geometry.size;
}

/* By the function of shm/order.h. A sequentially consistent store is a locked instruction too. */
static enum coherence_access kind_of_access(const char *function)
{
    if (!strncmp(function, "cvb_load", 8))
        return COHERENCE_LOAD;
    return !strncmp(function, "cvb_store", 9) && !strstr(function, "_seq") ? COHERENCE_STORE : COHERENCE_LOCKED;
}

void explore_access(const char *access, const void *p)
{
    uint64_t offset;
    if (offset_of(p, &offset))
        coherence_access(offset / CVB_LINE, holds_at(offset), kind_of_access(access));
}

void lines_prefetch(const void *p, int write)
{
    uint64_t offset;
    if (offset_of(p, &offset))
        coherence_prefetch(offset / CVB_LINE, holds_at(offset), write);
}

/* The payloads of the unit that a put has just entered are written. */
static void write_payloads(struct cvb_handle *h)
{
    const struct cvb_ring_view *e = &h->rings[run.stage];
    const uint32_t unit = slot_unit(e->ring[(e->tail - 1) & e->mask]);
    uint32_t mask = cvb_hi_mask(cvb_unit_at(h, unit)->word.hi);
    for (; mask; mask &= mask - 1) {
        const struct cvb_member *m = cvb_member_at(h, unit, (unsigned)__builtin_ctz(mask));
        explore_access("cvb_store", cvb_payload(h, m->cell, PAYLOAD));
    }
}

static void put(struct process *p)
{
    static const char payload[PAYLOAD];
    struct cvb_record r[BATCH_MAX];
    int why = 0;
    for (unsigned i = 0; i < run.batch; i++)
        r[i] = (struct cvb_record){.payload = payload, .length = PAYLOAD, .source = p->source};
    const int done = cvb_buffer_batch_for_stage(p->handle, run.stage, r, run.batch, &why);
    if (done != (int)run.batch)
        fail("put", why);
    write_payloads(p->handle);
    p->queued += done;
    run.queued += done;
}

static void get(struct process *p)
{
    p->leased = cvb_get_batch(p->handle, run.stage, p->lease, run.batch);
    if (p->leased != (int)run.batch)
        fail("get", p->leased);
    run.queued -= p->leased;
}

static void ack(struct process *p)
{
    const int error = cvb_ack(p->handle, p->lease, (size_t)p->leased);
    if (error)
        fail("ack", error);
    process[p->lease->source].queued -= p->leased; /* the ids of sources are those of their producers */
    p->leased = 0;
}

/* The call that a process is to make next, if it is its turn: producers keep half of their limit under way, consumers
 * stay far behind them. False: none. */
static bool next_call(unsigned i, enum call *kind)
{
    const struct process *p = &process[i];
    *kind = i < run.producers ? PUT : p->leased ? ACK : GET;
    return (*kind != PUT || p->queued + (int)run.batch <= LIMIT / 2) &&
           (*kind != GET || run.queued > LIMIT / 4 * (int)run.producers);
}

/* Somebody makes a call. A consumer makes two for each of a producer. */
static void turn(void)
{
    static void (*const calls[])(struct process * p) = {put, get, ack};
    const uint32_t lot = random_below(&run.lots, 3 * run.producers);
    const unsigned i = lot < run.producers ? lot : run.producers + (lot - run.producers) / 2;
    enum call kind;
    if (!next_call(i, &kind))
        return;
    coherence_call(i, &run.moved[kind]);
    run.base = process[i].handle->segment.base;
    calls[kind](&process[i]);
    run.base = NULL;
    run.calls[kind]++;
}

static void make_calls(unsigned long puts)
{
    memset(run.moved, 0, sizeof run.moved);
    memset(run.calls, 0, sizeof run.calls);
    while (run.calls[PUT] < puts)
        turn();
}

static void join(const char *name, unsigned i)
{
    char source[32];
    struct process *p = &process[i];
    uint32_t pipeline;
    *p = (struct process){0};
    int error = cvb_attach(name, &p->handle);
    if (!error)
        error = cvb_stage(p->handle, "work", &run.stage);
    snprintf(source, sizeof source, "producer-%u", i);
    if (!error && i < run.producers)
        error = cvb_source(p->handle, source, &p->source);
    if (!error)
        error = cvb_pipeline(p->handle, "bench", &pipeline);
    if (error || (i < run.producers && p->source != i))
        fail("attach", error);
}

static void set_up(const char *name)
{
    struct cvb_settings s;
    cvb_settings_init(&s);
    s.payload_size = PAYLOAD;
    s.max_per_source = LIMIT;
    s.max_total_records = s.max_per_stage = LIMIT * run.producers;
    s.max_sources = run.producers;
    s.max_stages = 3;
    s.max_pipelines = 2;
    s.max_handles = 2 * run.producers;
    cvb_unlink(name);
    const int error = cvb_create(name, &s);
    if (error)
        fail("create", error);
    for (unsigned i = 0; i < 2 * run.producers; i++)
        join(name, i);
    cvb_unlink(name);
    run.geometry = process[0].handle->segment.geometry;
    if (!coherence_begin(run.geometry.size / CVB_LINE + 1))
        fail("no memory", 0);
}

static void tear_down(void)
{
    coherence_end();
    for (unsigned i = 0; i < 2 * run.producers; i++)
        cvb_detach(process[i].handle);
}

static void print_call(enum call kind)
{
    const struct coherence_moved *m = &run.moved[kind];
    const double calls = (double)run.calls[kind];
    const char *comma = "";
    printf(", \"%s\": {", call_names[kind]);
    for (unsigned c = 0; c < CLASSES; c++) {
        if (!m->waited[c] && !m->beside[c])
            continue;
        printf("%s\"%s\": [%.3f, %.3f]", comma, class_names[c], (double)m->waited[c] / calls,
               (double)m->beside[c] / calls);
        comma = ", ";
    }
    printf("}");
}

static void count(unsigned producers, unsigned batch)
{
    run.producers = producers;
    run.batch = batch;
    run.lots = 1;
    run.queued = 0;
    set_up(segment_name("lines"));
    make_calls(2ul * LIMIT / batch * producers); /* until idle units serve the puts */
    make_calls((unsigned long)CALLS * producers);
    printf("  {\"producers\": %u, \"batch\": %u", producers, batch);
    for (unsigned kind = 0; kind < CALL_KINDS; kind++)
        print_call((enum call)kind);
    printf("}");
    tear_down();
}

int main(int argc, char **argv)
{
    static const unsigned batches[] = {1, 8, 32};
    const char *all[] = {"1", "4", "8", "32"}, **sizes = argc > 1 ? (const char **)argv + 1 : all;
    const int n = argc > 1 ? argc - 1 : (int)(sizeof all / sizeof *all);
    printf("[\n");
    for (int i = 0; i < n; i++) {
        const unsigned producers = (unsigned)strtoul(sizes[i], NULL, 10);
        if (!producers || producers > PROCESSES / 2)
            fail("so many producers cannot be", 0);
        for (unsigned b = 0; b < sizeof batches / sizeof *batches; b++) {
            count(producers, batches[b]);
            printf("%s\n", i + 1 < n || b + 1 < sizeof batches / sizeof *batches ? "," : "");
        }
    }
    printf("]\n");
    return 0;
}
