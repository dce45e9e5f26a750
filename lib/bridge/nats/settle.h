/* settle.h - messages whose records are in the segment: they are acknowledged when those have left it for good. */
#ifndef CONVEYOR_BRIDGE_NATS_SETTLE_H
#define CONVEYOR_BRIDGE_NATS_SETTLE_H

#include "held.h"
#include "nats_bridge.h"
#include "pause.h"

struct nats_settle {
    const struct bridge *bridge;
    natsConnection *connection;
    struct nats_line unsettled;
    struct nats_spent spent;   /* of those */
    bool each;                 /* message is acknowledged alone (AckExplicit), not all up to one (AckAll) */
    struct bridge_pause pause; /* between looks at what is settled */
    size_t many;               /* from so many unsettled on it is looked more often what is settled */
    int64_t ack_wait_ns, looked_ns, next_touch_ns;
    uint64_t settled; /* the position */
};

void nats_settle_begin(struct nats_settle *settle, const struct bridge *bridge, natsConnection *connection);

/* How many messages the consumer gives without acknowledgement; 0 or less: no limit. */
void nats_settle_limit(struct nats_settle *settle, int64_t max_ack_pending);

/* How long it is until nats_settle_tell has something to do. */
int64_t nats_settle_wait(const struct nats_settle *settle, int64_t now);

/* The reply subject of the first that waits goes to the unsettled, its message away. False without memory: it is not
 * acknowledged then, and comes again. */
bool nats_settle_add(struct nats_settle *settle, struct nats_line *waiting);

/* Tells the stream what it may forget, now and then or at once. An acknowledgement that is lost with the connection is
 * given again when its message comes again. 0 or an error. */
int nats_settle_tell(struct nats_settle *settle, int64_t now, bool at_once);

/* Keeps messages that are held for long: the server gives them to nobody else. */
void nats_settle_touch(struct nats_settle *settle, struct nats_line *waiting, int64_t now);

/* Waits a bounded time for what is in: it may still be settled, and is acknowledged then. 0 or an error. */
int nats_settle_drain(struct nats_settle *settle);

#endif
