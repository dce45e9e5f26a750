/* chart.c - axes, lines and a legend. */
#include "chart.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 860, HEIGHT = 400, LEFT = 74, RIGHT = 190, TOP = 34, BOTTOM = 48, TICKS_MAX = 40 };

static const char *const colors[] = {"#c1121f", "#e8743b", "#1f77b4", "#17a2b8", "#6f42c1", "#2ca02c", "#8c564b",
                                     "#d63384", "#7f7f7f", "#b5a400", "#005f73", "#ff9f1c", "#3d5a80", "#9b5de5",
                                     "#588157", "#000000", "#b08968", "#00b4d8", "#8ac926", "#ff70a6"};
enum { COLORS = sizeof colors / sizeof *colors };

/* One direction: from value `low` to `high` along pixels `from` to `to`. */
struct axis {
    bool log;
    double low, high, from, to;
};

struct chart *chart_new(const char *x_label, const char *y_label, bool log_x, bool log_y)
{
    struct chart *c = calloc(1, sizeof *c);
    if (c) {
        c->x_label = x_label;
        c->y_label = y_label;
        c->log_x = log_x;
        c->log_y = log_y;
    }
    return c;
}

void chart_free(struct chart *chart) { free(chart); }

void chart_add(struct chart *c, const char *name, double x, double y)
{
    unsigned i = 0;
    if ((c->log_x && x <= 0) || (c->log_y && y <= 0))
        return;
    while (i < c->count && strcmp(c->series[i].name, name))
        i++;
    if (i == CHART_SERIES || (i < c->count && c->series[i].n == CHART_POINTS))
        return;
    struct chart_series *s = &c->series[i];
    if (i == c->count) {
        c->count++;
        snprintf(s->name, sizeof s->name, "%s", name);
    }
    s->x[s->n] = x;
    s->y[s->n++] = y;
}

void chart_text(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
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
            fputc(*text, out);
        }
}

static void widen(struct axis *a, double value)
{
    a->low = value < a->low ? value : a->low;
    a->high = value > a->high ? value : a->high;
}

/* A step of 1, 2 or 5 times a power of ten that gives about six of them. */
static double step_of(double range)
{
    double step = pow(10, floor(log10(range / 6)));
    return range / step > 30 ? step * 5 : range / step > 12 ? step * 2 : step;
}

static void round_out(struct axis *a)
{
    if (a->log) {
        a->high = a->high > a->low ? a->high : a->low * 2;
        return;
    }
    a->low = a->low > 0 ? 0 : a->low;
    a->high = a->high > a->low ? a->high : a->low + 1;
    double step = step_of(a->high - a->low);
    a->high = ceil(a->high / step) * step;
}

static double at(const struct axis *a, double value)
{
    double part = a->log ? log(value / a->low) / log(a->high / a->low) : (value - a->low) / (a->high - a->low);
    return a->from + part * (a->to - a->from);
}

/* Values with a mark: of a logarithmic axis 1, 2 and 5 times the powers of ten, or those powers alone if there are
 * many. */
static unsigned ticks(const struct axis *a, double *tick)
{
    static const double mantissa[] = {1, 2, 5};
    unsigned n = 0;
    if (!a->log) {
        double step = step_of(a->high - a->low);
        for (double v = a->low; v <= a->high + step / 2 && n < TICKS_MAX; v += step)
            tick[n++] = v;
        return n;
    }
    unsigned each = a->high / a->low > 3000 ? 1 : 3;
    for (double power = pow(10, floor(log10(a->low))); power <= a->high && n < TICKS_MAX; power *= 10)
        for (unsigned i = 0; i < each && n < TICKS_MAX; i++)
            if (power * mantissa[i] >= a->low * 0.999 && power * mantissa[i] <= a->high * 1.001)
                tick[n++] = power * mantissa[i];
    return n;
}

static void write_number(FILE *out, double v)
{
    double size = fabs(v);
    if (size >= 1e6)
        fprintf(out, "%.4gM", v / 1e6);
    else if (size >= 1e3)
        fprintf(out, "%.4gk", v / 1e3);
    else
        fprintf(out, "%.4g", v);
}

static void write_axes(const struct chart *c, const struct axis *x, const struct axis *y, FILE *out)
{
    double tick[TICKS_MAX];
    unsigned n = ticks(x, tick);
    fputs("<g class=\"axes\" stroke=\"#ddd\" fill=\"#444\" font-size=\"11\">\n", out);
    for (unsigned i = 0; i < n; i++) {
        double px = at(x, tick[i]);
        fprintf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", px, TOP, px, HEIGHT - BOTTOM);
        fprintf(out, "<text stroke=\"none\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">", px, HEIGHT - BOTTOM + 16);
        write_number(out, tick[i]);
        fputs("</text>\n", out);
    }
    n = ticks(y, tick);
    for (unsigned i = 0; i < n; i++) {
        double py = at(y, tick[i]);
        fprintf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>", LEFT, py, WIDTH - RIGHT, py);
        fprintf(out, "<text stroke=\"none\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">", LEFT - 6, py + 4);
        write_number(out, tick[i]);
        fputs("</text>\n", out);
    }
    fprintf(out, "<rect fill=\"none\" stroke=\"#888\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT, TOP,
            WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    fprintf(out, "<text stroke=\"none\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">", (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 10);
    chart_text(out, c->x_label);
    fprintf(out, "</text><text stroke=\"none\" text-anchor=\"middle\" transform=\"translate(16 %d) rotate(-90)\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    chart_text(out, c->y_label);
    fputs("</text>\n</g>\n", out);
}

static void write_points(const struct chart_series *s, const struct axis *x, const struct axis *y, FILE *out)
{
    for (unsigned i = 0; i < s->n && s->n <= 40; i++) {
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" stroke=\"none\"><title>", at(x, s->x[i]), at(y, s->y[i]));
        chart_text(out, s->name);
        fprintf(out, ": %.6g at %.6g</title></circle>\n", s->y[i], s->x[i]);
    }
}

/* The line, its points with their values to point at, and its place in the legend. */
static void write_series(const struct chart *c, unsigned i, const struct axis *x, const struct axis *y, FILE *out)
{
    const struct chart_series *s = &c->series[i];
    const char *color = colors[i % COLORS];
    int legend = TOP + 10 + (int)i * 17;
    fprintf(out,
            "<g class=\"series\" stroke=\"%s\" fill=\"%s\">\n<polyline fill=\"none\" stroke-width=\"%s\" points=\"",
            color, color, strncmp(s->name, "conveyor", 8) ? "1.5" : "3");
    for (unsigned k = 0; k < s->n; k++)
        fprintf(out, "%s%.1f,%.1f", k ? " " : "", at(x, s->x[k]), at(y, s->y[k]));
    fputs("\"/>\n", out);
    write_points(s, x, y, out);
    fprintf(out, "<line stroke-width=\"3\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", WIDTH - RIGHT + 12, legend,
            WIDTH - RIGHT + 32, legend);
    fprintf(out, "<text stroke=\"none\" fill=\"#222\" font-size=\"12\" x=\"%d\" y=\"%d\">", WIDTH - RIGHT + 38,
            legend + 4);
    chart_text(out, s->name);
    fputs("</text>\n</g>\n", out);
}

void chart_write(const struct chart *c, FILE *out)
{
    struct axis x = {c->log_x, DBL_MAX, -DBL_MAX, LEFT, WIDTH - RIGHT};
    struct axis y = {c->log_y, DBL_MAX, -DBL_MAX, HEIGHT - BOTTOM, TOP};
    for (unsigned i = 0; i < c->count; i++)
        for (unsigned k = 0; k < c->series[i].n; k++) {
            widen(&x, c->series[i].x[k]);
            widen(&y, c->series[i].y[k]);
        }
    if (!c->count)
        return;
    round_out(&x);
    round_out(&y);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
            "font-family=\"sans-serif\">\n<title>",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    chart_text(out, c->title);
    fprintf(out, "</title>\n<text font-size=\"15\" font-weight=\"bold\" fill=\"#222\" x=\"%d\" y=\"20\">", LEFT);
    chart_text(out, c->title);
    fputs("</text>\n", out);
    write_axes(c, &x, &y, out);
    for (unsigned i = 0; i < c->count; i++)
        write_series(c, i, &x, &y, out);
    fputs("</svg>\n", out);
}
