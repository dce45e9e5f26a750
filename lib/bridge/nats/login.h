/* login.h - how a bridge connects: servers, who it is, TLS, and what the client library is told. */
#ifndef CONVEYOR_BRIDGE_NATS_LOGIN_H
#define CONVEYOR_BRIDGE_NATS_LOGIN_H

#include "nats_bridge.h"

/* NULL after a complaint. */
natsOptions *nats_bridge_options(const struct bridge *bridge);

#endif
