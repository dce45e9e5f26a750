/* drain.h - takes a stage's records in batches, hands each to a writer, and settles it only when its reader has it. */
#ifndef CONVEYOR_CLI_DRAIN_H
#define CONVEYOR_CLI_DRAIN_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "output.h"
#include "progress.h"

struct cli_drain {
    /* given by the command */
    const char *segment, *stage_name, *to_name; /* to_name: forward there; NULL: ack */
    bool to_origin;                             /* of dead letters: forward each to the stage it came from */
    uint32_t batch, count;                      /* leased at most at once; in all, 0: no limit */
    bool follow;                                /* wait for more when the stage is empty */
    double idle_seconds;                        /* so long at most; negative: without end */
    double wait_seconds;                        /* for a segment and stages that are not there yet */
    const char *target;                         /* what is written to, in words */
    struct cli_output *output;                  /* NULL: nothing is written */
    /* Writes the records, and notes in ends[i] what output->written is when record i is whole. 0 or an errno, EINTR: a
     * signal asked to end. */
    int (*write)(void *writer, const struct cvb_lease *leases, size_t count, uint64_t *ends);
    void *writer;
    struct cli_progress progress; /* begun */
    /* its own */
    struct cvb_handle *handle;
    uint32_t stage, to;
    struct cvb_lease *leases; /* those that are held, in the order in which they were written */
    uint64_t *ends;
    size_t held, window, most; /* of leases: how many, how many there may be now, and ever */
    size_t given_back;
    int64_t last_record_ns, next_look_ns, nap_ns;
};

/* Attaches and finds the stages, which must be there; the exit status after a complaint. A signal may end the wait:
 * then `handle` is NULL, the line of the progress is ended, and there is nothing to run or to close. */
int cli_drain_open(struct cli_drain *d);

/* Until the stage is empty, count is reached or a signal came; the exit status. What could not be handed on is back in
 * its stage then, with its retries as they were. Ends the line of the progress only to complain. */
int cli_drain_run(struct cli_drain *d);

/* Ends the line of the progress, with what was given back. */
void cli_drain_end(struct cli_drain *d);

/* Says that `reason` (an errno) kept the writer from writing, and returns the exit status. */
int cli_drain_not_written(struct cli_drain *d, int reason);

void cli_drain_close(struct cli_drain *d);

#endif
