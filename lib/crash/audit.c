/* audit.c - counting every record, cell, credit and idle unit; reads only. Exact when two counts in a row see the same
 * words and journals: what an operation at work holds is in its journal or its note (pending.c, note.c), so one that is
 * stopped is counted as well.
 */
#include <conveyor/crash.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/crash.h"
#include "credit/idle.h"
#include "sized.h"

struct count {
    uint64_t hash;
    uint32_t state[CVB_STATES]; /* records by state; FREE and HELD: cells */
    uint32_t twice, missing, bad, lost, wrong;
    unsigned char *owned;    /* by cell: units that have it */
    uint64_t *credit, *idle; /* by counter index: what the units say */
    char *problem;           /* the first one */
};

static void mix(struct count *c, uint64_t value) { c->hash = (c->hash ^ value) * UINT64_C(0x100000001b3); }

__attribute__((format(printf, 2, 3))) static void say_first(struct count *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!c->problem[0])
        vsnprintf(c->problem, sizeof((struct cvb_audit *)0)->first_problem, format, arguments);
    va_end(arguments);
}

/* Adds the credits that a unit of n records holds of each limit. */
static void add_credits(struct cvb_handle *h, uint64_t *sum, uint32_t stage, uint32_t source, uint32_t n)
{
    sum[CVB_COUNTER_TOTAL] += n;
    sum[cvb_counter_of_stage(stage)] += stage ? n : 0;
    sum[cvb_counter_of_source(h, source)] += stage ? n : 0; /* a dead letter counts against the total alone */
}

/* Counts unit u, whose word is w or is about to be w. */
static void count_unit(struct cvb_handle *h, uint32_t u, struct cvb_pair w, struct count *c)
{
    uint32_t mask = cvb_hi_mask(w.hi), n = cvb_mask_count(mask), stage = cvb_hi_stage(w.hi);
    uint32_t state = cvb_lo_state(w.lo), source = cvb_load16_rlx(&cvb_unit_at(h, u)->source);
    mix(c, w.lo ^ w.hi * 31);
    if (state >= CVB_STATES || stage >= h->segment.settings.max_stages || source >= h->segment.settings.max_sources) {
        c->bad++;
        return;
    }
    c->state[state] += n;
    for (; mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        uint32_t cell = i < cvb_unit_room(h, u) ? cvb_load32_rlx(&cvb_member_at(h, u, i)->cell) : UINT32_MAX;
        if (cell >= h->segment.geometry.cell_count)
            c->bad++;
        else
            c->twice += c->owned[cell]++ != 0;
    }
    if (state != CVB_FREE && state != CVB_HELD)
        add_credits(h, c->credit, stage, source, n);
    if (state == CVB_IDLE)
        add_credits(h, c->idle, stage, source, n);
}

static void count_units(struct cvb_handle *h, struct count *c)
{
    uint32_t pending = cvb_pending_all(h);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++)
        count_unit(h, u, cvb_pending_word(h, u, pending), c);
    for (uint32_t i = 0; i < pending; i++) {
        mix(c, h->pending[i].head);
        for (unsigned k = 0; k < h->pending[i].credits; k++)
            c->credit[h->pending[i].credit[k].counter] += h->pending[i].credit[k].n;
    }
    for (uint32_t i = 0; i < h->segment.geometry.cell_count; i++)
        c->missing += !c->owned[i];
    if (c->bad + c->twice + c->missing)
        say_first(c, "%u units out of bounds, %u cells owned twice, %u by nobody", c->bad, c->twice, c->missing);
    c->lost = cvb_idle_lost(h);
    if (c->lost)
        say_first(c, "%u records' credits are with idle units that no list names", c->lost);
}

/* Compares what the counter says, and the seats' counts of idle records, with what the units say. */
static void compare(struct cvb_handle *h, uint32_t i, struct count *c)
{
    uint64_t taken = cvb_load64_acq(&cvb_counter_at(h, i)->taken.lo);
    uint64_t used = taken - cvb_load64_acq(&cvb_counter_at(h, i)->returned.lo);
    int64_t idle = cvb_idle_sum(h, i);
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++)
        idle += cvb_note_pending(h, s, i);
    mix(c, taken ^ used << 32 ^ (uint64_t)idle << 48);
    if (used != c->credit[i]) {
        say_first(c, "counter %u says %lld in use, the units say %llu", i, (long long)used,
                  (unsigned long long)c->credit[i]);
        c->wrong++;
    }
    if ((uint64_t)idle != c->idle[i]) {
        say_first(c, "%lld records of counter %u are counted as idle, the units say %llu", (long long)idle, i,
                  (unsigned long long)c->idle[i]);
        c->wrong++;
    }
}

static uint32_t all_counters(const struct cvb_handle *h)
{
    return 1 + h->segment.settings.max_stages + h->segment.settings.max_sources;
}

static void count_free(struct count *c)
{
    free(c->owned);
    free(c->credit);
    free(c->idle);
}

static int count_all(struct cvb_handle *h, struct count *c, char *problem)
{
    *c = (struct count){.problem = problem};
    problem[0] = 0;
    c->owned = calloc(h->segment.geometry.cell_count, 1);
    c->credit = calloc(all_counters(h), sizeof *c->credit);
    c->idle = calloc(all_counters(h), sizeof *c->idle);
    if (!c->owned || !c->credit || !c->idle) {
        count_free(c);
        return CVB_ESYSTEM;
    }
    count_units(h, c);
    for (uint32_t i = 0; i < all_counters(h); i++)
        compare(h, i, c);
    return 0;
}

/* The number of cells that hold no record, without the spare ones (the segment has some for each handle, so that a
 * stopped process keeps no others from their limits). */
static uint32_t count_of_free(const struct cvb_handle *h, const struct count *c)
{
    int64_t cells = (int64_t)c->state[CVB_FREE] + c->state[CVB_HELD] + c->state[CVB_IDLE];
    int64_t without = cells + h->segment.settings.max_total_records - h->segment.geometry.cell_count;
    return without < 0 ? 0 : (uint32_t)without;
}

static int audit_all(struct cvb_handle *h, struct cvb_audit *audit)
{
    int error = 0;
    uint64_t before = 0;
    memset(audit, 0, sizeof *audit);
    for (int turn = 0; turn < 50 && !audit->exact; turn++) {
        struct count c;
        error = count_all(h, &c, audit->first_problem);
        if (error)
            return error;
        audit->exact = turn && c.hash == before;
        audit->problems = audit->exact ? c.wrong + c.bad + c.twice + c.missing + c.lost : 0;
        before = c.hash;
        audit->free = count_of_free(h, &c);
        audit->delayed = c.state[CVB_DELAYED];
        audit->queued = c.state[CVB_QUEUED] + audit->delayed;
        audit->leased = c.state[CVB_LEASED];
        audit->reserved = c.state[CVB_RES];
        count_free(&c);
    }
    if (!audit->problems)
        audit->first_problem[0] = 0;
    audit->capacity = h->segment.settings.max_total_records;
    return 0;
}

int cvb_audit_sized(struct cvb_handle *h, struct cvb_audit *audit, size_t size)
{
    CVB_ONE_USER(h);
    struct cvb_audit all;
    int error = cvb_mapping_check(h);
    if (error || !audit)
        return error ? error : CVB_EINVAL;
    error = audit_all(h, &all);
    if (!error)
        cvb_sized_give(audit, size, &all, sizeof all);
    return error;
}

/* Makes the counts of idle records what the units say: the difference goes to the rows of a seat that nobody can have.
 */
static int repair_rows(struct cvb_handle *h)
{
    const uint32_t nobody = h->segment.settings.max_handles;
    char problem[sizeof((struct cvb_audit *)0)->first_problem];
    struct count c;
    int mended = 0, error = count_all(h, &c, problem);
    if (error)
        return error;
    for (uint32_t i = 0; i < all_counters(h); i++) {
        int64_t more = (int64_t)c.idle[i] - cvb_idle_sum(h, i);
        uint64_t *row = row_at(h, nobody, i, more > 0 ? NOTE_PARK : NOTE_CLAIM), was = cvb_load64_acq(row);
        mended += more && cvb_cas64(row, was, was + (uint64_t)(more < 0 ? -more : more) * 2);
    }
    count_free(&c);
    return mended;
}

int cvb_repair(struct cvb_handle *h)
{
    struct cvb_audit audit;
    int recovered = cvb_recover(h);
    int64_t given = recovered < 0 ? recovered : cvb_repair_idle(h);
    if (given < 0)
        return (int)given;
    int error = cvb_audit(h, &audit), rows = 0;
    if (!error && audit.exact && audit.problems)
        rows = repair_rows(h);
    if (error || rows < 0)
        return error ? error : rows;
    cvb_levels_renew(h);
    return recovered + (int)given + rows;
}
