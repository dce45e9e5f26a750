/* id.h - by what an engine tells that a message came before. */
#ifndef CONVEYOR_BRIDGE_ID_H
#define CONVEYOR_BRIDGE_ID_H

#include <conveyor/types.h>
#include <stddef.h>
#include <stdint.h>

enum { BRIDGE_ID_MAX = 384 };

/* The same for a record whoever sends it, and however often: the id that it had at its origin (conveyor/envelope.h), so
 * that it is known also when it came anew after this machine's death; else SEGMENT.SOURCE.POSITION, the segment's id in
 * hexadecimal digits. "" for a record without any. */
void bridge_id(const uint8_t segment[CVB_SEGMENT_ID_BYTES], const struct cvb_lease *lease, char text[BRIDGE_ID_MAX]);

#endif
