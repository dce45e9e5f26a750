/* history.h - what each process asked of the buffer and was told, and between which steps.
 *
 * A call becomes a chain of steps of the model (model.h), all between the call's first access and its last one: that is
 * when it can have had its effects. What the protocol promises of a call decides the chain.
 *
 * - put: a step for each record that was accepted, in order. A batch may enter as several trains.
 * - get: a step for each lease, in order. A batch is leased unit by unit. None: the stage was empty at a moment, and
 *   all had entered it that was surely due when the call began; or it was held at one.
 * - take: a step for each record, which leases and settles it.
 * - ack, return, release, forward, publish: a step for each record, in the order of the array.
 * - delay: the same. The record enters its stage again when its delay is over, which began at a moment of the call, and
 *   before all that is surely due later.
 * - a refusal, after those: the limit was reached; only if nobody else was at work from the call's begin to its end.
 * - sizes, the credits left: exact; only if nobody else was at work.
 * - setting a limit: one step. What needs room and is at work meanwhile may have its credits from before, and enter
 *   after it.
 * - opening a source: it was nobody's, or who had it has closed it, has left or is dead. Refused: another one had it at
 *   a moment, who had done none of that.
 * - detach: a release of each lease, in any order. Reservations are given up at its begin.
 * - wait: the stage had a record at a moment, or each of the stages was empty at one, as for a get.
 * - recover, attach: the leases of processes that were dead at its begin have come back, and their calls have no effect
 * any more; only if nobody else attached meanwhile, who may have taken a dead seat and its duties.
 *
 * A call whose process was killed has no end: a beginning of its chain took effect, now or later, or nothing did. What
 * a dead process had leased enters its stage again at any time until it is recovered.
 *
 * The history also keeps at which step each record was seen to enter, to be leased, and to be settled. These are hints
 * in which order to try: they change how long the search takes, never its result.
 */
#ifndef EXPLORE_HISTORY_H
#define EXPLORE_HISTORY_H

#include "model.h"

enum { HISTORY_STEPS = 256, HISTORY_CALLS = 512, HISTORY_BATCH = 16, HISTORY_RECORDS = 1024, HISTORY_HINTS = 8 };
#define HISTORY_NEVER (1L << 60)

enum history_verb {
    HISTORY_NONE,
    HISTORY_OTHER, /* nothing that the model knows */
    HISTORY_PUT,
    HISTORY_RESERVE,
    HISTORY_PUBLISH,
    HISTORY_CANCEL,
    HISTORY_GET,
    HISTORY_TAKE,
    HISTORY_ACK,
    HISTORY_RETURN,
    HISTORY_DELAY,
    HISTORY_RELEASE,
    HISTORY_LIMIT,
    HISTORY_FORWARD,
    HISTORY_WAIT,
    HISTORY_LEAVE,
    HISTORY_LOOK,
    HISTORY_RECOVER,
    HISTORY_ATTACH,
    HISTORY_OPEN,
    HISTORY_CLOSE
};

struct history_step {
    struct model_step what;
    bool pending; /* its call has no end: it may never happen */
    bool gets;    /* meanwhile its process may find records past their retry limit */
    long began, ended;
    long seen; /* of a limit, or of a source that is opened or closed: when its word was seen to change, or 0 */
};

struct history_hint {
    int entries, leases;
    struct {
        long at;
        uint32_t content;
        uint8_t stage;
    } entered[HISTORY_HINTS];
    struct {
        long at;
        uint8_t process;
    } leased[HISTORY_HINTS];
    long settled;
    uint32_t settled_content;
};

struct history {
    struct model_limits limits;
    struct history_program {
        struct history_step step[HISTORY_STEPS];
        int steps;
        long died; /* HISTORY_NEVER if not */
    } program[MODEL_PROCESSES];
    struct history_call {
        int process;
        enum history_verb verb;
        long began, ended; /* or HISTORY_NEVER */
    } call[HISTORY_CALLS];
    struct history_open { /* at work; HISTORY_NONE: none is */
        enum history_verb verb;
        uint32_t stage;
        int n, arguments;
        long seen;
        long delay;                                /* of a delay */
        bool held;                                 /* its stage was held at a moment */
        struct model_step argument[HISTORY_BATCH]; /* of a get, its results */
    } open[MODEL_PROCESSES];
    int calls, deaths;
    int refusals, exact_refusals; /* exact: nobody else was at work */
    bool too_long;                /* not all of it is here */
    bool drained;                 /* at its end the buffer was empty */
    struct history_hint hint[HISTORY_RECORDS];
    uint32_t hinted; /* records that have one */
};

void history_reset(struct history *h, const struct model_limits *limits);
/* A call for `n` records is made. Then come its arguments, or what it gave; then its end, with its first and last step:
 * it did `done` of them, and `why` is the limit that refused the next one, or -1. What has done no record says in
 * `done` which stage it found, or an error. A process that was killed in a call has only its first step. */
void history_call(struct history *h, int process, enum history_verb verb, uint32_t stage, int n);
void history_argument(struct history *h, int process, const struct model_step *argument);
void history_ended(struct history *h, int process, long began, long ended, int done, int why);
/* The stage of the get at work was held at a moment: if it gets nothing, that does not say that the stage was empty. */
void history_held(struct history *h, int process);
/* The delay of the call at work. */
void history_delay(struct history *h, int process, long delay);
void history_killed(struct history *h, int process, long began);
/* The process is dead: what has it leased comes again. */
void history_died(struct history *h, int process, long at);

/* All is here: drops those steps that are promises only under conditions which did not hold. */
void history_close(struct history *h);

/* Hints. The record's number is a part of its payload's first word, its content. */
static inline uint32_t history_record(uint32_t content) { return content & 0xffff; }
void history_saw_entry(struct history *h, uint32_t content, uint32_t stage, long at);
void history_saw_lease(struct history *h, uint32_t content, int process, long at);
void history_saw_settled(struct history *h, uint32_t content, long at);

#endif
