/* nats_bridge.h - the ways of conveyor-bridge-nats. */
#ifndef CONVEYOR_BRIDGE_NATS_H
#define CONVEYOR_BRIDGE_NATS_H

#include <nats/nats.h>

#include "bridge.h"

/* connect.c: 0 or the exit status after a complaint. While the server is away it is tried again, but for --check;
 * `connection` is NULL after 0 if a signal ended that: it is the bridge's clean end. For ever: a lost connection is
 * made anew by the library. */
int nats_bridge_connect(struct bridge *bridge, natsConnection **connection);

/* True if the server is there now. What is published while it is not waits in the library's buffer, and comes twice
 * when it is sent again. */
bool nats_bridge_connected(natsConnection *connection);

/* What a server does not permit it does not answer: what it said of that, if a request ended so; else NULL. */
const char *nats_forbidden(natsConnection *connection, natsStatus of_request);

/* in.c: takes the source for this bridge: what is at or below *accepted has come already. 0, or the exit status after a
 * complaint, as when another bridge that lives has it. To be called before a server is waited for. */
int nats_bridge_open_source(struct bridge *bridge, uint64_t *accepted);

/* Each carries records until it is told to end; the exit status. */
int nats_bridge_in(struct bridge *bridge, natsConnection *connection, uint64_t accepted);
int nats_bridge_out(struct bridge *bridge, natsConnection *connection);

struct bridge_target;
/* out.c: the subject that records go to; false after a complaint. */
bool nats_target_begin(struct bridge_target *target, const struct bridge *bridge);

/* consumer.c */
enum { NATS_AGAIN = BRIDGE_STOPPED - 1 }; /* among errors: the server did not answer, which was told; try again later */

struct nats_consumer {
    struct bridge *bridge;
    natsConnection *connection;
    jsCtx *js;
    char stream[128], name[128];
    bool work_queue;      /* how its stream keeps messages */
    bool told;            /* that the server does not answer */
    jsConsumerInfo *gone; /* deleted by this bridge, and not known to be made anew; else NULL */
};
/* Splits the URL's path; CLI_DONE, or the exit status after a complaint. */
int nats_consumer_find(struct nats_consumer *consumer, struct bridge *bridge);
/* Also makes it ready to ask the server. In both cases it can be ended. */
int nats_consumer_begin(struct nats_consumer *consumer, struct bridge *bridge, natsConnection *connection);
void nats_consumer_end(struct nats_consumer *consumer);
/* The consumer as the server has it: 0, NATS_AGAIN or BRIDGE_STOPPED after a complaint. If it is not there and --create
 * says so it is made: to deliver what comes after number `settled` of the stream, 0 for all. */
int nats_consumer_open(struct nats_consumer *consumer, uint64_t settled, jsConsumerInfo **info);
/* Makes the consumer anew, so that it delivers from what is not acknowledged on: what was given to another process, or
 * lost with a connection, comes at once and in order. With --shared it only looks whether it is there. 0, NATS_AGAIN or
 * BRIDGE_STOPPED after a complaint; after NATS_AGAIN it goes on where it was. */
int nats_consumer_rewind(struct nats_consumer *consumer);

/* check.c: says what holds and what is not promised; the exit status. */
int nats_bridge_check(struct bridge *bridge, natsConnection *connection);

#endif
