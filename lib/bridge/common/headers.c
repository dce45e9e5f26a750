/* headers.c - the headers of a message on its way out. */
#include "headers.h"

#include <conveyor/envelope.h>
#include <string.h>
#include <strings.h>

static struct bridge_header given(const struct bridge *b, size_t i)
{
    const char *text = b->headers.item[i], *equals = strchr(text, '='); /* bridge_parse has seen that it is there */
    return (struct bridge_header){{text, (size_t)(equals - text)}, bridge_text_of(equals + 1)};
}

/* One of --header has that name. */
static bool is_given(const struct bridge *b, const struct bridge_text *name)
{
    for (size_t i = 0; i < b->headers.count; i++) {
        struct bridge_header h = given(b, i);
        if (h.name.length == name->length && !strncasecmp(h.name.bytes, name->bytes, name->length))
            return true;
    }
    return false;
}

/* An order to the stream that the message came from, or the mark of an earlier bridge. */
static bool is_private(const struct bridge_text *name)
{
    static const char *const names[] = {"conveyor-id", "conveyor-retry"};
    if (name->length >= 5 && !strncasecmp(name->bytes, "Nats-", 5))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (name->length == strlen(names[i]) && !strncasecmp(name->bytes, names[i], name->length))
            return true;
    return false;
}

bool bridge_headers_next(struct bridge_headers *h, struct bridge_header *header)
{
    struct cvb_envelope_value name, value;
    while (cvb_envelope_header(h->lease->header, h->lease->header_length, h->came, &name, &value)) {
        h->came++;
        *header = (struct bridge_header){{name.bytes, name.length}, {value.bytes, value.length}};
        if (!is_private(&header->name) && !is_given(h->bridge, &header->name))
            return true;
    }
    if (h->given == h->bridge->headers.count)
        return false;
    *header = given(h->bridge, h->given++);
    return true;
}
