/* ring.c - entering a unit at a position, and leasing the unit at the head (PROTOCOL.md, section 2). */
#include "ring/ring.h"
#include "ring/hint.h"
#include "ring/near.h"
#include "ring/slot.h"

#define CVB_FULL_TURNS 1000u
#ifndef CVB_PASSED_MANY
#define CVB_PASSED_MANY 4u /* positions that others have passed: time to look at the hint */
#endif

/* Raises a hint if it is due. Returns the position before which it will not be due again: a hint only grows. */
CVB_RARE static uint64_t raise_when_due(uint64_t *hint, uint64_t position)
{
    raise_hint(hint, position, false);
    return cvb_load64_rlx(hint) + CVB_HINT_PERIOD;
}

/* Moves the handle's own tail on to a position whose slot shows the former lap; *former: what the slot shows.
 * CVB_ESETTLED if the ring is full of QUEUED units: if the unit to be entered holds its credit, another process has
 * entered it meanwhile (A4). */
CVB_RARE static int choose_behind(struct cvb_handle *h, uint32_t stage, uint64_t *former)
{
    struct cvb_ring_view *e = &h->rings[stage];
    uint32_t bits = e->bits;
    uint64_t size = e->mask + 1, *ring = e->ring, *tail = &e->tail;
    struct cvb_hint *hint = e->hint;
    for (unsigned passed = 1;; passed++) {
        uint64_t slot = cvb_load64_acq(&ring[*tail & (size - 1)]);
        int64_t ahead = lap_ahead(slot, *tail, bits);
        if (ahead >= 0) {
            *tail += ((uint64_t)ahead << bits) + 1;
            if (passed == CVB_PASSED_MANY)
                follow(tail, &hint->tail);
            continue;
        }
        if (ahead < -1)
            return CVB_ECORRUPT;
        if (*tail >= size && *tail - size >= e->head)
            follow(&e->head, &hint->head);
        if (*tail >= size && *tail - size >= e->head) {
            uint32_t u = slot_unit(slot);
            if (u >= h->segment.geometry.unit_count)
                return CVB_ECORRUPT;
            struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
            if (w.lo == cvb_lo_position(CVB_QUEUED, *tail - size) && cvb_hi_stage(w.hi) == stage)
                return CVB_ESETTLED;
        }
        *former = slot;
        return 0;
    }
}

/* Where a unit will be entered: the slot, and what it shows. */
struct place {
    uint64_t position, former, *slot;
};

/* Chooses a slot: that at the handle's tail if it shows the former lap, and the unit that was there is known to be
 * gone. That is the usual case. Otherwise a later one. */
static inline int choose(struct cvb_handle *h, const struct cvb_ring_view *e, uint32_t stage, struct place *to)
{
    const uint64_t mask = e->mask;
    uint64_t tail = e->tail, *slot = &e->ring[tail & mask], shown = cvb_load64_acq(slot);
    if (slot_unit_of_lap(shown, tail >> e->bits) >> UNIT_BITS || tail - e->head > mask) {
        uint64_t behind;
        int error = choose_behind(h, stage, &behind);
        if (error)
            return error;
        tail = e->tail;
        slot = &e->ring[tail & mask];
        shown = behind;
    }
    to->position = tail;
    to->former = shown;
    to->slot = slot;
    return 0;
}

/* Reads the unit's word. False if the unit is not QUEUED in this stage any more. */
static bool read_queued(struct cvb_handle *h, uint32_t u, uint32_t stage, struct cvb_pair *w)
{
    *w = cvb_load_pair(&cvb_unit_at(h, u)->word);
    return cvb_lo_state(w->lo) == CVB_QUEUED && cvb_hi_stage(w->hi) == stage;
}

/* Called when a unit, whose word is `queued`, was seen in its slot. Wakes as many sleepers as the unit has records. */
static inline void published(struct cvb_handle *h, struct cvb_ring_view *e, struct cvb_pair queued)
{
    const uint64_t next = cvb_lo_number(queued.lo) + 1;
    e->tail = e->tail > next ? e->tail : next;
    cvb_prefetch_write(&e->ring[(next + CVB_AHEAD_SLOTS - 1) & e->mask]);
    if (next >= e->tail_due)
        e->tail_due = raise_when_due(&e->hint->tail, next);
    cvb_fence_after_cas();
    if (cvb_load32_acq(&e->data->word) & CVB_FLAG_WAITERS_EITHER)
        cvb_flag_wake(h, cvb_flag_of_data(cvb_hi_stage(queued.hi)), cvb_mask_count(cvb_hi_mask(queued.hi)));
}

/* A QUEUED unit whose slot was filled with another one gets a later position. False if it is not QUEUED any more. */
static bool bump(struct cvb_handle *h, uint32_t u, uint32_t stage, struct cvb_pair *w, int *error)
{
    struct cvb_pair seen = *w;
    struct place to;
    *error = 0;
    if (!read_queued(h, u, stage, w))
        return false;
    if (!cvb_pair_equal(*w, seen))
        return true; /* another process has moved it: the caller looks whether it is in that slot */
    *error = choose(h, &h->rings[stage], stage, &to);
    if (*error == CVB_ESETTLED)
        return true; /* the ring is full, so it must have moved meanwhile: A4 */
    if (*error)
        return false;
    struct cvb_pair bumped = {cvb_lo_position(CVB_QUEUED, to.position), w->hi};
    if (cvb_cas_pair(&cvb_unit_at(h, u)->word, *w, bumped))
        *w = bumped;
    return true;
}

/* Brings a QUEUED unit into its slot, or into a later one. `seen`: its word, both halves of one moment. Any process may
 * call it. Returns only when the unit was seen in its slot, or is not QUEUED any more. */
CVB_RARE int cvb_publish_helped(struct cvb_handle *h, uint32_t u, struct cvb_pair seen)
{
    const uint32_t stage = cvb_hi_stage(seen.hi);
    struct cvb_ring_view *e = &h->rings[stage];
    const uint32_t bits = e->bits;
    uint64_t *ring = e->ring, index = e->mask;
    for (unsigned full = 0; full < CVB_FULL_TURNS;) {
        uint64_t p = cvb_lo_number(seen.lo), slot = cvb_load64_acq(&ring[p & index]);
        uint64_t mine = slot_of((p >> bits) + 1, u);
        int64_t ahead = lap_ahead(slot, p, bits);
        int error = 0;
        if (slot == mine || (ahead == -1 && cvb_cas64(&ring[p & index], slot, mine))) {
            published(h, e, seen);
            return 0;
        }
        if (ahead < -1)
            return CVB_ECORRUPT;
        if (ahead >= 0 && !bump(h, u, stage, &seen, &error))
            return error;
        full += error == CVB_ESETTLED;
    }
    return CVB_ECORRUPT; /* full for a unit that holds its credit, again and again */
}

/* Brings unit u, whose word is `queued`, into the slot that was chosen. */
static inline int fill_slot(struct cvb_handle *h, struct cvb_ring_view *e, uint32_t u, struct cvb_pair queued,
                            const struct place *to)
{
    if (!cvb_cas64(to->slot, to->former, slot_after(to->former, u)))
        return cvb_publish_helped(h, u, queued);
    published(h, e, queued);
    return 0;
}

/* Unit u, whose word is `from` (RES, LEASED or DELAYED), becomes QUEUED in the stage and is published. CVB_ESETTLED if
 * its word has changed. */
CVB_RARE int cvb_enqueue(struct cvb_handle *h, uint32_t u, struct cvb_pair from, unsigned stage, uint64_t tries)
{
    struct cvb_ring_view *e = &h->rings[stage];
    struct place to;
    int error = choose(h, e, stage, &to);
    if (error)
        return error;
    struct cvb_pair queued = {cvb_lo_position(CVB_QUEUED, to.position),
                              cvb_hi(cvb_hi_mask(from.hi), stage, cvb_hi_seat(from.hi), 0) | tries};
    if (!cvb_cas_pair(&cvb_unit_at(h, u)->word, from, queued))
        return CVB_ESETTLED;
    return fill_slot(h, e, u, queued, &to);
}

/* As cvb_enqueue, for a unit that this seat has reserved for the stage: nobody else may change its word. */
int cvb_enqueue_own(struct cvb_handle *h, uint32_t u, struct cvb_pair from, unsigned stage)
{
    struct cvb_ring_view *e = &h->rings[stage];
    struct place to;
    int error = choose(h, e, stage, &to);
    if (error)
        return error;
    struct cvb_pair queued = {cvb_lo_position(CVB_QUEUED, to.position), from.hi};
    cvb_store64_rel(&cvb_unit_at(h, u)->word.lo, queued.lo);
    return fill_slot(h, e, u, queued, &to);
}

/* Leases the first `want` records of a unit whose word w is QUEUED: they get a unit of their own. */
CVB_RARE static int lease_part(struct cvb_handle *h, uint32_t u, struct cvb_pair w, unsigned want, uint32_t *unit,
                               struct cvb_pair *word)
{
    int error = cvb_split_queued(h, u, w, want, unit);
    if (error)
        return error;
    *word = cvb_load_pair(&cvb_unit_at(h, *unit)->word);
    return cvb_mask_count(cvb_hi_mask(word->hi)) > want ? CVB_ECORRUPT : 0; /* the caller has room for so many */
}

/* As lease_part, for cvb_lease_next. Works on copies, so that the usual case keeps unit and word in registers. */
static inline int lease_first(struct cvb_handle *h, unsigned want, uint32_t *unit, struct cvb_pair *word)
{
    uint32_t u;
    struct cvb_pair w;
    int error = lease_part(h, *unit, *word, want, &u, &w);
    if (error)
        return error;
    *unit = u;
    word->lo = w.lo;
    word->hi = w.hi;
    return 0;
}

/* The linearization point of a get: unit u, whose word *w is QUEUED, becomes LEASED; *w is then the new word. False if
 * its word has changed. */
static inline bool become_leased(struct cvb_handle *h, uint32_t u, struct cvb_pair *w, struct cvb_pair leased)
{
    if (!cvb_cas_pair(&cvb_unit_at(h, u)->word, *w, leased))
        return false;
    *w = leased;
    return true;
}

/* Leases a whole unit, whose word *w is QUEUED; *w is then the new word. CVB_ESETTLED if its word has changed. */
static inline int lease_whole(struct cvb_handle *h, struct cvb_ring_view *e, uint32_t u, struct cvb_pair *w)
{
    const uint64_t next = cvb_lo_number(w->lo) + 1;
    const uint32_t records = cvb_mask_count(cvb_hi_mask(w->hi));
    if (w->hi & CVB_HI_SPLIT)
        cvb_help_split(h, u, *w);
    struct cvb_pair leased = {cvb_lo_position(CVB_LEASED, cvb_lo_number(w->lo)),
                              cvb_hi_by(w->hi, h->seat) | cvb_marks_of_lease(h, w->hi)};
    prefetch_after(h, e, next - 1, records);
    if (!become_leased(h, u, w, leased))
        return CVB_ESETTLED;
    e->head = next;
    if (records * h->cells.stride >= CVB_COARSE_BYTES)
        raise_hint(&e->hint->head, next, true);
    else if (next >= e->head_due)
        e->head_due = raise_when_due(&e->hint->head, next);
    return 0;
}

/* What a get does at the beginning of each line of the ring: it looks ahead, and raises the hint if that is due. */
static inline void begin_line(struct cvb_handle *h, struct cvb_ring_view *e, uint64_t head)
{
    cvb_prefetch_units(h, e, head, 1);
    if (head >= e->head_due)
        e->head_due = raise_when_due(&e->hint->head, head);
}

/* Leases the unit at the handle's head in the usual case: it has one record, which was never returned, and is of no
 * great length. False: nothing was done. Calls nothing but at the beginning of a line (`line`), so that it costs little
 * more than its loads and the CAS. */
bool cvb_lease_single(struct cvb_handle *h, uint32_t stage, const bool line, uint32_t *unit, struct cvb_pair *word)
{
    struct cvb_ring_view *e = &h->rings[stage];
    const uint64_t head = e->head,
                   u = slot_unit_of_lap(cvb_load64_acq(&e->ring[head & e->mask]), (head >> e->bits) + 1);
    if (u >= h->segment.geometry.unit_count || h->cells.stride >= CVB_COARSE_BYTES)
        return false;
    struct cvb_pair w = cvb_load_halves(&cvb_unit_at(h, (uint32_t)u)->word);
    if (w.lo != cvb_lo_position(CVB_QUEUED, head) || w.hi != cvb_hi(1, stage, cvb_hi_seat(w.hi), 0))
        return false;
    if (line)
        begin_line(h, e, head);
    const uint32_t near = head + CVB_AHEAD_UNITS < e->full ? unit_at(h, e, head + CVB_AHEAD_UNITS) : CVB_NO_UNIT;
    if (near != CVB_NO_UNIT) {
        const char *payload = cvb_payload_in(&h->cells, cvb_load32_rlx(&cvb_members_of(h, near)->cell), 0);
        cvb_prefetch_write(payload ? payload : (const char *)h);
    }
    struct cvb_pair leased = {cvb_lo_position(CVB_LEASED, head), cvb_hi(1, stage, h->seat, 0)};
    if (!become_leased(h, (uint32_t)u, &w, leased))
        return false;
    e->head = head + 1;
    *unit = (uint32_t)u;
    *word = w;
    return true;
}

/* The slot at the handle's head shows another lap than the head. 1 if it is a later lap: the head moves on to it. 0 if
 * it is an earlier one: the stage is empty. */
CVB_RARE static int other_lap(struct cvb_ring_view *e, uint64_t slot)
{
    int64_t ahead = lap_ahead(slot, e->head, e->bits);
    if (ahead < 0) {
        raise_hint(&e->hint->head, e->head, true);
        e->stream = e->head + STREAM_UNITS;
        return 0;
    }
    if (ahead == 0)
        return CVB_ECORRUPT; /* there is no such unit */
    e->head += ((uint64_t)(ahead - 1) << e->bits) + 1;
    return 1;
}

/* Moves the handle's head on: another process has taken the unit there. */
CVB_RARE static void pass(struct cvb_ring_view *e, unsigned passed)
{
    e->head++;
    raise_hint(&e->hint->head, e->head, false);
    if (passed == CVB_PASSED_MANY)
        follow(&e->head, &e->hint->head);
}

/* Finds the first unit, from the handle's head on, that is QUEUED at its position. 1 if found, 0 if the stage is empty.
 */
static inline int find_head(struct cvb_handle *h, struct cvb_ring_view *e, uint32_t stage, uint32_t *unit,
                            struct cvb_pair *word)
{
    for (unsigned passed = 1;; passed++) {
        const uint64_t head = e->head, slot = cvb_load64_acq(&e->ring[head & e->mask]);
        const uint64_t u = slot_unit_of_lap(slot, (head >> e->bits) + 1);
        if (u >= h->segment.geometry.unit_count) {
            int more = other_lap(e, slot);
            if (more <= 0)
                return more;
            continue;
        }
        *unit = (uint32_t)u;
        *word = cvb_load_pair(&cvb_unit_at(h, *unit)->word);
        if (word->lo == cvb_lo_position(CVB_QUEUED, head) && cvb_hi_stage(word->hi) == stage && cvb_hi_mask(word->hi))
            return 1;
        pass(e, passed);
    }
}

int cvb_ring_has_data(struct cvb_handle *h, uint32_t stage)
{
    uint32_t unit;
    struct cvb_pair word;
    return find_head(h, &h->rings[stage], stage, &unit, &word);
}

/* Leases the unit at the head, or its first `want` records if it may be split. Of a suspect unit only the first record
 * is leased, and only as the first of a get. 1 if done, 0 if there is nothing to lease. */
int cvb_lease_next(struct cvb_handle *h, uint32_t stage, size_t want, bool split, uint32_t *unit, struct cvb_pair *word)
{
    struct cvb_ring_view *e = &h->rings[stage];
    for (;;) {
        int found = find_head(h, e, stage, unit, word);
        if (found <= 0)
            return found;
        const bool suspect = word->hi & CVB_HI_SUSPECT;
        bool whole = cvb_mask_count(cvb_hi_mask(word->hi)) <= (suspect ? 1 : want);
        if ((!whole || suspect) && !split)
            return 0;
        want = suspect ? 1 : want;
        int error = whole ? lease_whole(h, e, *unit, word) : lease_first(h, (unsigned)want, unit, word);
        if (error != CVB_ESETTLED)
            return error ? error : 1;
    }
}
