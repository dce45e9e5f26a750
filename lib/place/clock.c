/* clock.c - the clocks of the system. */
#include <time.h>

#include "place/stay.h"

uint64_t cvb_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Of the last tick of the system's timer: ten times as quick to read. */
uint64_t cvb_coarse_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cvb_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return cvb_buffered_at((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
}
