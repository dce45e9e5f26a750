/* traffic.h - producers and consumers as processes of their own, with exact accounting.
 *
 * Overview: producer p puts the records (p, 0), (p, 1), ... of source p mod sources; consumers take them, check their
 * order, and count in shared memory how often each was settled. With `chain` there are several stages, and each
 * consumer works for one of them: it forwards to the next, and only the last stage's acks are counted.
 *
 * Usage: fill in the settings part, traffic_start(), look at what you like while it runs, traffic_finish(), and look at
 * the verdict. Every child has a time limit (SIGALRM), so a hang is a failure and not a wait.
 */
#ifndef CVB_TESTS_TRAFFIC_H
#define CVB_TESTS_TRAFFIC_H

#include "support.h"

enum { TRAFFIC_PROCESSES = 24, TRAFFIC_STAGES = 4 };

struct traffic_stamp {
    uint32_t start, end; /* a common clock before and after the call that took the record */
};

/* Lives in memory that all processes share. */
struct traffic {
    /* settings */
    char name[64];
    uint32_t producers, consumers, sources, chain; /* consumers of each stage of the chain */
    uint64_t each;                                 /* records of each producer */
    uint32_t put_most, get_most;                   /* batches have 1 to this many records */
    bool scatter;                                  /* ack in pieces, in any order */
    bool copyless;                                 /* put by reserve and publish */
    bool replace;                                  /* forward with new payloads */
    bool stamped;                                  /* keep stamps */
    uint32_t seconds;                              /* time limit of each child */
    uint32_t enough;                               /* seconds after which no more is put, on a busy machine */
    /* what happens */
    uint32_t stage[TRAFFIC_STAGES];
    pid_t child[TRAFFIC_PROCESSES];
    uint32_t children;
    uint32_t clock;
    uint64_t made[TRAFFIC_PROCESSES]; /* records that each producer has put: `each`, unless it had enough */
    uint64_t all;                     /* to be settled: falls when a producer has enough */
    int32_t failed;                   /* what the first child met that gave up; the others end then */
    uint64_t settled;                 /* by the last stage */
    uint64_t sum;                     /* of their numbers */
    uint64_t disorder;                /* records that one consumer got after a later one of the same producer */
    uint64_t gaps;                    /* records that did not follow the one before directly */
    uint64_t bad;                     /* unknown producers, wrong lengths */
    uint8_t *seen;                    /* how often, by producer * each + number */
    struct traffic_stamp *stamps;
};

/* A traffic with zeroed settings, a name, and limits of time. */
struct traffic *traffic_new(const char *tag);
/* The segment must exist. NULL, or what went wrong. */
const char *traffic_start(struct traffic *t, struct cvb_handle *h);
/* Waits for all children. NULL if each ended well and each record was settled exactly once, or what is wrong. */
const char *traffic_finish(struct traffic *t);
/* How many pairs of a producer's records were certainly delivered in the wrong order: the call that delivered the
 * later one had ended before the call that delivered the earlier one began. */
uint64_t traffic_inversions(const struct traffic *t);

#endif
