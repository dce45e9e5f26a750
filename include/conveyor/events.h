/* events.h - what has happened in a segment: its last 1,000 events, or some more. */
#ifndef CONVEYOR_EVENTS_H
#define CONVEYOR_EVENTS_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an event tells. Later versions have more. */
enum cvb_event_kind {
    CVB_EVENT_NONE,
    CVB_EVENT_ATTACH,      /* pid took the seat `after` */
    CVB_EVENT_LEAVE,       /* pid gave up the seat `after` */
    CVB_EVENT_DEATH,       /* pid, who had the seat `before`, was found dead by the process `after` */
    CVB_EVENT_RECOVERY,    /* what pid had left in the seat `before` was put in order by the process `after` */
    CVB_EVENT_REFUSED,     /* the first refusal of a stall; code: which limit, as a positive number: -CVB_ESTAGE_FULL */
    CVB_EVENT_PAUSE,       /* a level was reached: of the stage, of the source, or of neither: of the total */
    CVB_EVENT_RESUME,      /* and left again */
    CVB_EVENT_DEAD_LETTER, /* `after` records of the source became dead letters of the stage */
    CVB_EVENT_SET,    /* a setting, whose name is the text, was `before` and is `after`; thresholds in billionths */
    CVB_EVENT_SIGNAL, /* cvb_signal; code: the signal, after: the delay, text: the reason */
    CVB_EVENT_HOLD,   /* cvb_hold_stage; code: 1 held, 0 let go again, text: the reason */
    CVB_EVENT_KINDS
};

/* One event. */
struct cvb_event {
    uint64_t number; /* from 0 on, in the order in which they were noticed */
    uint64_t at_ns;  /* wall clock; a few milliseconds coarse */
    uint32_t kind;   /* an enum cvb_event_kind */
    uint32_t code;
    int32_t pid;     /* whom it is about: as its own pid namespace has it */
    uint32_t stage;  /* or CVB_NO_STAGE */
    uint32_t source; /* or CVB_NO_SOURCE */
    uint32_t reserved;
    uint64_t before, after;
    char text[CVB_REASON_MAX + 1];
};

/* Reads the next event and moves the cursor behind it; a cursor that begins with 0 begins with the oldest that is
 * there. Returns 1, or 0 if there is none yet: ask again later, nothing wakes. To *missed (may be NULL) is added how
 * many numbers were passed over: overwritten before they were read, or not written to the end by a process that was
 * killed or is stopped, which nobody waits for. Of a limit one pause in ten seconds is told at most, with its resume
 * and its first refusal; of a stage one dead letter in ten seconds. An event is seen as a whole or not at all. Changes
 * nothing; lock-free, and ends after a bounded number of steps whatever others do. Errors: EINVAL, EFORKED, ELOST,
 * ECORRUPT. */
CVB_API int cvb_event_next_sized(struct cvb_handle *handle, uint64_t *cursor, struct cvb_event *event, uint64_t *missed,
                                 size_t size);
static inline int cvb_event_next(struct cvb_handle *handle, uint64_t *cursor, struct cvb_event *event, uint64_t *missed)
{
    return cvb_event_next_sized(handle, cursor, event, missed, sizeof *event);
}

#ifdef __cplusplus
}
#endif
#endif
