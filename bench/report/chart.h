/* chart.h - a line chart as SVG that stands by itself: no script, no style sheet, no font from elsewhere. */
#ifndef BENCH_CHART_H
#define BENCH_CHART_H

#include <stdbool.h>
#include <stdio.h>

enum { CHART_SERIES = 24, CHART_POINTS = 512 };

struct chart_series {
    char name[64];
    unsigned n;
    double x[CHART_POINTS], y[CHART_POINTS];
};

struct chart {
    char title[160];
    const char *x_label, *y_label;
    bool log_x, log_y; /* then only values above 0 are drawn */
    unsigned count;
    struct chart_series series[CHART_SERIES];
};

/* A new, empty one; chart_free gives it back. NULL: no memory. */
struct chart *chart_new(const char *x_label, const char *y_label, bool log_x, bool log_y);
void chart_free(struct chart *chart);

/* The next point of a series, which begins with its first point. What does not fit is left out. */
void chart_add(struct chart *chart, const char *series, double x, double y);

/* Nothing if it has no points. */
void chart_write(const struct chart *chart, FILE *out);

/* Text with the characters escaped that mean something in XML. */
void chart_text(FILE *out, const char *text);

#endif
