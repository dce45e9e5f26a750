/* source.c - one producer at a time puts the records of a source with positions, each behind all that were accepted.
 *
 * Overview: a word for each source names the seat that has it, with the state of that seat. Who wants it replaces
 * exactly what it has read, if that seat is in another state now, or dead; and only then asks what was accepted (G6).
 * It remembers what it puts itself.
 *
 * Why it is correct: a seat never comes into the same state again, so a claim ends with its handle. What its last owner
 * had put is seen by who asks after the claim (PROTOCOL.md, section 9).
 */
#include <conveyor/progress.h>

#include "flow/flow.h"

#define SEAT_BITS 10
#define SEAT_MASK ((UINT64_C(1) << SEAT_BITS) - 1)
#define CLAIM_GENERATION_SHIFT 48 /* 48 bits are enough for a seat's word and number */
#define OWNER_MASK ((UINT64_C(1) << CLAIM_GENERATION_SHIFT) - 1)

/* Has the handle that made this claim its seat still? 1, 0, or an error. The state is read behind the question: the
 * seat may have been freed meanwhile, and be somebody else's. */
static int claim_holds(struct cvb_handle *h, uint64_t claim)
{
    const uint32_t seat = (uint32_t)(claim & SEAT_MASK);
    const uint64_t owner = claim & OWNER_MASK;
    uint64_t state;
    if (!owner || seat >= h->segment.settings.max_handles)
        return 0;
    const int dead = cvb_owner_dead(h, seat, &state);
    if (dead)
        return dead < 0 ? dead : 0;
    return cvb_load64_acq(&cvb_seat_at(h, seat)->state) << SEAT_BITS == (owner & ~SEAT_MASK);
}

static bool is_claim_of(uint64_t claim, uint32_t id)
{
    return claim >> CLAIM_GENERATION_SHIFT == id >> CVB_GENERATION_SHIFT;
}

/* Does a handle have the source with this id, which is to be retired? 1, 0, or an error. */
int cvb_source_claimed(struct cvb_handle *h, uint32_t id)
{
    const uint64_t claim = cvb_load64_acq(&h->stands[cvb_place_of(id)].claim);
    return is_claim_of(claim, id) ? claim_holds(h, claim) : 0;
}

static uint64_t own_claim(const struct cvb_handle *h, uint32_t id)
{
    return (uint64_t)(id >> CVB_GENERATION_SHIFT) << CLAIM_GENERATION_SHIFT | h->entered << SEAT_BITS | h->seat;
}

/* A claim of another generation is of a name that was retired, or of a process that has looked at none: it holds
 * nothing. */
static int claim_source(struct cvb_handle *h, uint32_t id)
{
    uint64_t *word = &h->stands[cvb_place_of(id)].claim, mine = own_claim(h, id);
    for (;;) {
        const uint64_t claim = cvb_load64_acq(word);
        if (claim == mine)
            return 0;
        const int holds = is_claim_of(claim, id) ? claim_holds(h, claim) : 0;
        if (holds)
            return holds < 0 ? holds : CVB_EBUSY;
        if (!cvb_source_known(h, id)) /* after the claim was read: a late one takes none of a later name's */
            return CVB_EUNKNOWN;
        if (cvb_cas64(word, claim, mine))
            return 0;
    }
}

static int open_source(struct cvb_handle *h, uint32_t id)
{
    uint64_t live;
    const uint32_t place = cvb_place_of(id);
    int error = claim_source(h, id);
    if (error)
        return error;
    cvb_fence_after_cas();
    if (!cvb_source_stays(h, id)) { /* E1, of a claim */
        cvb_cas64(&h->stands[place].claim, own_claim(h, id), 0);
        return CVB_EUNKNOWN;
    }
    h->next_position[place] = cvb_position_told(h, place, cvb_accepted(h, place, &live)) + 1;
    return 0;
}

/* Why a record may not have the position, or 0 if it may: the source is opened by the first one. */
CVB_RARE int cvb_position_refused(struct cvb_handle *h, uint32_t id, uint64_t position)
{
    if (position > INT64_MAX)
        return CVB_EINVAL;
    if (!cvb_source_known(h, id))
        return CVB_EUNKNOWN;
    const uint32_t place = cvb_place_of(id);
    int error = h->next_position[place] ? 0 : open_source(h, id);
    return error ? error : position < h->next_position[place] ? CVB_EPOSITION : 0;
}

/* 0 if the handle may have the source. */
static int check_owner(struct cvb_handle *h, uint32_t source)
{
    const int error = cvb_handle_check(h);
    return !error && !cvb_source_known(h, source) ? CVB_EUNKNOWN : error;
}

int cvb_source_open(struct cvb_handle *h, uint32_t source, uint64_t *accepted)
{
    CVB_ONE_USER(h);
    int error = check_owner(h, source);
    const uint32_t place = cvb_place_of(source);
    if (!error && !h->next_position[place])
        error = open_source(h, source);
    if (!error && accepted)
        *accepted = h->next_position[place] - 1;
    return error;
}

int cvb_source_close(struct cvb_handle *h, uint32_t source)
{
    CVB_ONE_USER(h);
    const int error = check_owner(h, source);
    const uint32_t place = cvb_place_of(source);
    if (error || !h->next_position[place])
        return error;
    h->next_position[place] = 0;
    cvb_cas64(&h->stands[place].claim, own_claim(h, source), 0); /* or it was lost with the seat */
    return 0;
}
