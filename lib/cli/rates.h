/* rates.h - what happened between two looks, a second. */
#ifndef CONVEYOR_CLI_RATES_H
#define CONVEYOR_CLI_RATES_H

#include <conveyor/state.h>
#include <jansson.h>
#include <stddef.h>

#include "snapshot.h"

struct cli_rates {
    double in, out, again, stalled; /* records a second; stalled: a part of the time */
};

/* What happened between two counts; was may be NULL. */
struct cli_rates cli_rates_between(const struct cvb_counts *was, const struct cvb_counts *now, double seconds);

/* A table of what happened between two looks, on standard output; and the same as the key rates of each stage and
 * source in the object of `stat --json`. */
void cli_rates_print(const struct cli_snapshot *was, const struct cli_snapshot *now, double seconds);
void cli_rates_json(json_t *object, const struct cli_snapshot *was, const struct cli_snapshot *now, double seconds);

/* The wall clock as 12:34:56. */
const char *cli_wall_clock(char *text, size_t size);

#endif
