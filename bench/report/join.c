/* join.c - several files of results become one: their lists one behind the other. */
#include <string.h>

#include "results.h"

static bool has(const json_t *list, const json_t *one)
{
    size_t i;
    json_t *other;
    json_array_foreach(list, i, other) if (json_equal(other, one)) return true;
    return false;
}

/* What both have is there once, as the names of the systems are. */
static void join(json_t *to, const json_t *from)
{
    const char *name;
    json_t *list, *one;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)from, name, list)
    {
        json_t *own = json_object_get(to, name);
        if (!own)
            json_object_set(to, name, list);
        else if (json_is_array(own) && json_is_array(list))
            json_array_foreach(list, i, one) if (!has(own, one)) json_array_append(own, one);
    }
}

static bool is_of_one_machine(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"cpu", "processors", "kernel", "compiler"};
    const json_t *x = json_object_get(a, "machine"), *y = json_object_get(b, "machine");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_equal(json_object_get(x, keys[i]), json_object_get(y, keys[i])))
            return false;
    return true;
}

json_t *results_read_all(char *const *paths, int count, const char *who)
{
    json_t *all = results_read(paths[0], who);
    for (int i = 1; i < count && all; i++) {
        json_t *more = results_read(paths[i], who);
        bool fits = more && is_of_one_machine(all, more);
        if (more && !fits)
            fprintf(stderr, "%s: %s: measured on another machine, or with another compiler, than %s\n", who, paths[i],
                    paths[0]);
        if (fits)
            join(all, more);
        else
            json_decref(all);
        all = fits ? all : NULL;
        json_decref(more);
    }
    return all;
}
