/* lines_hook.h - included before every file of the library whose cache lines are counted: accesses and prefetches say
 * where they go. */
#ifndef TESTS_BENCH_LINES_HOOK_H
#define TESTS_BENCH_LINES_HOOK_H

#include "../explore/access.h"
#include "order.h"

void lines_prefetch(const void *p, int write);
#define cvb_prefetch_write(p) lines_prefetch(p, 1)
#define __builtin_prefetch(p) lines_prefetch(p, 0)

#endif
