/* progress.h - how many records, how fast, how long stalled: once a second if asked for, and at the end. */
#ifndef CONVEYOR_CLI_PROGRESS_H
#define CONVEYOR_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_progress {
    const char *verb; /* "pushed" */
    bool each_second, terminal, shown;
    int64_t start_ns, next_ns, stalled_ns;
    uint64_t records;
};

void cli_progress_begin(struct cli_progress *p, const char *verb, bool each_second);

/* Prints a line if a second is over. */
void cli_progress_tick(struct cli_progress *p);

/* How long one may sleep until the next line is due; negative: for ever. */
int64_t cli_progress_slice(const struct cli_progress *p);

/* The text of the line, without its newline. */
const char *cli_progress_text(const struct cli_progress *p, char *text, int size);

/* Ends a line that was being rewritten, so that a message can follow. */
void cli_progress_break(struct cli_progress *p);

/* The last line, with what the command adds to it. */
void cli_progress_end(struct cli_progress *p, const char *more);

#endif
