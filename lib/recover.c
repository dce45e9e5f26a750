/* recover.c - completing what the dead left (PROTOCOL.md, section 6). The mirror of put.c, settle.c and move.c.
 *
 * Why several may do it at once and each may die or come late: each change is a CAS from the exact word, read before
 * the seat was seen to be still of the dead generation; no word repeats.
 */
#include <conveyor/crash.h>

#include "internal.h"

/* A unit of the dead is looked at again when another recoverer has changed it, which happens once or twice. */
#define TURNS_MOST 1000u
/* So long between two looks for the dead, and longer if a look takes more than this part of it: where there are many
 * handles, many look. */
#define RECOVER_EVERY_NS UINT64_C(2000000)
#define RECOVER_LATEST_NS UINT64_C(10000000)
#define RECOVER_PART 100u

/* A consumer's death is counted, but not against records that it may never have looked at: those that were leased in
 * company are suspect from now on, are delivered alone, and a later death counts (PROTOCOL.md, section 6). */
static uint64_t tries_after_death(uint64_t hi)
{
    return cvb_hi_failed(hi) | (hi & CVB_HI_COMPANY ? CVB_HI_SUSPECT : 0);
}

/* What the dead seat owned becomes nobody's, or this seat's to give back. 1: look at the unit again. */
static int recover_word(struct cvb_handle *h, uint32_t u, struct cvb_pair w, uint32_t dead)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    unsigned state = cvb_lo_state(w.lo);
    if (state == CVB_QUEUED)
        return cvb_publish_helped(h, u, w);
    if (state == CVB_FREE)
        cvb_set_free_hint(h, u); /* it may have died between the two */
    if (cvb_hi_seat(w.hi) != dead)
        return 0;
    if (state == CVB_HELD) {
        struct cvb_pair freed = {cvb_lo_generation(CVB_FREE, cvb_lo_number(w.lo) + 1), w.hi};
        if (!cvb_cas_pair(&unit->word, w, freed))
            return 1;
        cvb_set_free_hint(h, u);
    } else if (state == CVB_RES && h->seat < h->segment.settings.max_handles) {
        uint64_t next = cvb_lo_number(w.lo) + 1;
        struct cvb_pair mine = {cvb_lo_generation(CVB_RES, next),
                                cvb_hi(cvb_hi_mask(w.hi), cvb_hi_stage(w.hi), h->seat, 0)};
        if (!cvb_cas_pair(&unit->word, w, mine))
            return 1;
        cvb_store64_rlx(&unit->generation, next);
        return cvb_give(h, u);
    } else if (state == CVB_LEASED) {
        if (cvb_hi_stage(w.hi) >= h->segment.settings.max_stages)
            return CVB_ECORRUPT;
        if (!cvb_hi_mask(w.hi)) /* died between giving its records back to the lease and freeing it: cvb_uncarve */
            return cvb_free_empty(h, u, w) ? 0 : 1;
        uint32_t source = cvb_load16_rlx(&unit->source);
        int error = cvb_enqueue(h, u, w, cvb_hi_stage(w.hi), tries_after_death(w.hi));
        if (!error && source < h->segment.settings.max_sources)
            cvb_tally(h, cvb_hi_stage(w.hi), source, CVB_N_REDELIVERED, cvb_mask_count(cvb_hi_mask(w.hi)));
        return error == CVB_ESETTLED ? 1 : error;
    }
    return 0;
}

/* All that seat `dead` left when it died in `state`; reservations only by a handle that has a seat itself. */
int cvb_recover_seat(struct cvb_handle *h, uint32_t dead, uint64_t state)
{
    int error = cvb_note_recover(h, dead, state);
    if (!error)
        error = cvb_journal_recover(h, dead, state);
    for (uint32_t u = 0; !error && u < h->segment.geometry.unit_count; u++) {
        unsigned turns = 0;
        do {
            struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
            if (cvb_load64_acq(&cvb_seat_at(h, dead)->state) != state)
                return 0;
            if (turns++ == TURNS_MOST ||
                (cvb_lo_state(w.lo) == CVB_QUEUED && cvb_hi_stage(w.hi) >= h->segment.settings.max_stages))
                return CVB_ECORRUPT;
            error = recover_word(h, u, w, dead);
        } while (error == 1);
    }
    return error;
}

/* What the former owner of this handle's seat had reserved. */
int cvb_recover_reserved(struct cvb_handle *h)
{
    int error = 0;
    for (uint32_t u = 0; !error && u < h->segment.geometry.unit_count; u++) {
        struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
        if (cvb_lo_state(w.lo) == CVB_RES && cvb_hi_seat(w.hi) == h->seat)
            error = recover_word(h, u, w, h->seat);
    }
    return error < 0 ? error : 0;
}

/* Before a handle leaves: reservations are given up, leases released. */
int cvb_leave(struct cvb_handle *h)
{
    int error = 0;
    for (uint32_t u = 0; !error && u < h->segment.geometry.unit_count; u++) {
        struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
        if (cvb_hi_seat(w.hi) != h->seat)
            continue;
        if (cvb_lo_state(w.lo) == CVB_RES)
            error = cvb_give(h, u);
        else if (cvb_lo_state(w.lo) == CVB_LEASED)
            error = cvb_release_unit(h, u, 0);
    }
    return error;
}

int cvb_recover(struct cvb_handle *h)
{
    int error = cvb_handle_check(h), freed = 0;
    if (error)
        return error;
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        uint64_t state = cvb_load64_acq(&cvb_seat_at(h, s)->state);
        if (s == h->seat || !(state & 1) || cvb_seat_locked(h->lock_fd, s) != 0 ||
            cvb_load64_acq(&cvb_seat_at(h, s)->state) != state)
            continue;
        error = cvb_recover_seat(h, s, state);
        if (error < 0)
            return error;
        freed += cvb_cas64(&cvb_seat_at(h, s)->state, state, state + 1);
    }
    if (freed)
        cvb_levels_renew(h);
    return freed;
}

/* Looks for dead peers, but not more often than every few milliseconds. True if one was found. */
CVB_RARE bool cvb_recover_at_times(struct cvb_handle *h)
{
    uint64_t start = cvb_monotonic_ns();
    if (start < h->recover_due_ns)
        return false;
    bool found = cvb_recover(h) > 0;
    uint64_t end = cvb_monotonic_ns(), rest = (end - start) * RECOVER_PART;
    rest = rest > RECOVER_LATEST_NS ? RECOVER_LATEST_NS : rest;
    h->recover_due_ns = end + (rest < RECOVER_EVERY_NS ? RECOVER_EVERY_NS : rest);
    return found;
}
