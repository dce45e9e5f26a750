/* main.c - `conveyor-bench job`: reads the input, runs the pipeline, compares, reports. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../harness/bench.h"
#include "../report/results.h"
#include "job.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench job --input FILE --output DIRECTORY [--passes N] [--kill filter|enrich|sink]\n"             \
    "                          [--batch N] [--segment NAME] [--seconds N] " RESULTS_USAGE "\n"                         \
    "  Sends the stanzas of FILE (as `apt-cache dumpavail` prints them) through filter, enrich and sink, kills a\n"    \
    "  worker on the way (of sink by default), and checks the output.\n"                                               \
    "  --passes: how often the input goes through (5). --batch: records that are put or taken at once (64, the\n"      \
    "  most). --segment: its name, to look at it from outside. --seconds: about how long it takes: the sinks work\n"   \
    "  slowly, and the victim stays stopped for three seconds before it is killed.\n"                                  \
    "  --json, --csv, --html: how much of the processor time is in calls of the library.\n"                            \
    "  Exit status: 0 all is well, 1 it is not, 2 usage.\n"

static const struct job_part roles[JOB_ROLES] = {[JOB_SOURCE] = {job_source, NULL},
                                                 [JOB_FILTER] = {NULL, job_filter},
                                                 [JOB_ENRICH] = {NULL, job_enrich_batch},
                                                 [JOB_SINK] = {job_sink_open, job_sink}};

static int usage(FILE *to, int status)
{
    fputs(USAGE, to);
    return status;
}

/* 128 KiB, or more if the longest stanza asks for it. */
static uint32_t payload_size(uint32_t longest)
{
    uint32_t size = 128 * 1024;
    while (size < longest + JOB_EXTRA_BYTES)
        size *= 2;
    return size;
}

static void count_kept(struct job *job)
{
    const struct job_input *in = &job->input;
    for (uint32_t i = 0; i < in->count; i++)
        job->kept += job_keep(in->text + in->stanzas[i].offset, in->stanzas[i].length);
    job->kept *= job->passes;
}

int job_begin(struct job *job)
{
    job->roles = roles;
    job->board = mmap(NULL, sizeof *job->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (job->board == MAP_FAILED)
        return 1;
    job->board->victim = -1;
    return 0;
}

int job_prepare(struct job *job, const char *path)
{
    if (job_input_read(path, &job->input) || !job->input.count) {
        fprintf(stderr, "job: cannot read %s: %s\n", path, errno ? strerror(errno) : "no stanzas in it");
        return 1;
    }
    job->records = job->input.count * job->passes;
    cvb_settings_init(&job->settings);
    job->settings.payload_size = payload_size(job->input.longest);
    count_kept(job);
    if (!*job->segment)
        snprintf(job->segment, sizeof job->segment, "conveyor-bench-job-%d", (int)getpid());
    return job_begin(job);
}

/* The job, and what part of the processors other programs took meanwhile. */
static int coordinate(struct job *job, enum job_role victim, struct job_outcome *outcome)
{
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    double used = bench_own_s();
    struct bench_load load = bench_load_start(&cpus);
    int error = job_coordinate(job, victim, outcome);
    outcome->others = bench_load_others(&load, &cpus, bench_own_s() - used);
    return error;
}

static int run(struct job *job, enum job_role victim, const struct results_output *output)
{
    struct job_outcome outcome;
    fprintf(stderr, "job: %u stanzas, %.1f MB, %u times over\n", job->input.count, (double)job->input.bytes / 1e6,
            job->passes);
    if (access(job->directory, W_OK | X_OK)) {
        fprintf(stderr, "job: cannot write into %s: %s\n", job->directory, strerror(errno));
        return 1;
    }
    if (coordinate(job, victim, &outcome))
        return 1;
    fprintf(stderr, "%sjob: the buffer is empty after %.2f s; comparing the output with a sequential pass\n",
            isatty(STDERR_FILENO) ? "\r\033[K" : "", outcome.seconds);
    if (job_compare(job, outcome.sinks, &outcome.difference)) {
        fprintf(stderr, "job: cannot read the output in %s\n", job->directory);
        return 1;
    }
    int wrong = job_report(job, &outcome);
    return job_write_results(job, &outcome, output, wrong) || wrong ? 1 : 0;
}

int job_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"input", required_argument, 0, 'i'},   {"output", required_argument, 0, 'o'},
        {"passes", required_argument, 0, 'p'},  {"kill", required_argument, 0, 'k'},
        {"batch", required_argument, 0, 'b'},   {"segment", required_argument, 0, 's'},
        {"seconds", required_argument, 0, 't'}, RESULTS_OPTIONS};
    static struct job job;
    struct results_output output = {0};
    const char *input = NULL;
    enum job_role victim = JOB_SINK;
    job.passes = 5;
    job.batch = JOB_BATCH;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'h')
            return usage(stdout, 0);
        if (c == 'i')
            input = optarg;
        else if (c == 'o')
            job.directory = optarg;
        else if (c == 'p')
            job.passes = (uint32_t)atoi(optarg);
        else if (c == 'b')
            job.batch = (uint32_t)atoi(optarg);
        else if (c == 's')
            snprintf(job.segment, sizeof job.segment, "%s", optarg);
        else if (c == 't')
            job.seconds = (uint32_t)atoi(optarg);
        else if (c == 'k')
            for (victim = JOB_FILTER; victim < JOB_ROLES && strcmp(optarg, job_role_name(victim)); victim++)
                ;
        else
            results_option(&output, c, optarg);
        if (c == '?' || victim == JOB_ROLES)
            return usage(stderr, 2);
    }
    if (!input || !job.directory || optind != argc || job.passes < 1 || job.passes > 1000 || job.batch < 1 ||
        job.batch > JOB_BATCH || job.seconds > 3600)
        return usage(stderr, 2);
    return job_prepare(&job, input) || run(&job, victim, &output) ? 1 : 0;
}
