/* pull.h - messages that are asked for, and come. */
#ifndef CONVEYOR_BRIDGE_NATS_PULL_H
#define CONVEYOR_BRIDGE_NATS_PULL_H

#include "delivery.h"
#include "held.h"
#include "nats_bridge.h"

struct nats_pull {
    struct bridge *bridge;
    natsConnection *connection;
    struct nats_consumer *consumer;
    natsSubscription *subscription; /* NULL before the first nats_pull_anew */
    char inbox[80];
    natsMsg *early;           /* what came while nats_pull_wait waited; NULL if nothing did */
    struct nats_line waiting; /* what has come */
    size_t came;              /* how many the last nats_pull_take took */
    uint64_t asked, most;     /* messages that requests may still bring, and how many may be asked for at once */
    uint64_t last_delivery, reconnects, rewound;
    struct nats_standing standing; /* as it was asked for last */
    int64_t heard_ns;
    bool rewind; /* messages may be missing: nats_pull_anew */
};

/* Messages come after the first nats_pull_anew. */
void nats_pull_begin(struct nats_pull *pull, struct bridge *bridge, natsConnection *connection,
                     struct nats_consumer *consumer);

/* How many requests the consumer lets wait; 0 or less: no limit. */
void nats_pull_limit(struct nats_pull *pull, int64_t max_waiting);

/* Begins at what is not acknowledged: all of it comes again, in its order; nothing may wait. 0, or as
 * nats_consumer_rewind; `rewind` stays then. */
int nats_pull_anew(struct nats_pull *pull);

/* Takes what has come, and sees whether some may be missing: a gap, a connection that was lost, silence. */
void nats_pull_take(struct nats_pull *pull, int64_t now);

/* Sleeps for a moment if messages stream, so that the next turn has more of them: a wake-up for each one costs more
 * than the message does. */
void nats_pull_nap(const struct nats_pull *pull);

/* Until something comes, or the time is over. */
void nats_pull_wait(struct nats_pull *pull, int64_t most_ns);

/* Asks for more, if there is room for `room` messages besides those that wait or are asked for. */
void nats_pull_ask(struct nats_pull *pull, uint64_t room);

/* Asks how the consumer stands: `standing`, when the answer comes. */
void nats_pull_ask_standing(const struct nats_pull *pull);

/* What waits stays. */
void nats_pull_end(struct nats_pull *pull);

#endif
