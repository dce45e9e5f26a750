/* error.c - what an error says. */
#include "place/place.h"

const char *cvb_error_text(int error)
{
    static const char *const text[] = {"no error",
                                       "an argument is out of its range",
                                       "a system call failed",
                                       "no segment of that name",
                                       "a segment of that name is there already",
                                       "not enough shared memory for the segment",
                                       "no permission for the segment",
                                       "the segment's file is shorter than its header says",
                                       "not a conveyor segment",
                                       "the segment was made by another version",
                                       "the segment was made with another layout",
                                       "the segment is corrupt",
                                       "every handle's seat is taken",
                                       "not a name: 1 to 63 bytes of UTF-8 without control characters",
                                       "one name too many",
                                       "no such stage, source or pipeline",
                                       "the stage's limit is reached",
                                       "the source's limit is reached",
                                       "the limit of all records is reached",
                                       "no free cell that is large enough",
                                       "the record is longer than the payload size, or its header than the header size",
                                       "the lease was settled before",
                                       "the lease belongs to another handle",
                                       "the handle belongs to the parent process",
                                       "the time is over",
                                       "the handle has lost its seat",
                                       "the wait was interrupted",
                                       "the system refuses a call that is needed",
                                       "another handle has the source, or another thread the handle",
                                       "no such stage, and the segment is sealed: no other can be made",
                                       "the position was accepted before",
                                       "the handle only observes: what changes the segment needs cvb_attach"};
    return error > 0 || error < CVB_EREADONLY ? "unknown error" : text[-error];
}

int cvb_is_full(int error) { return cvb_is_refusal(error); }
