/* chaos.h - what the processes of the chaos run share, and the ledger of every record.
 *
 * Overview: eight producers, four consumers of each of two stages, an operator of dead letters and two observers work
 * on one segment while a controller kills, stops, and restarts them at random. Each record is (producer, number). What
 * is known about it stands in the ledger, a word for each record in memory of the test's own:
 *
 *   TRIED      its put was begun             IN       its put is known to have been accepted
 *   SEEN       it was delivered somewhere    PASSING  its forward was begun       PASSED  its forward is known done
 *   SETTLING   its ack was begun             ACKED    its ack is known done       BATCH   the first of one put
 *   and how often it was seen in each of the two stages.
 *
 * Why it is exact: a mark that says "begun" is set before the call, one that says "done" after it. So a kill between
 * the two leaves a record uncertain and never falsely certain, and these must hold: IN and never SETTLING: it is still
 * in the segment, and is found by the last drain (nothing is lost). ACKED: it is never delivered again (nothing comes
 * twice after it was settled). PASSED, or SEEN in the second stage: it is never delivered in the first again (exactly
 * once between stages). seen n times in a stage: its next retry_count there is at least n, and at most max_retries, or
 * one more after a death in company. not TRIED: never delivered. Of a put that was killed, a prefix is in.
 */
#ifndef CVB_TESTS_CHAOS_H
#define CVB_TESTS_CHAOS_H

#include "../support/support.h"

enum {
    PRODUCERS = 8,
    CONSUMERS = 8, /* the first half of the stage filter, the others of the stage sink */
    OPERATORS = 1,
    OBSERVERS = 2,
    WORKERS = PRODUCERS + CONSUMERS + OPERATORS + OBSERVERS,
    RECORDS = 2000000, /* of each producer in one round */
    BATCH_MOST = 100
};

enum mark {
    TRIED = 1,
    IN = 2,
    SEEN = 4,
    PASSING = 8,
    PASSED = 16,
    SETTLING = 32,
    ACKED = 64,
    BATCH = 128,
    SEEN_IN_SINK = 256
};
#define COUNT_SHIFT(level) (16 + 8 * (level)) /* 8 bits for each stage */

struct chaos {
    char name[64];
    struct cvb_settings settings;
    uint64_t seed;
    uint32_t filter, sink;
    uint32_t stop; /* workers end themselves */
    uint32_t put_most, get_most;
    struct {
        uint64_t beats; /* calls that came back: a worker that is not stopped must go on */
        uint64_t next;  /* a producer's next number */
        uint64_t lives;
    } worker[WORKERS];
    uint64_t violations;
    char first_violation[160];
    uint64_t acked, redelivered, dead_letters, samples;
    _Alignas(4096) uint32_t ledger[PRODUCERS][RECORDS];
};

extern struct chaos *chaos;

struct item {
    uint32_t producer, check;
    uint64_t number;
    unsigned char filling[200];
};
#define ITEM_LEAST 16u

/* chaos_work.c: the life of worker i; returns its exit status, which is 0 unless a call gave what it may not. */
int chaos_work(void *index);
/* chaos_verify.c: after the round, when nobody else is there: counts and drains and fills. Violations are noted. */
void chaos_verify(void);

void chaos_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The ledger's word of a record that was delivered; NULL, and a violation, if its bytes are no record. */
uint32_t *chaos_entry(const struct cvb_lease *lease);
/* Marks a delivery in stage `level` (0 filter, 1 sink, 2 dead letters) and checks that it may be. */
void chaos_seen(const struct cvb_lease *lease, unsigned level);
void chaos_unseen(const struct cvb_lease *lease, unsigned level);

static inline uint32_t chaos_mark(uint32_t *entry, uint32_t marks)
{
    return __atomic_fetch_or(entry, marks, __ATOMIC_SEQ_CST);
}

#endif
