/* counts.c - reading how many records came, went and were refused, and what happened, since the segment was made. */
#include <conveyor/state.h>

#include "credit/idle.h"
#include "flow/flow.h"
#include "place/stay.h"
#include "sized.h"

/* Adds a seat's counts of a stage or a source. What was acked was parked, or given back at once. */
static void add_tally(struct cvb_counts *c, const struct cvb_tally *t)
{
    c->accepted += cvb_load64_rlx(&t->n[CVB_N_ACCEPTED]);
    c->delivered += cvb_load64_rlx(&t->n[CVB_N_DELIVERED]);
    c->acked += cvb_load64_rlx(&t->n[CVB_N_ACKED]) + row_count(cvb_load64_rlx(&t->n[CVB_N_PARKED]));
    c->returned += cvb_load64_rlx(&t->n[CVB_N_RETURNED]);
    c->released += cvb_load64_rlx(&t->n[CVB_N_RELEASED]);
    c->redelivered += cvb_load64_rlx(&t->n[CVB_N_REDELIVERED]);
    c->forwarded += cvb_load64_rlx(&t->n[CVB_N_FORWARDED]);
    c->dead_lettered += cvb_load64_rlx(&t->n[CVB_N_DEAD_LETTERED]);
    c->refused_stage += cvb_load64_rlx(&t->n[CVB_N_REFUSED_STAGE]);
    c->refused_source += cvb_load64_rlx(&t->n[CVB_N_REFUSED_SOURCE]);
    c->refused_total += cvb_load64_rlx(&t->n[CVB_N_REFUSED_TOTAL]);
    c->refused_memory += cvb_load64_rlx(&t->n[CVB_N_REFUSED_MEMORY]);
    c->stalled_ns += cvb_load64_rlx(&t->n[CVB_N_STALLED_NS]);
}

/* Takes away what was counted of the names that a source's place had before. */
static void take_before(struct cvb_counts *c, const struct cvb_tally *before)
{
    struct cvb_counts b = {0};
    add_tally(&b, before);
    c->accepted -= b.accepted;
    c->delivered -= b.delivered;
    c->acked -= b.acked;
    c->returned -= b.returned;
    c->released -= b.released;
    c->redelivered -= b.redelivered;
    c->forwarded -= b.forwarded;
    c->dead_lettered -= b.dead_lettered;
    c->refused_stage -= b.refused_stage;
    c->refused_source -= b.refused_source;
    c->refused_total -= b.refused_total;
    c->refused_memory -= b.refused_memory;
    c->stalled_ns -= b.stalled_ns;
}

/* The counts of a stage or a source, whose index cvb_tally_at names. */
static int counts_of(struct cvb_handle *h, uint32_t index, struct cvb_counts *counts, size_t size)
{
    struct cvb_counts sum = {0};
    if (!counts)
        return CVB_EINVAL;
    const uint32_t seats = h->segment.settings.max_handles;
    for (uint32_t seat = 0; seat < seats; seat++)
        add_tally(&sum, cvb_tally_at(h, seat, index));
    /* of processes that recovered without a seat; what is parked there was added by a repair */
    sum.redelivered += cvb_load64_rlx(&cvb_tally_at(h, seats, index)->n[CVB_N_REDELIVERED]);
    if (index >= h->segment.settings.max_stages)
        take_before(&sum, &h->stands[index - h->segment.settings.max_stages].before);
    for (uint32_t seat = 0; index < h->segment.settings.max_stages && seat <= seats; seat++) {
        sum.dead_by_death += cvb_load64_rlx(&cvb_stay_at(h, seat, index)->died);
        sum.pauses += cvb_load64_rlx(&cvb_stay_at(h, seat, index)->pauses);
    }
    cvb_sized_give(counts, size, &sum, sizeof sum);
    return 0;
}

int cvb_stage_counts_sized(struct cvb_handle *h, uint32_t stage, struct cvb_counts *counts, size_t size)
{
    char name[CVB_NAME_MAX + 1];
    int error = cvb_stage_name(h, stage, name);
    return error ? error : counts_of(h, stage, counts, size);
}

int cvb_source_counts_sized(struct cvb_handle *h, uint32_t source, struct cvb_counts *counts, size_t size)
{
    int error = cvb_reader_check(h);
    if (!error && !cvb_source_known(h, source))
        error = CVB_EUNKNOWN;
    if (!error)
        error = counts_of(h, h->segment.settings.max_stages + cvb_place_of(source), counts, size);
    return !error && !cvb_source_known(h, source) ? CVB_EUNKNOWN : error; /* retired meanwhile */
}

int cvb_peer_counts_sized(struct cvb_handle *h, uint32_t seat, struct cvb_counts *counts, size_t size)
{
    int error = cvb_reader_check(h);
    if (error || !counts || seat >= h->segment.settings.max_handles)
        return error ? error : CVB_EINVAL;
    struct cvb_counts sum = {0};
    for (uint32_t stage = 0; stage < h->segment.settings.max_stages; stage++)
        add_tally(&sum, cvb_tally_at(h, seat, stage));
    cvb_sized_give(counts, size, &sum, sizeof sum);
    return 0;
}

int cvb_totals_sized(struct cvb_handle *h, struct cvb_totals *totals, size_t size)
{
    int error = cvb_reader_check(h);
    if (error || !totals)
        return error ? error : CVB_EINVAL;
    struct cvb_totals sum = {0};
    for (uint32_t s = 0; s <= h->segment.settings.max_handles; s++) {
        const struct cvb_seat *seat = cvb_seat_at(h, s);
        sum.deaths += cvb_load64_rlx(&seat->deaths);
        sum.recoveries += cvb_load64_rlx(&seat->recoveries);
        sum.pauses += cvb_load64_rlx(&seat->pauses);
        sum.signals += cvb_load64_rlx(&seat->signals);
    }
    cvb_sized_give(totals, size, &sum, sizeof sum);
    return 0;
}
