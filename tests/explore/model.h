/* model.h - what a buffer is when its operations happen one at a time: the sequential specification.
 *
 * Queues by stage, leases, credits by source, stage and total, retry counts, dead letters, and nothing of how the
 * library does it. A step is what happens at one moment; which steps a call consists of says history.h.
 */
#ifndef EXPLORE_MODEL_H
#define EXPLORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_PROCESSES = 11, MODEL_RECORDS = 16, MODEL_STAGES = 5, MODEL_SOURCES = 4, MODEL_NO_PROCESS = 255 };
#define MODEL_ANY UINT32_MAX /* a get whose result nobody knows, because its process was killed */

struct model_limits {
    uint32_t total, stage, source, retries;
};

enum model_kind {
    /* of calls */
    MODEL_PUT,     /* a record enters the end of its stage with three credits; needs room for each */
    MODEL_RESERVE, /* three credits are taken for a record to come */
    MODEL_PUBLISH, /* a record enters with the credits of a reservation */
    MODEL_CANCEL,  /* the credits of a reservation come back */
    MODEL_GET,     /* the first record of the stage is leased; it is not past its retry limit */
    MODEL_TAKE,    /* the same, and it is settled at once */
    MODEL_ACK,     /* a lease is settled; its credits come back */
    MODEL_RETURN,  /* a leased record enters the end of its stage again, or of the dead-letter stage */
    MODEL_DELAY,   /* a leased record waits for its time, or enters the dead-letter stage */
    MODEL_RELEASE, /* a leased record enters the end of its stage again, untried */
    MODEL_FORWARD, /* a leased record enters the end of another stage, perhaps with another payload; needs room there */
    MODEL_LIMIT,   /* a limit becomes `content` */
    MODEL_REFUSED, /* a limit is reached */
    MODEL_EMPTY,   /* the stage has no record to lease, and none waits for it that was surely due at the call's begin */
    MODEL_FOUND,   /* it has one */
    MODEL_LEFT,    /* the process has nothing leased */
    MODEL_RECOVERED, /* nor have these dead: a bit each in `content` */
    MODEL_SIZE,      /* the stage has `content` records, queued, leased or reserved */
    MODEL_SIZE_ALL,  /* all stages have */
    MODEL_CREDITS,   /* how many credits the source has left, by its own limit and the total */
    MODEL_OPEN,      /* the process has the source from now on: nobody else has it, or who had it is gone */
    MODEL_BUSY,      /* another one has the source, and is not gone */
    MODEL_CLOSE,     /* the process has the source no more */
    MODEL_NOTHING,
    /* that nobody asked for */
    MODEL_UNCOVER,   /* a get finds the first record past its retry limit, and leases it to itself */
    MODEL_BURY,      /* and that record enters the dead-letter stage */
    MODEL_REDELIVER, /* a record that a dead process had leased enters its stage again */
    MODEL_DUE,       /* a record whose time has come enters the end of its stage; none there was surely due before it */
    MODEL_SETTLE,    /* a take of a process that was killed later settles what it had leased */
};

enum model_limit { MODEL_TOTAL, MODEL_SOURCE, MODEL_STAGE };

struct model_step {
    enum model_kind kind;
    uint8_t stage, source, limit; /* limit: which refused, or is set */
    bool lowered;                 /* of what needs room: while it was at work a limit may have been lowered, and it may
                                     have had its credits before */
    bool many;                    /* a get that asks for several; a redelivery of what was leased in company */
    bool gone;                    /* who has the source may be gone; of a busy source: is gone, whatever the order */
    int16_t retry;                /* as it was delivered; -1: not told */
    uint32_t content, becomes;    /* the payload's first word, and the new payload's; of an open: which step it is */
    long due, due_most;           /* of a delay: the time that it ends at the soonest, and surely; of an empty stage
                                     due is the call's begin; of an open: when who had the source went */
};

enum model_where { MODEL_QUEUED, MODEL_LEASED, MODEL_UNCOVERED, MODEL_TAKEN, MODEL_DELAYED };

struct model_record {
    uint32_t content;
    uint8_t stage, source, retry, where, owner;
    bool suspect, company;   /* company: leased by a get that asked for several */
    uint8_t entries, leases; /* so far */
    long due, due_most;      /* of what is delayed */
};

/* Those of one stage that are queued are in the order in which they entered it. */
struct model {
    struct model_record record[MODEL_RECORDS];
    uint8_t records;
    uint8_t total, stage[MODEL_STAGES], source[MODEL_SOURCES];                   /* credits in use */
    uint8_t limit_total, limit_stage[MODEL_STAGES], limit_source[MODEL_SOURCES]; /* as set; 0: as at first */
    uint8_t reserved[MODEL_PROCESSES][MODEL_STAGES][MODEL_SOURCES];
    struct model_claim {
        uint8_t owner; /* process + 1, or 0: nobody ever had it, or it was closed */
        uint16_t step; /* which of its steps was the open */
    } claim[MODEL_SOURCES];
};

/* Makes the process's step, or changes nothing and returns false: it is impossible now. */
bool model_do(struct model *m, const struct model_limits *limits, int process, const struct model_step *step);
/* A process's reservations are given up. */
void model_give_up(struct model *m, int process);
/* Failures that count against it: not a death in company. */
unsigned model_failures(const struct model_record *record);
/* Does its return bring it to the dead-letter stage? */
bool model_buries(const struct model_limits *limits, const struct model_record *record);
/* The record's place, or -1; the first that is queued in the stage, or -1. */
int model_find(const struct model *m, uint32_t content);
int model_first(const struct model *m, uint32_t stage);
/* Equal for models between which no step can tell, and for no others, but by chance. */
uint64_t model_hash(const struct model *m);

#endif
