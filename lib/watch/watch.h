/* watch.h - what the files of this room share: waits, and the limits that a call is about. */
#ifndef CVB_LIB_WATCH_H
#define CVB_LIB_WATCH_H

#include "flow/flow.h"

/* One of the things that a notifier waits for. */
struct cvb_awaited {
    uint32_t what, stage, source; /* as in struct cvb_watch */
    uint32_t class;               /* of cells, or CVB_NO_CLASS */
    uint64_t position;
    /* For what is settled: what the rows of acks had counted at the last survey, what they count now, and when it was.
     */
    uint64_t gone, gone_now, looked_ns;
    uint32_t id, round; /* the notifier's */
    bool there;         /* at the last look */
    uint32_t flag[4];   /* on which its sleeper is announced: `flags` in number */
    uint32_t flags;
};

/* backpressure.c */
/* The counters whose limits may refuse: the source's and the total's, if a source is given; the stage's, if one is
 * given that has a limit. Returns how many. */
unsigned cvb_limits_of(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t counter[3]);
/* 0 if a stage or a source is given, or both, and what is given has a name. */
int cvb_check_ids(struct cvb_handle *h, uint32_t stage, uint32_t source);

/* any.c */
/* Waits until at least one of them is there. Returns how many are, and sets their `there`; or CVB_ETIMEDOUT,
 * CVB_EINTERRUPTED by cvb_wake, or another error. All ids have names. */
int cvb_wait_any(struct cvb_handle *h, struct cvb_awaited *any, size_t count, int64_t timeout_ns);

/* wait.c */
/* Waits until a forward that was refused may go on: until the stage says go on; and until there is memory, or the
 * source says go on, if that had refused it. A forward keeps its credit of the total. */
int cvb_wait_forward(struct cvb_handle *h, uint32_t stage, uint32_t source, int refused, int64_t timeout_ns);

#endif
