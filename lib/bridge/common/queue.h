/* queue.h - what ends on a client library's threads goes back to the loop that owns the handle. */
#ifndef CONVEYOR_BRIDGE_QUEUE_H
#define CONVEYOR_BRIDGE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <urcu/wfcqueue.h>

/* Any number of threads put, one takes. Putting is wait-free (liburcu's queue). The loop watches `event` for being
 * readable. A wake-up for each entry costs more than half of a bridge's time, so a put wakes the loop only when
 * `wake_at` entries wait; a loop that is owed some looks by itself every few milliseconds. */
struct bridge_queue {
    struct cds_wfcq_head head;
    struct cds_wfcq_tail tail;
    struct cds_wfcq_head taken_head; /* what the loop has taken out and not handled yet */
    struct cds_wfcq_tail taken_tail;
    atomic_uint waiting;
    unsigned wake_at;
    int event; /* an eventfd */
};

/* 0, or -1 with errno. */
int bridge_queue_begin(struct bridge_queue *queue, unsigned wake_at);
void bridge_queue_end(struct bridge_queue *queue);

/* Any thread. `now`: wakes the loop whatever else waits. */
void bridge_queue_put(struct bridge_queue *queue, struct cds_wfcq_node *node, bool now);

/* The loop: the next entry, or NULL. */
struct cds_wfcq_node *bridge_queue_take(struct bridge_queue *queue);

/* The loop: the event is seen. */
void bridge_queue_seen(struct bridge_queue *queue);

#endif
