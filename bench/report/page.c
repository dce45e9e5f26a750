/* page.c - results as one page that opens offline: a summary in words, and for each part charts with the figures that
 * they are made of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "panel.h"
#include "results.h"
#include "verdict.h"

/* The charts' colours are attributes that gnuplot wrote: only ink and grid depend on light and dark. A panel with an
 * open table takes the whole width, and where that is little a line of the table becomes a card. */
static const char style[] =
    ":root{color-scheme:light "
    "dark;--paper:#fff;--ink:#1b1b1b;--soft:#5a5a5a;--line:#d8d8d8;--shade:#f4f4f2;--ours:#b34700;"
    "--good:#005f94;--bad:#b34700}"
    "@media(prefers-color-scheme:dark){:root{--paper:#161618;--ink:#ececec;--soft:#a8a8a8;--line:#3c3c40;--shade:#"
    "222226;"
    "--ours:#ff9650;--good:#6cc0f2;--bad:#ff9650}}"
    "*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "max-width:1120px;margin:0 auto;padding:1em}h1{font-size:1.5em;line-height:1.2}"
    "h2{font-size:1.25em;margin:2em 0 .3em;border-bottom:1px solid var(--line)}h3{font-size:1em;margin:1em 0 .2em}"
    "ul{margin:.3em 0;padding-left:1.2em}.soft,small{color:var(--soft)}small{font-size:.8em}"
    ".panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:1.2em;align-items:"
    "start}"
    "figure{margin:0;padding:.7em;border:1px solid "
    "var(--line);border-radius:6px;min-width:0;container-type:inline-size}"
    "figcaption{font-weight:600}"
    "svg{display:block;width:100%;height:auto;max-width:640px;margin:.3em auto;pointer-events:none}"
    "svg text{fill:var(--ink)}svg #gnuplot_canvas>rect{fill:none}svg .gridline{stroke:var(--line)}"
    "svg [stroke=\"rgb(  0,   0,   0)\"],svg [stroke=\"black\"]{stroke:var(--ink)}"
    "svg [color=\"rgb(  0,   0,   0)\"]{color:var(--ink)}svg [fill=\"rgb(  0,   0,   0)\"]{fill:var(--ink)}"
    "@media(prefers-color-scheme:dark){svg [stroke=\"rgb(  0, 114, 178)\"]{stroke:#3d8fd9}"
    "svg [color=\"rgb(  0, 114, 178)\"]{color:#3d8fd9}svg [fill=\"rgb(  0, 114, 178)\"]{fill:#3d8fd9}"
    "svg [stroke=\"rgb( 86, 180, 233)\"]{stroke:#93d4f7}svg [color=\"rgb( 86, 180, 233)\"]{color:#93d4f7}"
    "svg [fill=\"rgb( 86, 180, 233)\"]{fill:#93d4f7}}"
    "details{margin-top:.4em}summary{cursor:pointer;color:var(--soft)}"
    "table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}"
    "td,th{padding:.2em .4em;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}"
    "td small{display:block}th{color:var(--soft);font-weight:600}"
    "td:first-child,th:first-child{text-align:left}tr.ours td:first-child{color:var(--ours);font-weight:700}"
    ".ahead{color:var(--good);font-weight:600}.behind{color:var(--bad);font-weight:600}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--shade);padding:.7em;font-size:12px}"
    "figure:has(details[open]){grid-column:1/-1}"
    "@container(max-width:680px){thead{display:none}"
    "tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(6.6em,1fr));padding:.4em 0;"
    "border-bottom:1px solid var(--line)}td{border:0;text-align:left;padding:.1em .3em}"
    "td:first-child{grid-column:1/-1;font-weight:600}td[data-label]::before{content:attr(data-label);display:block;"
    "color:var(--soft);font-size:11px}}";
static const char *const by_system[] = {"system", NULL};

static void add_costs(struct panel *p)
{
    static const struct {
        const char *key, *label;
    } costs[] = {{"cpu_ns_per_record", "cpu ns"}, {"sleeps_per_record", "sleeps"}, {"fairness", "fair"}};
    unsigned last = p->columns - 1;
    for (size_t i = 0; i < sizeof costs / sizeof *costs && p->columns; i++) {
        char label[64];
        snprintf(label, sizeof label, "%s, %.50s", costs[i].label, p->column[last].label);
        panel_add_column(p, label, NAN, json_copy(p->column[last].match), costs[i].key, 1);
    }
}

/* Records a second of each system against one member of the runs; takes `within`. */
static struct panel *panel_of_rates(const json_t *runs, json_t *within, const char *member)
{
    struct panel *p = panel_new(runs, within, by_system);
    p->x.log = p->y.log = true;
    p->y.label = "million records a second";
    panel_add_columns(p, member, "records_per_s", 1e-6);
    return p;
}

static void by_batch(const json_t *runs, const json_t *where, FILE *out)
{
    struct panel *p = panel_of_rates(runs, json_copy((json_t *)(uintptr_t)where), "batch");
    snprintf(p->caption, sizeof p->caption, "%.0fP%.0fC, %.0f bytes of payload, %s: million records a second",
             results_number(where, "producers"), results_number(where, "consumers"), results_number(where, "payload"),
             results_text(where, "state"));
    add_costs(p);
    panel_end(p, out);
}

/* Records a second against the number of processes, n producers and n consumers. */
static void by_processes(const json_t *runs, FILE *out)
{
    static const char *const keys[] = {"payload", "batch", "state", NULL};
    json_t *even = json_array(), *one, *kinds;
    size_t i;
    json_array_foreach(runs, i, one) if (results_number(one, "producers") == results_number(one, "consumers"))
        json_array_append(even, one);
    kinds = figure_kinds(even, NULL, keys);
    json_array_foreach(kinds, i, one)
    {
        double batch = results_number(one, "batch");
        if ((batch != 1 && batch != 32) || results_number(one, "payload") != PEER_WORDS * 8)
            continue;
        struct panel *p = panel_of_rates(even, json_copy(one), "producers");
        snprintf(p->caption, sizeof p->caption, "Full records in batches of %.0f, %s: million records a second", batch,
                 results_text(one, "state"));
        p->x.label = "producers, and as many consumers";
        panel_end(p, out);
    }
    json_decref(kinds);
    json_decref(even);
}

static void write_peers(const json_t *results, const json_t *runs, FILE *out)
{
    static const char *const keys[] = {"producers", "consumers", "payload", "state", NULL};
    json_t *kinds = figure_kinds(runs, NULL, keys), *one;
    size_t i;
    (void)results;
    json_array_foreach(kinds, i, one) by_batch(runs, one, out);
    by_processes(runs, out);
    json_decref(kinds);
}

static void write_trips(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"mode", "state", NULL};
    json_t *kinds = figure_kinds(list, NULL, keys), *one;
    size_t i;
    (void)results;
    json_array_foreach(kinds, i, one)
    {
        const char *mode = results_text(one, "mode");
        struct panel *p = panel_new(list, json_copy(one), by_system);
        snprintf(p->caption, sizeof p->caption, "Round trip, %s, %s",
                 !strcmp(mode, "spin")   ? "both look without rest"
                 : !strcmp(mode, "wait") ? "both spin, then sleep"
                                         : "the other was asleep",
                 results_text(one, "state"));
        panel_add_quantiles(p);
        panel_end(p, out);
    }
    json_decref(kinds);
}

static void write_latency(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"kind", "rate", "state", NULL};
    json_t *kinds = figure_kinds(list, NULL, keys), *one;
    size_t i;
    (void)results;
    json_array_foreach(kinds, i, one)
    {
        struct panel *p = panel_new(list, json_copy(one), by_system);
        snprintf(p->caption, sizeof p->caption, "%s time at %.0f records a second, %s", results_text(one, "kind"),
                 results_number(one, "rate"), results_text(one, "state"));
        p->caption[0] = p->caption[0] == 'r' ? 'R' : p->caption[0] == 's' ? 'S' : p->caption[0];
        panel_add_quantiles(p);
        panel_end(p, out);
    }
    json_decref(kinds);
}

static void write_half_load(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"state", NULL};
    json_t *kinds = figure_kinds(list, NULL, keys), *one;
    size_t i;
    (void)results;
    json_array_foreach(kinds, i, one)
    {
        struct panel *p = panel_new(list, json_copy(one), by_system);
        snprintf(p->caption, sizeof p->caption, "Response time at half of each system's greatest rate, %s",
                 results_text(one, "state"));
        panel_add_quantiles(p);
        panel_add_column(p, "greatest, a second", NAN, json_object(), "greatest_per_s", 1);
        p->column[p->columns - 1].count = true;
        panel_end(p, out);
    }
    json_decref(kinds);
}

/* Each topology by itself; batches of 32 have all limits. */
static void write_limits(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"producers", "state", NULL};
    json_t *whole = json_pack("{s:i}", "batch", 32), *kinds = figure_kinds(list, whole, keys), *one;
    size_t i;
    (void)results;
    json_array_foreach(kinds, i, one)
    {
        const double n = results_number(one, "producers");
        struct panel *p = panel_of_rates(list, figure_join(one, whole), "limit");
        snprintf(p->caption, sizeof p->caption, "%.0fP%.0fC in batches of 32, %s: million records a second", n, n,
                 results_text(one, "state"));
        p->x.label = "records that may be on their way in all";
        panel_end(p, out);
    }
    json_decref(kinds);
    json_decref(whole);
}

static void write_wake_up(const json_t *results, const json_t *list, FILE *out)
{
    struct panel *p = panel_new(list, json_object(), by_system);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "Processor time for a record to a process that sleeps: nanoseconds");
    p->y.label = "nanoseconds";
    p->time = true;
    panel_add_columns(p, "rate", "cpu_ns_per_record", 1);
    panel_end(p, out);
}

static void end_figure(struct plot *plot, const char *caption, FILE *out)
{
    if (plot_is_possible()) {
        fprintf(out, "<figure><figcaption>%s</figcaption>\n", caption);
        plot_end(plot, out);
        fputs("</figure>\n", out);
    } else {
        plot_end(plot, out);
    }
}

/* Samples over time, of which there are too many for a table: the CSV has them. */
static void write_backpressure(const json_t *results, const json_t *list, FILE *out)
{
    const json_t *summary = json_array_get(json_object_get(results, "backpressure_summary"), 0);
    const struct plot_axis time = {"milliseconds", NULL, false};
    struct plot *fill = plot_new(time, (struct plot_axis){"records", NULL, false});
    struct plot *rate = plot_new(time, (struct plot_axis){"records a second", NULL, false});
    struct plot *told = plot_new(time, (struct plot_axis){"signal", "'none' 0, 'slow' 1, 'pause' 2", false});
    double limit = results_number(summary, "max_per_stage");
    size_t i;
    json_t *one, *last = NULL;
    json_array_foreach(list, i, one)
    {
        double t = results_number(one, "t_ms"), seconds = last ? (t - results_number(last, "t_ms")) / 1e3 : 0;
        double level = results_number(one, "level"), buffered = results_number(one, "buffered");
        plot_add(fill, "records in the stage", t, buffered, buffered, buffered);
        plot_add(fill, "limit of the stage", t, limit, limit, limit);
        plot_add(told, "signal", t, level, level, level);
        if (seconds > 0) {
            double put = (results_number(one, "put") - results_number(last, "put")) / seconds;
            double taken = (results_number(one, "taken") - results_number(last, "taken")) / seconds;
            plot_add(rate, "put", t, put, put, put);
            plot_add(rate, "taken", t, taken, taken, taken);
        }
        last = one;
    }
    end_figure(fill, "Fast sources, one slow consumer: records in the stage", out);
    end_figure(rate, "Records put and taken a second", out);
    end_figure(told, "What the sources are told", out);
}

static void write_cost(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"what", NULL}, *const rows[] = {"batch", NULL};
    json_t *kinds = figure_kinds(list, NULL, keys), *one;
    size_t i;
    (void)results;
    json_array_foreach(kinds, i, one)
    {
        struct panel *p = panel_new(list, json_copy(one), rows);
        snprintf(p->caption, sizeof p->caption, "Cost of a record against %s: nanoseconds", results_text(one, "what"));
        p->x.log = p->y.log = true;
        p->y.label = "nanoseconds";
        panel_add_columns(p, "size", "ns_per_record", 1);
        p->x.label = "";
        panel_end(p, out);
    }
    json_decref(kinds);
}

static void write_heal(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const rows[] = {"mode", "batch", NULL};
    struct panel *p = panel_bars(list, rows, "milliseconds", "ms", 1);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "From kill -9 to the delivery of the last lease: milliseconds");
    panel_end(p, out);
}

static void write_pipelines(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const rows[] = {"mode", "sources", "stages", "workers", "batch", NULL};
    struct panel *p = panel_bars(list, rows, "million records a second", "records_per_s", 1e-6);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "Sources, stages, workers of each stage, batch: million records a second");
    panel_add_column(p, "cpu ns", NAN, json_object(), "cpu_ns_per_record", 1);
    panel_add_column(p, "sleeps", NAN, json_object(), "sleeps_per_record", 1);
    panel_end(p, out);
}

static void write_job(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const rows[] = {"batch", NULL};
    struct panel *p = panel_bars(list, rows, "percent", "library_part", 100);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "Processor time in calls of the library: percent of that of all processes");
    panel_add_column(p, "processor s", NAN, json_object(), "cpu_s", 1);
    panel_add_column(p, "seconds", NAN, json_object(), "seconds", 1);
    panel_end(p, out);
}

static void write_python(const json_t *results, const json_t *list, FILE *out)
{
    struct panel *p = panel_bars(list, by_system, "million records a second", "records_per_s", 1e-6);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "%.0f bytes, batches of %.0f: million records a second",
             results_number(json_array_get(list, 0), "payload"), results_number(json_array_get(list, 0), "batch"));
    panel_add_column(p, "put ns", NAN, json_object(), "put_ns", 1);
    panel_add_column(p, "take ns", NAN, json_object(), "take_ns", 1);
    panel_end(p, out);
}

static const struct part {
    const char *list, *title, *about;
    void (*write)(const json_t *results, const json_t *list, FILE *out);
} parts[] = {
    {"runs", "Records a second, beside other systems",
     "Separate processes, pinned, the systems in turns; counts and sums of all payloads verified. Near and far are "
     "states "
     "of the machine: how long a cache line takes from core to core. Compare only within one state.",
     write_peers},
    {"round_trip", "Round trips", "A record of 64 bytes to another process and back.", write_trips},
    {"latency", "Latency in an open loop",
     "Records are due at a set rate, whether the system keeps up or not. Response: since a record was due; service: "
     "since "
     "its put began.",
     write_latency},
    {"half_load", "Latency at half of the greatest rate",
     "An open loop again, at half of the rate that each system reaches in this loop: the table has that rate, too.",
     write_half_load},
    {"limits", "Throughput against the limit", "So many records may be on their way in all; a ring has as many places.",
     write_limits},
    {"wake_up", "A wake-up's cost",
     "Records one at a time, producer and consumer asleep in between: the processor time of both for each record.",
     write_wake_up},
    {"pipeline", "Pipelines", "Sources put into the first stage, workers forward from stage to stage.",
     write_pipelines},
    {"backpressure", "Backpressure over time", "What a slow consumer does to its sources.", write_backpressure},
    {"cost", "Cost as work grows", "Put, lease and ack by one process: code and caches, nothing else.", write_cost},
    {"heal", "Time to heal", "A consumer that holds 10,000 leases is killed.", write_heal},
    {"job", "The main job",
     "The Debian package index through three stages of two workers each, one of which is killed. In calls of the "
     "library are also the copies of payloads, the page faults of new memory and the system calls of waiting.",
     write_job},
    {"python", "From Python",
     "One Python process puts, another takes and reads a byte of each record. Put, take: processor time for a record "
     "on "
     "each side.",
     write_python}};
enum { PARTS = sizeof parts / sizeof *parts };

static void write_verdict(const json_t *results, const struct part *p, FILE *out)
{
    struct verdict v = verdict_of(results, p->list);
    if (!v.count)
        return;
    fprintf(out, "<h3>%s</h3><ul>", p->title);
    for (unsigned i = 0; i < v.count; i++) {
        fputs("<li>", out);
        html_text(out, v.line[i]);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

static void write_duel(FILE *out, const json_t *results, const json_t *where, const json_t *batch)
{
    json_t *work = figure_join(where, batch);
    struct duel d = duel_of(results, work, DUEL_ALL);
    char ratio[FIGURE_TEXT];
    json_decref(work);
    fprintf(out, "<td data-label=\"batch %.0f\"", results_number(batch, "batch"));
    if (!d.our_name || !d.their_name) {
        fputs(">-</td>", out);
        return;
    }
    fprintf(out, " class=\"%s\">", d.says > 0 ? "ahead" : d.says < 0 ? "behind" : "even");
    html_text(out, figure_ratio(ratio, d.ours.median / d.theirs.median));
    fputs(d.says > 0 ? " ▲<small>" : d.says < 0 ? " ▼<small>" : " =<small>", out);
    html_text(out, d.their_name);
    fputs("</small></td>", out);
}

/* Ours to the best other system at every work. */
static void write_duels(const json_t *results, FILE *out)
{
    static const char *const keys[] = {"producers", "consumers", "payload", "state", NULL}, *const b[] = {"batch",
                                                                                                          NULL};
    const json_t *runs = json_object_get(results, "runs");
    json_t *wheres = figure_kinds(runs, NULL, keys), *batches = figure_kinds(runs, NULL, b), *where, *batch;
    size_t i, k;
    if (json_array_size(wheres)) {
        fputs("<h3>Ours : best other system</h3>\n<p class=\"soft\">▲ ahead, ▼ behind, = not told apart; - not "
              "measured.</p><figure class=\"duels\"><table><thead><tr><th></th>",
              out);
        json_array_foreach(batches, k, batch) fprintf(out, "<th>batch %.0f</th>", results_number(batch, "batch"));
        fputs("</tr></thead><tbody>\n", out);
    }
    json_array_foreach(wheres, i, where)
    {
        fprintf(out, "<tr><td>%.0fP%.0fC, %.0f bytes, %s</td>", results_number(where, "producers"),
                results_number(where, "consumers"), results_number(where, "payload"), results_text(where, "state"));
        json_array_foreach(batches, k, batch) write_duel(out, results, where, batch);
        fputs("</tr>\n", out);
    }
    if (json_array_size(wheres))
        fputs("</tbody></table></figure>\n", out);
    json_decref(wheres);
    json_decref(batches);
}

static void write_machine(const json_t *results, FILE *out)
{
    char *machine = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&machine, &size);
    if (!memory)
        return;
    results_describe(results, memory);
    fclose(memory);
    fputs("<pre>", out);
    html_text(out, machine);
    fputs("</pre>\n", out);
    free(machine);
}

static void write_head(const json_t *results, FILE *out)
{
    fprintf(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\"/><title>conveyor-buffer: results</title>\n<style>%s</style>"
        "</head>\n<body>\n<h1>conveyor-buffer: results of the bench suite</h1>\n<p class=\"soft\">Measured ",
        style);
    html_text(out, results_text(json_object_get(results, "machine"), "date"));
    fputs("</p>\n", out);
    if (!plot_is_possible())
        fputs("<p><b>Tables only: gnuplot, which draws the charts, was not there.</b></p>\n", out);
}

static void write_summary(const json_t *results, FILE *out)
{
    fputs("<h2>Summary</h2>\n", out);
    for (size_t i = 0; i < PARTS; i++)
        write_verdict(results, &parts[i], out);
    write_duels(results, out);
    fputs("<h3>Measured on</h3>\n", out);
    write_machine(results, out);
    if (*results_text(results, "left_out")) {
        fputs("<p>Left out: ", out);
        html_text(out, results_text(results, "left_out"));
        fputs("</p>\n", out);
    }
}

int results_write_html(const json_t *results, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out)
        return -1;
    write_head(results, out);
    write_summary(results, out);
    for (size_t i = 0; i < PARTS; i++) {
        const json_t *list = json_object_get(results, parts[i].list);
        if (!json_array_size(list))
            continue;
        fprintf(out, "<h2>%s</h2>\n<p class=\"soft\">%s</p>\n<div class=\"panels\">\n", parts[i].title, parts[i].about);
        parts[i].write(results, list, out);
        fputs("</div>\n", out);
    }
    fputs("</body></html>\n", out);
    return fclose(out);
}
