/* plot.c - a script for gnuplot, and what it gives. */
#include "plot.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figures.h"

enum { SERIES = 24, POINTS = 512, NAME = 64, WIDTH = 480, LINE_HEIGHT = 320, FONT = 13, KEY_COLUMNS = 3 };

struct point {
    double x, y, low, high;
};

struct series {
    char name[NAME];
    unsigned n;
    struct point point[POINTS];
};

struct plot {
    struct plot_axis x, y;
    unsigned count;
    struct series series[SERIES];
};

/* Okabe and Ito's colours, which people who cannot tell red from green can tell apart: one for each family of systems,
 * and a dash for each member. Ours has the strongest colour and the widest line. */
static const struct style {
    const char *name;
    unsigned color;
    int dash, point;
    double width;
} styles[] = {{"conveyor", 0xd55e00, 1, 7, 3.5},
              {"conveyor reserve", 0xd55e00, 2, 6, 2.5},
              {"conveyor wait", 0xd55e00, 3, 6, 2.5},
              {"rte_ring", 0x0072b2, 1, 5, 1.4},
              {"rte_ring HTS", 0x0072b2, 2, 4, 1.4},
              {"rte_ring RTS", 0x0072b2, 3, 4, 1.4},
              {"ck_ring MPMC", 0x009e73, 1, 9, 1.4},
              {"ck_ring SPSC", 0x009e73, 2, 8, 1.4},
              {"boost queue", 0xcc79a7, 1, 11, 1.4},
              {"boost messages", 0xcc79a7, 2, 10, 1.4},
              {"pipe", 0x56b4e9, 1, 13, 1.4},
              {"POSIX mq", 0x56b4e9, 2, 12, 1.4},
              {"seqpacket", 0x56b4e9, 3, 12, 1.4},
              {"raw futex", 0x56b4e9, 4, 13, 1.4},
              {"ZeroMQ ipc", 0xe69f00, 1, 15, 1.4},
              {"ZeroMQ ipc wait", 0xe69f00, 2, 14, 1.4},
              {"pipe wait", 0x56b4e9, 5, 13, 1.4},
              {"Redis streams", 0xcc79a7, 1, 11, 1.4},
              {"NATS JetStream", 0x009e73, 1, 9, 1.4},
              {"plain copy", 0x000000, 3, 2, 1.4},
              {"multiprocessing.Queue", 0x0072b2, 1, 5, 1.4},
              {"multiprocessing.Queue of lists", 0x0072b2, 2, 4, 1.4},
              {"shared_memory and a lock", 0x009e73, 1, 9, 1.4},
              {"pyzmq ipc", 0xe69f00, 1, 15, 1.4},
              {"pyzmq multipart", 0xe69f00, 2, 14, 1.4},
              {"the C library", 0x000000, 3, 2, 1.4},
              {"batch 1", 0xd55e00, 1, 7, 2.5},
              {"batch 4", 0x009e73, 3, 9, 2.5},
              {"batch 32", 0x0072b2, 2, 5, 2.5},
              {"records in the stage", 0xd55e00, 1, 7, 2.5},
              {"limit of the stage", 0x000000, 3, 2, 1.4},
              {"put", 0xd55e00, 1, 7, 2.5},
              {"taken", 0x0072b2, 2, 5, 2.5}};
static const struct style any = {"", 0xd55e00, 1, 7, 2};

static const struct style *style_of(const char *name)
{
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        if (!strcmp(styles[i].name, name))
            return &styles[i];
    return &any;
}

bool plot_is_possible(void)
{
    static int known;
    if (!known)
        known = system("gnuplot --version >/dev/null 2>&1") ? -1 : 1;
    return known > 0;
}

struct plot *plot_new(struct plot_axis x, struct plot_axis y)
{
    struct plot *p = calloc(1, sizeof *p);
    if (p) {
        p->x = x;
        p->y = y;
    }
    return p;
}

/* Only what means nothing to gnuplot: names come from files. */
static void copy_name(char to[NAME], const char *from)
{
    snprintf(to, NAME, "%s", from);
    for (char *c = to; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(" _.,:-()%/+", *c))
            *c = '_';
}

void plot_add(struct plot *p, const char *name, double x, double y, double low, double high)
{
    char clean[NAME];
    unsigned i = 0;
    if (!p || (p->x.log && x <= 0) || (p->y.log && y <= 0))
        return;
    copy_name(clean, name);
    while (i < p->count && strcmp(p->series[i].name, clean))
        i++;
    if (i == SERIES || (i < p->count && p->series[i].n == POINTS))
        return;
    struct series *s = &p->series[i];
    if (i == p->count) {
        p->count++;
        memcpy(s->name, clean, NAME);
    }
    s->point[s->n++] = (struct point){x, y, p->y.log && low <= 0 ? y : low, high};
}

/* At most two different x: they, and how many there are; else 3. */
static unsigned few_x(const struct plot *p, double x[2])
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->count; i++)
        for (unsigned k = 0; k < p->series[i].n; k++) {
            double one = p->series[i].point[k].x;
            if ((n > 0 && x[0] == one) || (n > 1 && x[1] == one))
                continue;
            if (n == 2)
                return 3;
            x[n++] = one;
        }
    return n;
}

static void write_terminal(FILE *to, const char *path, int height)
{
    fprintf(
        to,
        "set terminal svg size %d,%d dynamic noenhanced font 'sans-serif,%d'\n"
        "unset object\nset output '%s'\nset border 3 lc rgb '#808080'\nset tics nomirror\n"
        "set grid lc rgb '#808080'\nset key below center horizontal maxcols %d samplen 2.2 Left reverse height 0.7\n",
        WIDTH, height, FONT, path, KEY_COLUMNS);
}

static void write_axis(FILE *to, const char *which, const struct plot_axis *a)
{
    fprintf(to, "set %slabel '%s' offset 0,%s\n", which, a->label, *which == 'x' ? "0.5" : "0");
    if (a->tics)
        fprintf(to, "set %stics (%s)\n", which, a->tics);
    if (a->log)
        fprintf(to, "set logscale %s\n", which);
}

/* The spread and the line of one series; there are points only where few enough to be told apart. */
static void write_line(FILE *to, const struct series *s, unsigned i, const char *before, bool titled)
{
    const struct style *style = style_of(s->name);
    bool dense = s->n > 16;
    fprintf(to, "%s ", before);
    if (!dense)
        fprintf(to, "$s%u using 1:3:(0):($4-$3) with vectors nohead lc rgb '#%06x' lw 1 notitle, ", i, style->color);
    fprintf(to, "$s%u using 1:2 with %s lc rgb '#%06x' dt %d lw %.1f", i, dense ? "lines" : "linespoints", style->color,
            style->dash, style->width);
    if (!dense)
        fprintf(to, " pt %d ps 0.6", style->point);
    fprintf(to, titled ? " title '%s'" : " notitle", s->name);
}

/* Whole powers of ten from the least to the greatest. gnuplot leaves a number out that stands at the very end of a
 * logarithmic axis. */
static void write_decades(FILE *to, const struct plot *p)
{
    double least = p->series[0].point[0].low, most = least;
    for (unsigned i = 0; i < p->count; i++)
        for (unsigned k = 0; k < p->series[i].n; k++) {
            least = fmin(least, p->series[i].point[k].low);
            most = fmax(most, p->series[i].point[k].high);
        }
    const double from = floor(log10(least)), to_power = fmax(ceil(log10(most)), from + 1);
    fprintf(to, "set yrange [0.999e%.0f:1e%.0f]\n", from, to_power);
}

static void write_lines(FILE *to, const struct plot *p, const char *path)
{
    write_terminal(to, path, LINE_HEIGHT + 18 * (int)((p->count + KEY_COLUMNS - 1) / KEY_COLUMNS));
    write_axis(to, "x", &p->x);
    write_axis(to, "y", &p->y);
    fputs("set autoscale xfix\nset offsets graph 0.02, graph 0.02, 0, 0\n", to);
    if (p->y.log)
        write_decades(to, p);
    else
        fputs("set yrange [0:*]\n", to);
    for (unsigned i = 0; i < p->count; i++) {
        fprintf(to, "$s%u << EOD\n", i);
        for (unsigned k = 0; k < p->series[i].n; k++) {
            const struct point *q = &p->series[i].point[k];
            fprintf(to, "%.9g %.9g %.9g %.9g\n", q->x, q->y, q->low, q->high);
        }
        fputs("EOD\n", to);
    }
    for (unsigned i = 0; i < p->count; i++)
        write_line(to, &p->series[i], i, i ? "," : "plot", true);
    write_line(to, &p->series[0], 0, ",", false); /* what is first is on top */
    fputc('\n', to);
}

static double greatest(const struct plot *p)
{
    double most = 0;
    for (unsigned i = 0; i < p->count; i++)
        for (unsigned k = 0; k < p->series[i].n; k++)
            most = p->series[i].point[k].high > most ? p->series[i].point[k].high : most;
    return most;
}

/* The bars of one of the x: a box, its spread, and its value beside it. */
static void write_boxes(FILE *to, const struct plot *p, double x, unsigned which, unsigned of)
{
    char value[FIGURE_TEXT];
    fprintf(to, "$b%u << EOD\n", which);
    for (unsigned i = 0; i < p->count; i++)
        for (unsigned k = 0; k < p->series[i].n; k++) {
            const struct point *q = &p->series[i].point[k];
            double middle = i + (which + 0.5) / of * 0.84 - 0.42;
            if (q->x == x)
                fprintf(to, "%.9g %.9g %.9g %.4f %.4f %u %s\n", q->y, q->low, q->high, middle, 0.4 / of,
                        style_of(p->series[i].name)->color, figure_number(value, q->y));
        }
    fputs("EOD\n", to);
}

/* The distance of about four tics between 0 and so much, so that their numbers have room: 1, 2 or 5 times a power of
 * ten. */
static double tic_step(double most)
{
    double ten = most > 0 ? pow(10, floor(log10(most))) : 1;
    return most > 5 * ten ? 2 * ten : most > 2 * ten ? ten : ten / 2;
}

/* Bars lie on their side, so that names have room; the first of two x is paler. */
static void write_bars(FILE *to, const struct plot *p, const char *path, const double *x, unsigned count)
{
    unsigned n = p->count;
    write_terminal(to, path, 80 + (int)n * (count > 1 ? 36 : 22) + (count > 1 ? 20 : 0));
    fprintf(to,
            "set xlabel '%s' offset 0,0.5\nset yrange [%.1f:-0.6]\nset xrange [0:%.9g]\nunset grid\nset grid xtics lc "
            "rgb '#808080'\n"
            "set xtics 0,%.9g\nset ytics scale 0 (",
            p->y.label, n - 0.4, greatest(p) * 1.2, tic_step(greatest(p) * 1.2));
    for (unsigned i = 0; i < n; i++)
        fprintf(to, "%s'%s' %u", i ? ", " : "", p->series[i].name, i);
    fputs(")\n", to);
    for (unsigned i = 0; i < count; i++)
        write_boxes(to, p, x[i], i, count);
    for (unsigned i = 0; i < count; i++) {
        char title[NAME + 32] = "";
        if (count > 1)
            snprintf(title, sizeof title, "%s %.6g%s", p->x.label, x[i], i ? "" : " (pale)");
        fprintf(to,
                "%s $b%u using (0):4:(0):1:($4-$5):($4+$5):6 with boxxyerror lc rgb variable fill %s noborder notitle,"
                " $b%u using 2:4:($3-$2):(0) with vectors nohead lc rgb '#808080' lw 1.5 notitle,"
                " $b%u using 3:4:7 with labels left offset char 0.4,0 notitle",
                i ? "," : "plot", i, i + 1 == count ? "solid 1" : "transparent solid 0.5", i, i);
        if (*title)
            fprintf(to, ", keyentry with boxes fill %s lc rgb '#d55e00' title '%s'",
                    i ? "solid 1" : "transparent solid 0.5", title);
    }
    fputc('\n', to);
}

/* What gnuplot wrote, from its svg element on. */
static void copy_svg(const char *path, FILE *out)
{
    char line[4096];
    bool inside = false;
    FILE *in = fopen(path, "r");
    while (in && fgets(line, sizeof line, in)) {
        inside = inside || !strncmp(line, "<svg", 4);
        if (inside)
            fputs(line, out);
    }
    if (in)
        fclose(in);
}

static unsigned points_of(const struct plot *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->count; i++)
        n += p->series[i].n;
    return n;
}

static void draw(const struct plot *p, FILE *out)
{
    char path[] = "/tmp/conveyor-plot-XXXXXX";
    double x[2] = {0};
    unsigned different = few_x(p, x);
    int file = mkstemp(path);
    FILE *gnuplot = file >= 0 ? popen("gnuplot 2>/dev/null", "w") : NULL;
    if (gnuplot) {
        if (different > 2)
            write_lines(gnuplot, p, path);
        else
            write_bars(gnuplot, p, path, x, different);
        if (!pclose(gnuplot))
            copy_svg(path, out);
    }
    if (file >= 0) {
        close(file);
        unlink(path);
    }
}

void plot_end(struct plot *p, FILE *out)
{
    if (p && points_of(p) > 1 && plot_is_possible())
        draw(p, out);
    free(p);
}
