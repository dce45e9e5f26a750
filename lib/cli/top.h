/* top.h - what `top` knows, and its picture. */
#ifndef CONVEYOR_CLI_TOP_H
#define CONVEYOR_CLI_TOP_H

#include <stdint.h>
#include <stdio.h>

#include "rates.h"
#include "screen.h"
#include "snapshot.h"

enum cli_order {
    CLI_BY_AGE,
    CLI_BY_NAME,
    CLI_BY_FILL,
    CLI_BY_RATE,
    CLI_BY_HELD, /* queued, or buffered */
    CLI_BY_IN,
    CLI_BY_OUT,
    CLI_BY_RETRY,
    CLI_ORDERS
};

/* A line of the picture. */
struct cli_row {
    const struct cli_stage *stage;
    const struct cli_source *source;
    const char *name;
    double fill, held;
    struct cli_rates rate;
};

struct cli_top {
    const char *segment;
    struct cvb_handle *handle;
    struct cli_snapshot was, now;
    double seconds;               /* from was to now */
    double hung_after, old_after; /* seconds from which on a handle, a stage or a source has a colour */
    int64_t was_ns, now_ns, next_look_ns;
    bool removed; /* the segment's name */
    enum cli_order order;
    bool reverse, help, typing;    /* typing: keys go into the filter */
    char filter[CVB_NAME_MAX + 1]; /* only rows whose name has this in it */
    size_t scroll;                 /* rows of sources and handles that are above the window */
    struct cli_row *rows;          /* room for as many as there may be stages or sources */
};

/* The lines of a picture that fits into the window. */
void cli_top_draw(FILE *f, const struct cli_top *t, struct cli_window window);

#endif
