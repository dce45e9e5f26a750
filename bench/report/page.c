/* page.c - results as one page that opens offline: a summary in words, and for each part charts with the figures that
 * they are made of. */
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "panel.h"
#include "results.h"
#include "sections.h"
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

static void write_verdict(const json_t *results, const struct section *s, FILE *out)
{
    struct verdict v = verdict_of(results, s->list);
    if (!v.count)
        return;
    fprintf(out, "<h3>%s</h3><ul>", s->title);
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

/* What the names of the charts are. */
static void write_systems(const json_t *results, FILE *out)
{
    const json_t *systems = json_object_get(results, "systems"), *system;
    size_t i;
    if (!json_array_size(systems))
        return;
    fputs("<h3>The systems</h3><ul>\n", out);
    json_array_foreach(systems, i, system)
    {
        fputs("<li>", out);
        html_text(out, results_text(system, "name"));
        fputs(": ", out);
        html_text(out, results_text(system, "about"));
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
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
    fputs(
        "<h2>Summary</h2>\n<p class=\"soft\">2P2C: two producers and two consumers, each a process. Batch: records in "
        "a call. Ours: conveyor, whose puts copy, or conveyor reserve, which writes in place, whichever is better. "
        "Near "
        "and far: states of the machine, by how long a cache line takes from core to core.</p>\n",
        out);
    for (const struct section *s = sections; s->list; s++)
        write_verdict(results, s, out);
    write_duels(results, out);
    fputs("<h3>Measured on</h3>\n", out);
    write_machine(results, out);
    write_systems(results, out);
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
    for (const struct section *s = sections; s->list; s++) {
        const json_t *list = json_object_get(results, s->list);
        if (!json_array_size(list))
            continue;
        fprintf(out, "<h2>%s</h2>\n<p class=\"soft\">%s</p>\n<div class=\"panels\">\n", s->title, s->about);
        s->write(results, list, out);
        fputs("</div>\n", out);
    }
    fputs("</body></html>\n", out);
    return fclose(out);
}
