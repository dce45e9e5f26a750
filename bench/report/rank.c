/* rank.c - the Mann-Whitney test (Mann and Whitney 1947): no assumption about how figures are distributed, only about
 * their order. The exact distribution for small samples without ties, the normal approximation otherwise. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { EXACT_MAX = 30 };

/* U: pairs in which B is above A; ties count one half. */
static double count_pairs(const double *a, size_t n, const double *b, size_t m, bool *ties)
{
    double u = 0;
    *ties = false;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) {
            u += b[j] > a[i] ? 1 : b[j] == a[i] ? 0.5 : 0;
            *ties |= b[j] == a[i];
        }
    return u;
}

/* How many of the orders of n + m values have each U: f(n, m, u) = f(n - 1, m, u - m) + f(n, m - 1, u). */
static double exact_tail(size_t n, size_t m, double u)
{
    size_t size = n * m + 1;
    double *ways = calloc((n + 1) * size, sizeof *ways), below = 0, all = 0;
    if (!ways)
        return 1;
    for (size_t i = 0; i <= n; i++)
        ways[i * size] = 1; /* m = 0 */
    for (size_t k = 1; k <= m; k++)
        for (size_t i = 1; i <= n; i++)
            for (size_t v = k; v < size; v++)
                ways[i * size + v] += ways[(i - 1) * size + v - k];
    for (size_t v = 0; v < size; v++) {
        all += ways[n * size + v];
        below += (double)v <= u ? ways[n * size + v] : 0;
    }
    free(ways);
    return below / all;
}

static int compare(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Sum of t^3 - t over the groups of equal values. */
static double tie_term(const double *a, size_t n, const double *b, size_t m)
{
    double *all = malloc((n + m) * sizeof *all), term = 0;
    if (!all)
        return 0;
    memcpy(all, a, n * sizeof *a);
    memcpy(all + n, b, m * sizeof *b);
    qsort(all, n + m, sizeof *all, compare);
    for (size_t i = 0, j; i < n + m; i = j) {
        for (j = i; j < n + m && all[j] == all[i]; j++)
            ;
        double t = (double)(j - i);
        term += t * t * t - t;
    }
    free(all);
    return term;
}

static double normal_p(const double *a, size_t n, const double *b, size_t m, double u)
{
    double x = (double)n, y = (double)m, sum = x + y;
    double variance = x * y / 12 * (sum + 1 - tie_term(a, n, b, m) / (sum * (sum - 1)));
    double distance = fabs(u - x * y / 2) - 0.5;
    return variance <= 0 || distance <= 0 ? 1 : erfc(distance / sqrt(2 * variance));
}

struct rank_test rank_compare(const double *a, size_t n, const double *b, size_t m)
{
    bool ties;
    if (!n || !m)
        return (struct rank_test){1, 0};
    double u = count_pairs(a, n, b, m, &ties), pairs = (double)n * (double)m;
    double less = u < pairs - u ? u : pairs - u;
    double p = !ties && n <= EXACT_MAX && m <= EXACT_MAX ? 2 * exact_tail(n, m, less) : normal_p(a, n, b, m, u);
    return (struct rank_test){p < 1 ? p : 1, 2 * u / pairs - 1};
}

struct rank_test samples_compare(const double *a, size_t n, const double *b, size_t m)
{
    struct rank_test test = rank_compare(a, n, b, m);
    double p = fabs(test.delta) < 1 ? 1 : welch_p(a, n, b, m);
    test.p = p < test.p ? p : test.p;
    return test;
}

int rank_says(struct rank_test t)
{
    if (t.p >= RANK_P_MAX || fabs(t.delta) < RANK_DELTA_MIN)
        return 0;
    return t.delta > 0 ? 1 : -1;
}
