/* welch.c - Welch's t test (Welch 1947) of the logarithms of two samples: are they of one mean? Unlike a test of ranks
 * it knows how far apart they lie, so that four runs may be enough; but it takes the logarithms for normal. */
#include <math.h>

#include "report.h"

enum { STEPS_MAX = 200, RUNS_LEAST = 4 };
#define NEARLY_NOTHING 1e-300

/* The continued fraction of the incomplete beta function, by Lentz's way (Press et al., Numerical Recipes, 6.4). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < NEARLY_NOTHING ? NEARLY_NOTHING : d);
    double value = d;
    for (int m = 1; m < STEPS_MAX; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                     odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int k = 0; k < 2; k++) {
            const double step = k ? odd : even;
            d = 1 + step * d;
            c = 1 + step / c;
            d = 1 / (fabs(d) < NEARLY_NOTHING ? NEARLY_NOTHING : d);
            c = fabs(c) < NEARLY_NOTHING ? NEARLY_NOTHING : c;
            value *= d * c;
        }
        if (fabs(d * c - 1) < 1e-12)
            break;
    }
    return value;
}

/* The regularized incomplete beta function. */
static double beta_part(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x >= 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* Mean of the logarithms, and the variance of that mean; false: there are too few, or not all are above 0. */
static bool mean_of_logs(const double *x, size_t n, double *mean, double *variance)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] <= 0)
            return false;
        sum += log(x[i]);
    }
    if (n < RUNS_LEAST)
        return false;
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (log(x[i]) - *mean) * (log(x[i]) - *mean);
    *variance = squares / (double)(n - 1) / (double)n;
    return true;
}

double welch_p(const double *a, size_t n, const double *b, size_t m)
{
    double x, y, v, w;
    if (!mean_of_logs(a, n, &x, &v) || !mean_of_logs(b, m, &y, &w) || v + w <= 0)
        return 1;
    double t = (x - y) / sqrt(v + w);
    double freedom = (v + w) * (v + w) / (v * v / (double)(n - 1) + w * w / (double)(m - 1));
    return beta_part(freedom / 2, 0.5, freedom / (freedom + t * t));
}
