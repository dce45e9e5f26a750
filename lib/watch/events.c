/* events.c - reading what has happened: place/event.c writes it, and place/event.h has the protocol.
 *
 * Why an event is seen whole: a slot's word names its event, and is seen to do so before and after the slot was copied.
 * Why this ends: each turn moves the cursor on, and the ring has CVB_EVENTS slots.
 */
#include <conveyor/events.h>
#include <string.h>

#include "place/event.h"
#include "sized.h"

/* Turns to wait for a writer that is at work: some microseconds, a hundred times what it needs. */
#ifndef CVB_EVENT_TURNS
#define CVB_EVENT_TURNS 1000u
#endif
#define WAITED_FOR 4u /* only the latest events: the writer of an older one was stopped or killed */

static void copy_event(const struct cvb_event_slot *slot, uint64_t number, struct cvb_event *e)
{
    *e = (struct cvb_event){.number = number,
                            .at_ns = cvb_load64_rlx(&slot->at_ns),
                            .kind = cvb_load32_rlx(&slot->kind),
                            .code = cvb_load32_rlx(&slot->code),
                            .pid = (int32_t)cvb_load32_rlx(&slot->pid),
                            .stage = cvb_load32_rlx(&slot->stage),
                            .source = cvb_load32_rlx(&slot->source),
                            .before = cvb_load64_rlx(&slot->before),
                            .after = cvb_load64_rlx(&slot->after)};
    cvb_load_text(slot->text, e->text);
}

/* True if event `number` was there and has been copied. Waits for its writer so many turns. */
static bool read_event(const struct cvb_event_slot *slot, uint64_t number, unsigned turns, struct cvb_event *e)
{
    const uint64_t done = cvb_written_lo(number, CVB_WRITTEN_DONE);
    uint64_t lo = cvb_load64_acq(&slot->word.lo);
    for (; lo < done && turns; turns--) { /* its writer is at work */
        cvb_pause();
        lo = cvb_load64_acq(&slot->word.lo);
    }
    if (lo != done)
        return false;
    copy_event(slot, number, e);
    cvb_fence_acq(); /* H2 */
    return cvb_load64_acq(&slot->word.lo) == done;
}

/* The next event from *cursor on. 1, or 0 if there is none; *passed: how many numbers were passed over. */
static int next_event(struct cvb_handle *h, uint64_t *cursor, struct cvb_event *e, uint64_t *passed)
{
    const uint64_t next = cvb_load64_acq(&h->events->next);
    uint64_t n = *cursor;
    if (n < next && next - n > CVB_EVENTS)
        n = next - CVB_EVENTS;
    *passed = n - *cursor;
    for (; n < next; n++, ++*passed) {
        const unsigned turns = next - n <= WAITED_FOR ? CVB_EVENT_TURNS : 0;
        if (read_event(&h->events->slot[n % CVB_EVENTS], n, turns, e)) {
            *cursor = n + 1;
            return 1;
        }
    }
    *cursor = n;
    return 0;
}

int cvb_event_next_sized(struct cvb_handle *h, uint64_t *cursor, struct cvb_event *event, uint64_t *missed, size_t size)
{
    CVB_ONE_USER(h);
    int error = cvb_reader_check(h);
    if (error || !cursor || !event)
        return error ? error : CVB_EINVAL;
    struct cvb_event e;
    uint64_t passed;
    int found = next_event(h, cursor, &e, &passed);
    if (missed)
        *missed += passed;
    if (found > 0)
        cvb_sized_give(event, size, &e, sizeof e);
    return found;
}
