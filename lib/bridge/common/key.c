/* key.c - the key of a message on its way out: --key. */
#include "key.h"

#include <conveyor/envelope.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What stands behind "header:" or "json:" in --key; NULL if it begins with something else. */
static const char *named(const struct bridge *b, const char *kind)
{
    size_t n = strlen(kind);
    return b->key && !strncmp(b->key, kind, n) ? b->key + n : NULL;
}

bool bridge_key_is_source(const struct bridge *b) { return b->key && !strcmp(b->key, "source"); }

/* The last of that name: it was added by who knew the others. */
static struct bridge_text from_header(const struct cvb_lease *l, const char *wanted)
{
    struct cvb_envelope_value name, value;
    struct bridge_text found = {0};
    for (uint32_t i = 0; cvb_envelope_header(l->header, l->header_length, i, &name, &value); i++)
        if (name.length == strlen(wanted) && !memcmp(name.bytes, wanted, name.length))
            found = (struct bridge_text){value.bytes, value.length};
    return found;
}

/* Text as it is, numbers and truth as JSON writes them. What is larger than `place` is no key. */
static struct bridge_text from_json(const struct cvb_lease *l, const char *wanted, char *place, size_t size)
{
    json_t *all = json_loadb(l->payload, l->length, 0, NULL), *value = json_object_get(all, wanted);
    struct bridge_text found = {0};
    const char *text = json_string_value(value);
    size_t n = text ? json_string_length(value)
               : json_is_number(value) || json_is_boolean(value)
                   ? json_dumpb(value, place, size, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17))
                   : 0;
    if (n && n <= size) {
        if (text)
            memcpy(place, text, n);
        found = (struct bridge_text){place, n};
    }
    json_decref(all);
    return found;
}

static struct bridge_text as_it_came(const struct cvb_lease *l)
{
    struct cvb_envelope_value value;
    if (!cvb_envelope_find(l->header, l->header_length, "key", &value))
        return (struct bridge_text){0};
    return (struct bridge_text){value.bytes, value.length};
}

struct bridge_text bridge_key_of(const struct bridge *b, const struct cvb_lease *l, const char *source, char *place,
                                 size_t size)
{
    const char *name;
    if (!b->key)
        return as_it_came(l);
    if (bridge_key_is_source(b))
        return bridge_text_of(source);
    if ((name = named(b, "header:")))
        return from_header(l, name);
    if ((name = named(b, "json:")))
        return from_json(l, name, place, size);
    return (struct bridge_text){0};
}
