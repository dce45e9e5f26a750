/* parts.c - what the parts of the suite share: progress, quantiles, medians over a list. */
#include "parts.h"

#include <getopt.h>
#include <unistd.h>

#include "../report/figures.h"
#include "../report/results.h"
#include "crew.h"

static const struct {
    const char *key;
    double part;
} quantiles[] = {{"p50_ns", 0.5},     {"p90_ns", 0.9},       {"p99_ns", 0.99},
                 {"p99_9_ns", 0.999}, {"p99_99_ns", 0.9999}, {"max_ns", 1}};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles, AGAIN = 2 /* so often a run is done again */ };

int parts_usage(FILE *to, const char *text)
{
    fputs(text, to);
    return to == stdout ? 0 : 2;
}

int parts_end(json_t *results, const struct results_output *output, int failures)
{
    int error = results_write(results, output);
    json_decref(results);
    return failures || error ? 1 : 0;
}

int parts_main(int argc, char **argv, const char *usage, unsigned repeats, parts_run *run)
{
    static const struct option options[] = {{"repeats", required_argument, 0, 'r'}, RESULTS_OPTIONS};
    struct results_output output = {0};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!results_option(&output, c, optarg) && (c != 'r' || results_read_number(&repeats, optarg, 1, 1000)))
            return parts_usage(c == 'h' ? stdout : stderr, usage);
    if (optind != argc)
        return parts_usage(stderr, usage);
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    json_t *results = results_new(argv[0], &cpus);
    return parts_end(results, &output, run(&cpus, repeats, 1e300, results));
}

void parts_progress(const char *part, unsigned done, unsigned all)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s: run %u of %u\033[K", part, done + 1, all);
    else if (!done)
        fprintf(stderr, "%s: %u runs\n", part, all);
}

void parts_progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* True if one of these runs does not count, and only because of the machine. */
static bool is_spoilt(const json_t *runs)
{
    size_t i;
    json_t *run;
    json_array_foreach(runs, i,
                       run) if (!json_is_string(json_object_get(run, "failure")) && figure_left_out(run)) return true;
    return false;
}

/* What one turn has given, in the place of what it had before. */
static int run_turn(const struct parts_turns *t, const struct bench_cpus *cpus, size_t turn, json_t *turns)
{
    json_t *runs = json_array();
    int failures = t->run(cpus, (unsigned)turn % t->cases, (unsigned)turn / t->cases, runs);
    if (turn < json_array_size(turns))
        json_array_set_new(turns, turn, runs);
    else
        json_array_append_new(turns, runs);
    return failures;
}

/* First all turns, so that every case has a run; then those again that the machine has spoilt, up to a quarter of all:
 * a machine that is always busy is not worth more. */
int parts_in_turns(const struct parts_turns *t, const struct bench_cpus *cpus, json_t *results)
{
    json_t *turns = json_array(), *list = json_array(), *runs;
    unsigned all = t->repeats * t->cases, repeated = 0;
    int failures = 0;
    size_t i;
    for (i = 0; i < all && bench_now_s() < t->deadline; i++) {
        parts_progress(t->part, (unsigned)i, all);
        failures += run_turn(t, cpus, i, turns);
    }
    for (unsigned again = 0; again < AGAIN; again++)
        for (i = 0; i < json_array_size(turns) && bench_now_s() < t->deadline; i++)
            if (repeated <= all / 4 && is_spoilt(json_array_get(turns, i))) {
                failures += run_turn(t, cpus, i, turns);
                repeated++;
            }
    parts_progress_end();
    if (repeated)
        printf("\n%s: %u runs were done again because the machine changed while they ran, or others took much of it\n",
               t->part, repeated);
    json_array_foreach(turns, i, runs) json_array_extend(list, runs);
    json_decref(turns);
    json_object_set_new(results, t->list, list);
    return failures;
}

void parts_add_quantiles(json_t *object, const struct histogram *h)
{
    json_object_set_new(object, "count", json_integer((json_int_t)h->count));
    for (size_t i = 0; i < QUANTILES; i++)
        json_object_set_new(object, quantiles[i].key, json_integer((json_int_t)histogram_at(h, quantiles[i].part)));
}

void parts_print_number(FILE *out, const json_t *list, const json_t *what, const char *key, int width, int digits)
{
    struct figure f = figure_of(list, what, key);
    if (f.why)
        fprintf(out, " %*s", width, "-");
    else
        fprintf(out, " %*.*f", width, digits, f.median);
}

void parts_print_quantiles(FILE *out, const json_t *list, const json_t *what)
{
    for (size_t i = 0; i < QUANTILES; i++) {
        struct figure f = figure_of(list, what, quantiles[i].key);
        int width = i == QUANTILES - 1 ? 12 : 10;
        if (f.why)
            fprintf(out, " %*s", width, "-");
        else
            fprintf(out, " %*.0f", width, i == QUANTILES - 1 ? f.most : f.median);
    }
}

/* A number of a file of sysfs, with its K or M; 0 if there is none. `text` gets the rest of it. */
static double read_size(unsigned index, const char *what, char text[16])
{
    char path[96], unit = 0;
    double value = 0;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/%s", index, what);
    FILE *f = fopen(path, "r");
    text[0] = 0;
    if (!f)
        return 0;
    if (fscanf(f, "%lf%c", &value, &unit) < 1 && fscanf(f, "%15s", text) != 1)
        text[0] = 0;
    fclose(f);
    return value * (unit == 'K' ? 1024 : unit == 'M' ? 1024 * 1024 : 1);
}

const char *parts_cache_of(double bytes)
{
    static const char *const names[] = {"", "L1", "L2", "L3", "L4"};
    char text[16];
    bool any = false;
    for (unsigned i = 0; i < 8; i++) {
        double size = read_size(i, "size", text);
        unsigned level = (unsigned)read_size(i, "level", text);
        read_size(i, "type", text);
        if (!size || !level || level > 4 || text[0] == 'I')
            continue;
        any = true;
        if (bytes <= size)
            return names[level];
    }
    return any ? "memory" : "";
}
