/* named.c - options of a client library, NAME=VALUE. */
#include "named.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

enum { LINE_MAX_BYTES = 4096, NAME_BYTES = 128 };

const char *bridge_split(const char *text, char *name, size_t size)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || (size_t)(equals - text) >= size)
        return NULL;
    snprintf(name, size, "%.*s", (int)(equals - text), text);
    return equals + 1;
}

static bool read_lines(FILE *f, const char *path, const char *option, bridge_set *set, void *data)
{
    char line[LINE_MAX_BYTES], name[NAME_BYTES];
    for (unsigned number = 1; fgets(line, sizeof line, f); number++) {
        bool whole = strchr(line, '\n') || feof(f);
        line[strcspn(line, "\r\n")] = 0;
        if (!*line || *line == '#')
            continue;
        const char *value = whole ? bridge_split(line, name, sizeof name) : NULL;
        if (!value) {
            cli_complain("--%s %s: line %u is not NAME=VALUE, of up to %d bytes", option, path, number, LINE_MAX_BYTES);
            return false;
        }
        if (!set(data, name, value))
            return false;
    }
    return true;
}

bool bridge_read_options(const char *path, const char *option, bridge_set *set, void *data)
{
    FILE *f = path ? fopen(path, "re") : NULL;
    if (!f && path)
        cli_complain("cannot read --%s %s: %s", option, path, strerror(errno));
    if (!f)
        return !path;
    bool good = read_lines(f, path, option, set, data);
    fclose(f);
    return good;
}

bool bridge_each_option(const struct cli_list *list, bridge_set *set, void *data)
{
    char name[NAME_BYTES];
    for (size_t i = 0; i < list->count; i++) {
        const char *value = bridge_split(list->item[i], name, sizeof name);
        if (!value) {
            cli_complain("--option: '%s' is not NAME=VALUE", list->item[i]);
            return false;
        }
        if (!set(data, name, value))
            return false;
    }
    return true;
}
