/* watch.h - waiting for several things at once: what a notifier asks of wait.c. */
#ifndef CVB_LIB_WATCH_H
#define CVB_LIB_WATCH_H

#include "flow/flow.h"

/* One of the things that a notifier waits for. */
struct cvb_awaited {
    uint32_t what, stage, source; /* as in struct cvb_watch */
    uint32_t class;               /* of cells, or CVB_NO_CLASS */
    uint64_t position;
    uint64_t gone, gone_now, looked_ns; /* for what is settled: as struct settling, and what is counted by now */
    uint32_t id, round;                 /* the notifier's */
    bool there;                         /* at the last look */
    uint32_t flag[4];                   /* where its sleeper is announced, `flags` of them */
    uint32_t flags;
};

/* Sleeps until one of them is there at least: then their number, and `there` is set. Else CVB_ETIMEDOUT,
 * CVB_EINTERRUPTED by cvb_wake, or another error. Ids and stages are known. */
int cvb_wait_any(struct cvb_handle *h, struct cvb_awaited *any, size_t count, int64_t timeout_ns);

/* Sleeps until a forward that was refused may go on: until there is room in the stage; and memory, or credits of the
 * source, if these refused it. A forward keeps its credit of the total. */
int cvb_wait_forward(struct cvb_handle *h, uint32_t stage, uint32_t source, int refused, int64_t timeout_ns);

#endif
