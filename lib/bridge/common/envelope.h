/* envelope.h - what a message has besides its body, as a record's header (conveyor/envelope.h). */
#ifndef CONVEYOR_BRIDGE_ENVELOPE_H
#define CONVEYOR_BRIDGE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BRIDGE_HEADERS_MAX = 64 }; /* of a message; more are left out */

struct bridge_text {
    const void *bytes; /* NULL: there is none */
    size_t length;
};

struct bridge_header {
    struct bridge_text name, value;
};

struct bridge_envelope {
    char origin[300], id[340]; /* "": none */
    const char *place, *where; /* "subject" or "topic", and which */
    int64_t partition;         /* -1: none */
    uint64_t timestamp_ns;     /* 0: none */
    struct bridge_text key;
    struct bridge_header headers[BRIDGE_HEADERS_MAX];
    size_t header_count;
    bool cut; /* there are more headers */
};

/* Text of a C string; none of NULL. */
struct bridge_text bridge_text_of(const char *text);

/* Writes the envelope, as much as there is room for: without its headers if it must be, and without its key. How many
 * bytes; 0: nothing. `cut` says whether something was left out. */
size_t bridge_envelope_pack(struct bridge_envelope *envelope, void *bytes, size_t size);

#endif
