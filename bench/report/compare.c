/* compare.c - two files of results, say before and after a change: which figures are faster, which slower, and which
 * cannot be told apart. Compares only runs of one state of the machine, and nothing that failed. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../harness/bench.h"
#include "report.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench compare [--all] A.json B.json\n"                                                            \
    "  Is B faster than A? For each system, processes, batch and state that both have: medians, their ratio, "         \
    "Cliff's\n"                                                                                                        \
    "  delta (-1 to 1: how far the runs lie apart) and the p of a rank test. Faster or slower means p < 0.01 and a\n"  \
    "  delta of at least 0.5; five runs each are the least that can show it. Without --all only conveyor's figures.\n" \
    "  Exit status: 0 no figure is slower, 1 one is, or the files cannot be compared, 2 usage.\n"

#define P_MAX 0.01
#define DELTA_MIN 0.5
enum { SAMPLES_MAX = 256 };

struct samples {
    double value[SAMPLES_MAX];
    unsigned n;
};

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) {
        fprintf(stderr, "compare: %s: %s\n", path, error.text);
        return NULL;
    }
    if (json_integer_value(json_object_get(root, "version")) == 1 && json_is_array(json_object_get(root, "runs")))
        return root;
    fprintf(stderr, "compare: %s: not a file of results, version 1\n", path);
    json_decref(root);
    return NULL;
}

/* The same system at the same work. */
static bool alike(const json_t *x, const json_t *y)
{
    static const char *const keys[] = {"system", "producers", "consumers", "batch", "capacity", "state"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_equal(json_object_get(x, keys[i]), json_object_get(y, keys[i])))
            return false;
    return true;
}

static void collect(const json_t *root, const json_t *what, struct samples *s)
{
    size_t i;
    json_t *run;
    s->n = 0;
    json_array_foreach(json_object_get(root, "runs"), i, run)
    {
        if (s->n < SAMPLES_MAX && alike(run, what) && json_is_null(json_object_get(run, "failure")))
            s->value[s->n++] = json_number_value(json_object_get(run, "records_per_s"));
    }
}

static const char *verdict_of(struct rank_test t)
{
    if (t.p >= P_MAX || (t.delta < DELTA_MIN && t.delta > -DELTA_MIN))
        return "not told apart";
    return t.delta > 0 ? "faster" : "slower";
}

/* One line; 1 if B is slower. */
static int compare_one(const json_t *what, struct samples *a, struct samples *b)
{
    struct rank_test t = rank_compare(a->value, a->n, b->value, b->n);
    double ma = bench_summarize(a->value, a->n).median, mb = bench_summarize(b->value, b->n).median;
    const char *verdict = verdict_of(t);
    printf("%-18s %2lldP%lldC %5lld  %-5s %9.2f (%2u) %9.2f (%2u)  %6.2f  %6.2f  %7.4f  %s\n", text(what, "system"),
           (long long)json_integer_value(json_object_get(what, "producers")),
           (long long)json_integer_value(json_object_get(what, "consumers")),
           (long long)json_integer_value(json_object_get(what, "batch")), text(what, "state"), ma / 1e6, a->n, mb / 1e6,
           b->n, ma > 0 ? mb / ma : 0, t.delta, t.p, verdict);
    return t.delta < 0 && strcmp(verdict, "slower") == 0;
}

static void warn_if_different(const json_t *a, const json_t *b, const char *key)
{
    const char *x = text(json_object_get(a, "machine"), key), *y = text(json_object_get(b, "machine"), key);
    if (strcmp(x, y))
        printf("note: another %s: %s and %s\n", key, x, y);
}

static int compare_all(const json_t *a, const json_t *b, bool all)
{
    size_t i, lines = 0;
    json_t *what;
    int slower = 0;
    warn_if_different(a, b, "cpu");
    warn_if_different(a, b, "kernel");
    warn_if_different(a, b, "compiler");
    printf("%-18s %-4s  %5s  %-5s %14s %14s  %6s  %6s  %7s\n", "system", "", "batch", "state", "A, M/s (runs)",
           "B, M/s (runs)", "B : A", "delta", "p");
    json_array_foreach(json_object_get(a, "medians"), i, what)
    {
        static struct samples x, y;
        if ((!all && strncmp(text(what, "system"), "conveyor", 8)) || !strcmp(text(what, "state"), "mixed"))
            continue;
        collect(a, what, &x);
        collect(b, what, &y);
        if (x.n && y.n) {
            slower += compare_one(what, &x, &y);
            lines++;
        }
    }
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
    json_t *a = load(argv[optind]), *b = a ? load(argv[optind + 1]) : NULL;
    int status = a && b ? compare_all(a, b, all) : 1;
    json_decref(a);
    json_decref(b);
    return status;
}
