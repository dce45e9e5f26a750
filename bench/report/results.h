/* results.h - a file of results: where it was measured, and one list for each part of the suite. JSON, version 1: keys
 * may be added, never renamed. CSV and HTML are made of the same. */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <jansson.h>

#include "../harness/bench.h"

/* A new file with the machine's description; NULL if there is no memory. */
json_t *results_new(const char *kind, const struct bench_cpus *cpus);

/* Reads one; complains on standard error in the name of `who`. */
json_t *results_read(const char *path, const char *who);

/* The options --json, --csv and --html that every part has. */
struct results_output {
    const char *json, *csv, *html;
};
#define RESULTS_USAGE "[--json FILE] [--csv FILE] [--html FILE]"
enum { RESULTS_JSON = 1000, RESULTS_CSV, RESULTS_HTML };
/* clang-format off */
#define RESULTS_OPTIONS                                                                                                \
    {"json", required_argument, 0, RESULTS_JSON}, {"csv", required_argument, 0, RESULTS_CSV},                          \
    {"html", required_argument, 0, RESULTS_HTML}, {"help", no_argument, 0, 'h'}, {0, 0, 0, 0}
/* clang-format on */
bool results_option(struct results_output *output, int option, const char *value);

/* Writes what was asked for, and says so; 0, or it could not. */
int results_write(const json_t *results, const struct results_output *output);

/* csv.c, page.c, table.c */
int results_write_csv(const json_t *results, const char *path);
int results_write_html(const json_t *results, const char *path);
void results_print_peers(const json_t *results, FILE *out); /* the comparison with other systems */

/* python.c: what was measured from Python */
void results_print_python(const json_t *results, FILE *out);

/* join.c: a file of results of several of one machine; takes the first. NULL, with a complaint, if one cannot be read
 * or is of another machine. */
json_t *results_read_all(char *const *paths, int count, const char *who);

/* One line about the machine, for the terminal and the charts. */
void results_describe(const json_t *results, FILE *out);

/* Values of an object; "" or 0 if there are none. */
const char *results_text(const json_t *object, const char *key);
double results_number(const json_t *object, const char *key);

/* What everybody's option parsing needs: a number within bounds, or -1. */
int results_read_number(unsigned *value, const char *text, unsigned least, unsigned most);

#endif
