/* report.h - reading results again: is B faster than A? */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* rank.c - the Mann-Whitney rank test of two samples. */
struct rank_test {
    double p;     /* two-sided: how likely such ranks are if A and B are alike */
    double delta; /* Cliff's: -1 every B below every A, 0 alike, 1 every B above every A */
};
struct rank_test rank_compare(const double *a, size_t a_count, const double *b, size_t b_count);

/* welch.c - two-sided p of Welch's t test of the logarithms; 1 if there are fewer than four of either. */
double welch_p(const double *a, size_t a_count, const double *b, size_t b_count);

/* As rank_compare; but if no value of one lies among those of the other, p is the smaller one of both tests: five runs
 * each are the least that can tell anything by their ranks alone. */
struct rank_test samples_compare(const double *a, size_t a_count, const double *b, size_t b_count);

/* 1: B lies above A, -1: below, 0: they cannot be told apart. The effect must be there as well as the significance. */
#define RANK_P_MAX 0.01
#define RANK_DELTA_MIN 0.5
int rank_says(struct rank_test test);

/* compare.c - the command `compare A.json B.json` */
int report_compare_main(int argc, char **argv);

/* main.c of this folder: the command `report RESULTS.json` */
int report_main(int argc, char **argv);

#endif
