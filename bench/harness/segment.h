/* segment.h - segments of the parts that measure conveyor alone. */
#ifndef BENCH_SEGMENT_H
#define BENCH_SEGMENT_H

#include <conveyor/buffer.h>
#include <stdbool.h>

/* Makes a segment with a name of its own, left in `name`, and complains if it cannot. */
int segment_make(char name[CVB_NAME_MAX + 1], const struct cvb_settings *settings);

/* Bytes of the segment of that name; 0 if there is none. */
double segment_bytes(const char *name);

/* Is it one of the limits that refused? */
static inline bool segment_is_full(int why) { return why <= CVB_ESTAGE_FULL && why >= CVB_EMEMORY_FULL; }

#endif
