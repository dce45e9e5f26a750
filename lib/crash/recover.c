/* recover.c - completing what the dead left (PROTOCOL.md, section 6). The mirror of put.c, settle.c and move.c.
 *
 * Overview: a look asks for some seats whether their owners are dead. What a dead owner had begun is completed, and its
 * seat joins the handle's pass: one walk over all units for all seats of it, which a put or get does a part of at a
 * time. When the walk is over, the seats are free.
 *
 * Why several may do it at once and each may die or come late: each change is a CAS from the exact word, read before
 * the seat was seen to be still in the state that it died in; no word repeats.
 *
 * Why nothing is left behind: a seat is freed only when all units were looked at after what its owner had begun was
 * completed. So a seat that joins makes the walk begin again.
 */
#include <conveyor/crash.h>

#include "crash/crash.h"
#include "place/stay.h"

#define NO_SEAT UINT32_MAX
/* A unit of the dead is looked at again when another recoverer has changed it, which happens once or twice. */
#define TURNS_MOST 1000u
/* Seats that one look asks for: a question costs the kernel a walk over all locks of the segment. */
#define LOOK_SEATS 64u
/* What a put or get does of recovery at a time. */
#define PART_NS UINT64_C(150000)
/* Units between two looks at the clock: some microseconds. */
#ifndef CVB_PASS_UNITS
#define CVB_PASS_UNITS 512u
#endif
/* The time to the next look is this many times what a look takes, and LOOK_LATEST_NS at most. A handle whose calls
 * succeed leaves it to others for LOOK_BUSY_NS more. */
#define REST_PART 100u
#define LOOK_LATEST_NS UINT64_C(3000000)
#define LOOK_BUSY_NS UINT64_C(1500000)
/* A caller that is slower than this looks at the clock in each call. */
#define CLOCK_EVERY_NS UINT64_C(1000000)

/* A consumer's death is counted, but not against records that it may never have looked at: those that were leased in
 * company are suspect from now on, are delivered alone, and a later death counts (PROTOCOL.md, section 6). */
static uint64_t tries_after_death(uint64_t hi)
{
    return cvb_hi_failed(hi) | (hi & CVB_HI_COMPANY ? CVB_HI_SUSPECT : 0);
}

/* HELD becomes FREE. 1 if the word has changed. */
static int free_held(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    struct cvb_pair freed = {cvb_lo_generation(CVB_FREE, cvb_lo_number(w.lo) + 1), w.hi};
    if (!cvb_cas_pair(&cvb_unit_at(h, u)->word, w, freed))
        return 1;
    cvb_set_free_hint(h, u);
    return 0;
}

/* RES becomes this seat's, which gives it back with its credits. 1 if the word has changed. Without a seat: nothing,
 * the seat's next owner does it (cvb_recover_reserved). */
static int give_reserved(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint64_t next = cvb_lo_number(w.lo) + 1;
    struct cvb_pair mine = {cvb_lo_generation(CVB_RES, next),
                            cvb_hi(cvb_hi_mask(w.hi), cvb_hi_stage(w.hi), h->seat, 0)};
    if (h->seat >= h->segment.settings.max_handles)
        return 0;
    if (!cvb_cas_pair(&unit->word, w, mine))
        return 1;
    cvb_store64_rlx(&unit->generation, next);
    return cvb_give(h, u);
}

/* LEASED becomes QUEUED: the records are delivered again. 1 if the word has changed. */
static int redeliver(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    const uint32_t stage = cvb_hi_stage(w.hi);
    if (stage >= h->segment.settings.max_stages)
        return CVB_ECORRUPT;
    const uint32_t mask = cvb_hi_mask(w.hi);
    if (!mask) /* its owner died in cvb_uncarve: the records are the lease's again, and the unit was not freed yet */
        return cvb_free_empty(h, u, w) ? 0 : 1;
    const uint32_t source = cvb_load16_rlx(&cvb_unit_at(h, u)->source);
    int error = cvb_enqueue(h, u, w, stage, tries_after_death(w.hi));
    if (!error && source < h->segment.settings.max_sources)
        cvb_tally(h, stage, source, CVB_N_REDELIVERED, cvb_mask_count(mask));
    return error == CVB_ESETTLED ? 1 : error;
}

/* A unit that the dead seat owns, and whose word is w. 1 if the word has changed. */
static int recover_owned(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    switch (cvb_lo_state(w.lo)) {
    case CVB_HELD:
        return free_held(h, u, w);
    case CVB_RES:
        return give_reserved(h, u, w);
    case CVB_LEASED:
        return redeliver(h, u, w);
    default:
        return 0;
    }
}

/* Recovers a unit whose word is w. If it is nobody's, what its last owner may have died before is done: the unit is
 * published, announced, or its hint is set. 1 if the word has changed: the caller looks at the unit again. */
static int recover_word(struct cvb_handle *h, uint32_t u, struct cvb_pair w, uint32_t dead)
{
    switch (cvb_lo_state(w.lo)) {
    case CVB_QUEUED:
        return cvb_publish_helped(h, u, w);
    case CVB_DELAYED:
        cvb_delay_announce(h, u);
        return 0;
    case CVB_FREE:
        cvb_set_free_hint(h, u);
        return 0;
    default:
        return cvb_hi_seat(w.hi) == dead ? recover_owned(h, u, w) : 0;
    }
}

/* True if the seat belongs to this pass and is still in the state that it died in. If it is in another state, another
 * recoverer has freed it, and it leaves the pass. */
static bool still_dead(struct cvb_handle *h, uint32_t seat)
{
    uint64_t *died_in = &h->pass.died_in[seat];
    if (!*died_in)
        return false;
    if (cvb_load64_acq(&cvb_seat_at(h, seat)->state) == *died_in)
        return true;
    *died_in = 0;
    h->pass.seats--;
    return false;
}

/* The seat of this pass that owns a unit with this word; NO_SEAT if none does. After the word was read. */
static uint32_t dead_owner(struct cvb_handle *h, struct cvb_pair w)
{
    unsigned state = cvb_lo_state(w.lo);
    uint32_t seat = cvb_hi_seat(w.hi);
    bool owned = state == CVB_HELD || state == CVB_RES || state == CVB_LEASED;
    return owned && seat < h->segment.settings.max_handles && still_dead(h, seat) ? seat : NO_SEAT;
}

static int recover_unit(struct cvb_handle *h, uint32_t u)
{
    for (unsigned turns = 0; turns < TURNS_MOST; turns++) {
        struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
        uint32_t dead = dead_owner(h, w);
        if (cvb_lo_state(w.lo) == CVB_QUEUED && cvb_hi_stage(w.hi) >= h->segment.settings.max_stages)
            return CVB_ECORRUPT;
        int error = recover_word(h, u, w, dead);
        if (error != 1)
            return error;
    }
    return CVB_ECORRUPT;
}

/* Completes what the dead owner of the seat had begun. */
static int complete_begun(struct cvb_handle *h, uint32_t dead, uint64_t state)
{
    int error = cvb_note_recover(h, dead, state);
    return error ? error : cvb_journal_recover(h, dead, state);
}

/* A seat that died in `state` joins the pass, which begins again. */
static int join_pass(struct cvb_handle *h, uint32_t dead, uint64_t state)
{
    int error = complete_begun(h, dead, state);
    if (error)
        return error;
    cvb_event_death(h, dead, state);
    h->pass.seats += !h->pass.died_in[dead];
    h->pass.died_in[dead] = state;
    h->pass.next = 0;
    return 0;
}

/* Seats that others have freed leave the pass. */
static void leave_pass(struct cvb_handle *h)
{
    for (uint32_t s = 0; h->pass.seats && s < h->segment.settings.max_handles; s++)
        still_dead(h, s);
}

static bool is_over(uint64_t until_ns) { return until_ns != UINT64_MAX && cvb_monotonic_ns() >= until_ns; }

/* Goes on with the pass until it is over, or until the time `until_ns`. Returns true if it is over, because all units
 * were looked at or no seat is left, or an error. */
static int go_on(struct cvb_handle *h, uint64_t until_ns)
{
    const uint32_t units = h->segment.geometry.unit_count;
    for (;;) {
        leave_pass(h);
        for (uint32_t n = 0; h->pass.seats && h->pass.next < units && n < CVB_PASS_UNITS; n++) {
            int error = recover_unit(h, h->pass.next);
            if (error)
                return error;
            h->pass.next++;
        }
        if (!h->pass.seats || h->pass.next == units)
            return true;
        if (is_over(until_ns))
            return false;
    }
}

/* Ends the pass; its seats become free if it is over. How many. */
static int end_pass(struct cvb_handle *h, bool over)
{
    int freed = 0;
    for (uint32_t s = 0; h->pass.seats && s < h->segment.settings.max_handles; s++) {
        uint64_t state = h->pass.died_in[s];
        if (!state)
            continue;
        h->pass.died_in[s] = 0;
        h->pass.seats--;
        const int32_t pid = (int32_t)cvb_load32_rlx(&cvb_seat_at(h, s)->pid);
        if (!over || !cvb_cas64(&cvb_seat_at(h, s)->state, state, state + 1))
            continue;
        freed++;
        cvb_seat_freed(h, s);
        cvb_event_recovery(h, s, pid);
    }
    h->pass.next = 0;
    return freed;
}

/* Goes on with the pass, until `until_ns`, and ends it if it is over. Returns how many seats became free, or an error.
 */
static int pass_part(struct cvb_handle *h, uint64_t until_ns)
{
    int over = h->pass.seats ? go_on(h, until_ns) : false;
    if (!over)
        return 0;
    int freed = end_pass(h, over == true);
    if (freed) {
        cvb_levels_renew(h);
        cvb_wake_sleepers(h); /* a waker may have died before its wake */
    }
    return over < 0 ? over : freed;
}

/* Recovers all that the owner of seat `dead` left when it died in `state`, but not its reservations if this handle has
 * no seat. The seat is not freed. */
int cvb_recover_seat(struct cvb_handle *h, uint32_t dead, uint64_t state)
{
    int error = join_pass(h, dead, state);
    if (!error)
        error = go_on(h, UINT64_MAX);
    end_pass(h, false);
    return error < 0 ? error : 0;
}

/* Gives back what the former owner of this handle's seat had reserved. */
int cvb_recover_reserved(struct cvb_handle *h)
{
    int error = 0;
    for (uint32_t u = 0; error >= 0 && u < h->segment.geometry.unit_count; u++) {
        unsigned turns = 0;
        do {
            struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
            bool mine = cvb_lo_state(w.lo) == CVB_RES && cvb_hi_seat(w.hi) == h->seat;
            error = mine ? recover_word(h, u, w, h->seat) : 0;
        } while (error == 1 && ++turns < TURNS_MOST);
    }
    return error < 0 ? error : 0;
}

/* 1 if the seat's owner has died, 0 if not, or an error; *state is then the seat's word. Between cvb_look_begin and the
 * next one. */
int cvb_seat_dead(struct cvb_handle *h, uint32_t s, uint64_t *state)
{
    *state = cvb_load64_acq(&cvb_seat_at(h, s)->state);
    if (s == h->seat || !(*state & 1))
        return 0;
    int locked = cvb_number_locked(h, *state);
    if (locked)
        return locked < 0 ? locked : 0;
    return cvb_look_confirm(h) && cvb_load64_acq(&cvb_seat_at(h, s)->state) == *state;
}

/* As cvb_seat_dead, for one seat, by a look of its own. If nobody can be asked its owner counts as alive. */
int cvb_owner_dead(struct cvb_handle *h, uint32_t seat, uint64_t *state)
{
    const int can_ask = cvb_look_begin(h);
    return can_ask == 1 ? cvb_seat_dead(h, seat, state) : can_ask;
}

/* Asks for up to LOOK_SEATS seats, `count` from `first` on, until `until_ns`: those whose owners are dead join the
 * pass. How many it asked for, or an error. */
static int ask_seats(struct cvb_handle *h, uint32_t first, uint32_t count, uint64_t until_ns)
{
    const uint32_t seats = h->segment.settings.max_handles;
    uint32_t asked = 0;
    const int can_ask = cvb_look_begin(h);
    if (can_ask < 0)
        return can_ask;
    while (asked < count && asked < LOOK_SEATS) {
        uint32_t s = (first + asked++) % seats;
        uint64_t state;
        int dead = can_ask ? cvb_seat_dead(h, s, &state) : 0, error = dead > 0 ? join_pass(h, s, state) : dead;
        if (error)
            return error;
        if (is_over(until_ns))
            break;
    }
    return (int)asked;
}

/* Asks for seats from where the last look of any handle ended, until `until_ns`, and for a short time if there are many
 * seats. Returns how many it asked for, or an error. */
static int ask_next_seats(struct cvb_handle *h, uint64_t until_ns)
{
    const uint32_t seats = h->segment.settings.max_handles, first = cvb_load32_rlx(&h->lookout->turn) % seats;
    if (until_ns == UINT64_MAX && seats > LOOK_SEATS)
        until_ns = cvb_monotonic_ns() + PART_NS;
    int asked = ask_seats(h, first, seats, until_ns);
    if (asked < 0)
        end_pass(h, false);
    else
        cvb_store32_rlx(&h->lookout->turn, (first + (uint32_t)asked) % seats);
    return asked;
}

int cvb_recover(struct cvb_handle *h)
{
    CVB_ONE_USER(h);
    int error = cvb_mapping_check(h);
    if (!error)
        error = cvb_handle_check(h);
    for (uint32_t s = 0; error >= 0 && s < h->segment.settings.max_handles; s += LOOK_SEATS)
        error = ask_seats(h, s, h->segment.settings.max_handles - s, UINT64_MAX);
    if (error < 0 && h)
        end_pass(h, false);
    return error < 0 ? error : pass_part(h, UINT64_MAX);
}

/* Asks for the next seats that are due, and recovers those of dead owners as a whole. Returns how many became free, or
 * an error. */
int cvb_recover_some(struct cvb_handle *h)
{
    int error = ask_next_seats(h, UINT64_MAX);
    return error < 0 ? error : pass_part(h, UINT64_MAX);
}

/* How many calls there may be before the next look at the clock: about as many as in the last millisecond. */
static void pace(struct cvb_handle *h, uint64_t tick)
{
    uint64_t took = tick - h->tick_ns, calls = took ? h->calls * CLOCK_EVERY_NS / took : CVB_RECOVER_CALLS;
    h->calls_due = calls > CVB_RECOVER_CALLS ? CVB_RECOVER_CALLS : (uint32_t)calls;
    h->calls = 0;
    if (took) {
        cvb_active_at(h, tick);
        h->taken_seen = 0; /* the next get tells the time anew */
    }
    h->tick_ns = tick;
}

/* True if no handle has looked lately: then it is this one's turn. */
static bool look_is_due(struct cvb_handle *h, uint64_t now, bool busy)
{
    uint64_t *word = &h->lookout->look_due_ns, due = cvb_load64_rlx(word), at = busy ? due + LOOK_BUSY_NS : due;
    bool wait = at > now && at - now <= LOOK_LATEST_NS + LOOK_BUSY_NS; /* another time is none that anybody has set */
    return !wait && cvb_cas64(word, due, now + LOOK_LATEST_NS);
}

/* Ends the delay of records that are due; looks for dead peers, but all handles together no more often than every few
 * milliseconds; and goes on with the pass for a short time. `busy`: the call that asks has succeeded, or is expected
 * to. True if a peer was dead, so that what it held may be there now, or if the delay of records has ended. */
CVB_RARE bool cvb_recover_at_times(struct cvb_handle *h, bool busy)
{
    uint64_t tick = cvb_coarse_ns();
    bool same = tick == h->tick_ns;
    pace(h, tick);
    if (same && busy && !h->pass.seats)
        return false;
    uint64_t start = cvb_monotonic_ns();
    const bool came = cvb_delay_end(h, start) > 0;
    if (!h->pass.seats && look_is_due(h, start, busy)) {
        if (ask_next_seats(h, start + PART_NS) < 0)
            return came;
        uint64_t end = cvb_monotonic_ns(), rest = (end - start) * REST_PART;
        cvb_store64_rlx(&h->lookout->look_due_ns, end + (rest < LOOK_LATEST_NS ? rest : LOOK_LATEST_NS));
    }
    if (!h->pass.seats)
        return came;
    int freed = pass_part(h, start + PART_NS);
    if (h->pass.seats)
        cvb_recover_soon(h);
    return came || freed >= 0;
}

/* Called after an operation's error. True if it is a refusal, and a peer was found dead that may have held what was
 * refused: then the operation tries again. Looks once in each operation: *looked says that it has. */
CVB_RARE bool cvb_refused_by_dead(struct cvb_handle *h, int error, bool *looked)
{
    if (!cvb_is_refusal(error) || *looked)
        return false;
    *looked = true;
    return cvb_recover_at_times(h, false);
}
