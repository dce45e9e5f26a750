/* top.h - what `top` knows, and its picture. */
#ifndef CONVEYOR_CLI_TOP_H
#define CONVEYOR_CLI_TOP_H

#include <stdint.h>
#include <stdio.h>

#include "rates.h"
#include "screen.h"
#include "snapshot.h"

enum cli_order { CLI_BY_AGE, CLI_BY_NAME, CLI_BY_FILL, CLI_BY_RATE, CLI_ORDERS };

/* A line of the picture. */
struct cli_row {
    const struct cli_stage *stage;
    const struct cli_source *source;
    const char *name;
    double fill;
    struct cli_rates rate;
};

struct cli_top {
    const char *segment;
    struct cvb_handle *handle;
    struct cli_snapshot was, now;
    double seconds; /* from was to now */
    int64_t was_ns, now_ns, next_look_ns;
    bool removed; /* the segment's name */
    enum cli_order order;
    struct cli_row *rows; /* room for as many as there may be stages or sources */
};

/* The lines of a picture that fits into the window. */
void cli_top_draw(FILE *f, const struct cli_top *t, struct cli_window window);

#endif
