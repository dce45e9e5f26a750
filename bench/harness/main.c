/* main.c - `conveyor-bench peers`: ours beside the others. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../report/results.h"
#include "parts.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench peers [--quick] [--batch N,...] [--processes PxC,...] [--payload BYTES,...] [--repeats "    \
    "N]\n"                                                                                                             \
    "                            [--window-ms N] [--capacity RECORDS] [--seconds N] [--again N] [--systems "           \
    "NAME,...]\n"                                                                                                      \
    "                            " RESULTS_USAGE "\n"                                                                  \
    "  Records a second through conveyor and through other systems, side by side. By default full records in "         \
    "batches\n"                                                                                                        \
    "  of 1 to 128 at 1P1C, 2P2C and 4P4C, other processes and payloads at 1 and 32; within seven minutes, with\n"     \
    "  --quick fewer rows within one and a half. Any of the first three options replaces these rows by all\n"          \
    "  combinations (default of each: 1,32; 1x1,2x2,4x4; 64); there is then no limit of time without --seconds.\n"     \
    "  --payload: 8 is a message, 64 a full record of 128 bytes, others up to 1024 have 64 bytes in front.\n"          \
    "  --capacity: records on their way for each producer (5000), at most twice that in all.\n"                        \
    "  --again: so often a run is done again if the machine changed or others took much of it (2).\n"                  \
    "  Exit status: 0 done, 1 a run failed or its sums disagree, 2 usage.\n"

enum { LIST_MAX = 16 };

/* What the options say; 0: not given. */
struct wish {
    unsigned batch[LIST_MAX], batches, words[LIST_MAX], payloads, topologies;
    struct {
        unsigned producers, consumers;
    } processes[LIST_MAX];
    unsigned repeats, window_ms, capacity, seconds, again;
    const char *systems;
    bool quick;
};

static int read_list(unsigned *list, unsigned *count, char *text, unsigned most)
{
    *count = 0;
    for (char *word; (word = strsep(&text, ","));)
        if (*count == LIST_MAX || results_read_number(&list[(*count)++], word, 1, most))
            return -1;
    return 0;
}

static int read_payloads(struct wish *w, char *text)
{
    int error = read_list(w->words, &w->payloads, text, PEER_WORDS_MAX * 8);
    for (unsigned i = 0; i < w->payloads && !error; i++) {
        error = w->words[i] % 8 ? -1 : 0;
        w->words[i] /= 8;
    }
    return error;
}

static int read_processes(struct wish *w, char *text)
{
    for (char *word; (word = strsep(&text, ","));) {
        unsigned p, c;
        if (w->topologies == LIST_MAX || sscanf(word, "%ux%u", &p, &c) != 2 || !p || !c || p > 16 || c > 16)
            return -1;
        w->processes[w->topologies].producers = p;
        w->processes[w->topologies++].consumers = c;
    }
    return 0;
}

static int set_option(struct wish *w, int option)
{
    switch (option) {
    case 'q':
        w->quick = true;
        return 0;
    case 'b':
        return read_list(w->batch, &w->batches, optarg, PEER_BATCH_MAX);
    case 'p':
        return read_processes(w, optarg);
    case 'l':
        return read_payloads(w, optarg);
    case 'r':
        return results_read_number(&w->repeats, optarg, 1, 64);
    case 'w':
        return results_read_number(&w->window_ms, optarg, 1, 60000);
    case 'c':
        return results_read_number(&w->capacity, optarg, 1, 1000000);
    case 'a':
        return results_read_number(&w->again, optarg, 0, 100);
    case 'y':
        w->systems = optarg;
        return 0;
    case 's':
        return results_read_number(&w->seconds, optarg, 1, 100000);
    default:
        return -1;
    }
}

static void add_group(struct bench_suite *s, unsigned producers, unsigned consumers, unsigned words,
                      const unsigned *batch, unsigned batches)
{
    struct bench_group *g = &s->group[s->group_count++];
    *g = (struct bench_group){producers, consumers, words, batches, {0}};
    memcpy(g->batch, batch, batches * sizeof *batch);
}

void bench_peers_default(struct bench_suite *s, bool quick, double seconds)
{
    static const unsigned all[] = {1, 2, 4, 8, 16, 32, 128}, ends[] = {1, 32};
    s->name = "peers";
    s->peers = peers;
    s->seconds = seconds;
    s->repeats = quick ? 5 : 9;
    s->times = quick ? (struct bench_times){20, 80} : (struct bench_times){20, 100};
    s->capacity = 5000;
    s->again = 2;
    s->least = 8;
    for (unsigned n = 1; n <= 4; n *= 2)
        add_group(s, n, n, PEER_WORDS, quick ? ends : all, quick ? 2 : 7);
    if (!quick) {
        add_group(s, 1, 4, PEER_WORDS, ends, 2);
        add_group(s, 4, 1, PEER_WORDS, ends, 2);
        add_group(s, 8, 8, PEER_WORDS, ends, 2);
        add_group(s, 4, 4, 1, ends, 2);
        add_group(s, 4, 4, PEER_WORDS_MAX, ends, 2);
    }
    add_group(s, 1, 1, 1, ends, 2);
    add_group(s, 1, 1, PEER_WORDS_MAX, ends, 2);
}

/* All combinations of what was asked for. */
static int set_groups(struct bench_suite *s, struct wish *w)
{
    if (!w->batches) {
        w->batch[w->batches++] = 1;
        w->batch[w->batches++] = 32;
    }
    if (!w->payloads)
        w->words[w->payloads++] = PEER_WORDS;
    if (!w->topologies)
        for (unsigned n = 1; n <= 4; n *= 2) {
            w->processes[w->topologies].producers = n;
            w->processes[w->topologies++].consumers = n;
        }
    if (w->topologies * w->payloads > LIST_MAX)
        return -1;
    s->group_count = 0;
    s->seconds = 0;
    for (unsigned l = 0; l < w->payloads; l++)
        for (unsigned t = 0; t < w->topologies; t++)
            add_group(s, w->processes[t].producers, w->processes[t].consumers, w->words[l], w->batch, w->batches);
    return 0;
}

static int set_suite(struct bench_suite *s, struct wish *w)
{
    bench_peers_default(s, w->quick, w->quick ? 85 : 410);
    if ((w->batches || w->payloads || w->topologies) && set_groups(s, w))
        return -1;
    s->again = w->again;
    s->systems = w->systems;
    if (w->repeats) {
        s->repeats = w->repeats;
        s->least = 0;
    }
    if (w->window_ms)
        s->times.window_ms = w->window_ms;
    if (w->capacity)
        s->capacity = w->capacity;
    if (w->seconds)
        s->seconds = w->seconds;
    return 0;
}

int bench_peers_run(struct bench_suite *s, json_t *results)
{
    if (bench_suite_run(s)) {
        fputs("peers: no memory\n", stderr);
        return 1;
    }
    int error = bench_peers_add(results, s);
    results_print_peers(results, stdout);
    if (s->repeated)
        printf("%u runs were done again because the machine changed while they ran, or others took much of it\n",
               s->repeated);
    if (s->dropped)
        printf("%u of %u runs were left out: the time was over\n", s->dropped, s->planned);
    printf(s->failures ? "NOT OK: %u runs failed (see above)\n" : "OK: every run's counts and sums agree\n",
           s->failures);
    return error || s->failures;
}

static int run(struct bench_suite *s, const struct results_output *output)
{
    bench_cpus_find(&s->cpus);
    json_t *results = results_new("peers", &s->cpus);
    results_describe(results, stdout);
    return parts_end(results, output, bench_peers_run(s, results));
}

int bench_peers_main(int argc, char **argv)
{
    static const struct option options[] = {{"quick", no_argument, 0, 'q'},
                                            {"batch", required_argument, 0, 'b'},
                                            {"processes", required_argument, 0, 'p'},
                                            {"payload", required_argument, 0, 'l'},
                                            {"repeats", required_argument, 0, 'r'},
                                            {"window-ms", required_argument, 0, 'w'},
                                            {"capacity", required_argument, 0, 'c'},
                                            {"seconds", required_argument, 0, 's'},
                                            {"again", required_argument, 0, 'a'},
                                            {"systems", required_argument, 0, 'y'},
                                            RESULTS_OPTIONS};
    static struct bench_suite suite;
    struct results_output output = {0};
    struct wish wish = {.again = 2};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'h')
            return parts_usage(stdout, USAGE);
        if (!results_option(&output, c, optarg) && set_option(&wish, c))
            return parts_usage(stderr, USAGE);
    }
    if (optind != argc || set_suite(&suite, &wish))
        return parts_usage(stderr, USAGE);
    return run(&suite, &output);
}
