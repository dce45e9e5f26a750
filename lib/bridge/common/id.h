/* id.h - by what an engine tells that a message came before. */
#ifndef CONVEYOR_BRIDGE_ID_H
#define CONVEYOR_BRIDGE_ID_H

#include <stddef.h>
#include <stdint.h>

enum { BRIDGE_ID_MAX = 64 };

/* SEGMENT.SOURCE.POSITION, the segment's id in hexadecimal digits: the same for a record whoever sends it, and however
 * often. "" for a record without a position. */
void bridge_id(const uint8_t segment[16], uint32_t source, uint64_t position, char text[BRIDGE_ID_MAX]);

#endif
