/* stats.c - medians, and nothing that needs a distribution. */
#include <stdlib.h>

#include "bench.h"

static int compare(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

struct bench_summary bench_summarize(double *v, unsigned n)
{
    if (!n)
        return (struct bench_summary){0};
    qsort(v, n, sizeof *v, compare);
    double median = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    return (struct bench_summary){n, median, v[0], v[n - 1]};
}
