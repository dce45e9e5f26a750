/* key.h - the key of a message on its way out: --key. */
#ifndef CONVEYOR_BRIDGE_KEY_H
#define CONVEYOR_BRIDGE_KEY_H

#include "bridge.h"
#include "envelope.h"

/* True if the key is the name of the record's source. */
bool bridge_key_is_source(const struct bridge *bridge);

/* The key of a record, and where it may be written; none if the record has not what --key names. `source` is the name
 * of its source, if bridge_key_is_source. */
struct bridge_text bridge_key_of(const struct bridge *bridge, const struct cvb_lease *lease, const char *source,
                                 char *place, size_t size);

#endif
