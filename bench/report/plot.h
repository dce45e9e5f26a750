/* plot.h - charts, drawn by gnuplot as SVG that stands in the page itself. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include <stdbool.h>
#include <stdio.h>

/* True if gnuplot is there. Without it a page has tables only. */
bool plot_is_possible(void);

struct plot;

/* An axis; tics: gnuplot's list of what stands where, as in "'50 %' 2, '90 %' 10", or NULL. */
struct plot_axis {
    const char *label, *tics;
    bool log;
};

/* A new, empty one; NULL if there is no memory. The texts are not copied. */
struct plot *plot_new(struct plot_axis x, struct plot_axis y);

/* The next point of a series, which begins with its first point. Each system has its colour and dash in every chart.
 * low, high: the spread, drawn as a bar. A point that its axis cannot show is left out. */
void plot_add(struct plot *plot, const char *series, double x, double y, double low, double high);

/* The chart, and the end of the plot: lines, or bars if there are at most two different x; nothing if it has at most
 * one point. */
void plot_end(struct plot *plot, FILE *out);

#endif
