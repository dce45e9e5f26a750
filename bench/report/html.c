/* html.c - results as one page that opens offline: what was measured where, charts, and tables. */
#include <stdlib.h>
#include <string.h>

#include "../harness/parts.h"
#include "chart.h"
#include "results.h"

static const char style[] =
    "body{font:15px/1.45 sans-serif;color:#222;max-width:900px;margin:2em auto;padding:0 1em}"
    "h2{margin-top:2em;border-bottom:1px solid #ccc}svg{max-width:100%;height:auto;margin:.6em 0;display:block}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.15em .7em;text-align:right;border-bottom:1px solid "
    "#eee}"
    "td:first-child,th:first-child{text-align:left}pre{white-space:pre-wrap;background:#f6f6f6;padding:.7em}";

/* Is the object at i the first of the list with these values? */
static bool is_first(const json_t *list, size_t i, const char *const *keys)
{
    for (size_t k = 0; k < i; k++) {
        bool same = true;
        for (const char *const *key = keys; *key && same; key++)
            same = json_equal(json_object_get(json_array_get(list, k), *key),
                              json_object_get(json_array_get(list, i), *key));
        if (same)
            return false;
    }
    return true;
}

/* Those members of an object. */
static json_t *pick(const json_t *object, const char *const *keys)
{
    json_t *some = json_object();
    for (const char *const *key = keys; *key; key++)
        if (json_object_get(object, *key))
            json_object_set(some, *key, json_object_get(object, *key));
    return some;
}

static bool has_all(const json_t *object, const json_t *what)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)what, key, value)
    {
        if (!json_equal(json_object_get(object, key), value))
            return false;
    }
    return true;
}

static void finish(struct chart *c, FILE *out)
{
    chart_write(c, out);
    chart_free(c);
}

/* A run during which the machine changed is in the tables only. */
static bool is_mixed(const json_t *object) { return !strcmp(results_text(object, "state"), "mixed"); }

static double payload_of(const json_t *object)
{
    return json_object_get(object, "payload") ? results_number(object, "payload") : PEER_WORDS * 8;
}

static const char *const group_keys[] = {"producers", "consumers", "payload", "state", NULL};

/* Records a second against the batch, a chart for each number of processes, payload and state. */
static void by_batch(const json_t *medians, const json_t *group, FILE *out)
{
    struct chart *c = chart_new("batch", "million records a second", true, true);
    size_t i;
    json_t *one;
    if (!c)
        return;
    snprintf(c->title, sizeof c->title, "%.0fP%.0fC, %.0f bytes of payload, %s%s", results_number(group, "producers"),
             results_number(group, "consumers"), payload_of(group), results_text(group, "state"),
             json_is_true(json_object_get(group, "oversubscribed")) ? ", oversubscribed" : "");
    json_t *what = pick(group, group_keys);
    json_array_foreach(medians, i, one) if (has_all(one, what))
        chart_add(c, results_text(one, "system"), results_number(one, "batch"), results_number(one, "median") / 1e6);
    json_decref(what);
    finish(c, out);
}

/* Records a second against the number of processes, n producers and n consumers. */
static void by_processes(const json_t *medians, double batch, const char *state, FILE *out)
{
    struct chart *c = chart_new("producers, and as many consumers", "million records a second", true, true);
    size_t i;
    json_t *one;
    if (!c)
        return;
    snprintf(c->title, sizeof c->title, "Full records in batches of %.0f, %s", batch, state);
    for (unsigned n = 1; n <= 16; n++)
        json_array_foreach(medians, i,
                           one) if (results_number(one, "batch") == batch &&
                                    !strcmp(results_text(one, "state"), state) && payload_of(one) == PEER_WORDS * 8 &&
                                    results_number(one, "producers") == n && results_number(one, "consumers") == n)
            chart_add(c, results_text(one, "system"), n, results_number(one, "median") / 1e6);
    finish(c, out);
}

static void write_peers(const json_t *results, FILE *out)
{
    static const char *const ends[] = {"batch", "state", NULL};
    const json_t *medians = json_object_get(results, "medians");
    size_t i;
    json_t *one;
    fputs(
        "<h2>Records a second, beside other systems</h2>\n<p>Medians of runs in turns, counts and sums verified. Near "
        "and far are states of the machine: how long a cache line takes from core to core. Compare only within one "
        "state.</p>\n",
        out);
    json_array_foreach(medians, i, one) if (!is_mixed(one) && is_first(medians, i, group_keys))
        by_batch(medians, one, out);
    fputs("<h3>By number of processes</h3>\n", out);
    json_array_foreach(medians, i, one) if ((results_number(one, "batch") == 1 || results_number(one, "batch") == 32) &&
                                            !is_mixed(one) && is_first(medians, i, ends))
        by_processes(medians, results_number(one, "batch"), results_text(one, "state"), out);
}

static void write_trips(const json_t *results, FILE *out)
{
    static const char *const keys[] = {"system", "mode", "state", NULL}, *const states[] = {"state", NULL};
    static const struct {
        const char *key;
        double x;
    } points[] = {{"p50_ns", 2}, {"p90_ns", 10}, {"p99_ns", 100}, {"p99_9_ns", 1000}, {"p99_99_ns", 10000}};
    const json_t *list = json_object_get(results, "round_trip");
    size_t i, k;
    json_t *state, *one;
    fputs("<h2>Round trips</h2>\n<p>A record of 64 bytes to another process and back.</p>\n", out);
    json_array_foreach(list, i, state)
    {
        struct chart *c = !is_mixed(state) && is_first(list, i, states)
                              ? chart_new("1 / (1 - percentile)", "nanoseconds", true, true)
                              : NULL;
        if (!c)
            continue;
        snprintf(c->title, sizeof c->title, "Round trip, %s", results_text(state, "state"));
        json_array_foreach(list, k, one)
        {
            if (!json_equal(json_object_get(one, "state"), json_object_get(state, "state")) || !is_first(list, k, keys))
                continue;
            char name[64];
            snprintf(name, sizeof name, "%s, %s", results_text(one, "system"), results_text(one, "mode"));
            json_t *what = pick(one, keys);
            for (size_t p = 0; p < sizeof points / sizeof *points; p++)
                chart_add(c, name, points[p].x, parts_summary(list, what, points[p].key).median);
            json_decref(what);
        }
        finish(c, out);
    }
}

static void write_latency(const json_t *results, FILE *out)
{
    static const char *const keys[] = {"kind", "rate", "state", NULL};
    const json_t *list = json_object_get(results, "latency");
    size_t i, k, p;
    json_t *kind, *one, *point;
    fputs("<h2>Latency in an open loop</h2>\n<p>Records are due at a set rate. Response: since a record was due; "
          "service: "
          "since its put began.</p>\n",
          out);
    json_array_foreach(list, i, kind)
    {
        struct chart *c = !is_mixed(kind) && is_first(list, i, keys)
                              ? chart_new("1 / (1 - percentile)", "nanoseconds", true, true)
                              : NULL;
        if (!c)
            continue;
        snprintf(c->title, sizeof c->title, "%s time at %.0f records a second, %s", results_text(kind, "kind"),
                 results_number(kind, "rate"), results_text(kind, "state"));
        json_t *what = pick(kind, keys);
        json_array_foreach(list, k, one) if (has_all(one, what))
            json_array_foreach(json_object_get(one, "curve"), p, point)
                chart_add(c, results_text(one, "system"), json_number_value(json_array_get(point, 0)),
                          json_number_value(json_array_get(point, 1)));
        json_decref(what);
        finish(c, out);
    }
}

static void write_backpressure(const json_t *results, FILE *out)
{
    const json_t *list = json_object_get(results, "backpressure"),
                 *summary = json_array_get(json_object_get(results, "backpressure_summary"), 0);
    struct chart *fill = chart_new("milliseconds", "records in the stage", false, false);
    struct chart *rate = chart_new("milliseconds", "records a second", false, false);
    size_t i;
    json_t *one, *last = NULL;
    if (!fill || !rate)
        return;
    snprintf(fill->title, sizeof fill->title, "Backpressure: %.0f fast sources, one slow consumer",
             results_number(summary, "sources"));
    snprintf(rate->title, sizeof rate->title, "Records put and taken");
    json_array_foreach(list, i, one)
    {
        double t = results_number(one, "t_ms"), stage = results_number(summary, "max_per_stage"),
               seconds = last ? (t - results_number(last, "t_ms")) / 1e3 : 0;
        chart_add(fill, "buffered", t, results_number(one, "buffered"));
        chart_add(fill, "limit of the stage", t, stage);
        chart_add(fill, "signal: 0, slow, pause", t, results_number(one, "level") * stage / 10);
        if (seconds > 0) {
            chart_add(rate, "put", t, (results_number(one, "put") - results_number(last, "put")) / seconds);
            chart_add(rate, "taken", t, (results_number(one, "taken") - results_number(last, "taken")) / seconds);
        }
        last = one;
    }
    fputs("<h2>Backpressure over time</h2>\n", out);
    finish(fill, out);
    finish(rate, out);
}

static void write_cost(const json_t *results, FILE *out)
{
    static const char *const whats[] = {"what", NULL}, *const keys[] = {"what", "size", "batch", NULL};
    const json_t *list = json_object_get(results, "cost");
    size_t i, k;
    json_t *what, *one;
    fputs("<h2>Cost as work grows</h2>\n<p>Put, lease and ack by one process: code and caches, nothing else.</p>\n",
          out);
    json_array_foreach(list, i, what)
    {
        struct chart *c = is_first(list, i, whats)
                              ? chart_new(results_text(what, "what"), "ns, and bytes, for each record", true, true)
                              : NULL;
        if (!c)
            continue;
        snprintf(c->title, sizeof c->title, "Cost of a record against %s", results_text(what, "what"));
        json_array_foreach(list, k, one)
        {
            if (strcmp(results_text(one, "what"), results_text(what, "what")) || !is_first(list, k, keys))
                continue;
            char name[64];
            json_t *same = pick(one, keys);
            double size = results_number(one, "size");
            snprintf(name, sizeof name, "ns, batch %.0f", results_number(one, "batch"));
            chart_add(c, name, size > 0 ? size : 1, parts_summary(list, same, "ns_per_record").median);
            if (results_number(one, "batch") == 1)
                chart_add(c, "bytes of the segment", size > 0 ? size : 1, results_number(one, "bytes_per_record"));
            json_decref(same);
        }
        finish(c, out);
    }
}

/* Medians of some numbers of a list, a line for each combination of the keys. */
static void write_table(const json_t *list, const char *title, const char *const *keys, const char *const *values,
                        FILE *out)
{
    size_t i;
    json_t *one;
    if (!json_array_size(list))
        return;
    fprintf(out, "<h2>%s</h2>\n<table>\n<tr>", title);
    for (const char *const *k = keys; *k; k++)
        fprintf(out, "<th>%s</th>", *k);
    for (const char *const *v = values; *v; v++)
        fprintf(out, "<th>%s</th>", *v);
    fputs("</tr>\n", out);
    json_array_foreach(list, i, one)
    {
        if (!is_first(list, i, keys))
            continue;
        json_t *what = pick(one, keys);
        fputs("<tr>", out);
        for (const char *const *k = keys; *k; k++) {
            const json_t *value = json_object_get(one, *k);
            fputs("<td>", out);
            if (json_is_string(value))
                chart_text(out, json_string_value(value));
            else
                fprintf(out, "%.10g", json_number_value(value));
            fputs("</td>", out);
        }
        for (const char *const *v = values; *v; v++)
            fprintf(out, "<td>%.4g</td>", parts_summary(list, what, *v).median);
        fputs("</tr>\n", out);
        json_decref(what);
    }
    fputs("</table>\n", out);
}

static void write_tables(const json_t *results, FILE *out)
{
    static const char *const pipeline[] = {"mode", "sources", "stages", "workers", "batch", "state", NULL},
                             *const flow[] = {"records_per_s", "cpu_ns_per_record", "sleeps_per_record", NULL},
                             *const heal[] = {"mode", "batch", "state", NULL}, *const ms[] = {"ms", NULL},
                             *const trip[] = {"system", "mode", "state", NULL}, *const quantiles[] = {"p50_ns",
                                                                                                      "p90_ns",
                                                                                                      "p99_ns",
                                                                                                      "p99_9_ns",
                                                                                                      "p99_99_ns",
                                                                                                      "max_ns",
                                                                                                      NULL},
                             *const peer[] = {"system", "producers", "consumers", "batch", "payload", "state", NULL},
                             *const rate[] = {"records_per_s", "cpu_ns_per_record", "sleeps_per_record", "fairness",
                                              NULL};
    write_table(json_object_get(results, "pipeline"), "Pipelines", pipeline, flow, out);
    write_table(json_object_get(results, "heal"), "Time to heal after kill -9, milliseconds", heal, ms, out);
    write_table(json_object_get(results, "round_trip"), "Round trips, figures", trip, quantiles, out);
    write_table(json_object_get(results, "runs"), "Records a second, figures (medians)", peer, rate, out);
}

static void write_head(const json_t *results, FILE *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>conveyor-buffer: "
          "results</title>\n<style>",
          out);
    fprintf(
        out,
        "%s</style></head>\n<body>\n<h1>conveyor-buffer: results of the bench suite</h1>\n<p>Measured %s.</p>\n<pre>",
        style, results_text(json_object_get(results, "machine"), "date"));
    if (memory) {
        results_describe(results, memory);
        fclose(memory);
        chart_text(out, text);
        free(text);
    }
    fputs("</pre>\n", out);
    if (*results_text(results, "left_out")) {
        fputs("<p>Left out: ", out);
        chart_text(out, results_text(results, "left_out"));
        fputs("</p>\n", out);
    }
}

int results_write_html(const json_t *results, const char *path)
{
    static const struct {
        const char *list;
        void (*write)(const json_t *results, FILE *out);
    } parts[] = {{"medians", write_peers},
                 {"round_trip", write_trips},
                 {"latency", write_latency},
                 {"backpressure", write_backpressure},
                 {"cost", write_cost}};
    FILE *out = fopen(path, "w");
    if (!out)
        return -1;
    write_head(results, out);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (json_array_size(json_object_get(results, parts[i].list)))
            parts[i].write(results, out);
    write_tables(results, out);
    fputs("</body></html>\n", out);
    return fclose(out);
}
