/* panel.c - a chart with the table of its figures. Both are filled by one loop, so that they cannot differ. */
#include "panel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "results.h"

void html_text(FILE *out, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*s, out);
        }
}

void panel_add_column(struct panel *p, const char *label, double x, json_t *match, const char *key, double scale)
{
    if (p->columns == COLUMNS_MAX) {
        json_decref(match);
        return;
    }
    struct column *c = &p->column[p->columns++];
    *c = (struct column){.x = x, .match = match, .key = key, .scale = scale};
    snprintf(c->label, sizeof c->label, "%s", label);
}

/* What stands at a place of the axis; to gnuplot %% is the sign. */
static void add_tic(struct panel *p, const char *tic, double x)
{
    size_t n = strlen(p->tics);
    snprintf(p->tics + n, sizeof p->tics - n, "%s'%s' %.6g", n ? ", " : "", tic, x);
}

static int compare_number(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* What is a power of two is so in short, too: 65536 is 64Ki. */
static const char *short_number(char s[32], double v)
{
    if (v >= 1024 && fmod(v, 1024) == 0 && fmod(v, 1000) != 0) {
        snprintf(s, 32, "%.0fKi", v / 1024);
        return s;
    }
    snprintf(s, 32, v >= 1e6 ? "%.4gM" : v >= 1e3 ? "%.4gk" : "%.4g", v >= 1e6 ? v / 1e6 : v >= 1e3 ? v / 1e3 : v);
    return s;
}

void panel_add_columns(struct panel *p, const char *member, const char *key, double scale)
{
    const char *const keys[] = {member, NULL};
    json_t *kinds = figure_kinds(p->list, p->within, keys), *one;
    double value[COLUMNS_MAX];
    unsigned n = 0;
    size_t i;
    char label[64], number[32];
    json_array_foreach(kinds, i, one) if (n < COLUMNS_MAX) value[n++] = results_number(one, member);
    json_decref(kinds);
    qsort(value, n, sizeof *value, compare_number);
    for (i = 0; i < n; i++) {
        double x = value[i] > 0 ? value[i] : 1;
        add_tic(p, short_number(number, value[i]), x);
        snprintf(label, sizeof label, "%s %s", member, number);
        panel_add_column(p, label, x, json_pack("{s:i}", member, (int)value[i]), key, scale);
    }
    p->x.label = member;
}

void panel_add_quantiles(struct panel *p)
{
    static const struct {
        const char *key, *label, *tic;
        double x;
    } all[] = {{"p50_ns", "50 %", "50 %%", 2},
               {"p90_ns", "90 %", "90 %%", 10},
               {"p99_ns", "99 %", "99 %%", 100},
               {"p99_9_ns", "99.9 %", "99.9 %%", 1000},
               {"p99_99_ns", "99.99 %", "99.99 %%", 10000},
               {"max_ns", "max", NULL, NAN}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        panel_add_column(p, all[i].label, all[i].x, json_object(), all[i].key, 1);
        if (all[i].tic)
            add_tic(p, all[i].tic, all[i].x);
    }
    p->x = (struct plot_axis){"so many take no longer", NULL, true};
    p->y = (struct plot_axis){"",
                              "'10 ns' 1e1, '100 ns' 1e2, '1 us' 1e3, '10 us' 1e4, '100 us' 1e5, '1 ms' 1e6, '10 ms' "
                              "1e7, '100 ms' 1e8, '1 s' 1e9",
                              true};
    p->time = true;
}

/* What a row is called: words as they are, numbers with what they are, so short that a chart has room for it. */
static const char *unit_of(const char *key)
{
    static const char *const units[][2] = {
        {"producers", "P"}, {"consumers", "C"}, {"sources", "src"}, {"stages", "st"}, {"workers", "w"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(units[i][0], key))
            return units[i][1];
    return key;
}

static void name_row(char *name, size_t size, const json_t *row)
{
    const char *key;
    json_t *value;
    size_t n = 0;
    *name = 0;
    json_object_foreach((json_t *)(uintptr_t)row, key, value)
    {
        if (n >= size)
            return;
        if (json_is_string(value))
            n += (size_t)snprintf(name + n, size - n, "%s%s", n ? ", " : "", json_string_value(value));
        else
            n += !strcmp(key, "batch")
                     ? (size_t)snprintf(name + n, size - n, "%sbatch %.0f", n ? ", " : "", json_number_value(value))
                     : (size_t)snprintf(name + n, size - n, "%s%.0f %s", n ? ", " : "", json_number_value(value),
                                        unit_of(key));
    }
}

static const char *show(char out[FIGURE_TEXT], const struct panel *p, const struct column *c, double value)
{
    return p->time && !c->count ? figure_time(out, value) : figure_number(out, value);
}

static void write_cell(FILE *out, const struct panel *p, const struct column *c, const struct figure *f)
{
    char median[FIGURE_TEXT], least[FIGURE_TEXT], most[FIGURE_TEXT];
    fputs("<td data-label=\"", out);
    html_text(out, c->label);
    fputs("\">", out);
    if (f->why) {
        fputs("-<small>", out);
        html_text(out, f->why);
    } else {
        fprintf(out, "%s<small>", show(median, p, c, f->median * c->scale));
        if (f->n > 1)
            fprintf(out, "%s–%s, ", show(least, p, c, f->least * c->scale), show(most, p, c, f->most * c->scale));
        fprintf(out, f->left_out ? "n %u of %u" : "n %u", f->n, f->n + f->left_out);
    }
    fputs("</small></td>", out);
}

/* One row, into the table and into the chart. */
static void write_row(FILE *out, const struct panel *p, struct plot *plot, const json_t *row)
{
    char name[96];
    name_row(name, sizeof name, row);
    fprintf(out, "<tr%s><td>", figure_is_ours(name) ? " class=\"ours\"" : "");
    html_text(out, name);
    fputs("</td>", out);
    json_t *where = figure_join(row, p->within);
    for (unsigned i = 0; i < p->columns; i++) {
        const struct column *c = &p->column[i];
        json_t *what = figure_join(where, c->match);
        struct figure f = figure_of(p->list, what, c->key);
        write_cell(out, p, c, &f);
        if (!f.why && !isnan(c->x))
            plot_add(plot, name, c->x, f.median * c->scale, f.least * c->scale, f.most * c->scale);
        json_decref(what);
    }
    json_decref(where);
    fputs("</tr>\n", out);
}

static void write_table(FILE *out, const struct panel *p, struct plot *plot)
{
    json_t *rows = figure_kinds(p->list, p->within, p->rows), *row;
    size_t i;
    fputs("<table><thead><tr><th></th>", out);
    for (i = 0; i < p->columns; i++) {
        fputs("<th>", out);
        html_text(out, p->column[i].label);
        fputs("</th>", out);
    }
    fputs("</tr></thead><tbody>\n", out);
    json_array_foreach(rows, i, row) write_row(out, p, plot, row);
    fputs("</tbody></table>", out);
    json_decref(rows);
}

void panel_end(struct panel *p, FILE *out)
{
    char *table = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&table, &size);
    p->x.tics = p->tics;
    struct plot *plot = plot_new(p->x, p->y);
    fputs("<figure><figcaption>", out);
    html_text(out, p->caption);
    fputs("</figcaption>\n", out);
    if (memory) {
        write_table(memory, p, plot);
        fclose(memory);
    }
    plot_end(plot, out);
    fprintf(out,
            "<details%s><summary>The same figures: median, least–greatest, runs</summary>\n%s</details></figure>\n",
            plot_is_possible() ? "" : " open", table ? table : "");
    free(table);
    for (unsigned i = 0; i < p->columns; i++)
        json_decref(p->column[i].match);
    json_decref(p->within);
    free(p);
}

struct panel *panel_new(const json_t *list, json_t *within, const char *const *rows)
{
    struct panel *p = calloc(1, sizeof *p);
    if (!p) {
        fputs("bench: no memory\n", stderr);
        exit(1);
    }
    p->list = list;
    p->within = within;
    p->rows = rows;
    return p;
}
struct panel *panel_bars(const json_t *list, const char *const *rows, const char *label, const char *key, double scale)
{
    struct panel *p = panel_new(list, json_object(), rows);
    p->y.label = label;
    panel_add_column(p, label, 1, json_object(), key, scale);
    return p;
}
