/* queue.c - what ends on a client library's threads goes back to the loop that owns the handle. */
#include "queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

int bridge_queue_begin(struct bridge_queue *q, unsigned wake_at)
{
    cds_wfcq_init(&q->head, &q->tail);
    cds_wfcq_init(&q->taken_head, &q->taken_tail);
    atomic_init(&q->waiting, 0);
    q->wake_at = wake_at ? wake_at : 1;
    q->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return q->event < 0 ? -1 : 0;
}

void bridge_queue_end(struct bridge_queue *q)
{
    close(q->event);
    q->event = -1;
}

void bridge_queue_put(struct bridge_queue *q, struct cds_wfcq_node *node, bool now)
{
    cds_wfcq_node_init(node);
    cds_wfcq_enqueue(&q->head, &q->tail, node);
    unsigned before = atomic_fetch_add(&q->waiting, 1);
    if (now || before + 1 == q->wake_at)
        eventfd_write(q->event, 1);
}

struct cds_wfcq_node *bridge_queue_take(struct bridge_queue *q)
{
    struct cds_wfcq_node *node = __cds_wfcq_dequeue_blocking(&q->taken_head, &q->taken_tail);
    if (node)
        return node;
    atomic_store(&q->waiting, 0); /* before they are taken: a put that comes later counts anew */
    if (__cds_wfcq_splice_blocking(&q->taken_head, &q->taken_tail, &q->head, &q->tail) == CDS_WFCQ_RET_SRC_EMPTY)
        return NULL;
    return __cds_wfcq_dequeue_blocking(&q->taken_head, &q->taken_tail);
}

void bridge_queue_seen(struct bridge_queue *q)
{
    eventfd_t ignored;
    eventfd_read(q->event, &ignored);
}
