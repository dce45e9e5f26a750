/* id.c - by what an engine tells that a message came before. */
#include "id.h"

#include <inttypes.h>
#include <stdio.h>

void bridge_id(const uint8_t segment[16], uint32_t source, uint64_t position, char text[BRIDGE_ID_MAX])
{
    text[0] = 0;
    if (!position)
        return;
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", segment[i]);
    snprintf(text + 32, BRIDGE_ID_MAX - 32, ".%" PRIu32 ".%" PRIu64, source, position);
}
