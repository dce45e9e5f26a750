/* top.h - what `top` knows, and its picture. */
#ifndef CONVEYOR_CLI_TOP_H
#define CONVEYOR_CLI_TOP_H

#include <stdint.h>
#include <stdio.h>

#include "rates.h"
#include "screen.h"
#include "snapshot.h"

/* By first use, and by each column of the three tables: a table that has no such column stays by first use. */
enum cli_order {
    CLI_BY_AGE,
    CLI_BY_NAME,
    CLI_BY_FILL,
    CLI_BY_RATE, /* in and out together */
    CLI_BY_HELD, /* queued, or buffered */
    CLI_BY_LEASED,
    CLI_BY_CREDITS,
    CLI_BY_SIGNAL, /* or a process's state */
    CLI_BY_IN,
    CLI_BY_OUT,
    CLI_BY_RETRY,
    CLI_BY_STALL,
    CLI_BY_OLDEST,
    CLI_BY_P99,
    CLI_BY_PENDING,
    CLI_BY_IDLE,
    CLI_BY_RESERVED,
    CLI_BY_COMMAND,
    CLI_ORDERS
};
extern const char *const cli_order_name[CLI_ORDERS];

struct cli_top;

/* A line of the picture. */
struct cli_row {
    const struct cli_top *top;     /* how rows are sorted */
    size_t index;                  /* by first use */
    const struct cli_stage *stage; /* one of these three, the others are NULL */
    const struct cli_source *source;
    const struct cli_peer *peer;
    const char *name; /* NULL: a process */
    double fill;
    struct cli_rates rate;
};

struct cli_top {
    const char *segment;
    struct cvb_handle *handle;
    struct cli_snapshot was, now;
    double seconds;               /* from was to now */
    double hung_after, old_after; /* seconds from which on a handle, a stage or a source has a colour */
    int64_t was_ns, now_ns, next_look_ns;
    struct cli_window window; /* that was drawn into */
    bool removed;             /* the segment's name */
    enum cli_order order;
    bool reverse, help, typing;    /* typing: keys go into the filter */
    char filter[CVB_NAME_MAX + 1]; /* only rows whose name has this in it */
    size_t scroll;                 /* rows of each table that are above the window */
    size_t help_line;              /* the first that is shown of the help */
    struct cli_row *rows;          /* room for as many as there may be of each kind */
};

/* Puts the first `count` rows into the order that is chosen. */
void cli_top_sort(const struct cli_top *t, size_t count);

/* The help; *from is the first line of it that is shown, and gets less if there would be none to see. */
void cli_help_draw(FILE *f, struct cli_window window, size_t *from);

/* The lines of a picture that fits into the window. */
void cli_top_draw(FILE *f, const struct cli_top *t, struct cli_window window);

#endif
