/* watch.h - what the files of this room ask of each other: waits, and the limits that a call is about. */
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
    uint32_t flag[4];   /* where its sleeper is announced, `flags` of them */
    uint32_t flags;
};

/* backpressure.c */
/* The counters that may refuse: those of the source and of the total, if a source is meant; that of the stage, if it
 * has a limit. Returns how many. */
unsigned cvb_limits_of(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t counter[3]);
/* 0 if a stage or a source is meant, and what is meant has a name. */
int cvb_check_ids(struct cvb_handle *h, uint32_t stage, uint32_t source);

/* any.c */
/* Sleeps until one of them is there at least: then their number, and `there` is set. Else CVB_ETIMEDOUT,
 * CVB_EINTERRUPTED by cvb_wake, or another error. Ids and stages are known. */
int cvb_wait_any(struct cvb_handle *h, struct cvb_awaited *any, size_t count, int64_t timeout_ns);

/* wait.c */
/* Sleeps until a forward that was refused may go on: until there is room in the stage; and memory, or credits of the
 * source, if these refused it. A forward keeps its credit of the total. */
int cvb_wait_forward(struct cvb_handle *h, uint32_t stage, uint32_t source, int refused, int64_t timeout_ns);

#endif
