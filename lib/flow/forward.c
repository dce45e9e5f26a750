/* forward.c - leased records are replaced by their results in the next stage, in one step each time. */
#include <conveyor/flow.h>

#include "flow/flow.h"
#include "flow/header.h"
#include "place/stay.h"

/* How many of the results may be one unit: those of one class. */
static unsigned results_of_class(struct cvb_handle *h, const struct cvb_record *r, unsigned count)
{
    unsigned n = 1;
    while (n < count && cvb_class_for(h, r[n].length) == cvb_class_for(h, r->length))
        n++;
    return n;
}

/* The first of the results, at most n, are written into a unit, which is then HELD by this seat. */
static int hold_results(struct cvb_handle *h, const struct cvb_record *r, unsigned n, uint32_t *b)
{
    struct cvb_want want = {.count = 1, .class = cvb_class_for(h, r->length)};
    int error;
    cvb_refusal_begin(h);
    do
        error = cvb_hold_cells(h, r->length, n, b);
    while (error == CVB_EMEMORY_FULL && cvb_reclaim_for(h, error, &want, NULL, NULL));
    uint32_t mask = error ? 0 : cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, *b)->word.hi));
    if (!error && cvb_mask_count(mask) > n)
        return CVB_ECORRUPT; /* the caller has so many results */
    return error ? error : cvb_write_records(h, *b, mask, r, CVB_NO_UNIT);
}

/* Carves the members of b out of the lease, and exchanges the two. A refusal leaves the lease as it was. */
static int exchange(struct cvb_handle *h, uint32_t lease, uint32_t *part, uint32_t *b, uint32_t to)
{
    uint32_t a = lease;
    int error = cvb_carve(h, &a, part);
    if (error)
        return error;
    error = cvb_shrink(h, b, cvb_mask_count(*part));
    if (error)
        return error;
    struct cvb_unit *from = cvb_unit_at(h, a), *unit = cvb_unit_at(h, *b);
    cvb_store16_rlx(&unit->source, cvb_load16_rlx(&from->source));
    cvb_store16_rlx(&unit->pipeline, cvb_load16_rlx(&from->pipeline));
    cvb_store64_rlx(&unit->buffered_at_ns, cvb_load64_rlx(&from->buffered_at_ns));
    cvb_enters_stage(unit);
    cvb_copy_positions(h, a, *b);
    cvb_refusal_begin(h);
    do
        error = cvb_replace(h, a, *b, to);
    while (cvb_restage_again(h, error, cvb_mask_count(*part), cvb_load16_rlx(&unit->source), to));
    if (error && error != CVB_ECORRUPT && a != lease) {
        int undone = cvb_uncarve(h, lease, *part, a);
        error = undone ? undone : error;
    }
    return error;
}

/* Some members of a leased unit, or the first of them, become results in stage `to`; *members says which. */
static int replace_members(struct cvb_handle *h, uint32_t lease, uint32_t *members, const struct cvb_record *r,
                           uint32_t to)
{
    for (unsigned most = results_of_class(h, r, cvb_mask_count(*members));;) {
        uint32_t b, part = cvb_lowest(*members, most);
        int error = cvb_admit(h, to, &part);
        if (!error)
            error = hold_results(h, r, cvb_mask_count(part), &b);
        if (error)
            return error;
        part = cvb_lowest(part, cvb_mask_count(cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, b)->word.hi))));
        unsigned n = cvb_mask_count(part);
        if (!n || (h->cells.header_room && cvb_keep_headers(h, lease, part, b, r)))
            return CVB_ECORRUPT; /* its members are gone: somebody else writes here */
        error = exchange(h, lease, &part, &b, to);
        *members = part;
        if (!error || error == CVB_ECORRUPT)
            return error;
        cvb_unhold(h, b);
        if (!cvb_is_refusal(error) || n == 1)
            return error;
        most = n / 2; /* others were quicker: fewer may fit */
    }
}

/* How many of the results can be records. *wrong: the error of the next one, or 0. */
static size_t good_results(struct cvb_handle *h, const struct cvb_record *results, size_t count, int *wrong)
{
    size_t n = 0;
    for (*wrong = 0; n < count; n++) {
        if (!results || (results[n].length && !results[n].payload) || cvb_asks_more(&results[n]))
            *wrong = CVB_EINVAL;
        else if (results[n].length > h->segment.settings.payload_size)
            *wrong = CVB_ETOOLONG;
        else
            *wrong = cvb_header_check(h, &results[n]);
        if (*wrong)
            break;
    }
    return n;
}

/* Forwards one lease after the other, as its result, until an error, which it returns; *done counts them. */
static int forward_results(struct cvb_handle *h, uint32_t stage, const struct cvb_places *p,
                           const struct cvb_lease *leases, const struct cvb_record *results, size_t *done)
{
    bool looked = false;
    int error = 0;
    for (size_t n; !error && *done < p->count; *done += n) {
        uint32_t members;
        error = cvb_places_run(h, p, *done, &members, &n);
        if (!error)
            error = replace_members(h, leases[*done].place.unit, &members, &results[*done], stage);
        n = error ? 0 : cvb_mask_count(members);
        if (cvb_refused_by_dead(h, error, &looked))
            error = 0;
    }
    return error;
}

int cvb_forward_records(struct cvb_handle *h, uint32_t stage, const struct cvb_lease *leases,
                        const struct cvb_record *results, size_t count, int *why)
{
    CVB_ONE_USER(h);
    struct cvb_places p = cvb_places_of(leases, count);
    int error = cvb_places_check(h, &p), wrong = 0;
    size_t done = 0;
    if (!error)
        error = cvb_stage_check(h, stage);
    if (error) {
        if (why)
            *why = error;
        return error;
    }
    cvb_recover_at_times(h, true);
    p.count = good_results(h, results, count, &wrong);
    error = forward_results(h, stage, &p, leases, results, &done);
    struct cvb_record at = {0};
    if (cvb_is_refusal(error)) {
        at.source = leases[done].source;
        at.length = results[done].length;
    }
    return cvb_call_ends(h, stage, &at, error ? error : wrong, done, why);
}
