/* half.c - `conveyor-bench half-load`: response times of each system at half of the rate that it can keep up with, so
 * that throughput and latency stand side by side. */
#include "../report/results.h"
#include "../report/verdict.h"
#include "pace.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench half-load [--repeats N] " RESULTS_USAGE "\n"                                                \
    "  Response times in an open loop at half of each system's own greatest rate, one producer and one consumer,\n"    \
    "  full records in batches of up to 32. The greatest rate is what the same loop reaches when all records are "     \
    "due\n"                                                                                                            \
    "  at once; both clocks of the loop are in it. Exit status: 0 done, 1 a run failed, 2 usage.\n"

#define FLAT_OUT 50e6 /* records a second that no system reaches in this loop */
#define FIND_S 0.5    /* the search for the greatest rate ends after so long */
#define MARGIN_S 2.0  /* for processes that do not keep up at half of it */
enum { BATCH = 32, FIND_RECORDS = 2000000, RECORDS_MAX = 4000000 };

static struct pace_work new_work(const struct peer *peer, const struct bench_cpus *cpus)
{
    return (struct pace_work){.peer = peer, .cpus = cpus, .shape = {1, 1, BATCH, PACE_CAPACITY, PEER_WORDS}};
}

/* Records a second; 0 if none came through. */
static double greatest_rate(struct pace_work *w)
{
    w->rate = FLAT_OUT;
    w->records = FIND_RECORDS;
    w->limit_s = FIND_S;
    pace_measure(w);
    return w->elapsed_s > 0 && !w->failure ? (double)w->taken / w->elapsed_s : 0;
}

static void measure_half(struct pace_work *w, double greatest)
{
    w->rate = greatest / 2;
    w->records = w->rate < RECORDS_MAX ? (uint64_t)w->rate + 1 : RECORDS_MAX; /* of a second at most */
    w->limit_s = (double)w->records / w->rate + MARGIN_S;
    pace_measure(w);
}

static int run_once(const struct peer *peer, const struct bench_cpus *cpus, unsigned repeat, json_t *all)
{
    struct pace_work flat = new_work(peer, cpus), half = new_work(peer, cpus);
    double greatest = greatest_rate(&flat);
    const char *failure = flat.failure;
    if (greatest > 0) {
        measure_half(&half, greatest);
        failure = half.failure;
    }
    if (half.sum) {
        half.others = half.others > flat.others ? half.others : flat.others;
        json_t *one = json_pack("{s:s,s:i,s:i,s:i,s:f,s:f}", "system", peer->name, "batch", BATCH, "payload",
                                PEER_WORDS * 8, "repeat", (int)repeat, "greatest_per_s", greatest, "reached_per_s",
                                (double)half.taken / ((double)half.records / half.rate));
        pace_describe(one, &half, &half.sum[0], half.cpu_s);
        json_array_append_new(all, one);
    }
    if (failure)
        fprintf(stderr, "half-load: %s: %s\n", peer->name, failure);
    pace_free(&flat);
    pace_free(&half);
    return failure && peer_is_ours(peer);
}

static int run_case(const struct bench_cpus *cpus, unsigned which, unsigned repeat, json_t *all)
{
    return peers[which]->reference ? 0 : run_once(peers[which], cpus, repeat, all);
}

static void print(FILE *out, const json_t *results)
{
    static const char *const keys[] = {"system", "state", NULL};
    const json_t *all = json_object_get(results, "half_load");
    json_t *kinds = figure_kinds(all, NULL, keys), *one;
    size_t i;
    fputs("\nResponse time at half of each system's greatest rate, nanoseconds: 1P1C, full records, batches of up to "
          "32\n",
          out);
    verdict_print(out, results, "half_load");
    fprintf(out, "  %-18s %-5s %12s %12s %10s %10s %10s %10s %10s %12s\n", "", "state", "greatest/s", "reached/s",
            "p50", "p90", "p99", "p99.9", "p99.99", "max");
    json_array_foreach(kinds, i, one)
    {
        fprintf(out, "  %-18s %-5s", results_text(one, "system"), results_text(one, "state"));
        parts_print_number(out, all, one, "greatest_per_s", 12, 0);
        parts_print_number(out, all, one, "reached_per_s", 12, 0);
        parts_print_quantiles(out, all, one);
        const char *why = figure_of(all, one, "reached_per_s").why;
        fprintf(out, " %s\n", why ? why : "");
    }
    fputs(
        "greatest/s: records a second when all are due at once; half of that was due. p99: 99 of 100 records take no\n"
        "longer. Medians over the runs that count; max: the largest of all. - (reason at the end): none counts.\n",
        out);
    json_decref(kinds);
}

int half_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results)
{
    struct parts_turns turns = {"half-load", "half_load", 0, repeats, deadline, run_case};
    while (peers[turns.cases])
        turns.cases++;
    const int failures = parts_in_turns(&turns, cpus, results);
    print(stdout, results);
    return failures;
}

int half_main(int argc, char **argv) { return parts_main(argc, argv, USAGE, 3, half_run); }
