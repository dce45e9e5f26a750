/* verdict.c - what a list of results says in words: its judge says it. */
#include "verdict.h"

#include <stdarg.h>
#include <string.h>

#include "judge.h"
#include "results.h"

void verdict_say(struct verdict *v, const char *format, ...)
{
    va_list arguments;
    if (v->count == VERDICT_LINES)
        return;
    va_start(arguments, format);
    vsnprintf(v->line[v->count++], VERDICT_SIZE, format, arguments);
    va_end(arguments);
}

struct figure figure_where(const json_t *list, const char *key, json_t *what)
{
    struct figure f = figure_of(list, what, key);
    json_decref(what);
    return f;
}

/* The reason of the first run that does not count. */
static const char *why_none(const json_t *list)
{
    size_t i;
    json_t *run;
    json_array_foreach(list, i, run) if (figure_left_out(run)) return figure_left_out(run);
    return "too few to compare";
}

struct verdict verdict_of(const json_t *results, const char *name)
{
    static const struct {
        const char *list;
        verdict_judge *judge;
    } judges[] = {{"runs", judge_runs},       {"pipeline", judge_pipelines},  {"round_trip", judge_trips},
                  {"latency", judge_latency}, {"half_load", judge_half_load}, {"limits", judge_limits},
                  {"wake_up", judge_wake_up}, {"brokers", judge_brokers},     {"cost", judge_cost},
                  {"heal", judge_heal},       {"long", judge_long},           {"backpressure", judge_backpressure},
                  {"job", judge_job},         {"python", judge_python}};
    struct verdict v = {.count = 0};
    const json_t *list = json_object_get(results, name);
    for (size_t i = 0; i < sizeof judges / sizeof *judges && json_array_size(list); i++)
        if (!strcmp(judges[i].list, name))
            judges[i].judge(&v, results, list);
    if (!v.count && json_array_size(list))
        verdict_say(&v, "Nothing can be said: no run counts (%s).", why_none(list));
    return v;
}

void verdict_print(FILE *out, const json_t *results, const char *list)
{
    struct verdict v = verdict_of(results, list);
    if (!json_array_size(json_object_get(results, list)))
        fputs("  Nothing was measured: the time was over.\n", out);
    for (unsigned i = 0; i < v.count; i++)
        fprintf(out, "  %s\n", v.line[i]);
}
