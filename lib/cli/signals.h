/* signals.h - SIGINT, SIGTERM and SIGHUP end a command at its next clean point. */
#ifndef CONVEYOR_CLI_SIGNALS_H
#define CONVEYOR_CLI_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* From here on the three signals are only noted; one that the caller has ignored stays ignored. */
void cli_note_signals(void);

/* How many came so far: 0 go on, 1 end cleanly, more: end at once. */
int cli_signals(void);

/* Waits until fd can be read, at most timeout_ns (negative: for ever). 1 it can, 0 the time is over or a signal came,
 * however early. */
int cli_wait_readable(int fd, int64_t timeout_ns);

/* Sleeps until the time is over or a signal came. */
void cli_sleep(int64_t ns);

/* A monotonic clock. */
int64_t cli_now_ns(void);

#endif
