/* id.c - by what an engine tells that a message came before. */
#include "id.h"

#include <conveyor/envelope.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

/* True if every byte may stand in a header of any engine. */
static bool is_plain(const struct cvb_envelope_value *v)
{
    for (uint32_t i = 0; i < v->length; i++)
        if (((const char *)v->bytes)[i] <= ' ' || ((const char *)v->bytes)[i] == 127)
            return false;
    return v->length && v->length < BRIDGE_ID_MAX;
}

void bridge_id(const uint8_t segment[CVB_SEGMENT_ID_BYTES], const struct cvb_lease *l, char text[BRIDGE_ID_MAX])
{
    struct cvb_envelope_value id;
    text[0] = 0;
    if (cvb_envelope_find(l->header, l->header_length, "id", &id) && id.bytes && is_plain(&id)) {
        snprintf(text, BRIDGE_ID_MAX, "%.*s", (int)id.length, (const char *)id.bytes);
        return;
    }
    if (!l->position)
        return;
    for (int i = 0; i < CVB_SEGMENT_ID_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", segment[i]);
    snprintf(text + 32, BRIDGE_ID_MAX - 32, ".%" PRIu32 ".%" PRIu64, l->source, l->position);
}
