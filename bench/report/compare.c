/* compare.c - two files of results, say before and after a change: which figures are better, which worse, and which
 * cannot be told apart. Compares only runs of one state of the machine, and only those that count (figures.c). */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "report.h"
#include "results.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench compare [--all] A.json B.json\n"                                                            \
    "  Is B faster than A? For each figure that both have at the same work and in the same state of the machine: "     \
    "the\n"                                                                                                            \
    "  medians and how many runs count, their ratio, Cliff's delta as the size of the effect (-1 to 1: how far the\n"  \
    "  runs lie apart; above 0: B is better) and the p of a rank test (Mann-Whitney), or where no run of A lies "      \
    "among those\n"                                                                                                    \
    "  of B the smaller one of it and of Welch's t test of the logarithms. Faster or slower means p < 0.01 and a "     \
    "delta of\n"                                                                                                       \
    "  at least 0.5; four runs each are the least that can show it. Where runs that spread as these "                  \
    "do\n"                                                                                                             \
    "  could not show a difference of 1.5 times, it says how many more could. Without --all only conveyor's "          \
    "figures.\n"                                                                                                       \
    "  Exit status: 0 no figure is slower, 1 one is, or the files cannot be compared, 2 usage.\n"

#define TOLD_RATIO 1.5
enum { MORE_MAX = 64, KEYS_MAX = 9 };

/* What all lines say together. */
struct tally {
    unsigned faster, slower, alike, blind, most_more;
};

/* A list of results: what tells its figures apart, and the number to compare. */
static const struct part {
    const char *list, *value, *unit;
    double scale;
    bool less_is_better;
    const char *keys[KEYS_MAX];
} parts[] = {
    {"runs",
     "records_per_s",
     "M/s",
     1e-6,
     false,
     {"system", "producers", "consumers", "batch", "payload", "capacity", "state"}},
    {"pipeline",
     "records_per_s",
     "M/s",
     1e-6,
     false,
     {"system", "mode", "sources", "stages", "workers", "batch", "state"}},
    {"brokers", "records_per_s", "M/s", 1e-6, false, {"system", "batch", "payload", "state"}},
    {"limits", "records_per_s", "M/s", 1e-6, false, {"system", "producers", "batch", "limit", "state"}},
    {"half_load", "p50_ns", "ns", 1, true, {"system", "batch", "payload", "state"}},
    {"wake_up", "cpu_ns_per_record", "ns", 1, true, {"system", "rate", "state"}},
    {"round_trip", "p50_ns", "ns", 1, true, {"system", "mode", "payload", "state"}},
    {"python", "records_per_s", "M/s", 1e-6, false, {"system", "payload", "batch"}},
    {"cost", "ns_per_record", "ns", 1, true, {"what", "size", "batch"}},
    {"heal", "ms", "ms", 1, true, {"mode", "batch", "state"}},
};
enum { PARTS = sizeof parts / sizeof *parts };

/* So many values, the given ones again and again, each a little greater than before so that none are equal. */
static void repeat_values(const struct figure *f, double factor, double *out, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        out[i] = f->value[i % f->n] * factor * (1 + 1e-9 * i);
}

/* How many more runs each it takes to tell a difference of 1.5 times, if they spread as those that are there; MORE_MAX
 * if so many are not enough. */
static unsigned runs_missing(const struct figure *a, const struct figure *b)
{
    double x[FIGURE_RUNS + MORE_MAX], y[FIGURE_RUNS + MORE_MAX], alike = a->median / b->median;
    for (unsigned more = 0; more < MORE_MAX; more++) {
        repeat_values(a, 1, x, a->n + more);
        repeat_values(b, alike * TOLD_RATIO, y, b->n + more);
        if (rank_says(samples_compare(x, a->n + more, y, b->n + more)) > 0)
            return more;
    }
    return MORE_MAX;
}

static void print_what(FILE *out, const struct part *p, const json_t *what)
{
    char text[160] = "";
    size_t n = 0;
    for (const char *const *key = p->keys; *key && n < sizeof text; key++) {
        const json_t *value = json_object_get(what, *key);
        if (json_is_string(value))
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? ", " : "", json_string_value(value));
        else if (value && strcmp(*key, "capacity"))
            n +=
                (size_t)snprintf(text + n, sizeof text - n, "%s%.0f %s", n ? ", " : "", json_number_value(value), *key);
    }
    fprintf(out, "%-74s", text);
}

/* One line. */
static void compare_one(FILE *out, const struct part *p, const json_t *what, struct figure *a, struct figure *b,
                        struct tally *tally)
{
    struct rank_test t = samples_compare(a->value, a->n, b->value, b->n);
    double delta = p->less_is_better ? 0 - t.delta : t.delta;
    int says = p->less_is_better ? 0 - rank_says(t) : rank_says(t);
    unsigned more = says ? 0 : runs_missing(a, b);
    print_what(out, p, what);
    fprintf(out, " %9.2f (%2u) %9.2f (%2u) %-4s %6.2f  %6.2f  %7.4f  %s", a->median * p->scale, a->n,
            b->median * p->scale, b->n, p->unit, b->median / a->median, delta, t.p,
            says > 0   ? "faster"
            : says < 0 ? "slower"
                       : "not told apart");
    if (more)
        fprintf(out,
                more == 1         ? "; %u more run each tells %.1f times"
                : more < MORE_MAX ? "; %u more runs each tell %.1f times"
                                  : "; %u more runs do not tell %.1f times",
                more, TOLD_RATIO);
    fputc('\n', out);
    tally->faster += says > 0;
    tally->slower += says < 0;
    tally->alike += !says;
    tally->blind += more > 0;
    tally->most_more = more > tally->most_more ? more : tally->most_more;
}

static void warn_if_different(const json_t *a, const json_t *b, const char *key)
{
    const char *x = results_text(json_object_get(a, "machine"), key),
               *y = results_text(json_object_get(b, "machine"), key);
    if (strcmp(x, y))
        printf("note: another %s: %s and %s\n", key, x, y);
}

/* True if the figure is to be shown: those of other systems only if all are. */
static bool is_wanted(const json_t *what, bool all)
{
    const char *system = results_text(what, "system");
    return all || !*system || figure_is_ours(system);
}

static void compare_part(FILE *out, const struct part *p, const json_t *a, const json_t *b, bool all,
                         struct tally *tally)
{
    const json_t *list = json_object_get(a, p->list), *other = json_object_get(b, p->list);
    json_t *whats = figure_kinds(list, NULL, p->keys), *what;
    size_t i;
    json_array_foreach(whats, i, what)
    {
        struct figure x = figure_of(list, what, p->value), y = figure_of(other, what, p->value);
        if (is_wanted(what, all) && !x.why && !y.why)
            compare_one(out, p, what, &x, &y, tally);
    }
    json_decref(whats);
}

static void print_tally(const struct tally *t)
{
    printf("B is faster in %u figures, slower in %u, and in %u they cannot be told apart.\n", t->faster, t->slower,
           t->alike);
    if (!t->blind)
        printf("Each of them could have shown a difference of %.1f times.\n", TOLD_RATIO);
    else if (t->most_more < MORE_MAX)
        printf("In %u a difference of %.1f times could not have been seen: %u more %s each can show it (--repeats).\n",
               t->blind, TOLD_RATIO, t->most_more, t->most_more == 1 ? "run" : "runs");
    else
        printf("In %u a difference of %.1f times could not have been seen; in some not with %d more runs: they spread "
               "too far.\n",
               t->blind, TOLD_RATIO, MORE_MAX);
    printf(
        "A, B: median and runs that count; delta: the size of the effect, above 0 if B is better; p: of a rank or a t "
        "test.\n\n");
}

static int compare_all(const json_t *a, const json_t *b, bool all)
{
    struct tally tally = {0};
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    if (!out)
        return 1;
    for (size_t i = 0; i < PARTS; i++)
        compare_part(out, &parts[i], a, b, all, &tally);
    fclose(out);
    bool any = tally.faster + tally.slower + tally.alike;
    if (any) {
        print_tally(&tally);
        warn_if_different(a, b, "cpu");
        warn_if_different(a, b, "kernel");
        warn_if_different(a, b, "compiler");
        printf("%-74s %14s %14s %-4s %6s  %6s  %7s\n%s", "", "A (runs)", "B (runs)", "", "B : A", "delta", "p", lines);
    } else {
        fputs("compare: the files have no runs of the same system, work and state in common\n", stderr);
    }
    free(lines);
    return !any || tally.slower;
}

int report_compare_main(int argc, char **argv)
{
    static const struct option options[] = {{"all", no_argument, 0, 'a'}, {"help", no_argument, 0, 'h'}, {0, 0, 0, 0}};
    bool all = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 'a') {
            fputs(USAGE, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
        all = true;
    }
    if (optind + 2 != argc) {
        fputs(USAGE, stderr);
        return 2;
    }
    json_t *a = results_read(argv[optind], "compare"), *b = a ? results_read(argv[optind + 1], "compare") : NULL;
    int status = a && b ? compare_all(a, b, all) : 1;
    json_decref(a);
    json_decref(b);
    return status;
}
