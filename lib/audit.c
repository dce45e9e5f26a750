/* audit.c - counting every record, cell and credit; reads only. Exact when two counts in a row see the same words and
 * journals: what an operation at work holds is in its journal (pending.c), so one that is stopped is counted as well.
 */
#include <conveyor/crash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct count {
    uint64_t hash;
    uint32_t state[CVB_STATES]; /* records by state; FREE and HELD: cells */
    uint32_t twice, missing, bad;
    uint64_t *credit; /* by counter index: what the units say */
};

/* Counts unit u, whose word is w, or is about to be. */
static void count_unit(struct cvb_handle *h, uint32_t u, struct cvb_pair w, unsigned char *owned, struct count *c)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    uint32_t mask = cvb_hi_mask(w.hi), n = cvb_mask_count(mask), stage = cvb_hi_stage(w.hi);
    unsigned state = cvb_lo_state(w.lo);
    uint32_t source = cvb_load16_rlx(&unit->source);
    c->hash = (c->hash ^ w.lo ^ w.hi * 31) * UINT64_C(0x100000001b3);
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
            c->twice += owned[cell]++ != 0;
    }
    if (state == CVB_FREE || state == CVB_HELD)
        return;
    c->credit[CVB_COUNTER_TOTAL] += n;
    c->credit[cvb_counter_of_stage(stage)] += stage ? n : 0;
    c->credit[cvb_counter_of_source(h, source)] += n;
}

static int count_all(struct cvb_handle *h, struct count *c, char *problem, size_t size)
{
    const struct cvb_settings *s = &h->segment.settings;
    uint32_t counters = 1 + s->max_stages + s->max_sources, cells = h->segment.geometry.cell_count, wrong = 0;
    unsigned char *owned = calloc(cells, 1);
    memset(c, 0, sizeof *c);
    c->credit = calloc(counters, sizeof *c->credit);
    if (!owned || !c->credit) {
        free(owned);
        free(c->credit);
        return CVB_ESYSTEM;
    }
    uint32_t pending = cvb_pending_all(h);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++)
        count_unit(h, u, cvb_pending_word(h, u, pending), owned, c);
    for (uint32_t i = 0; i < pending; i++) {
        c->hash = (c->hash ^ h->pending[i].head) * UINT64_C(0x100000001b3);
        for (unsigned k = 0; k < h->pending[i].credits; k++)
            c->credit[h->pending[i].credit[k].counter] += h->pending[i].credit[k].n;
    }
    for (uint32_t i = 0; i < cells; i++)
        c->missing += !owned[i];
    if (c->bad + c->twice + c->missing)
        snprintf(problem, size, "%u units out of bounds, %u cells owned twice, %u by nobody", c->bad, c->twice,
                 c->missing);
    for (uint32_t i = 0; i < counters; i++) {
        uint64_t taken = cvb_load64_acq(&cvb_counter_at(h, i)->taken.lo);
        uint64_t used = taken - cvb_load64_acq(&cvb_counter_at(h, i)->returned.lo);
        c->hash = (c->hash ^ taken ^ used << 32) * UINT64_C(0x100000001b3);
        if (used != c->credit[i] && !wrong++)
            snprintf(problem, size, "counter %u says %lld in use, the units say %llu", i, (long long)used,
                     (unsigned long long)c->credit[i]);
    }
    free(owned);
    free(c->credit);
    return (int)(wrong + c->bad + c->twice + c->missing);
}

int cvb_audit(struct cvb_handle *h, struct cvb_audit *audit)
{
    int error = cvb_mapping_check(h);
    if (error || !audit)
        return error ? error : CVB_EINVAL;
    struct count c = {0};
    uint64_t before = 0;
    memset(audit, 0, sizeof *audit);
    for (int turn = 0; turn < 50 && !audit->exact; turn++) {
        audit->first_problem[0] = 0;
        int found = count_all(h, &c, audit->first_problem, sizeof audit->first_problem);
        if (found < 0)
            return found;
        audit->exact = turn && c.hash == before;
        audit->problems = audit->exact ? (uint32_t)found : 0;
        before = c.hash;
    }
    audit->capacity = h->segment.settings.max_total_records;
    audit->queued = c.state[CVB_QUEUED];
    audit->leased = c.state[CVB_LEASED];
    audit->reserved = c.state[CVB_RES];
    uint32_t used = audit->queued + audit->leased + audit->reserved;
    audit->free = used < audit->capacity ? audit->capacity - used : 0;
    return 0;
}
