/* part.c - `conveyor-bench job-part` and `job-compare`: one process of the job as a program of its own, at any segment,
 * and the comparison of what such programs wrote. A job on two machines is made of them (bench/bridge). */
#include <conveyor/segment.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "job.h"

#define PART_USAGE                                                                                                     \
    "usage: conveyor-bench job-part ROLE --segment NAME --input FILE --output DIRECTORY [--number N] [--passes N]\n"   \
    "  One process of the job, until SIGTERM; a source ends when its share of the input is in. ROLE: source, "         \
    "filter,\n"                                                                                                        \
    "  enrich or sink. --number: which one of its role (1). The records of a source have positions. At its end it\n"   \
    "  prints what it did as JSON. Exit status: 0, 1 it failed, 2 usage.\n"
#define COMPARE_USAGE                                                                                                  \
    "usage: conveyor-bench job-compare --input FILE --output DIRECTORY [--sinks N] [--passes N]\n"                     \
    "  Compares what the sinks 1 to N (2) wrote with a sequential pass, and prints the differences as JSON.\n"         \
    "  Exit status: 0 nothing is lost or wrong, 1 something is, 2 usage.\n"

struct told {
    const char *input;
    uint32_t number, sinks;
};

static struct job_board *board;
static void on_term(int number)
{
    (void)number;
    atomic_store(&board->stop, 1);
}

/* True if the options are right. */
static bool parse(int argc, char **argv, struct job *job, struct told *told)
{
    static const struct option options[] = {{"input", required_argument, 0, 'i'},
                                            {"output", required_argument, 0, 'o'},
                                            {"segment", required_argument, 0, 's'},
                                            {"number", required_argument, 0, 'n'},
                                            {"passes", required_argument, 0, 'p'},
                                            {"sinks", required_argument, 0, 'k'},
                                            {0, 0, 0, 0}};
    *job = (struct job){.passes = 1, .batch = JOB_BATCH, .positions = true};
    *told = (struct told){.number = 1, .sinks = JOB_WORKERS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'i')
            told->input = optarg;
        else if (c == 'o')
            job->directory = optarg;
        else if (c == 's')
            snprintf(job->segment, sizeof job->segment, "%s", optarg);
        else if (c == 'n')
            told->number = (uint32_t)atoi(optarg);
        else if (c == 'p')
            job->passes = (uint32_t)atoi(optarg);
        else if (c == 'k')
            told->sinks = (uint32_t)atoi(optarg);
        else
            return false;
    }
    return told->input && job->directory && told->number && job->passes && job->passes <= 1000;
}

static int usage(int argc, char **argv, const char *text)
{
    const bool asked = argc == 2 && !strcmp(argv[1], "--help");
    fputs(text, asked ? stdout : stderr);
    return asked ? 0 : 2;
}

/* Only a source needs the input; the others ask the segment how long a record may be. */
static int prepare(struct job *job, const char *input, bool is_source)
{
    struct cvb_handle *handle;
    if (is_source)
        return job_prepare(job, input);
    int error = cvb_attach(job->segment, &handle);
    if (!error) {
        error = cvb_settings_of(handle, &job->settings);
        cvb_detach(handle);
    }
    if (error)
        fprintf(stderr, "job-part: segment '%s': %s\n", job->segment, cvb_error_text(error));
    return error || job_begin(job);
}

static void print_slot(const struct job_slot *s)
{
    printf("{\"role\": \"%s\", \"number\": %" PRIu32 ", \"records\": %" PRIu64 ", \"dropped\": %" PRIu64
           ", \"refused\": %" PRIu64 ", \"slowed\": %" PRIu64 ", \"paused\": %" PRIu64 ", \"slept_s\": %.3f, "
           "\"cpu_s\": %.3f}\n",
           job_role_name(s->role), s->number, s->records, s->dropped, s->refused, s->slowed, s->paused,
           (double)s->slept_ns / 1e9, (double)s->cpu_ns / 1e9);
}

int job_part_main(int argc, char **argv)
{
    static struct job job;
    struct told told;
    enum job_role role = JOB_SOURCE;
    while (role < JOB_ROLES && (argc < 2 || strcmp(argv[1], job_role_name(role))))
        role++;
    if (role == JOB_ROLES || !parse(argc - 1, argv + 1, &job, &told) || !*job.segment)
        return usage(argc, argv, PART_USAGE);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the program that runs the machines */
    if (prepare(&job, told.input, role == JOB_SOURCE))
        return 1;
    board = job.board;
    board->slots[0].role = role;
    board->slots[0].number = told.number;
    signal(SIGTERM, on_term);
    signal(SIGINT, SIG_IGN); /* the program that started it ends it */
    int status = job_process_main(&job, 0);
    if (status)
        fprintf(stderr, "job-part: %s-%" PRIu32 " failed: %s\n", job_role_name(role), told.number,
                cvb_error_text(board->slots[0].error));
    print_slot(&board->slots[0]);
    return status;
}

int job_compare_main(int argc, char **argv)
{
    static struct job job;
    struct told told;
    struct job_difference d;
    if (!parse(argc, argv, &job, &told))
        return usage(argc, argv, COMPARE_USAGE);
    if (job_prepare(&job, told.input))
        return 1;
    if (job_compare(&job, told.sinks, &d)) {
        fprintf(stderr, "job-compare: cannot read the output in %s\n", job.directory);
        return 1;
    }
    printf("{\"expected\": %" PRIu64 ", \"found\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"twice\": %" PRIu64
           ", \"wrong\": %" PRIu64 ", \"torn\": %" PRIu64 "}\n",
           d.expected, d.found, d.lost, d.twice, d.wrong, d.torn);
    return d.lost || d.wrong || d.torn;
}
