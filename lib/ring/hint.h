/* hint.h - the head and the tail of a ring, which are hints: lower bounds that only grow (A8). */
#ifndef CVB_LIB_HINT_H
#define CVB_LIB_HINT_H

#include "place/handle.h"

static inline void raise_hint(uint64_t *hint, uint64_t position, bool now)
{
    uint64_t seen = cvb_load64_rlx(hint);
    if (seen < position && (now || position - seen >= CVB_HINT_PERIOD))
        cvb_cas64(hint, seen, position);
}

static inline void follow(uint64_t *own, uint64_t *hint)
{
    uint64_t seen = cvb_load64_acq(hint);
    if (seen > *own)
        *own = seen;
}

#endif
