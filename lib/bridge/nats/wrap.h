/* wrap.h - what a message of NATS has besides its body. */
#ifndef CONVEYOR_BRIDGE_NATS_WRAP_H
#define CONVEYOR_BRIDGE_NATS_WRAP_H

#include "headers.h"
#include "nats_bridge.h"

/* In: fills an empty envelope. What it points to lives as long as the message. */
void nats_wrap(struct bridge_envelope *envelope, natsMsg *message, const struct nats_consumer *consumer);

/* Out: adds the record's headers and those of --header. What NATS cannot carry, as a value with an end of line in it,
 * is left out: *skipped grows by one for each. */
natsStatus nats_unwrap(natsMsg *message, const struct bridge *bridge, const struct cvb_lease *lease, uint64_t *skipped);

#endif
