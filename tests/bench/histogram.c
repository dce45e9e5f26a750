/* histogram.c - is a histogram as exact as it says? */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"

enum { VALUES = 20000 };

static uint64_t random_value(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) >> (*seed >> 59); /* all sizes */
}

static int compare(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a > b) - (a < b);
}

Test(histogram, bins_are_in_order_and_narrow)
{
    for (uint64_t v = 0; v < UINT64_C(1) << 42; v += 1 + v / 1000) {
        static struct histogram h;
        memset(&h, 0, sizeof h);
        histogram_add(&h, v);
        histogram_add(&h, UINT64_C(1) << 42); /* a larger one, so that v's bin shows its upper end */
        uint64_t top = histogram_at(&h, 0.5);
        cr_assert(top >= v, "%llu: %llu", (unsigned long long)v, (unsigned long long)top);
        cr_assert(top - v <= v / 128, "%llu: %llu", (unsigned long long)v, (unsigned long long)top);
        cr_assert_leq(histogram_bin(v), histogram_bin(v + 1));
    }
}

Test(histogram, quantiles_are_those_of_the_sorted_values)
{
    static struct histogram h;
    static uint64_t value[VALUES];
    uint64_t seed = 7;
    for (int i = 0; i < VALUES; i++) {
        value[i] = random_value(&seed);
        histogram_add(&h, value[i]);
    }
    qsort(value, VALUES, sizeof *value, compare);
    static const double part[] = {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        uint64_t exact = value[(int)(part[i] * VALUES + 0.5) - 1], found = histogram_at(&h, part[i]);
        cr_assert(found >= exact && found - exact <= exact / 128, "%g: %llu, not %llu", part[i],
                  (unsigned long long)found, (unsigned long long)exact);
    }
    cr_assert_eq(h.count, VALUES);
    cr_assert_eq(histogram_at(&h, 1), value[VALUES - 1]);
}

Test(histogram, one_value_is_every_quantile)
{
    static struct histogram h;
    histogram_add(&h, 1000);
    cr_assert_eq(histogram_at(&h, 0), 1000);
    cr_assert_eq(histogram_at(&h, 0.5), 1000);
    cr_assert_eq(histogram_at(&h, 1), 1000);
}

Test(histogram, between_two_values_is_the_higher_one)
{
    static struct histogram h;
    for (uint64_t v = 10; v <= 30; v += 10)
        histogram_add(&h, v);
    cr_assert_eq(histogram_at(&h, 0.3), 10);
    cr_assert_eq(histogram_at(&h, 0.5), 20);
    cr_assert_eq(histogram_at(&h, 0.7), 30);
}

Test(histogram, an_empty_one_and_a_huge_value)
{
    static struct histogram h;
    cr_assert_eq(histogram_at(&h, 0.5), 0);
    histogram_add(&h, UINT64_MAX);
    cr_assert_eq(histogram_at(&h, 0.5), UINT64_MAX);
}

Test(histogram, joining_is_adding)
{
    static struct histogram a, b, both;
    uint64_t seed = 3;
    for (int i = 0; i < 1000; i++) {
        uint64_t v = random_value(&seed);
        histogram_add(i % 3 ? &a : &b, v);
        histogram_add(&both, v);
    }
    histogram_join(&a, &b);
    cr_assert(!memcmp(&a, &both, sizeof a));
}
