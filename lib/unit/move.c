/* move.c - members of a unit move to another unit (PROTOCOL.md, section 3). In a journal's fields, and below, `t` is
 * the unit that loses them, and `t2` the unit that gets them. */
#include "unit/unit.h"

/* True if the mover's CAS of T has happened, as far as T's word shows it. */
bool cvb_move_happened(const struct cvb_journal *f, uint32_t mover, struct cvb_pair word)
{
    return word.lo == f->before.lo && cvb_hi_seat(word.hi) == mover && !(cvb_hi_mask(word.hi) & (uint32_t)f->before.hi);
}

/* Called before a QUEUED word that was split is overwritten: does the splitter's second step, if it is still to come.
 */
void cvb_help_split(struct cvb_handle *h, uint32_t unit, struct cvb_pair seen)
{
    uint32_t mover = cvb_hi_seat(seen.hi);
    if (!(seen.hi & CVB_HI_SPLIT) || mover == h->seat || mover > h->segment.settings.max_handles)
        return;
    struct cvb_journal f = {0};
    uint64_t head;
    if (!cvb_journal_read(h, mover, &head, &f) || cvb_head_op(head) != CVB_OP_MOVE)
        return;
    if (f.unit == unit && cvb_move_happened(&f, mover, seen))
        cvb_cas_pair(&cvb_unit_at(h, f.to_unit)->word, f.to_before, f.to_after);
}

/* The n lowest bits of mask; all of them if there are fewer. */
uint32_t cvb_lowest(uint32_t mask, unsigned n)
{
    uint32_t chosen = 0;
    for (; n && mask; n--, mask &= mask - 1)
        chosen |= mask & -mask;
    return chosen;
}

/* Copies the members `bits` of unit t, in order, to places that unit t2 does not use. Returns a mask of these places.
 */
static uint32_t fill(struct cvb_handle *h, uint32_t t, uint32_t bits, uint32_t t2)
{
    uint32_t used = cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, t2)->word.hi)), places = 0;
    for (; bits && ~(used | places); bits &= bits - 1) { /* there is a place for each, unless the mask is corrupt */
        uint32_t place = ~(used | places) & -~(used | places);
        struct cvb_member *a = cvb_member_at(h, t, (unsigned)__builtin_ctz(bits));
        struct cvb_member *b = cvb_member_at(h, t2, (unsigned)__builtin_ctz(place));
        cvb_store32_rlx(&b->cell, cvb_load32_rlx(&a->cell));
        cvb_store32_rlx(&b->extent, cvb_load32_rlx(&a->extent));
        places |= place;
    }
    cvb_store16_rlx(&cvb_unit_at(h, t2)->class, cvb_load16_rlx(&cvb_unit_at(h, t)->class));
    return places;
}

static void copy_fields(struct cvb_handle *h, uint32_t t, uint32_t t2)
{
    struct cvb_unit *from = cvb_unit_at(h, t), *to = cvb_unit_at(h, t2);
    cvb_store16_rlx(&to->source, cvb_load16_rlx(&from->source));
    cvb_store16_rlx(&to->pipeline, cvb_load16_rlx(&from->pipeline));
    cvb_store16_rlx(&to->origin, cvb_load16_rlx(&from->origin));
    cvb_store64_rlx(&to->buffered_at_ns, cvb_load64_rlx(&from->buffered_at_ns));
    cvb_store64_rlx(&to->first, cvb_load64_rlx(&from->first));
}

/* The marks SUSPECT and COMPANY of t2's word: those of the lease t, or of the lease that a QUEUED t becomes. */
static uint64_t marks_of_moved(const struct cvb_handle *h, struct cvb_pair seen)
{
    switch (cvb_lo_state(seen.lo)) {
    case CVB_QUEUED:
        return cvb_marks_of_lease(h, seen.hi);
    case CVB_LEASED:
        return seen.hi & (CVB_HI_SUSPECT | CVB_HI_COMPANY);
    default:
        return 0;
    }
}

/* *span: the positions that the members `bits` of t take with them, if t's word is `seen`; `high` is raised to them
 * (G1). Members of a HELD or RES unit take none: their positions are old, or not accepted yet. False if t's word has
 * changed: then the positions may be another record's (G2). */
static bool take_positions(struct cvb_handle *h, uint32_t t, struct cvb_pair seen, uint32_t bits, struct cvb_span *span)
{
    *span = cvb_span_of(h, t, cvb_is_live(seen) ? bits : 0);
    if (span->lowest == CVB_NO_POSITION)
        return true;
    cvb_fence_acq();
    if (cvb_lo_state(seen.lo) == CVB_QUEUED && !cvb_pair_equal(cvb_load_pair(&cvb_unit_at(h, t)->word), seen))
        return false;
    cvb_row_high(h, span);
    return true;
}

/* After the journal was opened and before the first change of a unit: a walk that looks for dead letters of a source
 * sees the journal open, or this number changed, or the move done before it began (E3). */
static void tell_dead_moves(struct cvb_handle *h, struct cvb_pair from)
{
    if (cvb_hi_stage(from.hi) == CVB_STAGE_DEAD_LETTER && cvb_is_live(from))
        cvb_add64(&h->lookout->dead_moves, 1);
}

/* Unit t, whose word is `seen`, loses the members `bits` to t2, which becomes `state`. False if t's word has changed:
 * then nothing has happened. */
static bool move(struct cvb_handle *h, uint32_t t, struct cvb_pair seen, uint32_t bits, uint32_t t2,
                 enum cvb_state state)
{
    struct cvb_unit *to = cvb_unit_at(h, t2);
    struct cvb_span span;
    if (!take_positions(h, t, seen, bits, &span))
        return false;
    struct cvb_journal f = {.unit = t, .to_unit = t2, .before = {seen.lo, bits}, .low = span.lowest};
    f.source = (uint16_t)span.source;
    f.to_before = cvb_load_pair(&to->word);
    uint64_t g = cvb_lo_number(f.to_before.lo) + 1;
    uint32_t places = fill(h, t, bits, t2);
    f.to_after.lo = cvb_lo_generation(state, g);
    f.to_after.hi = cvb_hi(cvb_hi_mask(f.to_before.hi) | places, cvb_hi_stage(seen.hi), h->seat, cvb_hi_retry(seen.hi));
    f.to_after.hi |= marks_of_moved(h, seen);
    cvb_store64_rlx(&to->generation, g);
    struct cvb_pair less = seen;
    less.hi &= ~(uint64_t)bits;
    if (cvb_lo_state(seen.lo) == CVB_QUEUED)
        less.hi = (less.hi & ~(UINT64_C(0x3ff) << 44)) | (uint64_t)h->seat << 44 | CVB_HI_SPLIT;
    cvb_journal_open(h, CVB_OP_MOVE, &f);
    tell_dead_moves(h, seen);
    cvb_row_low(h, &span);
    bool moved = cvb_cas_pair(&cvb_unit_at(h, t)->word, seen, less);
    if (moved)
        cvb_cas_pair(&to->word, f.to_before, f.to_after); /* fails if somebody has helped */
    cvb_journal_close(h);
    return moved;
}

/* Some members of a unit that this seat owns, whose word is w, get a unit of their own, which *unit names afterwards.
 * If only a small empty unit is left, the first of them do; *members says which. */
static int carve_out(struct cvb_handle *h, uint32_t *unit, struct cvb_pair w, uint32_t *members)
{
    uint32_t t2;
    int error = cvb_hold_empty(h, cvb_mask_count(*members), &t2);
    if (error)
        return error;
    *members = cvb_lowest(*members, cvb_unit_room(h, t2));
    copy_fields(h, *unit, t2);
    if (!move(h, *unit, w, *members, t2, (enum cvb_state)cvb_lo_state(w.lo)))
        return CVB_ECORRUPT;
    *unit = t2;
    return 0;
}

/* Makes *unit, which this seat owns, a unit that has just these members; or just the first of them, if only a small
 * empty unit is left. *members says which. */
int cvb_carve(struct cvb_handle *h, uint32_t *unit, uint32_t *members)
{
    struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, *unit)->word);
    if (*members & ~cvb_hi_mask(w.hi))
        return CVB_ESETTLED;
    return cvb_hi_mask(w.hi) == *members ? 0 : carve_out(h, unit, w, members);
}

/* Undoes cvb_carve: the members come back to their places in the leased unit t, and t2 becomes free. */
int cvb_uncarve(struct cvb_handle *h, uint32_t t, uint32_t members, uint32_t t2)
{
    struct cvb_unit *to = cvb_unit_at(h, t), *from = cvb_unit_at(h, t2);
    struct cvb_pair w = cvb_load_pair(&from->word), empty = {w.lo, w.hi & ~UINT64_C(0xffffffff)};
    struct cvb_span span;
    take_positions(h, t2, w, cvb_hi_mask(w.hi), &span); /* a lease of this seat's: it has not changed */
    struct cvb_journal f = {.unit = t2, .to_unit = t, .before = {w.lo, cvb_hi_mask(w.hi)}, .low = span.lowest};
    f.source = (uint16_t)span.source;
    f.to_before = cvb_load_pair(&to->word);
    f.to_after = (struct cvb_pair){f.to_before.lo, f.to_before.hi | members};
    cvb_journal_open(h, CVB_OP_MOVE, &f);
    tell_dead_moves(h, w);
    cvb_row_low(h, &span);
    bool moved = cvb_cas_pair(&from->word, w, empty) && cvb_cas_pair(&to->word, f.to_before, f.to_after);
    cvb_journal_close(h);
    return moved && cvb_free_empty(h, t2, empty) ? 0 : CVB_ECORRUPT;
}

/* Keeps the first n members of a HELD unit and frees the rest. They become the first members of their unit: those of a
 * larger unit may be its last ones, and puts and gets have short ways for first members only. If there is no empty
 * unit, and nothing to free, the unit stays as it is. */
int cvb_shrink(struct cvb_handle *h, uint32_t *unit, unsigned n)
{
    const uint32_t whole = *unit;
    struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, whole)->word);
    const uint32_t has = cvb_hi_mask(w.hi);
    uint32_t part = cvb_lowest(has, n);
    if (part == has && !(has & (has + 1)))
        return 0;
    int error = carve_out(h, unit, w, &part);
    if (error == CVB_EMEMORY_FULL && part == has)
        return 0;
    cvb_unhold(h, whole);
    return error;
}

/* The HELD unit gets members of free units that the bitmap names, until it has n or there is no such unit. */
static int gather_into(struct cvb_handle *h, uint32_t unit, uint32_t bitmap, unsigned n)
{
    unsigned has = cvb_mask_count(cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, unit)->word.hi)));
    while (has < n) {
        uint32_t more;
        int error = cvb_hold(h, bitmap, &more);
        if (error)
            return error == CVB_EMEMORY_FULL ? 0 : error;
        struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, more)->word);
        uint32_t bits = cvb_lowest(cvb_hi_mask(w.hi), n - has);
        has += cvb_mask_count(bits);
        bool moved = move(h, more, w, bits, unit, CVB_HELD);
        cvb_unhold(h, more);
        if (!moved)
            return CVB_ECORRUPT;
    }
    return 0;
}

/* A HELD unit of fewer than n members gets more from free units of its class, until it has n or there are no more. */
int cvb_gather(struct cvb_handle *h, uint32_t *unit, uint32_t class, unsigned n)
{
    struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, *unit)->word);
    if (cvb_mask_count(cvb_hi_mask(w.hi)) >= n)
        return 0;
    if (cvb_unit_room(h, *unit) < n) {
        uint32_t large, small = *unit;
        int error = cvb_hold(h, CVB_BITMAP_LARGE(&h->segment.geometry), &large);
        if (error)
            return error == CVB_EMEMORY_FULL ? 0 : error;
        if (!move(h, small, w, cvb_hi_mask(w.hi), large, CVB_HELD))
            return CVB_ECORRUPT;
        cvb_unhold(h, small);
        *unit = large;
    }
    int error = gather_into(h, *unit, CVB_BITMAP_TRAINS(&h->segment.geometry, class), n);
    return error ? error : gather_into(h, *unit, CVB_BITMAP_SINGLES(&h->segment.geometry, class), n);
}

/* Leases the first `want` members of a QUEUED unit, as unit *taken. CVB_ESETTLED if the unit's word has changed: the
 * caller looks again. */
int cvb_split_queued(struct cvb_handle *h, uint32_t unit, struct cvb_pair seen, unsigned want, uint32_t *taken)
{
    uint32_t t2;
    int error = cvb_hold_empty(h, want, &t2);
    if (error)
        return error;
    unsigned room = cvb_unit_room(h, t2);
    uint32_t bits = cvb_lowest(cvb_hi_mask(seen.hi), want < room ? want : room);
    copy_fields(h, unit, t2);
    cvb_help_split(h, unit, seen);
    if (!move(h, unit, seen, bits, t2, CVB_LEASED)) {
        cvb_unhold(h, t2);
        return CVB_ESETTLED;
    }
    *taken = t2;
    return 0;
}
