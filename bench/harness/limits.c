/* limits.c - `conveyor-bench limits`: records a second against the limit, beside a ring of as many places. */
#include "../report/results.h"
#include "../report/verdict.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench limits [--repeats N] " RESULTS_USAGE "\n"                                                   \
    "  Records a second where 100 to 100,000 records may be on their way in all, full records in batches of 32, and\n" \
    "  where it is 1,000 also of 1 and 4, for 1P1C, 2P2C and 4P4C, beside rte_ring HTS with as many places. Exit\n"    \
    "  status: 0 done, 1 a run failed, 2 usage.\n"

static const char systems[] = "conveyor,rte_ring HTS";
static const struct {
    unsigned limit, batch;
} cases[] = {{100, 32},  {200, 32},  {500, 32},  {1000, 1},   {1000, 4},
             {1000, 32}, {2000, 32}, {5000, 32}, {10000, 32}, {100000, 32}};
enum { CASES = sizeof cases / sizeof *cases, TOPOLOGIES = 3 };

static json_t *describe(const struct bench_run *r, unsigned repeat)
{
    return json_pack("{s:s,s:i,s:i,s:i,s:i,s:i,s:s,s:i,s:f,s:f,s:f,s:s?}", "system", r->peer->name, "producers",
                     (int)r->shape.producers, "consumers", (int)r->shape.consumers, "batch", (int)r->shape.batch,
                     "limit", (int)r->shape.capacity, "payload", (int)r->shape.words * 8, "state",
                     bench_state_name(r->state), "repeat", (int)repeat, "records_per_s", r->records_per_s,
                     "cpu_ns_per_record", r->cpu_s_per_record * 1e9, "others", r->others, "failure", r->failure);
}

static int run_case(const struct bench_cpus *cpus, unsigned which, unsigned repeat, json_t *all)
{
    static const struct bench_times times = {20, 100};
    const unsigned n = 1u << which / CASES;
    int failures = 0;
    for (const struct peer *const *p = peers; *p; p++) {
        if (!bench_is_wanted(systems, (*p)->name))
            continue;
        struct bench_run run = {.peer = *p,
                                .shape = {n, n, cases[which % CASES].batch, cases[which % CASES].limit, PEER_WORDS}};
        bench_run_once(&run, cpus, &times);
        json_array_append_new(all, describe(&run, repeat));
        if (!run.failure)
            continue;
        fprintf(stderr, "limits: %s at %uP%uC and %u records: %s\n", (*p)->name, n, n, run.shape.capacity, run.failure);
        failures += peer_is_ours(*p);
    }
    return failures;
}

static void print(FILE *out, const json_t *results)
{
    static const char *const keys[] = {"producers", "batch", "state", "limit", NULL}, *const names[] = {"system", NULL};
    const json_t *all = json_object_get(results, "limits");
    json_t *kinds = figure_kinds(all, NULL, keys), *list = figure_kinds(all, NULL, names), *one, *name;
    size_t i, k;
    char text[FIGURE_TEXT];
    fputs("\nRecords a second against the limit: so many records may be on their way in all\n", out);
    verdict_print(out, results, "limits");
    fprintf(out, "  %-6s %5s %8s %-5s", "", "batch", "limit", "state");
    json_array_foreach(list, k, name) fprintf(out, " %26s", results_text(name, "system"));
    fputc('\n', out);
    json_array_foreach(kinds, i, one)
    {
        const double n = results_number(one, "producers");
        fprintf(out, "  %.0fP%.0fC   %5.0f %8.0f %-5s", n, n, results_number(one, "batch"),
                results_number(one, "limit"), results_text(one, "state"));
        json_array_foreach(list, k, name)
        {
            json_t *what = figure_join(one, name);
            struct figure f = figure_of(all, what, "records_per_s");
            fprintf(out, " %26s", figure_text(text, &f, 1e-6));
            json_decref(what);
        }
        fputc('\n', out);
    }
    fputs("Million records a second, as median (least-greatest) and the number of runs of 100 ms; 3/5: two of five\n"
          "runs do not count. Each producer's source may have its part of the limit.\n",
          out);
    json_decref(kinds);
    json_decref(list);
}

int limits_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results)
{
    const struct parts_turns turns = {"limits", "limits", CASES * TOPOLOGIES, repeats, deadline, run_case};
    const int failures = parts_in_turns(&turns, cpus, results);
    print(stdout, results);
    return failures;
}

int limits_main(int argc, char **argv) { return parts_main(argc, argv, USAGE, 5, limits_run); }
