/* sleep.h - a wait: its condition, the flags that tell when it may hold, and the sleep on them. wait.c has the waits
 * for one condition, any.c the wait for any of several, and sleep.c sleeps. */
#ifndef CVB_LIB_SLEEP_H
#define CVB_LIB_SLEEP_H

#include "watch/watch.h"

struct cvb_wait {
    /* Whether the condition holds: 1 or more if it does, 0 if not yet, or an error, which ends the wait. A look that is
     * not thorough is quick, for a spin; it may miss what a thorough one brings about, or finds out by more steps. */
    int (*look)(struct cvb_handle *h, const struct cvb_wait *w, bool thorough);
    /* The flags of what keeps the condition from holding; none if it holds. Returns how many. */
    size_t (*flags)(struct cvb_handle *h, const struct cvb_wait *w, uint32_t *flag);
    /* One sleep until a flag changes or the time comes: 0, or the answer of `look` if there is one. */
    int (*sleep)(struct cvb_handle *h, const struct cvb_wait *w, uint64_t until_ns, bool lookout);
    uint32_t counter[3], count, class; /* for credits, or room */
    const uint32_t *stages;            /* for data, count of them */
    /* What one of the flags stands for is enough for the condition to hold, so all that `flags` gives must have been
     * announced. If false, the condition needs all of them, and one that is announced is enough to sleep on. */
    bool any_brings_it;
    uint32_t bits;      /* announced besides the waiters bits: CVB_FLAG_ROOM for room */
    uint64_t period_ns; /* no flag tells when the condition holds: look again after so long; 0: flags tell */
    uint32_t source;    /* the id that it is of, or CVB_NO_SOURCE; for what is settled, up to this position */
    uint64_t position;
    struct cvb_awaited *any; /* for any of these, `several` in number */
    size_t several;
};

/* The futex words that a sleep is on, and what they showed when the sleeper had announced itself on them. */
struct cvb_wait_set {
    uint32_t *word[CVB_WAIT_MAX + 1], value[CVB_WAIT_MAX + 1]; /* one more: the flag of time */
    size_t count;
    uint32_t *any, any_value; /* the common word, which serves where the others do not */
    bool waitv;
};

/* sleep.c */
uint32_t cvb_announce(uint32_t *word, uint32_t bits);
bool cvb_must_sleep(struct cvb_handle *h, const struct cvb_wait *w, const uint32_t *flag, size_t count);
void cvb_wait_set_begin(struct cvb_handle *h, struct cvb_wait_set *b);
int cvb_sleep_on(struct cvb_handle *h, const struct cvb_wait *w, const struct cvb_wait_set *b, uint64_t until_ns);
int cvb_sleep_once(struct cvb_handle *h, const struct cvb_wait *w, uint64_t until_ns, bool lookout);
int cvb_wait_for(struct cvb_handle *h, const struct cvb_wait *w, int64_t timeout_ns, uint64_t *slept_ns);

/* wait.c */
bool cvb_wait_retired(struct cvb_handle *h, const struct cvb_wait *w);
struct cvb_wait cvb_wait_of_credits(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t class);
struct cvb_wait cvb_wait_of_room(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t class);
struct cvb_wait cvb_wait_of_records(const uint32_t *stages, uint32_t count);

#endif
