/* link.h - whether the server is there, and lets this bridge do what it must. */
#ifndef CONVEYOR_BRIDGE_NATS_LINK_H
#define CONVEYOR_BRIDGE_NATS_LINK_H

#include "nats_bridge.h"

struct nats_link {
    struct bridge *bridge;
    natsConnection *connection;
    bool told; /* that the connection is lost */
};

/* Says once that the connection is lost. BRIDGE_STOPPED after a complaint if the server does not let this bridge in any
 * more, as after a change of passwords, or does not permit what it needs, but for subjects that it publishes records
 * to; else 0. */
int nats_link_look(struct nats_link *link);

#endif
