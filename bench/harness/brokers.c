/* brokers.c - `conveyor-bench brokers`: the same job - lease, acknowledge, deliver again after a death - by what people
 * would take instead: Redis and NATS on the same machine. */
#include <stdlib.h>
#include <string.h>

#include "../peers/server.h"
#include "../report/results.h"
#include "../report/verdict.h"
#include "crew.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench brokers [--repeats N] " RESULTS_USAGE "\n"                                                  \
    "  Records a second of 256 bytes from one process to another, in batches of 1, 32 and 256, each acknowledged; "    \
    "beside\n"                                                                                                         \
    "  Redis (a stream with a consumer group) and NATS (JetStream in memory), as far as they are installed. Their\n"   \
    "  servers are started for each run, keep nothing on disk, and are ended with it. Counts and sums are compared, "  \
    "and\n"                                                                                                            \
    "  nothing may be left unacknowledged. Exit status: 0 done, 1 a run failed, 2 usage.\n"

enum { REPEATS = 5, WORDS = 256 / 8, CAPACITY = 2000, SYSTEMS_MAX = 8, TEXT = 512 };
static const struct bench_times times = {100, 300};

/* Those whose server is installed; the others are named in `left_out`. */
static void find_systems(const struct peer **found, char left_out[TEXT])
{
    size_t n = 0, length = (size_t)snprintf(left_out, TEXT, "%s", peers_brokers_left_out);
    for (const struct peer *const *p = peers_brokers; *p && n + 1 < SYSTEMS_MAX; p++)
        if (!(*p)->server || peer_server_is_there((*p)->server))
            found[n++] = *p;
        else if (length < TEXT)
            length += (size_t)snprintf(left_out + length, TEXT - length, "%s (no %s) ", (*p)->name, (*p)->server);
    found[n] = NULL;
}

/* Beside what other parts leave out. */
static void add_left_out(json_t *results, const char *left_out)
{
    char all[2 * TEXT];
    snprintf(all, sizeof all, "%s%s", results_text(results, "left_out"), left_out);
    json_object_set_new(results, "left_out", json_string(all));
}

static void print_head(FILE *out, const char *title, const json_t *batches)
{
    const json_t *batch;
    size_t i;
    fprintf(out, "  %-18s", title);
    json_array_foreach(batches, i, batch) fprintf(out, "%*s %-3.0f", 23, "batch", results_number(batch, "batch"));
    fprintf(out, " %8s %8s\n", "cpu ns", "(last)");
}

/* A line for each system in one state of the machine. */
static void print_state(FILE *out, const json_t *all, const json_t *state)
{
    static const char *const by_batch[] = {"batch", NULL}, *const by_system[] = {"system", NULL};
    json_t *batches = figure_kinds(all, state, by_batch), *names = figure_kinds(all, state, by_system), *name, *batch;
    size_t i, k, last = json_array_size(batches) - 1;
    char text[FIGURE_TEXT];
    print_head(out, results_text(state, "state"), batches);
    json_array_foreach(names, i, name)
    {
        json_t *where = figure_join(state, name);
        fprintf(out, "  %-18s", results_text(name, "system"));
        json_array_foreach(batches, k, batch)
        {
            json_t *what = figure_join(where, batch);
            struct figure f = figure_of(all, what, "records_per_s");
            fprintf(out, " %26s", figure_text(text, &f, 1e-6));
            json_decref(what);
        }
        for (k = 0; k <= last; k += last ? last : 1) {
            json_t *what = figure_join(where, json_array_get(batches, k));
            parts_print_number(out, all, what, "cpu_ns_per_record", 8, 0);
            json_decref(what);
        }
        fputc('\n', out);
        json_decref(where);
    }
    json_decref(batches);
    json_decref(names);
}

static void print(FILE *out, const json_t *results, const char *left_out)
{
    static const char *const by_state[] = {"state", NULL};
    const json_t *all = json_object_get(results, "brokers"), *state;
    json_t *states = figure_kinds(all, NULL, by_state);
    size_t i;
    fputs("\nRecords a second beside brokers: 1P1C, 256 bytes, each record leased and acknowledged\n", out);
    verdict_print(out, results, "brokers");
    json_array_foreach(states, i, state) print_state(out, all, state);
    fprintf(out,
            "Million records a second, as median (least-greatest) and the number of runs of %u ms; 3/5: two of five\n"
            "runs do not count. cpu ns: processor time of both processes and the server for each record, in the "
            "smallest\nand in the largest batches. At most 2,000 records are on their way; servers keep nothing on "
            "disk.\n",
            times.window_ms);
    if (*left_out)
        fprintf(out, "Systems left out: %s\n", left_out);
    json_decref(states);
}

int brokers_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results)
{
    const struct peer *systems[SYSTEMS_MAX];
    char left_out[TEXT];
    const double left = deadline - bench_now_s();
    (void)cpus;
    find_systems(systems, left_out);
    struct bench_suite s = {.name = "brokers",
                            .peers = systems,
                            .group_count = 1,
                            .group = {{1, 1, WORDS, 3, {1, 32, 256}}},
                            .repeats = repeats,
                            .capacity = CAPACITY,
                            .times = times,
                            .seconds = left < 1e9 ? left : 0,
                            .again = 1};
    if (bench_suite_run(&s)) {
        fputs("brokers: no memory\n", stderr);
        return 1;
    }
    json_object_set_new(results, "brokers", bench_runs_json(&s));
    add_left_out(results, left_out);
    free(s.runs);
    print(stdout, results, left_out);
    return (int)s.failures;
}

int brokers_main(int argc, char **argv) { return parts_main(argc, argv, USAGE, REPEATS, brokers_run); }
