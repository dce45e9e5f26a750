/* ring.c - entering a unit at a position, and leasing the unit at the head (PROTOCOL.md, section 2). */
#include "internal.h"
#include "slot.h"

#define CVB_FULL_TURNS 1000u
#define SLOTS_AHEAD 12u /* of the tail are fetched: a line holds 8 */
#define PASSED_MANY 4u  /* positions that others have passed: time to look at the hint */
/* A producer that is further ahead than this finds, and leaves, its lines outside of the caches near the cores. */
#ifndef CVB_NEAR_BYTES
#define CVB_NEAR_BYTES (1u << 20)
#endif
#define COARSE_BYTES (CVB_NEAR_BYTES / 64) /* of a unit: CVB_HINT_PERIOD of them are too many to be silent about */

static void raise_hint(uint64_t *hint, uint64_t position, bool now)
{
    uint64_t seen = cvb_load64_rlx(hint);
    if (seen < position && (now || position - seen >= CVB_HINT_PERIOD))
        cvb_cas64(hint, seen, position);
}

static void follow(uint64_t *own, uint64_t *hint)
{
    uint64_t seen = cvb_load64_acq(hint);
    if (seen > *own)
        *own = seen;
}

/* Is the head, as the handle knows it, further than that behind its tail, if each unit has so many bytes? */
static bool far_ahead(const struct cvb_ends *e, uint64_t bytes)
{
    return e->tail > e->head && (e->tail - e->head) * bytes > CVB_NEAR_BYTES;
}

/* Before a put of so many bytes: the consumers may come nearer. As long as they do, a queue of large records stays as
 * long as the second-level cache is large, where both sides are half as fast again. No rest while the queue becomes
 * shorter by itself. What is queued is taken to be as large as the smaller one of the handle's last two puts. */
void cvb_stay_near(struct cvb_handle *h, uint32_t stage, uint64_t bytes)
{
    struct cvb_ends *e = &h->ends[stage];
    uint64_t less = bytes < e->bytes ? bytes : e->bytes;
    e->bytes = bytes;
    if (!far_ahead(e, less))
        return;
    follow(&e->head, &e->hint->head);
    uint64_t between = e->tail - e->head;
    if (far_ahead(e, less) && between >= e->between && cvb_rest(&e->pace)) {
        follow(&e->head, &e->hint->head);
        cvb_rested(&e->pace, e->tail - e->head < between);
        e->between = e->tail - e->head;
    } else if (between < e->between) {
        e->between = between;
    }
}

/* A position whose slot shows the former lap, at or after the handle's own tail, and what the slot shows. CVB_ESETTLED:
 * the ring is full of QUEUED units, which for a unit that holds its credit means that somebody else has entered it
 * meanwhile (A4). */
static int choose(struct cvb_handle *h, uint32_t stage, uint64_t *position, uint64_t *former)
{
    struct cvb_ends *e = &h->ends[stage];
    uint32_t bits = e->bits;
    uint64_t size = e->mask + 1, *ring = e->ring, *tail = &e->tail;
    struct cvb_hint *hint = e->hint;
    for (unsigned passed = 1;; passed++) {
        uint64_t slot = cvb_load64_acq(&ring[*tail & (size - 1)]);
        int64_t ahead = lap_ahead(slot, *tail, bits);
        if (ahead >= 0) {
            *tail += ((uint64_t)ahead << bits) + 1;
            if (passed == PASSED_MANY)
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
        *position = *tail;
        *former = slot;
        return 0;
    }
}

/* False: it is not QUEUED in this stage any more. */
static bool read_queued(struct cvb_handle *h, uint32_t u, uint32_t stage, struct cvb_pair *w)
{
    *w = cvb_load_pair(&cvb_unit_at(h, u)->word);
    return cvb_lo_state(w->lo) == CVB_QUEUED && cvb_hi_stage(w->hi) == stage;
}

static void published(struct cvb_handle *h, uint32_t stage, uint64_t position)
{
    struct cvb_ends *e = &h->ends[stage];
    if (e->tail <= position)
        e->tail = position + 1;
    cvb_prefetch_write(&e->ring[(position + SLOTS_AHEAD) & e->mask]);
    raise_hint(&e->hint->tail, position + 1, false);
    cvb_flag_wake(h, cvb_flag_of_data(stage));
}

/* A QUEUED unit whose slot somebody else has filled moves on to a later position. False: it is not QUEUED any more. */
static bool bump(struct cvb_handle *h, uint32_t u, uint32_t stage, struct cvb_pair *w, int *error)
{
    struct cvb_pair seen = *w;
    uint64_t next, former;
    *error = 0;
    if (!read_queued(h, u, stage, w))
        return false;
    if (!cvb_pair_equal(*w, seen))
        return true; /* somebody has moved it: is it in there? */
    *error = choose(h, stage, &next, &former);
    if (*error == CVB_ESETTLED)
        return true; /* the ring is full, so it must have moved meanwhile: A4 */
    if (*error)
        return false;
    struct cvb_pair bumped = {cvb_lo_position(CVB_QUEUED, next), w->hi};
    if (cvb_cas_pair(&cvb_unit_at(h, u)->word, *w, bumped))
        *w = bumped;
    return true;
}

/* A QUEUED unit (seen, halves of one moment) gets into its slot, or into a later one; whoever calls. Returns only when
 * it was seen in its slot, or not QUEUED any more. */
CVB_RARE int cvb_publish_helped(struct cvb_handle *h, uint32_t u, struct cvb_pair seen)
{
    uint32_t stage = cvb_hi_stage(seen.hi), bits = h->ends[stage].bits;
    uint64_t *ring = h->ends[stage].ring, index = h->ends[stage].mask;
    for (unsigned full = 0; full < CVB_FULL_TURNS;) {
        uint64_t p = cvb_lo_number(seen.lo), slot = cvb_load64_acq(&ring[p & index]);
        uint64_t mine = slot_of((p >> bits) + 1, u);
        int64_t ahead = lap_ahead(slot, p, bits);
        int error = 0;
        if (slot == mine || (ahead == -1 && cvb_cas64(&ring[p & index], slot, mine))) {
            published(h, stage, p);
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

/* Unit u, whose word is from (RES or LEASED), becomes QUEUED in stage and is published. CVB_ESETTLED: its word was not
 * from. */
int cvb_enqueue(struct cvb_handle *h, uint32_t u, struct cvb_pair from, unsigned stage, unsigned retry)
{
    uint64_t position, former, *ring = h->ends[stage].ring;
    uint32_t bits = h->ends[stage].bits;
    int error = choose(h, stage, &position, &former);
    if (error)
        return error;
    struct cvb_pair queued = {cvb_lo_position(CVB_QUEUED, position),
                              cvb_hi(cvb_hi_mask(from.hi), stage, cvb_hi_seat(from.hi), retry)};
    bool mine = cvb_lo_state(from.lo) == CVB_RES && cvb_hi_seat(from.hi) == h->seat;
    if (mine && queued.hi == from.hi)
        cvb_store64_rel(&cvb_unit_at(h, u)->word.lo, queued.lo); /* nobody else may change it */
    else if (!cvb_cas_pair(&cvb_unit_at(h, u)->word, from, queued))
        return CVB_ESETTLED;
    if (!cvb_cas64(&ring[position & h->ends[stage].mask], former, slot_of((position >> bits) + 1, u)))
        return cvb_publish_helped(h, u, queued);
    published(h, stage, position);
    return 0;
}

/* A line of the ring. What a consumer reads ahead of the head it must not read where a producer is at work: each look
 * takes the line from him, both become slow, and the ring stays short. So it looks once a line whether the next line is
 * full, and only then at what is in it. Of long trains it looks at the one that comes next each time: for a line comes
 * and goes with each of them anyway. */
#define LINE_SLOTS 8u
#define AHEAD_PAYLOADS 4u             /* units */
#define LONG_TRAIN 16u                /* records */
#define STREAM_UNITS (2 * LINE_SLOTS) /* without an empty place between them */

/* The unit at the position, if it is there already; CVB_NO_UNIT. */
uint32_t cvb_unit_ahead(struct cvb_handle *h, uint32_t stage, uint64_t position)
{
    uint32_t bits = h->ends[stage].bits;
    uint64_t slot = cvb_load64_rlx(&h->ends[stage].ring[position & h->ends[stage].mask]);
    bool there = lap_ahead(slot, position, bits) == 0 && slot_unit(slot) < h->segment.geometry.unit_count;
    return there ? slot_unit(slot) : CVB_NO_UNIT;
}

static void prefetch_unit(struct cvb_handle *h, uint32_t unit)
{
    if (unit != CVB_NO_UNIT)
        cvb_prefetch_write(cvb_unit_at(h, unit));
}

/* The first payloads of a unit of so many records. */
static void prefetch_payloads_of(struct cvb_handle *h, uint32_t unit, unsigned records)
{
    unsigned n = unit == CVB_NO_UNIT ? 0 : cvb_payloads_ahead(records), room = n ? cvb_unit_room(h, unit) : 0;
    for (unsigned i = 0; i < n && i < room; i++) {
        char *payload = cvb_payload(h, cvb_load32_rlx(&cvb_member_at(h, unit, i)->cell), 0);
        if (payload)
            __builtin_prefetch(payload);
    }
}

/* Is the line after this one full, or begun if the units are long? In a stream the consumer rests when it has caught
 * up; not where short ones come one by one, each of which is taken at once. */
static bool next_line_full(struct cvb_handle *h, uint32_t stage, uint64_t position, unsigned records)
{
    struct cvb_ends *e = &h->ends[stage];
    uint64_t last = position + (records > LONG_TRAIN ? LINE_SLOTS : 2 * LINE_SLOTS - 1);
    if (cvb_unit_ahead(h, stage, last) != CVB_NO_UNIT)
        return true;
    if ((position < e->stream && records <= LONG_TRAIN) || !cvb_rest(&e->rest))
        return false;
    bool full = cvb_unit_ahead(h, stage, last) != CVB_NO_UNIT;
    cvb_rested(&e->rest, full);
    return full;
}

/* What will be leased soon, if it is there already: a line takes as long as several leases to come from another core.
 * Of long trains only the next unit: their own payloads keep the core busy. */
static void prefetch_after(struct cvb_handle *h, uint32_t stage, uint64_t position, unsigned records)
{
    struct cvb_ends *e = &h->ends[stage];
    uint64_t next = position + LINE_SLOTS, near = position + AHEAD_PAYLOADS;
    bool full = position % LINE_SLOTS == 0 && next_line_full(h, stage, position, records);
    if (records > LONG_TRAIN) {
        prefetch_unit(h, cvb_unit_ahead(h, stage, position + 1));
        return;
    }
    if (full) {
        e->full = next + LINE_SLOTS;
        for (unsigned i = 0; i < LINE_SLOTS; i++)
            prefetch_unit(h, cvb_unit_ahead(h, stage, next + i));
    }
    if (near < e->full)
        prefetch_payloads_of(h, cvb_unit_ahead(h, stage, near), records);
}

CVB_RARE static int lease_part(struct cvb_handle *h, uint32_t u, struct cvb_pair w, unsigned want, uint32_t *unit,
                               struct cvb_pair *word)
{
    int error = cvb_split_queued(h, u, w, want, unit);
    if (!error)
        *word = cvb_load_pair(&cvb_unit_at(h, *unit)->word);
    if (!error && cvb_mask_count(cvb_hi_mask(word->hi)) > want)
        return CVB_ECORRUPT; /* the caller has room for so many */
    return error;
}

static int lease(struct cvb_handle *h, uint32_t u, struct cvb_pair w, unsigned want, bool split, uint32_t *unit,
                 struct cvb_pair *word)
{
    if (cvb_mask_count(cvb_hi_mask(w.hi)) > want)
        return split ? lease_part(h, u, w, want, unit, word) : CVB_ETOOLONG;
    cvb_help_split(h, u, w);
    struct cvb_pair leased = {cvb_lo_position(CVB_LEASED, cvb_lo_number(w.lo)),
                              cvb_hi(cvb_hi_mask(w.hi), cvb_hi_stage(w.hi), h->seat, cvb_hi_retry(w.hi))};
    uint64_t position = cvb_lo_number(w.lo);
    uint32_t stage = cvb_hi_stage(w.hi), records = cvb_mask_count(cvb_hi_mask(w.hi));
    prefetch_after(h, stage, position, records);
    if (!cvb_cas_pair(&cvb_unit_at(h, u)->word, w, leased))
        return CVB_ESETTLED;
    *unit = u;
    *word = leased;
    h->ends[stage].head = position + 1;
    raise_hint(&h->ends[stage].hint->head, position + 1, records * h->cells.stride >= COARSE_BYTES);
    return 0;
}

/* The first unit that is QUEUED at its place, head on. 1: found, 0: the stage is empty. */
static int find_head(struct cvb_handle *h, uint32_t stage, uint32_t *unit, struct cvb_pair *word)
{
    struct cvb_ends *e = &h->ends[stage];
    uint32_t bits = e->bits;
    uint64_t size = e->mask + 1, *ring = e->ring, *head = &e->head, *hint = &e->hint->head;
    for (unsigned passed = 1;; passed++) {
        uint64_t slot = cvb_load64_acq(&ring[*head & (size - 1)]);
        int64_t ahead = lap_ahead(slot, *head, bits);
        if (ahead < 0) {
            raise_hint(hint, *head, true);
            e->stream = *head + STREAM_UNITS;
            return 0;
        }
        if (ahead > 0) {
            *head += ((uint64_t)(ahead - 1) << bits) + 1;
            continue;
        }
        *unit = slot_unit(slot);
        if (*unit >= h->segment.geometry.unit_count)
            return CVB_ECORRUPT;
        *word = cvb_load_pair(&cvb_unit_at(h, *unit)->word);
        if (word->lo == cvb_lo_position(CVB_QUEUED, *head) && cvb_hi_stage(word->hi) == stage && cvb_hi_mask(word->hi))
            return 1;
        ++*head;
        raise_hint(hint, *head, false);
        if (passed == PASSED_MANY)
            follow(head, hint);
    }
}

int cvb_ring_has_data(struct cvb_handle *h, uint32_t stage)
{
    uint32_t unit;
    struct cvb_pair word;
    return find_head(h, stage, &unit, &word);
}

/* Leases the unit at the head, or its first `want` records if it may be split. 1: done, 0: nothing to lease. */
int cvb_lease_next(struct cvb_handle *h, uint32_t stage, unsigned want, bool split, uint32_t *unit,
                   struct cvb_pair *word)
{
    for (;;) {
        uint32_t u;
        struct cvb_pair w;
        int found = find_head(h, stage, &u, &w);
        if (found <= 0)
            return found;
        int error = lease(h, u, w, want, split, unit, word);
        if (error == CVB_ETOOLONG)
            return 0;
        if (error != CVB_ESETTLED)
            return error ? error : 1;
    }
}
