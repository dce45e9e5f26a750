/* panel.h - a chart of the page with the table of its figures. */
#ifndef BENCH_PANEL_H
#define BENCH_PANEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "plot.h"

/* Text as HTML has it. */
void html_text(FILE *out, const char *s);

/* A column of a table, and the place of its figures in the chart. */
struct column {
    char label[64];
    double x; /* not a number: in the table only */
    json_t *match;
    const char *key;
    double scale;
    bool count; /* no nanoseconds, whatever the panel has */
};

enum { COLUMNS_MAX = 24, TICS_SIZE = 512 };

/* A chart with its table: a series and a line for each kind of rows. */
struct panel {
    const json_t *list;
    json_t *within;          /* only these */
    const char *const *rows; /* the members that make a row */
    struct plot_axis x, y;
    unsigned columns;
    struct column column[COLUMNS_MAX];
    bool time; /* figures are nanoseconds: shown with the unit that fits */
    char caption[200], tics[TICS_SIZE];
};

/* A new one of those entries of the list that have all members of `within`, which it takes; ends the program if there
 * is no memory. */
struct panel *panel_new(const json_t *list, json_t *within, const char *const *rows);

/* A bar for each row, and no other columns in the chart. */
struct panel *panel_bars(const json_t *list, const char *const *rows, const char *label, const char *key, double scale);

/* A column of those entries that match; takes `match`. */
void panel_add_column(struct panel *p, const char *label, double x, json_t *match, const char *key, double scale);

/* A column for each value that one member has, in growing order; 0 stands where 1 would, on a logarithmic axis. */
void panel_add_columns(struct panel *p, const char *member, const char *key, double scale);

/* The quantiles of a latency, and the axes for them. */
void panel_add_quantiles(struct panel *p);

/* Writes the panel, and gives back what it holds. */
void panel_end(struct panel *p, FILE *out);

#endif
