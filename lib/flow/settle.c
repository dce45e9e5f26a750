/* settle.c - leases end: acked, returned, or sent on. */
#include <assert.h>
#include <conveyor/flow.h>
#include <stddef.h>
#include <string.h>

#include "flow/flow.h"
#include "place/stay.h"

#define MS_NS UINT64_C(1000000)

static const struct cvb_place *place_at(const struct cvb_places *p, size_t i)
{
    return (const struct cvb_place *)(const void *)((const char *)p->first + i * p->stride);
}

static inline struct cvb_pair unit_word(struct cvb_handle *h, uint32_t u)
{
    return cvb_load_pair(&cvb_unit_at(h, u)->word);
}

int cvb_place_check(struct cvb_handle *h, const struct cvb_place *p, enum cvb_state state)
{
    if (p->handle != h->serial)
        return CVB_EFOREIGN;
    if (p->unit >= h->segment.geometry.unit_count || p->member >= cvb_unit_room(h, p->unit))
        return CVB_EINVAL;
    struct cvb_pair w = unit_word(h, p->unit);
    bool held = w.lo == p->number && cvb_lo_state(w.lo) == state && cvb_hi_seat(w.hi) == h->seat &&
                cvb_hi_stage(w.hi) == p->stage;
    return held && (cvb_hi_mask(w.hi) >> p->member & 1) ? 0 : CVB_ESETTLED;
}

/* True if both are of one lease or reservation; they may be of different members of it. */
static inline bool same_whole(const struct cvb_place *p, const struct cvb_place *q)
{
    return p->number == q->number && p->unit == q->unit && p->handle == q->handle && p->stage == q->stage;
}

/* True if p is of the same unit as q, which was checked, and whose unit has these members. */
static bool same_unit(const struct cvb_place *p, const struct cvb_place *q, uint32_t members)
{
    return same_whole(p, q) && p->member < CVB_UNIT_MEMBERS && (members >> p->member & 1);
}

int cvb_places_check(struct cvb_handle *h, const struct cvb_places *p)
{
    int error = cvb_handle_check(h);
    if (!error && ((p->count && !p->first) || p->count > INT32_MAX))
        error = CVB_EINVAL;
    uint32_t members = 0;
    for (size_t i = 0; !error && i < p->count; i++) {
        const struct cvb_place *place = place_at(p, i);
        if (i && same_unit(place, place_at(p, i - 1), members))
            continue;
        error = cvb_place_check(h, place, p->state);
        if (!error)
            members = cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, place->unit)->word.hi));
    }
    return error;
}

/* The members of place i's unit whose places follow one another in the array, in the unit's order. *n: how many. */
static uint32_t gather(const struct cvb_places *p, size_t i, size_t *n)
{
    const struct cvb_place *first = place_at(p, i);
    uint32_t members = 0;
    for (*n = 0; i + *n < p->count; ++*n) {
        const struct cvb_place *next = place_at(p, i + *n);
        if (next->unit != first->unit || next->number != first->number || members >> next->member)
            break;
        members |= 1u << next->member;
    }
    return members;
}

/* The run of places from i on, as far as they are still members of their unit: a place that stands in the array twice
 * is none any more when it comes the second time. 0, or what is wrong with place i. */
int cvb_places_run(struct cvb_handle *h, const struct cvb_places *p, size_t i, uint32_t *members, size_t *n)
{
    const struct cvb_place *place = place_at(p, i);
    int error = cvb_place_check(h, place, p->state);
    if (error)
        return error;
    *members = gather(p, i, n);
    const uint32_t gone = *members & ~cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, place->unit)->word.hi));
    if (gone) {
        *members &= (gone & -gone) - 1;
        *n = cvb_mask_count(*members);
    }
    return 0;
}

/* The unit and the handle of a place, in one word. */
static inline uint64_t unit_and_handle(const struct cvb_place *p)
{
    uint64_t word;
    memcpy(&word, &p->unit, sizeof word);
    return word;
}
static_assert(offsetof(struct cvb_place, handle) == offsetof(struct cvb_place, unit) + sizeof(uint32_t), "one word");

/* True if n places from i on are just those of the mask. */
static bool in_any_order(const struct cvb_places *p, size_t i, unsigned n, uint32_t mask)
{
    uint32_t members = 0, high = 0;
    for (unsigned k = 0; k < n; k++) {
        const struct cvb_place *q = place_at(p, i + k);
        if (k && !same_whole(q, place_at(p, i)))
            return false;
        members |= 1u << q->member % CVB_UNIT_MEMBERS;
        high |= q->member;
    }
    return high < CVB_UNIT_MEMBERS && members == mask;
}

/* True if n places from i on are the first members in order, as they were handed out: without a branch for each, and in
 * pieces that were each written by one store. */
static bool in_order(const struct cvb_places *p, size_t i, unsigned n)
{
    const struct cvb_place *first = place_at(p, i);
    const uint32_t stage = (uint32_t)first->stage << 16;
    uint64_t other = 0;
    for (uint32_t k = 0; k < n; k++) {
        const struct cvb_place *q = place_at(p, i + k);
        other |= (q->number ^ first->number) | (unit_and_handle(q) ^ unit_and_handle(first)) |
                 (((uint32_t)q->stage << 16 | q->member) ^ (stage | k));
    }
    return !other;
}

/* If the places from i on are first just those of one unit, each once: how many they are, and *w, the unit's word. Else
 * 0. */
static unsigned whole_at(struct cvb_handle *h, const struct cvb_places *p, size_t i, struct cvb_pair *w)
{
    const struct cvb_place *first = place_at(p, i);
    if (first->handle != h->serial || first->unit >= h->segment.geometry.unit_count)
        return 0;
    *w = unit_word(h, first->unit);
    uint32_t mask = cvb_hi_mask(w->hi);
    unsigned n = cvb_mask_count(mask);
    if (w->lo != first->number || cvb_lo_state(w->lo) != p->state || cvb_hi_seat(w->hi) != h->seat ||
        cvb_hi_stage(w->hi) != first->stage || n > p->count - i)
        return 0;
    return (cvb_is_whole(mask) && in_order(p, i, n)) || in_any_order(p, i, n, mask) ? n : 0;
}

/* True if the places are just those of one unit: the usual case. *w is then the unit's word. */
static inline bool one_whole(struct cvb_handle *h, const struct cvb_places *p, struct cvb_pair *w)
{
    return p->first && p->count && !cvb_handle_check(h) && whole_at(h, p, 0, w) == p->count;
}

/* True if the places are just those of one unit, in its order. *w is then the unit's word. */
bool cvb_places_whole(struct cvb_handle *h, const struct cvb_places *p, struct cvb_pair *w)
{
    bool whole = one_whole(h, p, w);
    for (size_t i = 1; whole && i < p->count; i++)
        whole = place_at(p, i)->member > place_at(p, i - 1)->member;
    return whole;
}

/* Settles some members of a unit, or the first of them if there is no room for all. *members: which. */
static int settle_members(struct cvb_handle *h, uint32_t lease, uint32_t *members, cvb_settle_fn how,
                          const uint32_t *to)
{
    for (unsigned most = CVB_UNIT_MEMBERS;;) {
        uint32_t unit = lease, part = cvb_lowest(*members, most);
        int error = to ? cvb_admit(h, *to, &part) : 0;
        if (!error)
            error = cvb_carve(h, &unit, &part);
        if (error)
            return error;
        *members = part;
        error = how(h, unit, to ? *to : 0);
        if (!error || error == CVB_ECORRUPT)
            return error;
        int undone = unit == lease ? 0 : cvb_uncarve(h, lease, part, unit);
        if (undone || cvb_mask_count(part) == 1 || !cvb_is_refusal(error))
            return undone ? undone : error;
        most = cvb_mask_count(part) / 2; /* others were quicker: fewer may fit */
    }
}

/* Settles the members `left` of a unit, as many at a time as there is room for; *done counts them. *looked: as in
 * cvb_refused_by_dead. */
static int settle_run(struct cvb_handle *h, uint32_t unit, uint32_t left, cvb_settle_fn how, const uint32_t *to,
                      bool *looked, size_t *done)
{
    while (left) {
        uint32_t members = left;
        int error = settle_members(h, unit, &members, how, to);
        if (cvb_refused_by_dead(h, error, looked))
            continue;
        if (error)
            return error;
        left &= ~members;
        *done += cvb_mask_count(members);
    }
    return 0;
}

/* Settles leases or reservations, unit by unit; if `to` is not NULL, as many as the stage has room for. *done counts
 * those that were settled before an error. */
CVB_RARE int cvb_settle(struct cvb_handle *h, const struct cvb_places *p, cvb_settle_fn how, const uint32_t *to,
                        size_t *done)
{
    int error = cvb_places_check(h, p);
    bool looked = false;
    if (!error)
        cvb_recover_at_times(h, true);
    for (size_t i = 0, n = 0; !error && i < p->count; i += n) {
        uint32_t members;
        error = cvb_places_run(h, p, i, &members, &n);
        if (!error)
            error = settle_run(h, place_at(p, i)->unit, members, how, to, &looked, done);
    }
    return error;
}

static int ack_unit(struct cvb_handle *h, uint32_t u, uint32_t unused)
{
    (void)unused;
    return cvb_park(h, u, unit_word(h, u));
}

/* True if the places are just those of some units, one unit's after the other's. */
static bool all_whole(struct cvb_handle *h, const struct cvb_places *p)
{
    struct cvb_pair w;
    bool whole = p->first && p->count <= INT32_MAX && !cvb_handle_check(h);
    for (size_t i = 0, n; whole && i < p->count; i += n) {
        n = whole_at(h, p, i, &w);
        whole = n;
    }
    return whole;
}

/* Acks one unit after the other: whole units without the steps that parts need. */
CVB_RARE static int ack_units(struct cvb_handle *h, const struct cvb_lease *leases, size_t count)
{
    const struct cvb_places places = cvb_places_of(leases, count), *p = &places;
    struct cvb_pair w;
    size_t done = 0;
    if (!all_whole(h, p))
        return cvb_settle(h, p, ack_unit, NULL, &done);
    cvb_recover_if_due(h);
    for (size_t i = 0, n; i < p->count; i += n) {
        const struct cvb_place *place = place_at(p, i);
        int error = cvb_place_check(h, place, CVB_LEASED); /* the unit may be in the array twice */
        if (error)
            return error;
        w = unit_word(h, place->unit);
        n = cvb_mask_count(cvb_hi_mask(w.hi));
        error = n ? cvb_park(h, place->unit, w) : CVB_ECORRUPT;
        if (error)
            return error;
    }
    return 0;
}

/* Acks any number of leases; in the usual case they are just those of one unit. */
CVB_RARE CVB_FLAT static int ack_many(struct cvb_handle *h, const struct cvb_lease *leases, size_t count)
{
    const struct cvb_places p = cvb_places_of(leases, count);
    struct cvb_pair w = {0, 0};
    if (!one_whole(h, &p, &w))
        return ack_units(h, leases, count);
    cvb_recover_if_due(h);
    return cvb_park(h, p.first->unit, w);
}

/* True if the place is that of the only record of a lease. *w is then the unit's word. */
static inline bool one_record(struct cvb_handle *h, const struct cvb_place *p, struct cvb_pair *w)
{
    if (p->handle != h->serial || p->unit >= h->segment.geometry.unit_count || p->member >= CVB_UNIT_MEMBERS)
        return false;
    *w = unit_word(h, p->unit);
    return w->lo == p->number && cvb_lo_state(w->lo) == CVB_LEASED &&
           (w->hi & ~(CVB_HI_TRIES | CVB_HI_COMPANY)) == cvb_hi(1u << p->member, p->stage, h->seat, 0);
}

/* The last step of an ack when it is time to look for dead peers: so the usual case keeps nothing over a call. */
CVB_RARE static int recover_after(struct cvb_handle *h, int error)
{
    cvb_recover_at_times(h, true);
    return error;
}

/* The ack of a unit of one record whose kind is another one than the last, or where there is more to do. */
CVB_RARE CVB_FLAT static int ack_record(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    cvb_recover_if_due(h);
    return cvb_park(h, u, w);
}

CVB_FLAT int cvb_ack(struct cvb_handle *h, const struct cvb_lease *leases, size_t count)
{
    CVB_ONE_USER(h);
    struct cvb_pair w;
    int error;
    if (count != 1 || !leases || cvb_handle_check(h) || !one_record(h, &leases->place, &w))
        return ack_many(h, leases, count);
    if (!cvb_park_single(h, leases->place.unit, w, &error))
        return ack_record(h, leases->place.unit, w);
    return __builtin_expect(cvb_recover_due(h), 0) ? recover_after(h, error) : error;
}

/* Counts the records of unit u, whose word is w. */
static int tally_unit(struct cvb_handle *h, uint32_t u, struct cvb_pair w, enum cvb_count what)
{
    uint32_t source = cvb_load16_rlx(&cvb_unit_at(h, u)->source), stage = cvb_hi_stage(w.hi);
    if (source >= h->segment.settings.max_sources || stage >= h->segment.settings.max_stages)
        return CVB_ECORRUPT;
    cvb_tally(h, stage, source, what, cvb_mask_count(cvb_hi_mask(w.hi)));
    return 0;
}

/* For how many milliseconds a record waits that has failed so often before: twice as long each time. */
static uint64_t delay_by_settings(struct cvb_handle *h, unsigned failures)
{
    const uint64_t word = cvb_load64_rlx(&h->retry->word), first = (uint32_t)word, cap = word >> 32;
    const uint64_t delay = first << (failures < 32 ? failures : 32);
    return delay < cap ? delay : cap;
}

/* Back into its stage, at once or after its delay, with one failure more; or to the stage of dead letters. */
static int return_unit(struct cvb_handle *h, uint32_t u, uint32_t unused)
{
    (void)unused;
    struct cvb_pair w = unit_word(h, u);
    unsigned stage = cvb_hi_stage(w.hi);
    int error = tally_unit(h, u, w, CVB_N_RETURNED);
    if (error)
        return error;
    if (stage != CVB_STAGE_DEAD_LETTER && cvb_hi_failures(w.hi) >= cvb_retries_of(h, stage))
        return cvb_restage(h, u, CVB_STAGE_DEAD_LETTER);
    cvb_enters_stage(cvb_unit_at(h, u));
    const uint64_t delay_ms =
        h->delay_ms == CVB_DELAY_OF_SETTINGS ? delay_by_settings(h, cvb_hi_failures(w.hi)) : h->delay_ms;
    if (delay_ms)
        return cvb_delay(h, u, w, cvb_hi_failed(w.hi), cvb_monotonic_ns() + delay_ms * MS_NS);
    return cvb_enqueue(h, u, w, stage, cvb_hi_failed(w.hi));
}

static int return_leases(struct cvb_handle *h, const struct cvb_lease *leases, size_t count, uint64_t delay_ms)
{
    int error = cvb_handle_check(h);
    if (error)
        return error;
    size_t done = 0;
    struct cvb_places p = cvb_places_of(leases, count);
    h->delay_ms = delay_ms;
    return cvb_settle(h, &p, return_unit, NULL, &done);
}

int cvb_return_to_buffer(struct cvb_handle *h, const struct cvb_lease *leases, size_t count)
{
    CVB_ONE_USER(h);
    return return_leases(h, leases, count, CVB_DELAY_OF_SETTINGS);
}

int cvb_return_after(struct cvb_handle *h, const struct cvb_lease *leases, size_t count, uint32_t delay_ms)
{
    CVB_ONE_USER(h);
    return return_leases(h, leases, count, delay_ms);
}

/* Back into its stage, with as many failures as before. */
int cvb_release_unit(struct cvb_handle *h, uint32_t u, uint32_t unused)
{
    (void)unused;
    struct cvb_pair w = unit_word(h, u);
    int error = tally_unit(h, u, w, CVB_N_RELEASED);
    if (error)
        return error;
    cvb_enters_stage(cvb_unit_at(h, u));
    return cvb_enqueue(h, u, w, cvb_hi_stage(w.hi), w.hi & CVB_HI_TRIES);
}

int cvb_release(struct cvb_handle *h, const struct cvb_lease *leases, size_t count)
{
    CVB_ONE_USER(h);
    size_t done = 0;
    struct cvb_places p = cvb_places_of(leases, count);
    return cvb_settle(h, &p, cvb_release_unit, NULL, &done);
}

static int forward_unit(struct cvb_handle *h, uint32_t u, uint32_t to)
{
    const uint32_t n = cvb_mask_count(cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, u)->word.hi)));
    const uint32_t source = cvb_load16_rlx(&cvb_unit_at(h, u)->source);
    int error;
    cvb_refusal_begin(h);
    do
        error = cvb_restage(h, u, to);
    while (cvb_restage_again(h, error, n, source, to));
    return error;
}

int cvb_forward(struct cvb_handle *h, uint32_t stage, const struct cvb_lease *leases, size_t count, int *why)
{
    CVB_ONE_USER(h);
    size_t done = 0;
    struct cvb_places p = cvb_places_of(leases, count);
    int error = cvb_handle_check(h);
    if (!error)
        error = cvb_stage_check(h, stage);
    if (!error)
        error = cvb_settle(h, &p, forward_unit, &stage, &done);
    if (cvb_is_refusal(error))
        cvb_tally_refusal(h, stage, leases[done].source, error);
    if (why)
        *why = error;
    return cvb_count_or_error(error, done);
}
