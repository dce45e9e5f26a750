/* wrap.c - what a message of NATS has besides its body. */
#include "wrap.h"

#include <conveyor/envelope.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery.h"

enum { NAME_MAX_BYTES = 256, VALUE_MAX_BYTES = 4096 };

static void add(struct bridge_envelope *e, const char *name, const char *value)
{
    if (e->header_count == BRIDGE_HEADERS_MAX)
        e->cut = true;
    else
        e->headers[e->header_count++] = (struct bridge_header){bridge_text_of(name), bridge_text_of(value)};
}

/* The array is the caller's, its strings are the message's. */
static void add_all(struct bridge_envelope *e, natsMsg *m, const char *name)
{
    const char **values = NULL;
    int count = 0;
    if (natsMsgHeader_Values(m, name, &values, &count) == NATS_OK)
        for (int i = 0; i < count; i++)
            add(e, name, values[i]);
    free((void *)values);
}

void nats_wrap(struct bridge_envelope *e, natsMsg *m, const struct nats_consumer *c)
{
    struct nats_numbers n = {0};
    const char **names = NULL;
    int count = 0;
    snprintf(e->origin, sizeof e->origin, "nats:%s", c->stream);
    e->place = "subject";
    e->where = natsMsg_GetSubject(m);
    if (nats_numbers(m, &n)) {
        e->timestamp_ns = n.stored_ns;
        snprintf(e->id, sizeof e->id, "%s.%" PRIu64 ".%" PRIu64, c->stream, n.in_stream, n.stored_ns);
    }
    if (natsMsgHeader_Keys(m, &names, &count) == NATS_OK)
        for (int i = 0; i < count; i++)
            add_all(e, m, names[i]);
    free((void *)names);
}

/* Copies text that NATS can carry: without control characters, and a name without spaces and colons. */
static bool copy(const struct bridge_text *t, bool is_name, char *text, size_t size)
{
    const char *from = t->bytes;
    if (t->length >= size || (is_name && !t->length))
        return false;
    for (size_t i = 0; i < t->length; i++) {
        unsigned char c = (unsigned char)from[i];
        if (c < ' ' || c == 127 || (is_name && (c == ' ' || c == ':' || c > 127)))
            return false;
        text[i] = from[i];
    }
    text[t->length] = 0;
    return true;
}

natsStatus nats_unwrap(natsMsg *m, const struct bridge *b, const struct cvb_lease *l, uint64_t *skipped)
{
    char name[NAME_MAX_BYTES], value[VALUE_MAX_BYTES];
    struct bridge_headers all = {b, l, 0, 0};
    struct bridge_header h;
    natsStatus s = NATS_OK;
    while (s == NATS_OK && bridge_headers_next(&all, &h))
        if (copy(&h.name, true, name, sizeof name) && copy(&h.value, false, value, sizeof value))
            s = natsMsgHeader_Add(m, name, value);
        else
            ++*skipped;
    return s;
}
