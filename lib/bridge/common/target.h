/* target.h - the subject or topic that a record goes to. */
#ifndef CONVEYOR_BRIDGE_TARGET_H
#define CONVEYOR_BRIDGE_TARGET_H

#include "bridge.h"

enum { BRIDGE_TARGET_MAX = 512 };

struct bridge_target {
    const struct bridge *bridge;
    const char *forbidden; /* what the engine does not allow in a name */
    size_t size;           /* of the longest target with its end, at most BRIDGE_TARGET_MAX */
    bool fixed;            /* it is the same for all records */
    bool wants_source;     /* the source's name is needed, also if the target is fixed: set before the first find */
    char text[BRIDGE_TARGET_MAX], source_name[CVB_NAME_MAX + 1];
    uint32_t source, pipeline; /* whose it is */
    bool known;
};

/* False after a complaint if the path of --to is no target; `what`: "subject", "topic". */
bool bridge_target_begin(struct bridge_target *target, const struct bridge *bridge, const char *what,
                         const char *forbidden, size_t size);

/* Makes `text` that of the lease, and `source_name` too if it is wanted. False if that is no target. */
bool bridge_target_find(struct bridge_target *target, const struct cvb_lease *lease);

#endif
