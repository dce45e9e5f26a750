/* note.c - a dead owner had begun to count a change (idle.h): recoverers complete the rows of its seat.
 *
 * Why it is done once, however many recoverers there are: a row is changed by a CAS from what was read, and only grows;
 * the note and the seat are looked at between. And before any unit of the dead is touched the note is cleared by a CAS:
 * so a unit that is still the dead owner's says for certain that the change had not happened, as long as the note
 * stands.
 */
#include "credit/idle.h"

struct change {
    uint64_t note;
    enum note_kind kind;
    uint32_t unit, count, counter[3];
    uint64_t *row[3];
};

/* What the note says; false if it is no note, in a corrupt segment. */
static bool read_note(struct cvb_handle *h, uint32_t seat, uint64_t note, struct change *c)
{
    c->note = note;
    c->kind = (enum note_kind)(note >> NOTE_KIND_SHIFT & 3);
    c->unit = unit_of(note);
    c->count = (uint32_t)(note >> NOTE_COUNT_SHIFT & 31) + 1;
    struct cvb_want has = {note >> NOTE_SOURCE_SHIFT & 0xffff, note >> NOTE_STAGE_SHIFT & 0xfff, c->count, 0};
    if ((c->kind != NOTE_PARK && c->kind != NOTE_CLAIM) || c->unit >= h->segment.geometry.unit_count ||
        !want_valid(h, &has))
        return false;
    c->counter[0] = CVB_COUNTER_TOTAL;
    c->counter[1] = cvb_counter_of_stage(has.stage);
    c->counter[2] = cvb_counter_of_source(h, has.source);
    for (unsigned i = 0; i < 3; i++)
        c->row[i] = row_at(h, seat, c->counter[i], c->kind);
    return true;
}

/* True if the unit has changed as the note says, as far as this moment shows. */
static bool happened(struct cvb_handle *h, uint32_t seat, const struct change *c)
{
    struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, c->unit)->word);
    bool own = cvb_hi_seat(w.hi) == seat && cvb_lo_state(w.lo) == (c->kind == NOTE_PARK ? CVB_LEASED : CVB_RES);
    return own == (c->kind == NOTE_CLAIM);
}

/* True if row i, as it was read, is as it was before the change. */
static bool as_before(const struct change *c, unsigned i, uint64_t row)
{
    return row >> ROW_ODD_SHIFT == (c->note >> (NOTE_ODD_SHIFT + i) & 1);
}

/* Completes the rows of a seat that was dead in `state`. */
int cvb_note_recover(struct cvb_handle *h, uint32_t dead, uint64_t state)
{
    uint64_t *at = &list_of(h, dead)->note;
    for (uint64_t note; (note = cvb_load64_acq(at)) != 0;) {
        struct change c;
        uint64_t row[3];
        if (!read_note(h, dead, note, &c))
            return cvb_load64_acq(&cvb_seat_at(h, dead)->state) == state ? CVB_ECORRUPT : 0;
        const bool changed = happened(h, dead, &c);
        for (unsigned i = 0; i < 3; i++)
            row[i] = cvb_load64_acq(c.row[i]);
        if (cvb_load64_acq(&cvb_seat_at(h, dead)->state) != state)
            return 0;
        if (cvb_load64_acq(at) != note)
            continue;
        for (unsigned i = 0; i < 3; i++)
            if (changed && as_before(&c, i, row[i]))
                cvb_cas64(c.row[i], row[i], row_after(row[i], c.count)); /* fails if another recoverer has done it */
        cvb_cas64(at, note, 0);
    }
    return 0;
}

/* The idle records that a seat's owner has parked or claimed, and not counted in its row of the counter yet: those that
 * it claimed are negative. Reads only. */
int64_t cvb_note_pending(struct cvb_handle *h, uint32_t seat, uint32_t counter)
{
    struct change c;
    uint64_t note = cvb_load64_acq(&list_of(h, seat)->note);
    if (!note || !read_note(h, seat, note, &c))
        return 0;
    for (unsigned i = 0; i < 3; i++)
        if (c.counter[i] == counter && as_before(&c, i, cvb_load64_acq(c.row[i])) && happened(h, seat, &c))
            return c.kind == NOTE_PARK ? (int64_t)c.count : -(int64_t)c.count;
    return 0;
}
