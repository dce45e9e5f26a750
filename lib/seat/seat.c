/* seat.c - joining and leaving: a handle has a number of its own and the OFD lock of that number first, and only then
 * does a seat's word say that number. */
#include <conveyor/crash.h>
#include <conveyor/segment.h>
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "credit/idle.h"
#include "place/stay.h"
#include "seat/seat.h"
#include "system.h"

#define NUMBER_MASK ((UINT64_C(1) << 37) - 1) /* as many bits as other words have room for: cvb_writer */
#define NUMBERS_TRIED 64u

/* The number by which this handle's leases are told from others: that of another handle, of whichever process, is
 * hardly ever the same. */
static uint32_t make_serial(const struct cvb_handle *h)
{
    static atomic_uint made;
    const uint64_t of[] = {(uint64_t)getpid(), cvb_monotonic_ns(), atomic_fetch_add(&made, 1), h->seat, h->entered};
    uint64_t hash = cvb_hash(of, sizeof of);
    return (uint32_t)(hash ^ hash >> 32);
}

/* All that the handle has of a seat is of seat s from now on; s may be that of an observer. */
static void sit(struct cvb_handle *h, uint32_t s)
{
    h->seat = s;
    h->seat_state = &cvb_seat_at(h, s)->state;
    h->tallies = cvb_tally_at(h, s, 0);
    h->list = list_of(h, s);
    h->reclaim = (struct cvb_reclaim){s, 0};
    for (uint32_t stage = 0; stage < h->segment.settings.max_stages; stage++)
        h->rings[stage].tally = &h->tallies[stage];
    h->parked = &h->park[0];
    h->parked->kind = CVB_NO_KIND;
}

/* Takes a number that no handle had before, and the lock of it, which says that this handle lives; before any seat is
 * entered. A number is taken already only if the count of numbers is wrong. */
static int take_number(struct cvb_handle *h)
{
    for (unsigned tries = 0; tries < NUMBERS_TRIED; tries++) {
        const uint64_t number = (cvb_add64(&h->lookout->attaches, 1) << 1 | 1) & NUMBER_MASK;
        const int taken = cvb_lock_number(h, number);
        if (taken < 0)
            return taken;
        if (!taken) {
            h->number = number;
            return 0;
        }
    }
    return CVB_ECORRUPT;
}

/* Seat s is this handle's from now on, if its word is still `now`. */
static bool enter_seat(struct cvb_handle *h, uint32_t s, uint64_t now)
{
    if (!cvb_cas64(&cvb_seat_at(h, s)->state, now, h->number))
        return false;
    sit(h, s);
    h->entered = h->number;
    cvb_idle_enter(h);
    h->seq = cvb_head_seq(cvb_load64_acq(&cvb_seat_at(h, s)->journal.head));
    cvb_store32_rlx(&cvb_seat_at(h, s)->pid, (uint32_t)getpid());
    cvb_active_at(h, cvb_coarse_ns());
    return true;
}

/* Does what is left to do when this handle has entered the seat of a process that died in `state`. */
static int take_over(struct cvb_handle *h, uint32_t s, uint64_t state, int32_t pid)
{
    if (cvb_load64_rlx(&cvb_seat_at(h, s)->told_dead) != state)
        cvb_event_gone(h, s, pid);
    cvb_event_recovery(h, s, pid);
    return cvb_recover_reserved(h);
}

/* Enters seat s if it is free. 0, or CVB_EHANDLES. */
static int try_free(struct cvb_handle *h, uint32_t s)
{
    const uint64_t now = cvb_load64_acq(&cvb_seat_at(h, s)->state);
    if (now & 1)
        return CVB_EHANDLES;
    return enter_seat(h, s, now) ? 0 : CVB_EHANDLES;
}

/* Enters seat s if its owner has died. All that the owner left is completed first, but for its reservations, which are
 * given back when the seat is entered. 0, CVB_EHANDLES if the seat is another handle's, or another error. */
static int try_dead(struct cvb_handle *h, uint32_t s)
{
    uint64_t state;
    const int dead = cvb_owner_dead(h, s, &state);
    if (dead != 1)
        return dead < 0 ? dead : CVB_EHANDLES;
    const int error = cvb_recover_seat(h, s, state);
    const int32_t pid = (int32_t)cvb_load32_rlx(&cvb_seat_at(h, s)->pid);
    if (error < 0)
        return error;
    return enter_seat(h, s, state) ? take_over(h, s, state, pid) : CVB_EHANDLES;
}

/* Tries all seats, from where the last attach ended: a thousand processes that attach at once would ask for the first
 * seats again and again. But not from behind a seat that was never entered: seats are entered for the first time in
 * their order (B8). */
static int take_seat(struct cvb_handle *h, int (*try_seat)(struct cvb_handle *h, uint32_t s))
{
    const uint32_t seats = h->segment.settings.max_handles, used = cvb_seats_used(h);
    const uint32_t hint = cvb_load32_rlx(&h->lookout->seat) % seats, first = hint < used ? hint : used % seats;
    for (uint32_t i = 0; i < seats; i++) {
        uint32_t s = (first + i) % seats;
        cvb_store32_rlx(&h->lookout->seat, (s + 1) % seats); /* before it is ours: others need not try it as well */
        int error = try_seat(h, s);
        if (error != CVB_EHANDLES)
            return error;
    }
    return CVB_EHANDLES;
}

/* Enters a free seat; or if there is none, one whose owner has died. */
static int find_seat(struct cvb_handle *h)
{
    sit(h, h->segment.settings.max_handles);
    int error = take_number(h);
    if (!error)
        error = take_seat(h, try_free);
    if (error == CVB_EHANDLES)
        error = take_seat(h, try_dead);
    return error == CVB_EHANDLES ? take_seat(h, try_free) : error; /* others may have recovered one meanwhile */
}

/* An observer has no seat; a word that never changes says that it may change nothing (cvb_why_not). */
static void sit_beside(struct cvb_handle *h)
{
    static const uint64_t never = 1;
    sit(h, h->segment.settings.max_handles);
    h->seat_state = &never;
}

/* Makes a handle that has joined its segment ready for use. 0 or more, or an error. */
static int enter(struct cvb_handle *h)
{
    if (!cvb_make_tables(h))
        return CVB_ESYSTEM;
    h->refused_class = CVB_NO_CLASS;
    cvb_bind_places(h);
    int error = 0;
    if (h->observer)
        sit_beside(h);
    else
        error = find_seat(h);
    if (error < 0)
        return error;
    h->serial = make_serial(h);
    if (h->observer)
        return 0;
    cvb_event_seat(h, CVB_EVENT_ATTACH);
    h->told = true;
    return cvb_recover_some(h);
}

/* Before a handle leaves: reservations are given up, leases released. */
static int settle_units(struct cvb_handle *h)
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

/* Gives up what the handle holds, and then its seat. If something cannot be given up, because the segment is corrupt,
 * the seat stays as if its owner had died: others recover it. */
static void leave(struct cvb_handle *h)
{
    cvb_idle_leave(h);
    if (settle_units(h))
        return;
    if (h->told)
        cvb_event_seat(h, CVB_EVENT_LEAVE);
    if (cvb_cas64(&cvb_seat_at(h, h->seat)->state, h->entered, h->entered + 1))
        cvb_seat_freed(h, h->seat);
}

/* Undoes a join after which the handle could not be made ready: gives up the seat, if it has entered one. */
static void undo(struct cvb_handle *h)
{
    int kept = errno;
    if (h->entered && !cvb_handle_check(h))
        leave(h);
    cvb_leave_mapping(h);
    errno = kept;
}

static int make_handle(const char *name, bool observer, struct cvb_handle **out)
{
    struct cvb_handle *h;
    int error = cvb_new_handle(&h);
    if (error)
        return error;
    h->observer = observer;
    error = cvb_join_mapping(h, name);
    if (!error) {
        error = enter(h);
        if (error < 0)
            undo(h);
    }
    if (error < 0)
        cvb_free_handle(h);
    else
        *out = h;
    return error < 0 ? error : 0;
}

static int attach(const char *name, bool observer, struct cvb_handle **out)
{
    if (!out)
        return CVB_EINVAL;
    int before = cvb_guard(), error = make_handle(name, observer, out);
    cvb_unguard(before);
    return error;
}

int cvb_attach(const char *name, struct cvb_handle **out) { return attach(name, false, out); }
int cvb_observe(const char *name, struct cvb_handle **out) { return attach(name, true, out); }

int cvb_detach(struct cvb_handle *h)
{
    if (!h)
        return CVB_EINVAL;
    int before = cvb_guard(), error = h->observer ? cvb_handle_reads(h) : cvb_mapping_check(h);
    if (!error && !h->observer)
        leave(h);
    cvb_leave_mapping(h);
    cvb_free_handle(h);
    cvb_unguard(before);
    return error;
}
