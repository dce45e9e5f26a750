/* counts.c - reading how many records came, went and were refused, and what happened, since the segment was made. */
#include <conveyor/state.h>

#include "credit/idle.h"
#include "flow/flow.h"
#include "place/stay.h"
#include "sized.h"

#define LESS UINT64_MAX /* -1: what is added so often is taken away */

/* Adds a tally's counts of a stage or a source: once, or LESS. What was acked was parked, or given back at once. */
static void add_tally(struct cvb_counts *c, const struct cvb_tally *t, uint64_t times)
{
    c->accepted += times * cvb_load64_rlx(&t->n[CVB_N_ACCEPTED]);
    c->delivered += times * cvb_load64_rlx(&t->n[CVB_N_DELIVERED]);
    c->acked += times * (cvb_load64_rlx(&t->n[CVB_N_ACKED]) + row_count(cvb_load64_rlx(&t->n[CVB_N_PARKED])));
    c->returned += times * cvb_load64_rlx(&t->n[CVB_N_RETURNED]);
    c->released += times * cvb_load64_rlx(&t->n[CVB_N_RELEASED]);
    c->redelivered += times * cvb_load64_rlx(&t->n[CVB_N_REDELIVERED]);
    c->forwarded += times * cvb_load64_rlx(&t->n[CVB_N_FORWARDED]);
    c->dead_lettered += times * cvb_load64_rlx(&t->n[CVB_N_DEAD_LETTERED]);
    c->refused_stage += times * cvb_load64_rlx(&t->n[CVB_N_REFUSED_STAGE]);
    c->refused_source += times * cvb_load64_rlx(&t->n[CVB_N_REFUSED_SOURCE]);
    c->refused_total += times * cvb_load64_rlx(&t->n[CVB_N_REFUSED_TOTAL]);
    c->refused_memory += times * cvb_load64_rlx(&t->n[CVB_N_REFUSED_MEMORY]);
    c->stalled_ns += times * cvb_load64_rlx(&t->n[CVB_N_STALLED_NS]);
}

/* The counts of a stage or a source, whose index cvb_tally_at names. */
static int counts_of(struct cvb_handle *h, uint32_t index, struct cvb_counts *counts, size_t size)
{
    struct cvb_counts sum = {0};
    if (!counts)
        return CVB_EINVAL;
    const uint32_t seats = h->segment.settings.max_handles, used = cvb_seats_used(h);
    for (uint32_t seat = 0; seat < used; seat++)
        add_tally(&sum, cvb_tally_at(h, seat, index), 1);
    /* of processes that recovered without a seat; what is parked there was added by a repair */
    sum.redelivered += cvb_load64_rlx(&cvb_tally_at(h, seats, index)->n[CVB_N_REDELIVERED]);
    if (index >= h->segment.settings.max_stages) /* what was counted of the names that the place had before */
        add_tally(&sum, &h->stands[index - h->segment.settings.max_stages].before, LESS);
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
        add_tally(&sum, cvb_tally_at(h, seat, stage), 1);
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
