/* main.c - `conveyor-bench peers`: ours beside the others. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench peers [--quick] [--batch N,...] [--processes PxC,...] [--repeats N] [--window-ms N]\n"      \
    "                            [--capacity RECORDS] [--json FILE]\n"                                                 \
    "  Records a second through conveyor and through other systems, side by side. --quick: batches 1 and 32, within\n" \
    "  two minutes; otherwise batches 1 to 128, within ten. --capacity: records on their way for each producer\n"      \
    "  (5000), at most twice that in all. Exit status: 0 done, 1 a run failed or its sums disagree, 2 usage.\n"

static int usage(FILE *to, int status)
{
    fputs(USAGE, to);
    return status;
}

static void set_default(struct bench_suite *s, bool quick)
{
    static const unsigned quick_batch[] = {1, 32}, full_batch[] = {1, 2, 4, 8, 16, 32, 128};
    s->batch_count = quick ? 2 : 7;
    memcpy(s->batch, quick ? quick_batch : full_batch, s->batch_count * sizeof *s->batch);
    s->topology_count = 3;
    for (unsigned i = 0; i < 3; i++)
        s->topology[i].producers = s->topology[i].consumers = 1u << i;
    s->repeats = quick ? 7 : 9;
    s->times = quick ? (struct bench_times){30, 150} : (struct bench_times){50, 250};
    s->capacity = 5000;
}

/* "1,2,4" or "1x1,4x4" (a number on its own stands for both). */
static int read_batches(struct bench_suite *s, char *text)
{
    s->batch_count = 0;
    for (char *word; (word = strsep(&text, ",")) && s->batch_count < 16;) {
        unsigned n = (unsigned)atoi(word);
        if (n < 1 || n > PEER_BATCH_MAX)
            return -1;
        s->batch[s->batch_count++] = n;
    }
    return 0;
}

static int read_processes(struct bench_suite *s, char *text)
{
    s->topology_count = 0;
    for (char *word; (word = strsep(&text, ",")) && s->topology_count < 16;) {
        unsigned p, c;
        if (sscanf(word, "%ux%u", &p, &c) != 2 || !p || !c || p > 16 || c > 16)
            return -1;
        s->topology[s->topology_count].producers = p;
        s->topology[s->topology_count++].consumers = c;
    }
    return 0;
}

static int read_number(unsigned *value, const char *text, unsigned max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *value = (unsigned)n;
    return *end || n < 1 || n > max ? -1 : 0;
}

static int set_option(struct bench_suite *s, int option, const char **json)
{
    switch (option) {
    case 'b':
        return read_batches(s, optarg);
    case 'p':
        return read_processes(s, optarg);
    case 'r':
        return read_number(&s->repeats, optarg, 64);
    case 'w':
        return read_number(&s->times.window_ms, optarg, 60000);
    case 'c':
        return read_number(&s->capacity, optarg, 1000000);
    case 'j':
        *json = optarg;
        return 0;
    default:
        return option == 'q' ? 0 : -1;
    }
}

static int run(struct bench_suite *s, const char *json)
{
    if (bench_suite_run(s)) {
        fputs("peers: no memory\n", stderr);
        return 1;
    }
    bench_table_print(stdout, s);
    if (json && bench_json_write(json, s)) {
        fprintf(stderr, "peers: cannot write %s\n", json);
        return 1;
    }
    if (json)
        printf("written: %s\n", json);
    return s->failures ? 1 : 0;
}

int bench_peers_main(int argc, char **argv)
{
    static const struct option options[] = {{"quick", no_argument, 0, 'q'},
                                            {"batch", required_argument, 0, 'b'},
                                            {"processes", required_argument, 0, 'p'},
                                            {"repeats", required_argument, 0, 'r'},
                                            {"window-ms", required_argument, 0, 'w'},
                                            {"capacity", required_argument, 0, 'c'},
                                            {"json", required_argument, 0, 'j'},
                                            {"help", no_argument, 0, 'h'},
                                            {0, 0, 0, 0}};
    static struct bench_suite suite;
    const char *json = NULL;
    bool quick = false;
    for (int i = 1; i < argc; i++)
        quick |= !strcmp(argv[i], "--quick");
    set_default(&suite, quick);
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'h')
            return usage(stdout, 0);
        if (set_option(&suite, c, &json))
            return usage(stderr, 2);
    }
    return optind != argc ? usage(stderr, 2) : run(&suite, json);
}
