/* histogram.h - counts of values by size, with the same relative precision everywhere, as HdrHistogram keeps them (Tene
 * 2012): each power of two is cut into 128 parts, so that a value is off by less than 0.8 %. A histogram is written
 * by one process and has no pointers: it may lie in shared memory. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { HISTOGRAM_PARTS = 128, HISTOGRAM_SHIFTS = 36, HISTOGRAM_BINS = HISTOGRAM_PARTS * (HISTOGRAM_SHIFTS + 1) };

struct histogram {
    uint64_t count, largest;
    uint64_t bin[HISTOGRAM_BINS];
};

/* Values below 2 * PARTS have a bin each. */
static inline unsigned histogram_bin(uint64_t value)
{
    if (value < 2 * HISTOGRAM_PARTS)
        return (unsigned)value;
    unsigned shift = 56u - (unsigned)__builtin_clzll(value);
    if (shift >= HISTOGRAM_SHIFTS)
        return HISTOGRAM_BINS - 1;
    return shift * HISTOGRAM_PARTS + (unsigned)(value >> shift);
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
    h->bin[histogram_bin(value)]++;
    h->count++;
    if (value > h->largest)
        h->largest = value;
}

void histogram_join(struct histogram *all, const struct histogram *one);

/* The value below or at which so much of all lies: part 0.99 for p99. The upper end of its bin, at most the largest. */
uint64_t histogram_at(const struct histogram *h, double part);
double histogram_mean(const struct histogram *h);

/* As HdrHistogram writes it: value, percentile, how many so far, 1 / (1 - percentile). Values in units of `unit`. */
void histogram_write(const struct histogram *h, FILE *out, double unit);

#endif
