/* csv.c - results as CSV: a line for each number. The first columns say what was measured,
 * left_out why a run does not count (empty: it counts), the last ones how much. */
#include <string.h>

#include "figures.h"
#include "results.h"

static const char *const keys[] = {"system",  "mode", "what", "size",  "producers", "consumers", "stages",  "batch",
                                   "payload", "rate", "kind", "state", "repeat",    "t_ms",      "quantile"};
enum { KEYS = sizeof keys / sizeof *keys };

static bool is_key(const char *name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (!strcmp(keys[i], name))
            return true;
    return false;
}

static void write_value(FILE *out, const json_t *value)
{
    if (json_is_string(value))
        fprintf(out, "\"%s\"", json_string_value(value)); /* names and words: no quotes in them */
    else if (json_is_number(value))
        fprintf(out, "%.9g", json_number_value(value));
}

static void write_object(FILE *out, const char *part, json_t *object)
{
    const char *name, *why = figure_left_out(object);
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (!json_is_number(value) || is_key(name))
            continue;
        fprintf(out, "%s", part);
        for (size_t i = 0; i < KEYS; i++) {
            fputc(',', out);
            write_value(out, json_object_get(object, keys[i]));
        }
        fprintf(out, ",\"%s\",%s,%.9g\n", why ? why : "", name, json_number_value(value));
    }
}

int results_write_csv(const json_t *results, const char *path)
{
    FILE *out = fopen(path, "w");
    const char *part;
    json_t *list, *object;
    size_t i;
    if (!out)
        return -1;
    fputs("part", out);
    for (i = 0; i < KEYS; i++)
        fprintf(out, ",%s", keys[i]);
    fputs(",left_out,metric,value\n", out);
    json_object_foreach((json_t *)(uintptr_t)results, part, list)
    {
        json_array_foreach(list, i, object) write_object(out, part, object);
    }
    return fclose(out);
}
