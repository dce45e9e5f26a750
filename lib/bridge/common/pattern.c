/* pattern.c - a subject or topic with {source}, {pipeline} and {stage} in it. */
#include "pattern.h"

#include <string.h>

/* The name that stands in braces at `at`, and how long that is; NULL if nothing that is known does. */
static const char *name_at(const char *at, const struct bridge_names *names, size_t *length)
{
    const struct {
        const char *text, *name;
    } known[] = {{"{source}", names->source}, {"{pipeline}", names->pipeline}, {"{stage}", names->stage}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strncmp(at, known[i].text, strlen(known[i].text))) {
            *length = strlen(known[i].text);
            return known[i].name;
        }
    return NULL;
}

static bool put_name(const char *name, const char *forbidden, char *text, size_t size, size_t *n)
{
    for (; *name; name++) {
        bool good = (unsigned char)*name > ' ' && *name != 127 && !strchr(forbidden, *name);
        if (*n + 1 >= size)
            return false;
        text[(*n)++] = good ? *name : '_';
    }
    return true;
}

bool bridge_pattern_fill(const char *pattern, const struct bridge_names *names, const char *forbidden, char *text,
                         size_t size)
{
    size_t n = 0, length;
    for (const char *at = pattern; *at; at += length) {
        const char *name = name_at(at, names, &length);
        if (name) {
            if (!put_name(name, forbidden, text, size, &n))
                return false;
            continue;
        }
        length = 1;
        if (n + 1 >= size)
            return false;
        text[n++] = *at;
    }
    text[n] = 0;
    return n > 0;
}

const char *bridge_pattern_wrong(const char *pattern)
{
    static const struct bridge_names some = {"s", "p", "t"};
    size_t length;
    if (!*pattern)
        return "it is empty";
    for (const char *at = pattern; *at; at += length) {
        bool known = name_at(at, &some, &length);
        if (known)
            continue;
        length = 1;
        if (*at == '{' || *at == '}')
            return "only {source}, {pipeline} and {stage} may stand in braces";
        if ((unsigned char)*at <= ' ' || *at == 127)
            return "it has a space or a control character in it";
    }
    return NULL;
}
