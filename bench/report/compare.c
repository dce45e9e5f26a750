/* compare.c - two files of results, say before and after a change: which figures are better, which worse, and which
 * cannot be told apart. Compares only runs of one state of the machine, and nothing that failed or that others
 * disturbed. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "results.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench compare [--all] A.json B.json\n"                                                            \
    "  Is B faster than A? For each figure that both have at the same work and in the same state of the machine: "     \
    "the\n"                                                                                                            \
    "  medians, their ratio, Cliff's delta as the size of the effect (-1 to 1: how far the runs lie apart; above 0: "  \
    "B\n"                                                                                                              \
    "  is better) and the p of a rank test (Mann-Whitney). Faster or slower means p < 0.01 and a delta of at least\n"  \
    "  0.5; five runs each are the least that can show it. Without --all only conveyor's figures.\n"                   \
    "  Exit status: 0 no figure is slower, 1 one is, or the files cannot be compared, 2 usage.\n"

#define P_MAX 0.01
#define DELTA_MIN 0.5
enum { SAMPLES_MAX = 256, KEYS_MAX = 9 };

struct samples {
    double value[SAMPLES_MAX];
    unsigned n;
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
    {"round_trip", "p50_ns", "ns", 1, true, {"system", "mode", "payload", "state"}},
    {"cost", "ns_per_record", "ns", 1, true, {"what", "size", "batch"}},
    {"heal", "ms", "ms", 1, true, {"mode", "batch", "state"}},
};
enum { PARTS = sizeof parts / sizeof *parts };

/* Files from before payloads could be chosen say nothing of them: full records. */
static bool alike_in(const json_t *x, const json_t *y, const char *key)
{
    const json_t *a = json_object_get(x, key), *b = json_object_get(y, key);
    if (!strcmp(key, "payload") && (!a || !b))
        return (a ? json_integer_value(a) : 64) == (b ? json_integer_value(b) : 64);
    return json_equal(a, b);
}

/* The same system at the same work. */
static bool alike(const struct part *p, const json_t *x, const json_t *y)
{
    for (const char *const *key = p->keys; *key; key++)
        if (!alike_in(x, y, *key))
            return false;
    return true;
}

static void collect(const struct part *p, const json_t *root, const json_t *what, struct samples *s)
{
    size_t i;
    json_t *run;
    s->n = 0;
    json_array_foreach(json_object_get(root, p->list), i, run)
    {
        if (s->n < SAMPLES_MAX && alike(p, run, what) && !json_is_string(json_object_get(run, "failure")) &&
            results_number(run, "others") <= BENCH_OTHERS_MAX)
            s->value[s->n++] = results_number(run, p->value) * p->scale;
    }
}

static bool is_first(const struct part *p, const json_t *list, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (alike(p, json_array_get(list, k), json_array_get(list, i)))
            return false;
    return true;
}

static const char *verdict_of(double delta, double p)
{
    if (p >= P_MAX || (delta < DELTA_MIN && delta > -DELTA_MIN))
        return "not told apart";
    return delta > 0 ? "faster" : "slower";
}

static void print_what(const struct part *p, const json_t *what)
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
    printf("%-74s", text);
}

/* One line; 1 if B is slower. */
static int compare_one(const struct part *p, const json_t *what, struct samples *a, struct samples *b)
{
    struct rank_test t = rank_compare(a->value, a->n, b->value, b->n);
    double ma = bench_summarize(a->value, a->n).median, mb = bench_summarize(b->value, b->n).median;
    double delta = p->less_is_better ? 0 - t.delta : t.delta;
    const char *verdict = verdict_of(delta, t.p);
    print_what(p, what);
    printf(" %9.2f (%2u) %9.2f (%2u) %-4s %6.2f  %6.2f  %7.4f  %s\n", ma, a->n, mb, b->n, p->unit, ma > 0 ? mb / ma : 0,
           delta, t.p, verdict);
    return !strcmp(verdict, "slower");
}

static void warn_if_different(const json_t *a, const json_t *b, const char *key)
{
    const char *x = results_text(json_object_get(a, "machine"), key),
               *y = results_text(json_object_get(b, "machine"), key);
    if (strcmp(x, y))
        printf("note: another %s: %s and %s\n", key, x, y);
}

/* Does the figure count? Those of other systems only if all do; none during which the machine changed. */
static bool is_wanted(const json_t *what, bool all)
{
    const char *system = results_text(what, "system");
    return (all || !*system || !strncmp(system, "conveyor", 8)) && strcmp(results_text(what, "state"), "mixed") != 0;
}

static int compare_part(const struct part *p, const json_t *a, const json_t *b, bool all, unsigned *lines)
{
    static struct samples x, y;
    const json_t *list = json_object_get(a, p->list);
    size_t i;
    json_t *what;
    int slower = 0;
    json_array_foreach(list, i, what)
    {
        if (!is_wanted(what, all) || !is_first(p, list, i))
            continue;
        collect(p, a, what, &x);
        collect(p, b, what, &y);
        if (x.n && y.n) {
            slower += compare_one(p, what, &x, &y);
            ++*lines;
        }
    }
    return slower;
}

static int compare_all(const json_t *a, const json_t *b, bool all)
{
    unsigned lines = 0;
    int slower = 0;
    warn_if_different(a, b, "cpu");
    warn_if_different(a, b, "kernel");
    warn_if_different(a, b, "compiler");
    printf("%-74s %14s %14s %-4s %6s  %6s  %7s\n", "", "A (runs)", "B (runs)", "", "B : A", "delta", "p");
    for (size_t i = 0; i < PARTS; i++)
        slower += compare_part(&parts[i], a, b, all, &lines);
    if (!lines)
        fputs("compare: the files have no runs of the same system, work and state in common\n", stderr);
    return !lines || slower;
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
