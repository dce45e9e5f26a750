/* wake.c - `conveyor-bench wake-up`: what it costs to send a record to a process that sleeps, in processor time. */
#include "../report/results.h"
#include "../report/verdict.h"
#include "pace.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench wake-up [--repeats N] " RESULTS_USAGE "\n"                                                  \
    "  1000 and 10000 records a second, one at a time, to a consumer that sleeps in between, as the producer does:\n"  \
    "  processor time of both for each record, and how late the record is. Exit status: 0 done, 1 a run failed,\n"     \
    "  2 usage.\n"

#define SECONDS 1.0
#define MARGIN_S 2.0 /* for processes that do not keep up */
static const unsigned rates[] = {1000, 10000};
enum { RATES = sizeof rates / sizeof *rates };

static int run_once(const struct peer *peer, unsigned rate, const struct bench_cpus *cpus, unsigned repeat, json_t *all)
{
    struct pace_work w = {.peer = peer,
                          .cpus = cpus,
                          .shape = {1, 1, 1, PACE_CAPACITY, PEER_WORDS},
                          .rate = rate,
                          .records = (uint64_t)(rate * SECONDS),
                          .limit_s = SECONDS + MARGIN_S,
                          .sleep = true};
    pace_measure(&w);
    if (w.failure)
        fprintf(stderr, "wake-up: %s: %s\n", peer->name, w.failure);
    if (w.sum) {
        json_t *one = json_pack("{s:s,s:i,s:i,s:i}", "system", peer->name, "rate", (int)rate, "payload", PEER_WORDS * 8,
                                "repeat", (int)repeat);
        pace_describe(one, &w, &w.sum[0], w.loop_cpu_s);
        json_array_append_new(all, one);
    }
    pace_free(&w);
    return w.failure && peer_is_ours(peer);
}

static int run_case(const struct bench_cpus *cpus, unsigned which, unsigned repeat, json_t *all)
{
    return run_once(peers_asleep[which / RATES], rates[which % RATES], cpus, repeat, all);
}

static void print(FILE *out, const json_t *results)
{
    static const char *const keys[] = {"system", "rate", NULL};
    const json_t *all = json_object_get(results, "wake_up");
    json_t *kinds = figure_kinds(all, NULL, keys), *one;
    size_t i;
    char text[FIGURE_TEXT];
    fputs("\nA wake-up's cost: records one at a time, to a consumer that sleeps in between\n", out);
    verdict_print(out, results, "wake_up");
    fprintf(out, "  %-18s %8s %30s %8s %10s %10s\n", "", "rate", "processor ns", "sleeps", "p50 ns", "p99 ns");
    json_array_foreach(kinds, i, one)
    {
        struct figure f = figure_of(all, one, "cpu_ns_per_record");
        fprintf(out, "  %-18s %8.0f %30s", results_text(one, "system"), results_number(one, "rate"),
                figure_text(text, &f, 1));
        parts_print_number(out, all, one, "sleeps_per_record", 8, 2);
        parts_print_number(out, all, one, "p50_ns", 10, 0);
        parts_print_number(out, all, one, "p99_ns", 10, 0);
        fputc('\n', out);
    }
    fputs(
        "processor ns: processor time of producer and consumer for each record, as median (least-greatest) and the\n"
        "number of runs; the producer's own sleep until the record is due is in it, alike for all. p50, p99: from the\n"
        "time at which a record was due; half, and 99 of 100, take no longer. 3/5: two of five runs do not count.\n",
        out);
    json_decref(kinds);
}

int wake_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results)
{
    unsigned n = 0;
    while (peers_asleep[n])
        n++;
    const struct parts_turns turns = {"wake-up", "wake_up", n * RATES, repeats, deadline, run_case};
    const int failures = parts_in_turns(&turns, cpus, results);
    print(stdout, results);
    return failures;
}

int wake_main(int argc, char **argv) { return parts_main(argc, argv, USAGE, 5, wake_run); }
