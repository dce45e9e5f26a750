/* histogram.c - reading a histogram. */
#include "histogram.h"

#include <math.h>

/* The largest value of a bin. */
static uint64_t top_of(unsigned bin)
{
    unsigned shift = bin < 2 * HISTOGRAM_PARTS ? 0 : bin / HISTOGRAM_PARTS - 1;
    return ((uint64_t)(bin - shift * HISTOGRAM_PARTS + 1) << shift) - 1;
}

void histogram_join(struct histogram *all, const struct histogram *one)
{
    all->count += one->count;
    if (one->largest > all->largest)
        all->largest = one->largest;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
        all->bin[i] += one->bin[i];
}

static uint64_t value_of(const struct histogram *h, unsigned bin)
{
    uint64_t top = top_of(bin);
    return top < h->largest && bin < HISTOGRAM_BINS - 1 ? top : h->largest;
}

uint64_t histogram_at(const struct histogram *h, double part)
{
    uint64_t wanted = (uint64_t)ceil(part * (double)h->count), so_far = 0;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++) {
        so_far += h->bin[i];
        if (so_far && so_far >= wanted)
            return value_of(h, i);
    }
    return 0;
}

double histogram_mean(const struct histogram *h)
{
    double sum = 0;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
        sum += (double)h->bin[i] * (double)value_of(h, i);
    return h->count ? sum / (double)h->count : 0;
}

static double deviation(const struct histogram *h, double mean)
{
    double sum = 0;
    for (unsigned i = 0; i < HISTOGRAM_BINS; i++) {
        double distance = (double)value_of(h, i) - mean;
        sum += (double)h->bin[i] * distance * distance;
    }
    return h->count ? sqrt(sum / (double)h->count) : 0;
}

/* Five steps, then five to half of the rest, and so on, until nothing is above. */
void histogram_write(const struct histogram *h, FILE *out, double unit)
{
    double mean = histogram_mean(h), part = 0, step = 0.1;
    unsigned bin = 0, steps = 0;
    uint64_t so_far = h->bin[0];
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    while (h->count && part < 1) {
        while ((double)so_far < part * (double)h->count || !so_far)
            so_far += h->bin[++bin];
        if (so_far == h->count)
            break;
        fprintf(out, "%12.3f %2.12f %10llu %14.2f\n", (double)value_of(h, bin) / unit, part, (unsigned long long)so_far,
                1 / (1 - part));
        part += step;
        if (++steps % 5 == 0)
            step /= 2;
    }
    fprintf(out, "%12.3f %2.12f %10llu\n", (double)h->largest / unit, 1.0, (unsigned long long)h->count);
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean / unit, deviation(h, mean) / unit);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)h->largest / unit,
            (unsigned long long)h->count);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", HISTOGRAM_SHIFTS, 2 * HISTOGRAM_PARTS);
}
