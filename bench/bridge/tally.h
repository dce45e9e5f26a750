/* tally.h - what programs count that send or receive the numbered messages of a measurement: each begins with its
 * number, from 0 on. */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct tally {
    uint64_t count, sum; /* of the numbers */
    uint64_t first;      /* how many had been counted when the time began */
    double first_s, last_s;
};

static inline double tally_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The time begins: what was counted until now is not part of the rate. */
static inline void tally_begin(struct tally *t)
{
    t->first = t->count;
    t->first_s = tally_now_s();
}

static inline void tally_message(struct tally *t, const void *payload, size_t size)
{
    uint64_t number = 0;
    memcpy(&number, payload, size < sizeof number ? size : sizeof number);
    t->count++;
    t->sum += number;
}

static inline void tally_number(char *payload, uint64_t number) { memcpy(payload, &number, sizeof number); }

static inline void tally_print(struct tally *t)
{
    t->last_s = tally_now_s();
    printf("{\"count\": %" PRIu64 ", \"sum\": %" PRIu64 ", \"timed\": %" PRIu64 ", \"seconds\": %.6f}\n", t->count,
           t->sum, t->count - t->first, t->last_s - t->first_s);
}

#endif
