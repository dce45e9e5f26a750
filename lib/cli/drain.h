/* drain.h - takes a stage's records in batches, hands each to a writer, and settles it only when it is written. */
#ifndef CONVEYOR_CLI_DRAIN_H
#define CONVEYOR_CLI_DRAIN_H

#include <conveyor/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "progress.h"

struct cli_drain {
    /* given by the command */
    const char *segment, *stage_name, *to_name; /* to_name: forward there; NULL: ack */
    bool to_origin;                             /* of dead letters: forward each to the stage it came from */
    uint32_t batch, count;                      /* count 0: all */
    bool follow;                                /* wait for more when the stage is empty */
    double idle_seconds;                        /* so long at most; negative: without end */
    const char *target;                         /* what is written to, in words */
    int (*write)(void *writer, const struct cvb_lease *leases,
                 size_t count); /* 0 or an errno; NULL: nothing to write */
    void *writer;
    struct cli_progress progress; /* begun */
    /* its own */
    struct cvb_handle *handle;
    uint32_t stage, to;
    struct cvb_lease *leases;
    int64_t last_record_ns;
};

/* Attaches and finds the stages; the exit status after a complaint. */
int cli_drain_open(struct cli_drain *d);

/* Until the stage is empty, count is reached or a signal came; the exit status. Ends the line of the progress only to
 * complain. */
int cli_drain_run(struct cli_drain *d);

/* Says that `reason` (an errno) kept the writer from writing, and returns the exit status. */
int cli_drain_not_written(struct cli_drain *d, size_t count, int reason);

void cli_drain_close(struct cli_drain *d);

#endif
