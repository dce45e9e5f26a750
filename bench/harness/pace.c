/* pace.c - `conveyor-bench latency`: an open loop. Records come at a set rate whatever the system does; their latency
 * counts from when they were due (response) and from when their put began (service). */
#include <getopt.h>
#include <string.h>

#include "../report/results.h"
#include "../report/verdict.h"
#include "pace.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench latency [--rate RECORDS/S] [--producers N] [--consumers N] [--batch N] [--payload BYTES]\n" \
    "                              [--seconds N] [--hgrm FOLDER] [--systems NAME,...]\n"                               \
    "                              " RESULTS_USAGE "\n"                                                                \
    "  An open loop: records are due at a set rate (100000 a second in all), whether the system keeps up or not. "     \
    "Their\n"                                                                                                          \
    "  latency counts from that time (response: no coordinated omission) and from the start of their put (service).\n" \
    "  Consumers look without rest; those of `conveyor wait` sleep when there is nothing. --hgrm: writes a file for\n" \
    "  each system in the form of HdrHistogram. Exit status: 0 done, 1 a run failed, 2 usage.\n"

enum { RECORDS_MAX = 50000000 };
#define MARGIN_S 2.0 /* time for processes that do not keep up, before they are stopped */

/* Points of the curve: 1 / (1 - part) and the value there. */
static json_t *curve(const struct histogram *h)
{
    json_t *points = json_array();
    for (double rest = 1; rest * (double)h->count >= 1; rest /= 1.5)
        json_array_append_new(points, json_pack("[f,I]", 1 / rest, (json_int_t)histogram_at(h, 1 - rest)));
    return points;
}

static void write_hgrm(const char *folder, const char *system, const char *kind, const struct histogram *h)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s-%s.hgrm", folder, system, kind);
    for (int i = (int)strlen(folder) + 1; i < n; i++)
        if (path[i] == ' ')
            path[i] = '-';
    FILE *out = fopen(path, "w");
    if (out)
        histogram_write(h, out, 1);
    if (!out || fclose(out))
        perror(path);
}

static void report(const struct pace_work *w, const struct pace_plan *plan, json_t *all)
{
    static const char *const kind[] = {"response", "service"};
    unsigned processes = w->shape.producers + w->shape.consumers;
    for (unsigned k = 0; k < 2; k++) {
        json_t *one = json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:b,s:f,s:o}", "system", w->peer->name, "kind", kind[k],
                                "rate", (int)plan->rate, "producers", (int)w->shape.producers, "consumers",
                                (int)w->shape.consumers, "batch", (int)w->shape.batch, "payload",
                                (int)w->shape.words * 8, "oversubscribed", (int)(processes > w->cpus->count),
                                "reached_per_s", (double)w->taken / plan->seconds, "curve", curve(&w->sum[k]));
        pace_describe(one, w, &w->sum[k], w->cpu_s);
        json_array_append_new(all, one);
        if (plan->hgrm)
            write_hgrm(plan->hgrm, w->peer->name, kind[k], &w->sum[k]);
    }
}

static int run_once(const struct peer *peer, const struct pace_plan *plan, const struct bench_cpus *cpus, json_t *all)
{
    struct pace_work w = {.peer = peer,
                          .cpus = cpus,
                          .rate = plan->rate,
                          .records = (uint64_t)plan->rate * plan->seconds / plan->producers,
                          .limit_s = plan->seconds + MARGIN_S};
    w.shape = (struct peer_shape){plan->producers, plan->consumers, plan->batch, PACE_CAPACITY * plan->producers,
                                  plan->words};
    pace_measure(&w);
    if (w.failure)
        fprintf(stderr, "latency: %s: %s\n", peer->name, w.failure);
    if (w.sum)
        report(&w, plan, all);
    pace_free(&w);
    return w.failure && peer_is_ours(peer);
}

static void print(FILE *out, const json_t *results, const struct pace_plan *p)
{
    static const char *const keys[] = {"system", "kind", "state", NULL};
    const json_t *all = json_object_get(results, "latency");
    json_t *kinds = figure_kinds(all, NULL, keys), *one;
    size_t i;
    fprintf(out,
            "\nLatency in an open loop, nanoseconds: %u records a second due, %uP%uC, batches of up to %u, %u bytes\n",
            p->rate, p->producers, p->consumers, p->batch, p->words * 8);
    verdict_print(out, results, "latency");
    fprintf(out, "  %-18s %-9s %-5s %10s %10s %10s %10s %10s %12s %10s %8s %7s\n", "", "", "state", "p50", "p90", "p99",
            "p99.9", "p99.99", "max", "reached/s", "cpu ns", "sleeps");
    json_array_foreach(kinds, i, one)
    {
        fprintf(out, "  %-18s %-9s %-5s", results_text(one, "system"), results_text(one, "kind"),
                results_text(one, "state"));
        parts_print_quantiles(out, all, one);
        parts_print_number(out, all, one, "reached_per_s", 10, 0);
        parts_print_number(out, all, one, "cpu_ns_per_record", 8, 0);
        parts_print_number(out, all, one, "sleeps_per_record", 7, 3);
        const char *why = figure_of(all, one, "reached_per_s").why;
        fprintf(out, " %s\n", why ? why : "");
    }
    fputs("response: since the record was due; service: since its put began. p99: 99 of 100 records take no longer.\n"
          "reached/s: records taken a second; cpu ns, sleeps: of all processes for each record. One run each; - "
          "(reason at\n"
          "the end of the line): it does not count.\n",
          out);
    json_decref(kinds);
}

int pace_run(const struct bench_cpus *cpus, const struct pace_plan *plan, double deadline, json_t *results)
{
    const struct peer *list[32];
    unsigned n = 0;
    int failures = 0;
    bool one_to_one = plan->producers == 1 && plan->consumers == 1;
    json_t *all = json_array();
    for (const struct peer *const *p = peers; *p; p++)
        if ((!(*p)->reference || one_to_one) && bench_is_wanted(plan->systems, (*p)->name))
            list[n++] = *p;
    for (const struct peer *const *p = peers_waiting; *p; p++)
        if ((*p)->produce && bench_is_wanted(plan->systems, (*p)->name))
            list[n++] = *p;
    for (unsigned i = 0; i < n && bench_now_s() < deadline; i++) {
        parts_progress("latency", i, n);
        failures += run_once(list[i], plan, cpus, all);
    }
    parts_progress_end();
    json_object_set_new(results, "latency", all);
    print(stdout, results, plan);
    return failures;
}

static int set_option(struct pace_plan *p, struct results_output *o, int c)
{
    switch (c) {
    case 'r':
        return results_read_number(&p->rate, optarg, 1, 100000000);
    case 'p':
        return results_read_number(&p->producers, optarg, 1, 16);
    case 'c':
        return results_read_number(&p->consumers, optarg, 1, 16);
    case 'b':
        return results_read_number(&p->batch, optarg, 1, PEER_BATCH_MAX);
    case 's':
        return results_read_number(&p->seconds, optarg, 1, 3600);
    case 'l':
        if (results_read_number(&p->words, optarg, 8, PEER_WORDS_MAX * 8) || p->words % 8)
            return -1;
        p->words /= 8;
        return 0;
    case 'y':
        p->systems = optarg;
        return 0;
    case 'g':
        p->hgrm = optarg;
        return 0;
    default:
        return results_option(o, c, optarg) ? 0 : -1;
    }
}

int pace_main(int argc, char **argv)
{
    static const struct option options[] = {{"rate", required_argument, 0, 'r'},
                                            {"producers", required_argument, 0, 'p'},
                                            {"consumers", required_argument, 0, 'c'},
                                            {"batch", required_argument, 0, 'b'},
                                            {"payload", required_argument, 0, 'l'},
                                            {"seconds", required_argument, 0, 's'},
                                            {"hgrm", required_argument, 0, 'g'},
                                            {"systems", required_argument, 0, 'y'},
                                            RESULTS_OPTIONS};
    struct results_output output = {0};
    struct pace_plan plan = {100000, 1, 1, 32, 2, PEER_WORDS, NULL, NULL};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'h' || set_option(&plan, &output, c))
            return parts_usage(c == 'h' ? stdout : stderr, USAGE);
    if (optind != argc || (uint64_t)plan.rate * plan.seconds > RECORDS_MAX || plan.rate < plan.producers)
        return parts_usage(stderr, USAGE);
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    json_t *results = results_new("latency", &cpus);
    return parts_end(results, &output, pace_run(&cpus, &plan, 1e300, results));
}
