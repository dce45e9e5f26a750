/* main.c - `conveyor-bench report`: makes CSV and HTML of a file of results, at any time later. */
#include <getopt.h>
#include <string.h>

#include "../harness/parts.h"
#include "report.h"
#include "results.h"
#include "sections.h"
#include "verdict.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench report RESULTS.json... [--csv FILE] [--html FILE]\n"                                        \
    "  Writes files of results of one machine as CSV, a line for each number, or as one HTML page with charts, "       \
    "which\n"                                                                                                          \
    "  opens offline.\n"                                                                                               \
    "  Without either it says what is in the files. Exit status: 0 done, 1 it cannot be read or written, 2 usage.\n"

static void say_what_is_there(const json_t *results)
{
    const char *name;
    json_t *list;
    results_describe(results, stdout);
    printf("measured %s\n", results_text(json_object_get(results, "machine"), "date"));
    json_object_foreach((json_t *)(uintptr_t)results, name, list)
    {
        if (json_is_array(list))
            printf("%-22s %zu entries\n", name, json_array_size(list));
    }
}

/* On the terminal: tables of the comparisons, and of the other parts what they say in words. */
static void say_all(const json_t *results)
{
    say_what_is_there(results);
    if (json_array_size(json_object_get(results, "runs")))
        results_print_peers(results, stdout);
    if (json_array_size(json_object_get(results, "python")))
        results_print_python(results, stdout);
    for (const struct section *s = sections; s->list; s++) {
        if (!strcmp(s->list, "runs") || !strcmp(s->list, "python") ||
            !json_array_size(json_object_get(results, s->list)))
            continue;
        printf("\n%s\n", s->title);
        verdict_print(stdout, results, s->list);
    }
}

int report_main(int argc, char **argv)
{
    static const struct option options[] = {RESULTS_OPTIONS};
    struct results_output output = {0};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!results_option(&output, c, optarg))
            return parts_usage(c == 'h' ? stdout : stderr, USAGE);
    if (optind >= argc)
        return parts_usage(stderr, USAGE);
    json_t *results = results_read_all(argv + optind, argc - optind, "report");
    if (!results)
        return 1;
    if (!output.csv && !output.html && !output.json)
        say_all(results);
    int error = results_write(results, &output);
    json_decref(results);
    return error ? 1 : 0;
}
