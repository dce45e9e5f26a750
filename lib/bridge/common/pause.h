/* pause.h - the time between two looks: it doubles while they are in vain, so that a bridge that is held costs little.
 */
#ifndef CONVEYOR_BRIDGE_PAUSE_H
#define CONVEYOR_BRIDGE_PAUSE_H

#include <stdint.h>

struct bridge_pause {
    int64_t least_ns, most_ns;
    int64_t last_ns; /* 0: the last look was not in vain */
};

static inline void bridge_pause_ends(struct bridge_pause *p) { p->last_ns = 0; }

/* After a look in vain: how long it is until the next one. */
static inline int64_t bridge_pause_ns(struct bridge_pause *p)
{
    int64_t next = p->last_ns ? 2 * p->last_ns : p->least_ns;
    p->last_ns = next < p->most_ns ? next : p->most_ns;
    return p->last_ns;
}

#endif
