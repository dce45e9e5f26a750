/* event.h - recording what happened, for readers afterwards (include/conveyor/events.h).
 *
 * Usage: cvb_event(h, &(struct cvb_event){.kind = CVB_EVENT_SET, .stage = CVB_NO_STAGE, .source = source,
 * .before = old, .after = new, .text = "limit"});
 *
 * When to call it: after the change, on what is rare (a transition, a call of an operator): it costs some 200 ns and
 * writes lines that all share. Never on the way of each record; where something may happen again and again at any
 * rate, record it once in a while (cvb_flag_tell_... in wake.h). A process that is killed before the call leaves no
 * event: nothing is decided by them. A new kind is added at the end of enum cvb_event_kind, and told by
 * lib/cli/events.c.
 *
 * How a slot is owned: an event's number is taken by a fetch-and-add, its slot by a compare-and-swap to WRITING, with
 * the writer's seat and what that seat's word says; the text is written, and the slot is made DONE. No writer waits: if
 * the slot belongs to a writer that was stopped a lap ago, the next number is taken; if it belongs to a dead one, whose
 * seat's word has changed since, the slot is taken.
 *
 *   EMPTY or DONE(n - CVB_EVENTS) --CAS--> WRITING(n, seat) --CAS--> DONE(n)
 *                                            | killed here: the seat is recovered, and the next lap takes the slot
 */
#ifndef CVB_LIB_EVENT_H
#define CVB_LIB_EVENT_H

#include <conveyor/events.h>
#include <conveyor/wait.h>

#include "place/place.h"

/* Records an event: the pid, if it is 0, and the time are filled in. Lock-free. A handle without a seat records none.
 */
void cvb_event(struct cvb_handle *h, const struct cvb_event *e);
/* Seat `dead`, whose word is `state`, belongs to a dead process: recorded by the first process that notices. */
void cvb_event_death(struct cvb_handle *h, uint32_t dead, uint64_t state);
/* As cvb_event_death, of a seat that this handle has taken over itself. */
void cvb_event_gone(struct cvb_handle *h, uint32_t dead, int32_t pid);
/* What the process with that pid had left in the seat is put in order. */
void cvb_event_recovery(struct cvb_handle *h, uint32_t dead, int32_t pid);
/* This handle has taken its seat, or will leave it. */
void cvb_event_seat(struct cvb_handle *h, enum cvb_event_kind kind);
/* A setting of the stage, the source, or the segment was `before` and is `after`. */
void cvb_event_set(struct cvb_handle *h, uint32_t stage, uint32_t source, const char *setting, uint64_t before,
                   uint64_t after);
/* The number of the period of ten seconds that it is now; never 0. */
uint32_t cvb_event_tick(void);

/* Words that a seat's owner holds while it writes beside them: lo is a number and a state, hi the owner. */
enum cvb_written { CVB_WRITTEN_NEVER, CVB_WRITTEN_NOW, CVB_WRITTEN_DONE };
static inline uint64_t cvb_written_lo(uint64_t number, enum cvb_written state) { return number << 2 | state; }
#define CVB_WRITER_PLACE ((UINT64_C(1) << 17) - 1)
static inline uint64_t cvb_writer(uint64_t entered, uint32_t seat, uint32_t place)
{
    return entered << 27 | (uint64_t)seat << 17 | place;
}
/* True if a writer has the word that is not known to be gone: its seat is still in the state that the word names. */
static inline bool cvb_is_being_written(struct cvb_handle *h, struct cvb_pair word)
{
    const uint32_t seat = (uint32_t)(word.hi >> 17) & 0x3ff;
    if ((word.lo & 3) != CVB_WRITTEN_NOW || seat >= h->segment.settings.max_handles)
        return false;
    return cvb_writer(cvb_load64_acq(&cvb_seat_at(h, seat)->state), seat, 0) == (word.hi & ~CVB_WRITER_PLACE);
}
/* A text of at most CVB_REASON_MAX bytes, in words. */
void cvb_store_text(uint64_t words[CVB_REASON_WORDS], const char *text);
void cvb_load_text(const uint64_t words[CVB_REASON_WORDS], char text[CVB_REASON_MAX + 1]);
/* As cvb_load_text, but what is no text is left as it is. Returns the length. */
size_t cvb_load_bytes(const uint64_t words[CVB_REASON_WORDS], char text[CVB_REASON_MAX + 1]);

#endif
