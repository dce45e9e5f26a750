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

/* Has the handle that made this claim its seat still? 1, 0, or an error. The state is read behind the question: the
 * seat may have been freed meanwhile, and be somebody else's. */
static int claim_holds(struct cvb_handle *h, uint64_t claim)
{
    const uint32_t seat = (uint32_t)(claim & SEAT_MASK);
    uint64_t state;
    if (!claim || seat >= h->segment.settings.max_handles)
        return 0;
    const int dead = cvb_owner_dead(h, seat, &state);
    if (dead)
        return dead < 0 ? dead : 0;
    return cvb_load64_acq(&cvb_seat_at(h, seat)->state) << SEAT_BITS == (claim & ~SEAT_MASK);
}

static uint64_t own_claim(const struct cvb_handle *h) { return h->entered << SEAT_BITS | h->seat; }

static int claim_source(struct cvb_handle *h, uint32_t source)
{
    uint64_t *word = &h->stands[source].claim, mine = own_claim(h);
    for (;;) {
        const uint64_t claim = cvb_load64_acq(word);
        if (claim == mine)
            return 0;
        const int holds = claim_holds(h, claim);
        if (holds)
            return holds < 0 ? holds : CVB_EBUSY;
        if (cvb_cas64(word, claim, mine))
            return 0;
    }
}

static int open_source(struct cvb_handle *h, uint32_t source)
{
    uint64_t live;
    int error = claim_source(h, source);
    if (!error)
        h->next_position[source] = cvb_accepted(h, source, &live) + 1;
    return error;
}

/* Why a record may not have the position, or 0 if it may: the source is opened by the first one. */
CVB_RARE int cvb_position_refused(struct cvb_handle *h, uint32_t source, uint64_t position)
{
    if (position > INT64_MAX)
        return CVB_EINVAL;
    int error = h->next_position[source] ? 0 : open_source(h, source);
    return error ? error : position < h->next_position[source] ? CVB_EPOSITION : 0;
}

/* 0 if the handle may have the source. */
static int check_owner(struct cvb_handle *h, uint32_t source)
{
    const int error = cvb_handle_check(h);
    return !error && !cvb_id_known(h, CVB_KIND_SOURCE, source) ? CVB_EUNKNOWN : error;
}

int cvb_source_open(struct cvb_handle *h, uint32_t source, uint64_t *accepted)
{
    CVB_ONE_USER(h);
    int error = check_owner(h, source);
    if (!error && !h->next_position[source])
        error = open_source(h, source);
    if (!error && accepted)
        *accepted = h->next_position[source] - 1;
    return error;
}

int cvb_source_close(struct cvb_handle *h, uint32_t source)
{
    CVB_ONE_USER(h);
    const int error = check_owner(h, source);
    if (error || !h->next_position[source])
        return error;
    h->next_position[source] = 0;
    cvb_cas64(&h->stands[source].claim, own_claim(h), 0); /* or it was lost with the seat */
    return 0;
}
