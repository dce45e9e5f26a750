/* python.c - what bench/python/compare.py measured, as a table on a terminal. */
#include "figures.h"
#include "results.h"
#include "verdict.h"

static struct figure figure_by_name(const json_t *list, const char *system, const char *key)
{
    json_t *what = json_pack("{s:s}", "system", system);
    struct figure f = figure_of(list, what, key);
    json_decref(what);
    return f;
}

static void print_cost(FILE *out, const json_t *list, const char *system, const char *key)
{
    struct figure f = figure_by_name(list, system, key);
    if (f.why || f.median <= 0)
        fprintf(out, " %8s", "-");
    else
        fprintf(out, " %8.0f", f.median);
}

static void print_system(FILE *out, const json_t *list, const char *system, const struct figure *queue)
{
    struct figure f = figure_by_name(list, system, "records_per_s");
    char text[FIGURE_TEXT];
    fprintf(out, "  %-31s %25s", system, figure_text(text, &f, 1e-6));
    if (f.why || queue->why)
        fprintf(out, " %8s", "-");
    else
        fprintf(out, " %8.1f", f.median / queue->median);
    print_cost(out, list, system, "put_ns");
    print_cost(out, list, system, "take_ns");
    fputc('\n', out);
}

void results_print_python(const json_t *results, FILE *out)
{
    static const char *const names[] = {"system", NULL};
    const json_t *list = json_object_get(results, "python"), *first = json_array_get(list, 0);
    struct figure queue = figure_by_name(list, "multiprocessing.Queue", "records_per_s");
    json_t *systems = figure_kinds(list, NULL, names), *one;
    size_t i;
    fprintf(out, "\nRecords a second from one Python process to another: %.0f bytes each, in batches of %.0f\n",
            results_number(first, "payload"), results_number(first, "batch"));
    verdict_print(out, results, "python");
    fprintf(out, "  %-31s %25s %8s %8s %8s\n", "", "million records a second", "x Queue", "put ns", "take ns");
    json_array_foreach(systems, i, one) print_system(out, list, results_text(one, "system"), &queue);
    fprintf(
        out,
        "million records a second: median (least-greatest) and the number of runs; 3/5: two of five do not count.\n"
        "- (reason): no run counts; disturbed: other programs took more than %.0f %% of the processors.\n"
        "x Queue: times multiprocessing.Queue. put ns, take ns: processor time for a record on each side; the side\n"
        "that needs more of it is the limit.\n",
        BENCH_OTHERS_MAX * 100);
    json_decref(systems);
}
