/* envelope.h - reads the headers that bridges give to records, without a library.
 *
 * A bridge from NATS or Kafka keeps what a message has besides its body in the record's header, as far as the setting
 * header_size has room for it: a map of MessagePack with these entries. Each may be missing, but origin.
 *
 *     origin     text: the engine, and the stream or topic: "nats:ORDERS", "kafka:orders"
 *     subject    text (NATS); topic: text (Kafka)
 *     partition  number (Kafka)
 *     timestamp  number: when the message was stored at its origin, in nanoseconds since 1970
 *     key        bytes (Kafka)
 *     headers    pairs of a name (text) and a value (bytes, or nil); a name may come more than once
 *     id         text: of this message alone; the same if the message comes again
 *
 *     struct cvb_envelope_value key;
 *     if (cvb_envelope_find(lease.header, lease.header_length, "key", &key))
 *         use(key.bytes, key.length);
 *
 * A header that is no such map, or is broken off, has no entries: nothing is read outside its bytes, whatever they are.
 * Pure functions: any thread, no errors. */
#ifndef CONVEYOR_ENVELOPE_H
#define CONVEYOR_ENVELOPE_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was read. */
struct cvb_envelope_value {
    const void *bytes; /* of text or bytes, inside the header; NULL of a number and of nil */
    uint32_t length;   /* in bytes */
    uint32_t reserved;
    uint64_t number;
};

/* Private: what an element is. */
enum cvb_envelope_kind { CVB_ENVELOPE_NUMBER, CVB_ENVELOPE_BYTES, CVB_ENVELOPE_LIST, CVB_ENVELOPE_MAP };

/* Private: where a reader is. */
struct cvb_envelope_at {
    const uint8_t *next, *end;
};

/* Private: how many bytes the number behind a byte of MessagePack has, and what it is the number or the length of; 0 if
 * the envelope has no such. */
static inline uint32_t cvb_envelope_width(uint8_t c, enum cvb_envelope_kind *kind)
{
    *kind = c >= 0xde                ? CVB_ENVELOPE_MAP
            : c >= 0xdc              ? CVB_ENVELOPE_LIST
            : c >= 0xcc && c <= 0xcf ? CVB_ENVELOPE_NUMBER
                                     : CVB_ENVELOPE_BYTES;
    switch (c) {
    case 0xc4:
    case 0xcc:
    case 0xd9:
        return 1;
    case 0xc5:
    case 0xcd:
    case 0xda:
    case 0xdc:
    case 0xde:
        return 2;
    case 0xc6:
    case 0xce:
    case 0xdb:
    case 0xdd:
    case 0xdf:
        return 4;
    case 0xcf:
        return 8;
    default:
        return 0;
    }
}

/* Private: reads one element: a number, bytes, or how many elements of a list or pairs of a map follow. 0 if it is none
 * or broken off. */
static inline int cvb_envelope_next(struct cvb_envelope_at *at, enum cvb_envelope_kind *kind,
                                    struct cvb_envelope_value *value)
{
    const struct cvb_envelope_value none = {NULL, 0, 0, 0};
    *value = none;
    if (at->next == at->end)
        return 0;
    const uint8_t c = *at->next++;
    if (c == 0xc0) { /* nil */
        *kind = CVB_ENVELOPE_NUMBER;
        return 1;
    }
    if (c < 0xc0) {
        *kind = c < 0x80   ? CVB_ENVELOPE_NUMBER
                : c < 0x90 ? CVB_ENVELOPE_MAP
                : c < 0xa0 ? CVB_ENVELOPE_LIST
                           : CVB_ENVELOPE_BYTES;
        value->number = c < 0x80 ? c : c < 0xa0 ? c & 15u : c & 31u;
    } else {
        const uint32_t width = cvb_envelope_width(c, kind);
        if (!width || (size_t)(at->end - at->next) < width)
            return 0;
        for (uint32_t i = 0; i < width; i++)
            value->number = value->number << 8 | *at->next++;
    }
    if (*kind == CVB_ENVELOPE_NUMBER)
        return 1;
    if (value->number > (size_t)(at->end - at->next)) /* an element has a byte at least */
        return 0;
    if (*kind == CVB_ENVELOPE_BYTES) {
        value->bytes = at->next;
        value->length = (uint32_t)value->number;
        value->number = 0;
        at->next += value->length;
    }
    return 1;
}

/* Private: passes over one element with all that is in it. */
static inline int cvb_envelope_skip(struct cvb_envelope_at *at)
{
    enum cvb_envelope_kind kind;
    struct cvb_envelope_value value;
    for (uint64_t left = 1; left; left--) {
        if (!cvb_envelope_next(at, &kind, &value))
            return 0;
        if (kind == CVB_ENVELOPE_LIST || kind == CVB_ENVELOPE_MAP)
            left += value.number << (kind == CVB_ENVELOPE_MAP);
    }
    return 1;
}

/* Private: goes to the value of an entry. */
static inline int cvb_envelope_seek(const void *header, uint32_t length, const char *name, struct cvb_envelope_at *at)
{
    enum cvb_envelope_kind kind;
    struct cvb_envelope_value value;
    at->next = (const uint8_t *)header;
    at->end = at->next + (header ? length : 0);
    if (!cvb_envelope_next(at, &kind, &value) || kind != CVB_ENVELOPE_MAP)
        return 0;
    const uint64_t entries = value.number;
    for (uint64_t i = 0; i < entries; i++) {
        if (!cvb_envelope_next(at, &kind, &value) || kind != CVB_ENVELOPE_BYTES)
            return 0;
        if (!i && (value.length != 6 || memcmp(value.bytes, "origin", 6) != 0))
            return 0; /* somebody else's map */
        if (value.length == strlen(name) && memcmp(value.bytes, name, value.length) == 0)
            return 1;
        if (!cvb_envelope_skip(at))
            return 0;
    }
    return 0;
}

/* Reads the entry of that name. 1, or 0 if there is none. */
static inline int cvb_envelope_find(const void *header, uint32_t length, const char *name,
                                    struct cvb_envelope_value *value)
{
    struct cvb_envelope_at at;
    enum cvb_envelope_kind kind;
    return cvb_envelope_seek(header, length, name, &at) && cvb_envelope_next(&at, &kind, value) &&
           (kind == CVB_ENVELOPE_NUMBER || kind == CVB_ENVELOPE_BYTES);
}

/* Reads the message's header with that index, from 0 on. 1, or 0 if there are not so many. */
static inline int cvb_envelope_header(const void *header, uint32_t length, uint32_t index,
                                      struct cvb_envelope_value *name, struct cvb_envelope_value *value)
{
    struct cvb_envelope_at at;
    enum cvb_envelope_kind kind;
    if (!cvb_envelope_seek(header, length, "headers", &at) || !cvb_envelope_next(&at, &kind, value) ||
        kind != CVB_ENVELOPE_LIST || index >= value->number)
        return 0;
    for (uint32_t i = 0; i < index; i++)
        if (!cvb_envelope_skip(&at))
            return 0;
    return cvb_envelope_next(&at, &kind, value) && kind == CVB_ENVELOPE_LIST && value->number == 2 &&
           cvb_envelope_next(&at, &kind, name) && kind == CVB_ENVELOPE_BYTES && cvb_envelope_next(&at, &kind, value) &&
           (kind == CVB_ENVELOPE_NUMBER || kind == CVB_ENVELOPE_BYTES);
}

#ifdef __cplusplus
}
#endif
#endif
