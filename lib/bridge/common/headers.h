/* headers.h - the headers of a message on its way out: those that its record came with, and those of --header. */
#ifndef CONVEYOR_BRIDGE_HEADERS_H
#define CONVEYOR_BRIDGE_HEADERS_H

#include "bridge.h"
#include "envelope.h"

struct bridge_headers {
    const struct bridge *bridge;
    const struct cvb_lease *lease;
    uint32_t came;  /* how many of the record's own were looked at */
    uint32_t given; /* and of --header */
};

/* The next one, or false. What --header names takes the place of what came; what an engine or a bridge has set for
 * itself (Nats-..., conveyor-id, conveyor-retry) does not go on. */
bool bridge_headers_next(struct bridge_headers *headers, struct bridge_header *header);

#endif
