/* pull.h - messages that are asked for, and come. */
#ifndef CONVEYOR_BRIDGE_NATS_PULL_H
#define CONVEYOR_BRIDGE_NATS_PULL_H

#include "delivery.h"
#include "held.h"
#include "listen.h"
#include "nats_bridge.h"
#include "queue.h"

enum { NATS_PULLS = 2 }; /* two requests are on their way: the second is served while the first is being put */

struct nats_pull {
    struct bridge *bridge;
    natsConnection *connection;
    struct nats_consumer *consumer;
    struct bridge_queue queue; /* from the library's thread */
    struct nats_listener listener;
    char inbox[80];
    struct nats_line waiting;   /* what has come */
    uint32_t asked[NATS_PULLS]; /* what each request may still bring; the first is the older one */
    uint64_t last_delivery, reconnects, rewound;
    struct nats_standing standing; /* as it was asked for last */
    int64_t heard_ns;
    bool rewind; /* messages may be missing: nats_pull_anew */
};

/* Messages come after the first nats_pull_anew. False without descriptors. */
bool nats_pull_begin(struct nats_pull *pull, struct bridge *bridge, natsConnection *connection,
                     struct nats_consumer *consumer);

/* Begins at what is not acknowledged: all of it comes again, in its order; nothing may wait. 0, or as
 * nats_consumer_rewind; `rewind` stays then. */
int nats_pull_anew(struct nats_pull *pull);

/* Takes what has come, and sees whether some may be missing: a gap, a connection that was lost, silence. */
void nats_pull_take(struct nats_pull *pull, int64_t now);

/* Asks for more, if there is room for `room` messages besides those that wait or are asked for. */
void nats_pull_ask(struct nats_pull *pull, uint64_t room);

/* Asks how the consumer stands: `standing`, when the answer comes. */
void nats_pull_ask_standing(const struct nats_pull *pull);

/* What waits stays. */
void nats_pull_end(struct nats_pull *pull);

#endif
