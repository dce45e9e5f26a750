/* rates.h - what happened between two looks, a second. */
#ifndef CONVEYOR_CLI_RATES_H
#define CONVEYOR_CLI_RATES_H

#include <conveyor/state.h>
#include <stddef.h>

struct cli_rates {
    double in, out, again, stalled; /* records a second; stalled: a part of the time */
};

/* What happened between two counts; was may be NULL. */
struct cli_rates cli_rates_between(const struct cvb_counts *was, const struct cvb_counts *now, double seconds);

/* The wall clock as 12:34:56. */
const char *cli_wall_clock(char *text, size_t size);

#endif
