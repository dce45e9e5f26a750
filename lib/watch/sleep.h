/* sleep.h - a wait: what is waited for, the flags that say so when it comes, and the sleep on them. wait.c has the
 * waits for one thing, any.c the wait for any of several, and sleep.c sleeps. */
#ifndef CVB_LIB_SLEEP_H
#define CVB_LIB_SLEEP_H

#include "watch/watch.h"

/* How to look whether it is there (1 or more), not yet (0), or never will be (an error). A quick look, which spins,
 * may miss what only a thorough one would bring about. */
struct cvb_wait {
    int (*look)(struct cvb_handle *h, const struct cvb_wait *w, bool thorough);
    /* The flags that say so when it comes; none if it is there already. */
    size_t (*flags)(struct cvb_handle *h, const struct cvb_wait *w, uint32_t *flag);
    /* One sleep until a flag changes or the time comes: 0, or the answer of `look` if there is one. */
    int (*sleep)(struct cvb_handle *h, const struct cvb_wait *w, uint64_t until_ns, bool lookout);
    uint32_t counter[3], count, class; /* for credits, or room */
    const uint32_t *stages;            /* for data, count of them */
    /* Each of the flags alone may bring it: all that say no must have been announced. Else all must say yes, and one
     * that says no is enough to sleep on. */
    bool any_brings_it;
    uint32_t bits;      /* announced besides the waiters bits: CVB_FLAG_ROOM for room */
    uint64_t period_ns; /* no flag says when it comes: look again after so long; 0: a flag says so */
    uint32_t source;    /* for what is settled, up to this position */
    uint64_t position;
    struct cvb_awaited *any; /* for any of them, `several` */
    size_t several;
};

/* The flags that a sleep is on: each sleeper announces itself on all of them. */
struct cvb_bed {
    uint32_t *word[CVB_WAIT_MAX + 1], value[CVB_WAIT_MAX + 1]; /* one more: the flag of time */
    size_t count;
    uint32_t *any, any_value; /* the common word, which serves where the others do not */
    bool waitv;
};

/* sleep.c */
uint32_t cvb_announce(uint32_t *word, uint32_t bits);
bool cvb_in_the_way(struct cvb_handle *h, const struct cvb_wait *w, const uint32_t *flag, size_t count);
void cvb_begin_bed(struct cvb_handle *h, struct cvb_bed *b);
int cvb_sleep_on(struct cvb_handle *h, const struct cvb_wait *w, const struct cvb_bed *b, uint64_t until_ns);
int cvb_sleep_once(struct cvb_handle *h, const struct cvb_wait *w, uint64_t until_ns, bool lookout);
int cvb_wait_for(struct cvb_handle *h, const struct cvb_wait *w, int64_t timeout_ns, uint64_t *slept_ns);

/* wait.c */
struct cvb_wait cvb_wait_of_credits(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t class);
struct cvb_wait cvb_wait_of_room(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t class);
struct cvb_wait cvb_wait_of_records(const uint32_t *stages, uint32_t count);

#endif
